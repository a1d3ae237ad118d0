//! The copy of a compressed file that has given its room back, as its handle knows it.

use std::io;
use std::sync::Arc;

use super::FileHandle;
use crate::follow::open_file::{Slot, unpacking};

impl FileHandle {
    /// What is read is the copy of a compressed file, and holds nothing now.
    pub(in crate::follow) fn is_idle(&self) -> bool {
        matches!(self.slot(), Slot::Idle(_))
    }

    /// The copy holds nothing from now on; `false` where somebody reads it just now.
    pub(in crate::follow) fn make_idle(&self) -> bool {
        let mut slot = self.file.write().expect("no holder of the descriptor panics");
        // One reference is in the slot, one the follower's.
        let Slot::Open(file) = &*slot else { return false };
        let free = Arc::strong_count(file) <= 2;
        if free {
            *slot = Slot::Idle(file.clone());
        }
        free
    }

    /// The follower unpacks it again at its next look.
    pub(super) fn want(&self) -> io::Error {
        self.readers.want();
        unpacking()
    }
}
