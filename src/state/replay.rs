//! Replays the journal at a start: finds the changes that it adds to the database or snapshot, or why it cannot be
//! used.

use std::io;

use super::journal::record::{self, Salt};
use super::journal::{Journal, JournalPosition};
use super::tables::Changes;

/// The changes that the journal adds to the rows of the database or snapshot (the base).
#[derive(Debug, PartialEq)]
pub(super) struct Replay {
    /// The newest version of each row.
    pub changes: Changes,
    /// The number of the last record that is included in the base or the changes.
    pub last: u64,
    pub check: JournalCheck,
}

/// Whether the journal continues the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JournalCheck {
    Intact,
    Missing,
    /// Its first bytes are those of another journal, or not of a journal.
    Foreign,
    /// It continues a later checkpoint: the records between the base and its own records are missing.
    Later,
    /// Records after `changes` cannot be used, because a record before them is damaged.
    Damaged,
}

/// Reads the journal. `base`: the journal position that is stored with the rows.
pub(super) fn replay(journal: &Journal, base: &JournalPosition) -> io::Result<Replay> {
    Ok(match journal.bytes()? {
        Some(bytes) => read(&bytes, base),
        None => Replay::without_changes(base, JournalCheck::Missing),
    })
}

/// As [`replay`], from the bytes of the journal.
pub(super) fn read(bytes: &[u8], base: &JournalPosition) -> Replay {
    let content = record::read(bytes, base.salt, base.through);
    let has_head = record::salt_of(bytes) == Some(base.salt);
    if !has_head && content.records.is_empty() && !content.is_damaged {
        return Replay::without_changes(base, JournalCheck::Foreign);
    }
    if !content.records.is_empty() && content.after > base.through {
        return Replay::without_changes(base, JournalCheck::Later);
    }
    let is_intact = has_head && !content.is_damaged;
    let check = if is_intact { JournalCheck::Intact } else { JournalCheck::Damaged };
    let mut replay = Replay::without_changes(base, check);
    for (number, changes) in content.records {
        if number > base.through {
            replay.last = number;
            replay.changes.extend(changes);
        }
    }
    replay
}

impl Replay {
    fn without_changes(base: &JournalPosition, check: JournalCheck) -> Replay {
        Replay { changes: Changes::new(), last: base.through, check }
    }
}

/// A salt that no other journal has.
pub(super) fn new_salt() -> io::Result<Salt> {
    Ok(Salt(getrandom::u64()?, getrandom::u64()?))
}
