//! Counts every byte that a sink is to deliver, once, by its outcome.

use crate::event::status::Bytes;

/// The outcome of some bytes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOutcome {
    Confirmed,
    /// Confirmed by the next commit.
    Accepted,
    /// Also events for which the sink has no wire form.
    Filtered,
    DeadLetter,
    /// Destroyed before they were read.
    Lost,
    /// Events of a target that another worker serves.
    OtherWorker,
}

/// Bytes of the log by outcome, since the start of the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteAccount {
    pub confirmed: u64,
    pub accepted: u64,
    pub filtered: u64,
    pub dead_letters: u64,
    pub lost: u64,
    pub other_worker: u64,
    /// Part of confirmed, dead letters and lost: bytes that an earlier run had left to a lane, so the main worker
    /// never counted them.
    pub earlier: u64,
    /// Bytes that an earlier run left to a lane and that are not read yet. They include events of other targets.
    pub earlier_unread: u64,
}

impl ByteAccount {
    /// `earlier`: an earlier run had left these bytes to a lane.
    pub(super) fn add(&mut self, byte_outcome: ByteOutcome, bytes: u64, earlier: bool) {
        let count = match byte_outcome {
            ByteOutcome::Confirmed => &mut self.confirmed,
            ByteOutcome::Accepted => &mut self.accepted,
            ByteOutcome::Filtered => &mut self.filtered,
            ByteOutcome::DeadLetter => &mut self.dead_letters,
            ByteOutcome::Lost => &mut self.lost,
            ByteOutcome::OtherWorker => &mut self.other_worker,
        };
        *count += bytes;
        if earlier
            && matches!(
                byte_outcome,
                ByteOutcome::Confirmed | ByteOutcome::DeadLetter | ByteOutcome::Lost
            )
        {
            self.earlier += bytes;
        }
    }

    /// A commit confirms the accepted bytes.
    pub(super) fn confirm_accepted(&mut self) {
        self.confirmed += std::mem::take(&mut self.accepted);
    }

    pub(super) fn total(&self) -> u64 {
        self.confirmed
            + self.accepted
            + self.filtered
            + self.dead_letters
            + self.lost
            + self.other_worker
    }

    /// Corrects the confirmed bytes so that all outcomes add up to `done`, after the sink has resumed: whether it kept
    /// or discarded the bytes of a failed commit is not known.
    pub(super) fn correct_to(&mut self, done: u64) {
        self.accepted = 0;
        let counted = self.total();
        self.confirmed = (self.confirmed + done.saturating_sub(counted))
            .saturating_sub(counted.saturating_sub(done));
    }

    /// Counts as lost bytes that were left to another worker and no longer exist.
    pub(super) fn lose_left_to_lane(&mut self, bytes: u64) {
        let lost = bytes.min(self.other_worker);
        self.other_worker -= lost;
        self.lost += lost;
    }

    /// Adds the work of another worker on bytes that this one left to it.
    pub(super) fn take_over(&mut self, other: &ByteAccount) {
        let done = other.confirmed + other.dead_letters + other.lost - other.earlier;
        debug_assert!(done <= self.other_worker, "{other:?} of {self:?}");
        self.other_worker = self.other_worker.saturating_sub(done);
        self.confirmed += other.confirmed;
        self.dead_letters += other.dead_letters;
        self.lost += other.lost;
        self.earlier += other.earlier;
        self.earlier_unread += other.earlier_unread;
    }
}

/// The bytes by state that a sink reports; in the result, `seen` is the sum of all others.
pub(super) fn byte_status(
    account: &ByteAccount,
    seen: u64,
    outstanding: u64,
    in_flight: u64,
) -> Bytes {
    let in_flight = in_flight.min(outstanding);
    let bytes = Bytes {
        seen: seen + account.earlier_unread,
        confirmed: account.confirmed,
        filtered: account.filtered,
        in_flight: in_flight + account.accepted,
        waiting: outstanding - in_flight + account.other_worker + account.earlier_unread,
        dead_letters: account.dead_letters,
        lost: account.lost,
    };
    debug_assert!(bytes.adds_up(), "{bytes:?} of {account:?}");
    bytes
}
