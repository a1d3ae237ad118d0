//! The plain types of this layer that more than one of its files speaks of.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::{Intake, SourceConfig};
use crate::event::{Batch, IdKey};

/// What [`super::Log::read`] found at a cursor.
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

/// What a [`super::Log`] is opened with.
#[derive(Debug)]
pub struct LogConfig {
    pub sources: Vec<SourceConfig>,
    /// `--once`: an unfinished last record is complete when the file's end is reached.
    pub once: bool,
    pub host: Arc<str>,
    pub key: IdKey,
    /// `None`: nothing is taken in, and nothing of deleted files is kept.
    pub intake: Option<Intake>,
}

/// The sources from now on, and who waits until they are.
#[derive(Debug)]
pub(in crate::follow) struct Change {
    pub sources: Vec<SourceConfig>,
    pub done: SyncSender<()>,
}
