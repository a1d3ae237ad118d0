//! One transactional file (redb) behind a buffer of pending rows; a commit makes them durable together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CursorRow, GenerationRow};
use crate::event::{Cursor, GenerationId};

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("another logwarden (process {process}) owns {}", directory.display())]
    Owned { directory: PathBuf, process: String },
    #[error("cannot use the state directory {}", directory.display())]
    Directory {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the state in {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Cheap to clone; thread-safe. Puts are buffered and seen by gets at once; [`Store::commit`] makes them
/// durable. A put that was not committed is lost by a crash, which only repeats.
#[derive(Clone, Debug)]
pub struct Store {
    _inner: Arc<()>,
}

impl Store {
    /// Takes the lock, checks integrity; sets a damaged file aside and goes on from the last cursor snapshot.
    /// The texts say what was odd, for the operator.
    pub fn open(_directory: &Path) -> Result<(Store, Vec<String>), StateError> {
        todo!("state helper")
    }

    pub fn generations(&self) -> Vec<GenerationRow> {
        todo!("state helper")
    }

    pub fn put_generation(&self, _row: GenerationRow) {
        todo!("state helper")
    }

    pub fn remove_generation(&self, _id: GenerationId) {
        todo!("state helper")
    }

    /// All cursors of one consumer.
    pub fn cursors(&self, _consumer: &str) -> Vec<CursorRow> {
        todo!("state helper")
    }

    /// All cursors.
    pub fn all_cursors(&self) -> Vec<CursorRow> {
        todo!("state helper")
    }

    pub fn put_cursor(&self, _consumer: &str, _lane: &str, _cursor: Cursor) {
        todo!("state helper")
    }

    /// Remembers that a source was started; `true` the first time.
    pub fn first_start(&self, _source: &str) -> bool {
        todo!("state helper")
    }

    /// Everything put so far is durable when this returns. Nothing to do: returns at once.
    pub fn commit(&self) -> Result<(), StateError> {
        todo!("state helper")
    }

    /// Something was put since the last commit.
    pub fn dirty(&self) -> bool {
        todo!("state helper")
    }
}
