//! What is known of a file, as readers see it.

use std::path::Path;
use std::sync::{Arc, Weak};

use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{Cuts, DayMark, Encoding, FormatEntry, Generation, Mark};

/// What is known about the file now.
#[derive(Clone, Debug)]
pub struct FileFacts {
    pub path: Arc<Path>,
    /// Bytes seen.
    pub size: u64,
    /// Known once its identity is settled and its row is durable; consumers read from then on.
    pub generation: Option<Arc<Generation>>,
    /// Bytes before are not there any more.
    pub begin: u64,
    /// Where consumers begin.
    pub start: u64,
    /// Known with the generation.
    pub encoding: Option<Encoding>,
    /// Entries in force, ascending by offset; empty before detection.
    pub formats: Vec<FormatEntry>,
    pub cuts: Cuts,
    pub days: Vec<DayMark>,
    pub state: FileState,
    /// Since when its file system has not answered; `None`: it does.
    pub stuck: Option<Timestamp>,
    /// Why it could not be looked at the last time.
    pub trouble: Option<Arc<str>>,
    pub lost: u64,
    pub last_growth: Timestamp,
}

/// The facts, and what only the reader needs beside them.
#[derive(Clone, Debug)]
pub(in crate::follow) struct Known {
    pub facts: FileFacts,
    pub mark: Mark,
    /// The size is final: the last record ends there, and what cannot be read is lost.
    pub complete: bool,
    /// Bytes that can be read; below `size` where only a shorter copy is left.
    pub available: u64,
    /// The longest gap that a reader has met since the start, in bytes.
    pub met: u64,
    /// What begins before it stood in the file at the first look.
    pub history: u64,
}

/// Which state of what is known somebody has taken over. While it is held, each change makes another one in another
/// place.
#[derive(Debug, Default)]
pub(in crate::follow) struct Seen(Weak<Known>);

impl Seen {
    /// `true` where it was another one.
    pub fn take(&mut self, known: &Arc<Known>) -> bool {
        let is_new = !std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(known));
        self.0 = Arc::downgrade(known);
        is_new
    }
}

impl FileFacts {
    /// As it is shown.
    pub fn shown_state(&self) -> FileState {
        match (self.stuck, &self.trouble) {
            (Some(since), _) => FileState::Stuck { since },
            (None, Some(reason)) => FileState::Unreadable { reason: reason.to_string() },
            (None, None) => self.state.clone(),
        }
    }

    /// Its end may still move.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, FileState::Ended)
    }
}
