//! The descriptor of a followed file (`FileHandle`): open, closed for now (parked), an emptied copy of a compressed
//! file, or gone.

use std::io;
use std::sync::Arc;

use super::descriptors::Parked;
use crate::base::timed_fs::File;

#[derive(Clone, Debug)]
pub(in crate::follow) enum Descriptor {
    Open(Arc<File>),
    /// Closed for now; opened again by its path.
    Parked(Parked),
    /// The emptied copy of a compressed file; without content until the file is unpacked again.
    Idle(Arc<File>),
    /// The file no longer exists.
    Gone,
}

impl From<Option<Arc<File>>> for Descriptor {
    fn from(file: Option<Arc<File>>) -> Descriptor {
        file.map_or(Descriptor::Gone, Descriptor::Open)
    }
}

/// The error of a read from an emptied copy: the file is being unpacked again and can be read afterwards.
#[derive(Debug, thiserror::Error)]
#[error("the compressed file is being unpacked again")]
struct Unpacking;

pub(in crate::follow) fn unpacking() -> io::Error {
    io::Error::other(Unpacking)
}

pub(in crate::follow) fn is_unpacking(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unpacking>())
}
