//! How far a worker is in one generation.

use super::confirmed_prefix::Prefix;
use super::totals::{Mood, Share};
use crate::event::SourceName;
use crate::follow::Reading;

/// One generation, as one worker sees it.
#[derive(Debug)]
pub(super) struct Track {
    /// How far it is read, and wanted: up to the end of the round. Invariant: no byte beyond its end is done.
    pub reading: Reading,
    /// Known once something was read.
    pub source: SourceName,
    /// Delivered, accepted, filtered or kept as dead letters.
    pub prefix: Prefix,
    /// What the cursor says.
    pub committed: u64,
    /// Where the account begins.
    pub begun: u64,
    /// What begins before this was left to a lane by an earlier run.
    pub earlier: u64,
}

impl Track {
    /// The log says that it reaches up to `end`, or is read otherwise.
    pub(super) fn hear(&mut self, end: u64) {
        self.reading.hear(end.max(self.prefix.reach()));
    }

    /// Returns how many of these bytes were not done before.
    pub(super) fn complete(&mut self, start: u64, end: u64) -> u64 {
        let new = self.prefix.complete(start, end);
        // Read before the log told that it is there.
        self.reading.end = self.reading.end.max(self.prefix.reach());
        new
    }

    /// Everything that is not done is read again.
    pub(super) fn rewind(&mut self) {
        self.reading.rewind(self.prefix.end());
    }

    /// Nothing of it is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.reading.offset == self.prefix.end() && self.prefix.beyond() == 0
    }

    /// Bytes of which the account speaks.
    pub(super) fn seen(&self) -> u64 {
        self.reading.end.saturating_sub(self.begun)
    }

    /// … and those that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        self.reading.end.saturating_sub(self.prefix.end() + self.prefix.beyond())
    }

    pub(super) fn done(&self) -> u64 {
        self.seen().saturating_sub(self.outstanding())
    }

    pub(super) fn share(&self) -> Share {
        let reading = &self.reading;
        let left = self.earlier.saturating_sub(self.prefix.end());
        Share::new(self.seen(), self.outstanding(), left)
            .with(Mood::Open, reading.is_unread() && !reading.waits())
            .with(Mood::Waiting, reading.is_unread() && reading.waits())
            .with(Mood::Unread, reading.offset < reading.until)
            .with(Mood::Moved, self.committed != self.prefix.end())
    }
}
