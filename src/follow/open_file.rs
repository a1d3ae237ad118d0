//! What a file handle reads from: an open file, one that is closed for a while, a copy that has given its room back, or
//! nothing.

use std::io;
use std::sync::Arc;

use super::descriptors::Parked;
use crate::base::timed_fs::File;

#[derive(Clone, Debug)]
pub(in crate::follow) enum Slot {
    Open(Arc<File>),
    /// Closed, to be opened again by its path.
    Parked(Parked),
    /// The copy of a compressed file; it holds nothing until the file is unpacked again.
    Idle(Arc<File>),
    /// The bytes are gone.
    Gone,
}

impl From<Option<Arc<File>>> for Slot {
    fn from(file: Option<Arc<File>>) -> Slot {
        file.map_or(Slot::Gone, Slot::Open)
    }
}

/// What whoever reads an idle copy gets: it is unpacked again, and can be read then.
#[derive(Debug, thiserror::Error)]
#[error("the compressed file is being unpacked again")]
struct Unpacking;

pub(in crate::follow) fn unpacking() -> io::Error {
    io::Error::other(Unpacking)
}

pub(in crate::follow) fn is_unpacking(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unpacking>())
}
