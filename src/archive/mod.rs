//! The embedded archive: a tantivy index whose every commit also holds the positions up to which it is done.
//!
//! Events and positions become durable together, so that a crash neither loses nor doubles an event. The
//! positions stand in the commit's payload with the full identity of each generation: the archive needs no
//! other state. One process writes, any number read.
//!
//! What it never does: publish documents without their positions ([`storage`]), go on after a failed commit
//! without starting again from what is on disk ([`writer`]), delete a damaged index ([`open`]: it is set
//! aside).

mod document;
mod erase;
mod merge;
mod open;
mod positions;
mod reader;
mod retention;
pub mod schema;
mod storage;
pub mod term;
mod writer;

use std::path::{Path, PathBuf};

pub use document::{document, encode};
pub use positions::{Fact, Generations, Position, Positions};
pub(crate) use positions::{Row, Step, from_row, to_row};
pub use reader::{Hit, Reader, Snapshot, StoredEvent};
pub use writer::{Archive, Opener};

type Cause = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error(
        "another process writes to the archive in {}; stop it, or use another --state-dir",
        directory.display()
    )]
    Busy { directory: PathBuf },
    #[error("cannot use {} for the archive", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: Cause,
    },
    #[error(
        "the archive in {} was written by a newer logwarden (version {version} of its positions); \
         use that one, or another --state-dir",
        directory.display()
    )]
    Newer { directory: PathBuf, version: u32 },
    #[error(
        "there is no archive in {} yet; it is made by the first event that is shipped to it",
        directory.display()
    )]
    Missing { directory: PathBuf },
    #[error("cannot write to the archive in {}", directory.display())]
    Write {
        directory: PathBuf,
        #[source]
        source: Cause,
    },
    #[error("cannot read the archive in {}", directory.display())]
    Read {
        directory: PathBuf,
        #[source]
        source: Cause,
    },
}

impl ArchiveError {
    fn write(directory: &Path, source: impl Into<Cause>) -> Self {
        ArchiveError::Write { directory: directory.to_owned(), source: source.into() }
    }

    fn read(directory: &Path, source: impl Into<Cause>) -> Self {
        ArchiveError::Read { directory: directory.to_owned(), source: source.into() }
    }
}

#[cfg(test)]
mod tests;
