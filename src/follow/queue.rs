//! The log as consumers see it: an ordered, replayable queue per generation.

use std::io;
use std::ops::Range;

use super::{Changes, Log, Read};
use crate::event::{Cursor, GenerationId, Mark};

/// Access to the events of all generations; implemented by [`Log`], and by fakes in tests.
pub trait Queue: Send + Sync {
    /// All generations. This walks all of them: call it only at the start, and when [`super::ChangeSet::all`] is set.
    fn generations(&self) -> Vec<GenerationId>;
    /// Whether [`Queue::generations`] lists this one.
    fn holds(&self, generation: GenerationId) -> bool;
    /// Where a consumer without a cursor starts, and the end of the known bytes.
    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)>;
    fn changes(&self) -> Changes;
    /// The next events after `cursor`. Blocking.
    fn read(&self, cursor: Cursor) -> io::Result<Read>;
    /// Whether every byte that existed at the start is published to consumers.
    fn settled(&self) -> bool;
    /// See [`Log::request_check`].
    fn request_check(&self) -> u64 {
        0
    }
    /// See [`Log::is_check_done`].
    fn is_check_done(&self, _number: u64) -> bool {
        true
    }
    /// See [`Log::matches_mark`].
    fn matches_mark(&self, _generation: GenerationId, _mark: &Mark) -> Option<bool> {
        None
    }
    /// See [`Log::destroyed`].
    fn destroyed(&self, _cursor: Cursor) -> Option<Range<u64>> {
        None
    }
    /// See [`Log::has_file`].
    fn has_file(&self, _generation: GenerationId) -> bool {
        true
    }
}

impl Queue for Log {
    fn generations(&self) -> Vec<GenerationId> {
        Log::generations(self)
    }

    fn holds(&self, generation: GenerationId) -> bool {
        Log::holds(self, generation)
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        Log::extent(self, generation)
    }

    fn changes(&self) -> Changes {
        Log::changes(self)
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        Log::read(self, cursor)
    }

    fn settled(&self) -> bool {
        Log::settled(self)
    }

    fn request_check(&self) -> u64 {
        Log::request_check(self)
    }

    fn is_check_done(&self, number: u64) -> bool {
        Log::is_check_done(self, number)
    }

    fn matches_mark(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        Log::matches_mark(self, generation, mark)
    }

    fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        Log::destroyed(self, cursor)
    }

    fn has_file(&self, generation: GenerationId) -> bool {
        Log::has_file(self, generation)
    }
}
