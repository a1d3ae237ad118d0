//! Every byte of a sink's part of the log, counted once by what became of it.

use crate::event::status::Bytes;

/// What became of some bytes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Confirmed,
    /// Confirmed by the next commit.
    Accepted,
    /// Or without a wire form.
    Filtered,
    DeadLetter,
    /// Destroyed before they were read.
    Lost,
    /// Of a target that another worker serves.
    Elsewhere,
}

/// In bytes of the log, since the start of the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ledger {
    pub confirmed: u64,
    pub accepted: u64,
    pub filtered: u64,
    pub dead_letters: u64,
    pub lost: u64,
    pub elsewhere: u64,
    /// Of the confirmed, the dead letters and the lost: what an earlier run had left to a lane. No track of the main
    /// worker has seen it.
    pub earlier: u64,
    /// Of what an earlier run had left: not looked through yet. Events of other targets are among it.
    pub left: u64,
}

impl Ledger {
    pub(super) fn add(&mut self, fate: Fate, bytes: u64, earlier: bool) {
        let count = match fate {
            Fate::Confirmed => &mut self.confirmed,
            Fate::Accepted => &mut self.accepted,
            Fate::Filtered => &mut self.filtered,
            Fate::DeadLetter => &mut self.dead_letters,
            Fate::Lost => &mut self.lost,
            Fate::Elsewhere => &mut self.elsewhere,
        };
        *count += bytes;
        if earlier && matches!(fate, Fate::Confirmed | Fate::DeadLetter | Fate::Lost) {
            self.earlier += bytes;
        }
    }

    /// A commit confirms what was accepted.
    pub(super) fn commit(&mut self) {
        self.confirmed += std::mem::take(&mut self.accepted);
    }

    pub(super) fn total(&self) -> u64 {
        self.confirmed
            + self.accepted
            + self.filtered
            + self.dead_letters
            + self.lost
            + self.elsewhere
    }

    /// After a new beginning `done` bytes are done: what a failed commit left open was perhaps kept, perhaps
    /// forgotten.
    pub(super) fn settle(&mut self, done: u64) {
        self.accepted = 0;
        let counted = self.total();
        self.confirmed = (self.confirmed + done.saturating_sub(counted))
            .saturating_sub(counted.saturating_sub(done));
    }

    /// What was left to another worker and is gone.
    pub(super) fn lose_left(&mut self, bytes: u64) {
        let lost = bytes.min(self.elsewhere);
        self.elsewhere -= lost;
        self.lost += lost;
    }

    /// What another worker did of what this one left to it.
    pub(super) fn take_over(&mut self, other: &Ledger) {
        let done = other.confirmed + other.dead_letters + other.lost - other.earlier;
        debug_assert!(done <= self.elsewhere, "{other:?} of {self:?}");
        self.elsewhere = self.elsewhere.saturating_sub(done);
        self.confirmed += other.confirmed;
        self.dead_letters += other.dead_letters;
        self.lost += other.lost;
        self.earlier += other.earlier;
        self.left += other.left;
    }
}

/// The account of a sink: `seen` is the sum of all the others.
pub(super) fn account(ledger: &Ledger, seen: u64, outstanding: u64, flying: u64) -> Bytes {
    let flying = flying.min(outstanding);
    let bytes = Bytes {
        seen: seen + ledger.left,
        confirmed: ledger.confirmed,
        filtered: ledger.filtered,
        in_flight: flying + ledger.accepted,
        waiting: outstanding - flying + ledger.elsewhere + ledger.left,
        dead_letters: ledger.dead_letters,
        lost: ledger.lost,
    };
    debug_assert!(bytes.adds_up(), "{bytes:?} of {ledger:?}");
    bytes
}
