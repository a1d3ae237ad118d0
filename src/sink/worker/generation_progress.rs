//! How far a worker is in one generation: read, done and committed.

use super::confirmed_prefix::Prefix;
use super::totals::{Contribution, Flag};
use crate::event::SourceName;
use crate::follow::Reading;

/// The progress of one worker in one generation.
#[derive(Debug)]
pub(super) struct GenerationProgress {
    /// How far it has been read, its end, and the end of the current pass (`until`). Invariant: no byte beyond its end
    /// is done.
    pub reading: Reading,
    /// Known after the first read.
    pub source: SourceName,
    /// Bytes that were delivered, accepted, filtered or kept as dead letters.
    pub prefix: Prefix,
    /// The stored cursor.
    pub committed: u64,
    /// Byte accounting starts at this offset.
    pub accounted_from: u64,
    /// Events that start before this offset were left to a lane by an earlier run.
    pub earlier_end: u64,
    /// Events that start before this offset have been encoded at least once.
    pub encoded_until: u64,
}

impl GenerationProgress {
    /// Records that the log reports the end `end`, or decodes the file differently now.
    pub(super) fn note_end(&mut self, end: u64) {
        self.reading.hear(end.max(self.prefix.furthest()));
    }

    /// Marks the bytes [start, end) as done; returns how many of them were not done before.
    pub(super) fn complete(&mut self, start: u64, end: u64) -> u64 {
        let new = self.prefix.complete(start, end);
        // The events may have been read before the log reported the growth.
        self.reading.end = self.reading.end.max(self.prefix.furthest());
        new
    }

    /// Everything that is not done is read again.
    pub(super) fn rewind(&mut self) {
        self.reading.rewind(self.prefix.end());
    }

    /// Whether no event of it is in flight.
    pub(super) fn has_nothing_in_flight(&self) -> bool {
        self.reading.offset == self.prefix.end() && self.prefix.beyond() == 0
    }

    /// Bytes that the byte accounting covers.
    pub(super) fn seen(&self) -> u64 {
        self.reading.end.saturating_sub(self.accounted_from)
    }

    /// Those of them that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        self.reading.end.saturating_sub(self.prefix.end() + self.prefix.beyond())
    }

    pub(super) fn done(&self) -> u64 {
        self.seen().saturating_sub(self.outstanding())
    }

    pub(super) fn contribution(&self) -> Contribution {
        let reading = &self.reading;
        let left = self.earlier_end.saturating_sub(self.prefix.end());
        Contribution::new(self.seen(), self.outstanding(), left)
            .with(Flag::Readable, reading.is_unread() && !reading.waits())
            .with(Flag::Waiting, reading.is_unread() && reading.waits())
            .with(Flag::UnreadInRound, reading.offset < reading.until)
            .with(Flag::CursorBehind, self.committed != self.prefix.end())
    }
}
