//! Totals over all generations of a worker. They are updated with each change, so that the worker's effort depends on
//! the number of changes and not on the number of generations.

use std::collections::BTreeSet;

/// Why the worker must take a generation into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// There may be something to read.
    Readable,
    /// Something is unread, but the last check found no complete record.
    Waiting,
    /// Not everything that the current pass (round) delivers is read.
    UnreadInRound,
    /// The confirmed prefix is beyond the stored cursor.
    CursorBehind,
}

impl Flag {
    const ALL: [Flag; 4] = [Flag::Readable, Flag::Waiting, Flag::UnreadInRound, Flag::CursorBehind];
}

/// The contribution of one generation to the totals, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Contribution {
    pub seen: u64,
    pub outstanding: u64,
    /// Bytes that an earlier run left to this worker and that have no outcome yet.
    pub left: u64,
    flags: u8,
}

impl Contribution {
    pub(super) fn new(seen: u64, outstanding: u64, left: u64) -> Self {
        Contribution { seen, outstanding, left, flags: 0 }
    }

    pub(super) fn with(self, flag: Flag, is: bool) -> Self {
        Contribution { flags: self.flags | (u8::from(is) << flag as u8), ..self }
    }

    fn is(&self, flag: Flag) -> bool {
        self.flags & (1 << flag as u8) != 0
    }
}

/// The sum of all contributions.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub seen: u64,
    pub outstanding: u64,
    pub left: u64,
    /// Slots of the generations with each [`Flag`].
    sets: [BTreeSet<usize>; 4],
}

impl Totals {
    pub(super) fn of(&self, flag: Flag) -> &BTreeSet<usize> {
        &self.sets[flag as usize]
    }

    pub(super) fn replace(&mut self, slot: usize, before: Contribution, after: Contribution) {
        self.seen = self.seen - before.seen + after.seen;
        self.outstanding = self.outstanding - before.outstanding + after.outstanding;
        self.left = self.left - before.left + after.left;
        if before.flags == after.flags {
            return;
        }
        for flag in Flag::ALL {
            match (before.is(flag), after.is(flag)) {
                (false, true) => _ = self.sets[flag as usize].insert(slot),
                (true, false) => _ = self.sets[flag as usize].remove(&slot),
                _ => {}
            }
        }
    }
}
