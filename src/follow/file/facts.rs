//! The facts about one followed file, as the follower publishes them to readers: size, generation, format, state.

use std::path::Path;
use std::sync::{Arc, Weak};

use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{Cuts, DayMark, Encoding, FormatEntry, Generation, Mark};

/// The current facts about one file.
#[derive(Clone, Debug)]
pub struct FileFacts {
    pub path: Arc<Path>,
    /// Known size in bytes (of a compressed file: of its unpacked content).
    pub size: u64,
    /// Set once the file is identified and its row is durable; consumers read from then on.
    pub generation: Option<Arc<Generation>>,
    /// Bytes before this offset no longer exist.
    pub begin: u64,
    /// The offset at which consumers without a cursor start.
    pub start: u64,
    /// `None` until the generation is set.
    pub encoding: Option<Encoding>,
    /// Formats by the offset at which each starts, ascending; empty before detection.
    pub formats: Vec<FormatEntry>,
    pub cuts: Cuts,
    pub days: Vec<DayMark>,
    pub state: FileState,
    /// Since when its file system has not answered; `None`: it answers.
    pub stuck: Option<Timestamp>,
    /// Why the last check of the file failed.
    pub check_error: Option<Arc<str>>,
    /// Bytes that were destroyed before they were read.
    pub lost: u64,
    pub last_growth: Timestamp,
}

/// The facts, and further values that only the code that reads the file needs.
#[derive(Clone, Debug)]
pub(in crate::follow) struct KnownFacts {
    pub facts: FileFacts,
    pub mark: Mark,
    /// The size is final: the last record ends there, and bytes that cannot be read are lost.
    pub complete: bool,
    /// Readable bytes; below `size` if only a shorter copy is left.
    pub available: u64,
    /// The longest gap that a reader has found since the start, in bytes.
    pub largest_gap: u64,
    /// Records that start before this offset were already in the file when it was discovered.
    pub history: u64,
}

/// The version of [`KnownFacts`] that a view has already taken over, compared by address. The weak reference keeps the
/// address from being reused: each change while it is held allocates a new version.
#[derive(Debug, Default)]
pub(in crate::follow) struct SeenVersion(Weak<KnownFacts>);

impl SeenVersion {
    /// `true` if this version was not taken over yet.
    pub fn take(&mut self, known: &Arc<KnownFacts>) -> bool {
        let is_new = !std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(known));
        self.0 = Arc::downgrade(known);
        is_new
    }
}

impl FileFacts {
    /// The state to show to people: a failure takes precedence.
    pub fn shown_state(&self) -> FileState {
        match (self.stuck, &self.check_error) {
            (Some(since), _) => FileState::Stuck { since },
            (None, Some(reason)) => FileState::Unreadable { reason: reason.to_string() },
            (None, None) => self.state.clone(),
        }
    }

    /// Whether the file may still grow.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, FileState::Ended)
    }
}
