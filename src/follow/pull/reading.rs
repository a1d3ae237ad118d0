//! The read progress of one consumer in one generation: its offset, and whether it waits or fails there.

use crate::event::{Cursor, GenerationId};

/// After this many consecutive failures the generation no longer counts as unfinished; reads are still retried.
const TRIES: u32 = 5;

/// The read progress in one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub generation: GenerationId,
    /// Offset of the next read.
    pub offset: u64,
    /// The end of the known bytes.
    pub end: u64,
    /// Records that begin at this offset or later are not wanted yet.
    pub until: u64,
    /// Number of changes that the log has reported.
    news: u64,
    /// The value of `news` when there was no complete record at `offset`.
    waiting: Option<u64>,
    /// The offset of the last failure and the number of consecutive failures there; ignored once reading has passed it.
    failed: Option<(u64, u32)>,
}

impl Reading {
    pub fn new(cursor: Cursor, end: u64) -> Self {
        let Cursor { generation, offset } = cursor;
        Reading { generation, offset, end, until: u64::MAX, news: 0, waiting: None, failed: None }
    }

    /// The same progress, limited to records that begin before `until`.
    pub fn up_to(self, until: u64) -> Self {
        Reading { until, ..self }
    }

    pub fn cursor(&self) -> Cursor {
        Cursor { generation: self.generation, offset: self.offset }
    }

    /// The log reports a change: the generation ends at `end`, or is decoded differently.
    pub fn hear(&mut self, end: u64) {
        self.end = end;
        self.news += 1;
    }

    /// Moves the offset forwards, never back.
    pub fn reach(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    /// Moves the offset back to read again from there.
    pub fn rewind(&mut self, offset: u64) {
        (self.offset, self.waiting) = (offset, None);
    }

    /// There is no complete record at the offset.
    pub fn wait(&mut self) {
        (self.waiting, self.failed) = (Some(self.news), None);
    }

    /// The bytes at the offset cannot be read now, or the consumer cannot take the record there.
    pub fn fail(&mut self) {
        let before = self.failed.filter(|(at, _)| *at == self.offset).map_or(0, |(_, times)| times);
        (self.waiting, self.failed) = (Some(self.news), Some((self.offset, before + 1)));
    }

    /// Ends waiting: a record may be complete by now, or the cause of a failure gone.
    pub fn look_again(&mut self) {
        self.waiting = None;
    }

    /// Takes over the progress of a copy; changes that the log has reported meanwhile are kept.
    pub fn follow(&mut self, copy: &Reading) {
        self.reach(copy.offset);
        if copy.waits() {
            (self.waiting, self.failed) = (copy.waiting, copy.failed);
        }
    }

    pub fn is_unread(&self) -> bool {
        self.offset < self.end
    }

    /// Nothing can be read until the log reports a change, or [`Reading::look_again`] is called.
    pub fn waits(&self) -> bool {
        self.waiting == Some(self.news)
    }

    /// There may be a record to read now.
    pub fn is_due(&self) -> bool {
        self.offset < self.end.min(self.until) && !self.waits()
    }

    pub fn fails(&self) -> bool {
        self.failures() > 0
    }

    fn failures(&self) -> u32 {
        self.failed.filter(|(at, _)| self.offset <= *at).map_or(0, |(_, times)| times)
    }

    /// All wanted records are read, except an incomplete last one; also after too many failures.
    pub fn is_through(&self) -> bool {
        let has_final_result = self.failures() == 0 || self.failures() >= TRIES;
        self.offset >= self.until || (self.waits() && has_final_result)
    }
}
