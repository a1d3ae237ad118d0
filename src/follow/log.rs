//! The shared log: what files there are, how far they reach, and batches from any cursor.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::{FileHandle, SourceConfig};
use crate::base::Clock;
use crate::event::{Batch, Cursor, GenerationId, IdKey};
use crate::state::Store;

/// What [`Log::read`] found at a cursor.
#[derive(Clone, Debug)]
pub enum Read {
    /// Begin with record `first` of this batch: it starts at the cursor.
    Batch { batch: Arc<Batch>, first: usize },
    /// Nothing complete behind the cursor now; more may come.
    Waiting,
    /// The generation has ended and the cursor stands at its end: nothing will ever come.
    Finished,
    /// Bytes [cursor, to) are gone (truncated before they were read) and already counted; go on at `to`.
    Lost { to: u64 },
}

/// What a [`Log`] is opened with.
#[derive(Debug)]
pub struct LogConfig {
    pub sources: Vec<SourceConfig>,
    /// `--once`: an unfinished last record is complete when the file's end is reached.
    pub once: bool,
    pub host: Arc<str>,
    pub key: IdKey,
    /// Intake folder for rescued rests of deleted files.
    pub intake: Option<PathBuf>,
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Log {
    _inner: Arc<()>,
}

impl Log {
    /// Discovers and opens the files that are there and returns at once. Nothing is delivered before
    /// [`Log::settle`]; the screen can read already.
    pub fn open(_config: LogConfig, _clock: Arc<dyn Clock>) -> Log {
        todo!("follow helper")
    }

    /// Gives it the state: identities are settled, rows written, generations published; the follower's
    /// thread starts. Called once.
    pub fn settle(&self, _store: Store) {
        todo!("follow helper")
    }

    /// All files under observation, in the order of their sources, then of first sight.
    pub fn files(&self) -> Vec<Arc<FileHandle>> {
        todo!("follow helper")
    }

    /// Settled generations, also those that live only in the state as long as somebody may be behind.
    pub fn generations(&self) -> Vec<GenerationId> {
        todo!("follow helper")
    }

    /// Where a consumer without a cursor begins in this generation, and the end of what was seen.
    pub fn extent(&self, _generation: GenerationId) -> Option<(u64, u64)> {
        todo!("follow helper")
    }

    /// A number that changes whenever a file grows, appears, ends or gets its identity.
    pub fn changes(&self) -> watch::Receiver<u64> {
        todo!("follow helper")
    }

    /// The next events behind `cursor`. Blocking (reads the file); call it off the async threads.
    /// Reading any offset twice gives the same records with the same ids.
    pub fn read(&self, _cursor: Cursor) -> std::io::Result<Read> {
        todo!("follow helper")
    }

    /// `true` once the first pass over the sources is done and every byte that was there then is published
    /// (for `--once`: the ends are fixed).
    pub fn settled(&self) -> bool {
        todo!("follow helper")
    }

    /// Ends the follower's thread and waits for it.
    pub fn stop(&self) {
        todo!("follow helper")
    }
}
