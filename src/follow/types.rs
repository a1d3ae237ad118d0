//! Plain data that several files of this directory use: the result of a read, the settings of a log, and a change of
//! its sources.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::{Intake, SourceConfig};
use crate::event::{Batch, IdKey};

/// The result of [`super::Log::read`] at a cursor.
#[derive(Clone, Debug)]
pub enum Read {
    /// A batch; its record `first` starts at the cursor.
    Batch { batch: Arc<Batch>, first: usize },
    /// No complete record after the cursor now; more may be written.
    Waiting,
    /// The generation has ended and the cursor is at its end: it will never have more records.
    Finished,
    /// Bytes [cursor, to) no longer exist (truncated or deleted before they were read) and are counted as lost;
    /// continue at `to`.
    Lost { to: u64 },
}

/// The settings of a [`super::Log`].
#[derive(Debug)]
pub struct LogConfig {
    pub sources: Vec<SourceConfig>,
    /// `--once`: an unfinished last record is complete when the file's end is reached.
    pub once: bool,
    pub host: Arc<str>,
    pub key: IdKey,
    /// `None`: standard input is not read, and unread bytes of deleted files are not saved.
    pub intake: Option<Intake>,
}

/// A change of the sources, and the channel that reports its completion.
#[derive(Debug)]
pub(in crate::follow) struct Change {
    pub sources: Vec<SourceConfig>,
    pub done: SyncSender<()>,
}
