//! Methods of [`FileHandle`] that free disk space: the unpacked copy of a compressed file is emptied while no reader
//! needs it.

use std::io;
use std::sync::Arc;

use super::FileHandle;
use crate::follow::open_file::{Descriptor, unpacking};

impl FileHandle {
    /// The handle reads the unpacked copy of a compressed file, and that copy is empty now.
    pub(in crate::follow) fn is_idle(&self) -> bool {
        matches!(self.descriptor(), Descriptor::Idle(_))
    }

    /// Declares the copy empty; `false` if it is being read at the moment.
    pub(in crate::follow) fn make_idle(&self) -> bool {
        let mut descriptor = self.file.write().expect("no holder of the descriptor panics");
        // One reference is in the slot, one is held by the follower.
        let Descriptor::Open(file) = &*descriptor else { return false };
        let free = Arc::strong_count(file) <= 2;
        if free {
            *descriptor = Descriptor::Idle(file.clone());
        }
        free
    }

    /// Asks the follower to unpack the file again at its next check; returns the error for the reader.
    pub(super) fn request_unpacking(&self) -> io::Error {
        self.users.request_unpacking();
        unpacking()
    }
}
