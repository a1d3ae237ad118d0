//! How far one consumer has read one generation.

use crate::event::{Cursor, GenerationId};

/// After so many failures in a row nobody waits for a generation any longer. It is tried again all the same.
const TRIES: u32 = 5;

/// How far one generation is read, and whether there may be more to read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub generation: GenerationId,
    /// Where to read on.
    pub offset: u64,
    /// The end of what was seen.
    pub end: u64,
    /// Records that begin here or later are not wanted yet.
    pub until: u64,
    /// Counts what the log told of it.
    news: u64,
    /// Nothing complete stood at `offset` when `news` was this.
    waiting: Option<u64>,
    /// Where it could not be read, and how often in a row. Of no account once it is read beyond that.
    failed: Option<(u64, u32)>,
}

impl Reading {
    pub fn new(cursor: Cursor, end: u64) -> Self {
        let Cursor { generation, offset } = cursor;
        Reading { generation, offset, end, until: u64::MAX, news: 0, waiting: None, failed: None }
    }

    /// The same, where records that begin at `until` or later are not wanted yet.
    pub fn up_to(self, until: u64) -> Self {
        Reading { until, ..self }
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { generation: self.generation, offset: self.offset }
    }

    /// The log says that it reaches up to `end`, or is read otherwise.
    pub fn hear(&mut self, end: u64) {
        self.end = end;
        self.news += 1;
    }

    /// Never goes back.
    pub fn reach(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    /// Read again from here.
    pub fn rewind(&mut self, offset: u64) {
        (self.offset, self.waiting) = (offset, None);
    }

    /// Nothing complete is there.
    pub fn wait(&mut self) {
        (self.waiting, self.failed) = (Some(self.news), None);
    }

    /// It cannot be read now, or what is read there cannot be taken.
    pub fn fail(&mut self) {
        let before = self.failed.filter(|(at, _)| *at == self.offset).map_or(0, |(_, times)| times);
        (self.waiting, self.failed) = (Some(self.news), Some((self.offset, before + 1)));
    }

    /// Time may have completed a record, or mended what could not be read.
    pub fn look_again(&mut self) {
        self.waiting = None;
    }

    /// Takes over how far a copy of it was read; the log may have told more of it meanwhile.
    pub fn follow(&mut self, copy: &Reading) {
        self.reach(copy.offset);
        if copy.waits() {
            (self.waiting, self.failed) = (copy.waiting, copy.failed);
        }
    }

    pub fn is_unread(&self) -> bool {
        self.offset < self.end
    }

    /// Nothing more can be read before the log tells of it, or time passes.
    pub fn waits(&self) -> bool {
        self.waiting == Some(self.news)
    }

    /// There may be something to read.
    pub fn is_due(&self) -> bool {
        self.offset < self.end.min(self.until) && !self.waits()
    }

    pub fn fails(&self) -> bool {
        self.failures() > 0
    }

    fn failures(&self) -> u32 {
        self.failed.filter(|(at, _)| self.offset <= *at).map_or(0, |(_, times)| times)
    }

    /// Everything that is wanted is read, as far as it is complete and can be read.
    pub fn is_through(&self) -> bool {
        let gave_up = self.failures() == 0 || self.failures() >= TRIES;
        self.offset >= self.until || (self.waits() && gave_up)
    }
}
