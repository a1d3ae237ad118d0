//! How far a worker is in one generation.

use super::prefix::Prefix;
use super::sums::{Mood, Share};
use crate::event::{GenerationId, SourceName};

/// A round goes on without a file that could not be read so often in a row.
const TRIES: u32 = 5;

/// One generation, as one worker sees it.
#[derive(Debug)]
pub(super) struct Track {
    pub generation: GenerationId,
    /// Known once something was read.
    pub source: SourceName,
    /// Where to read on.
    pub read: u64,
    /// Delivered, accepted, filtered or kept as dead letters.
    pub prefix: Prefix,
    /// What the cursor says.
    pub committed: u64,
    /// The end of what was seen. Invariant: no byte beyond it is done.
    pub end: u64,
    /// Counts what the log told of it.
    pub news: u64,
    /// Nothing complete stood behind `read` when it was so much.
    pub waiting: Option<u64>,
    /// How often in a row it could not be read.
    pub troubled: u32,
    /// Where the round ends.
    pub until: u64,
    /// Where the account begins.
    pub begun: u64,
    /// What begins before this was left to a lane by an earlier run.
    pub earlier: u64,
}

impl Track {
    /// The log says that it reaches up to `end`, or is read otherwise.
    pub(super) fn hear(&mut self, end: u64) {
        self.end = end.max(self.prefix.reach());
        self.news += 1;
    }

    /// `read` is only moved on.
    pub(super) fn reach(&mut self, read: u64) {
        if read > self.read {
            (self.read, self.troubled) = (read, 0);
        }
    }

    /// Returns how many of these bytes were not done before.
    pub(super) fn complete(&mut self, start: u64, end: u64) -> u64 {
        let new = self.prefix.complete(start, end);
        // Read before the log told that it is there.
        self.end = self.end.max(self.prefix.reach());
        new
    }

    /// Nothing complete was there, when `news` was the last that the log had told.
    pub(super) fn wait(&mut self, news: u64, is_troubled: bool) {
        self.waiting = Some(news);
        self.troubled = if is_troubled { self.troubled + 1 } else { 0 };
    }

    /// Everything that is not done is read again.
    pub(super) fn rewind(&mut self) {
        self.read = self.prefix.end();
        self.waiting = None;
    }

    /// Nothing of it is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.read == self.prefix.end() && self.prefix.beyond() == 0
    }

    /// The round is read up to its end, or as far as anything complete is there.
    pub(super) fn is_through(&self) -> bool {
        let gave_up = self.troubled == 0 || self.troubled >= TRIES;
        self.read >= self.until || (self.waits() && gave_up)
    }

    fn waits(&self) -> bool {
        self.waiting == Some(self.news)
    }

    /// Bytes of which the account speaks.
    pub(super) fn seen(&self) -> u64 {
        self.end.saturating_sub(self.begun)
    }

    /// … and those that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        self.end.saturating_sub(self.prefix.end() + self.prefix.beyond())
    }

    pub(super) fn done(&self) -> u64 {
        self.seen().saturating_sub(self.outstanding())
    }

    pub(super) fn share(&self) -> Share {
        let unread = self.read < self.end;
        let left = self.earlier.saturating_sub(self.prefix.end());
        Share::new(self.seen(), self.outstanding(), left)
            .with(Mood::Open, unread && !self.waits())
            .with(Mood::Waiting, unread && self.waits())
            .with(Mood::Unread, self.read < self.until)
            .with(Mood::Moved, self.committed != self.prefix.end())
            .with(Mood::Troubled, self.troubled > 0)
    }
}
