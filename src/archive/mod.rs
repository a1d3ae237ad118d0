//! The embedded archive: a tantivy index in which every commit also stores the positions it has reached.
//!
//! Events and positions become durable together, so that a crash neither loses nor duplicates an event. The positions
//! are in the commit's payload, with the full identity of each generation: the archive needs no other state. One
//! process writes, any number of processes read.
//!
//! It never publishes documents without their positions ([`storage`]), never continues after a failed commit without
//! reopening the index from disk ([`writer`]), and never deletes a damaged index ([`open`] sets it aside).

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
pub use positions::{GenerationFacts, Generations, Position, Positions};
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
        "the archive in {} was written by a newer logwarden (format version {version}); use that \
         logwarden, or another --state-dir",
        directory.display()
    )]
    Newer { directory: PathBuf, version: u32 },
    #[error(
        "no archive in {} yet; it is created when the first event is shipped to it",
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
