//! The journal at a start: what it adds to the rows of the database or of the snapshot, or why it is not used.

use std::io;

use super::journal::record::{self, Salt};
use super::journal::{Base, Journal};
use super::tables::Changes;

/// What the journal says to these rows.
#[derive(Debug, PartialEq)]
pub(super) struct Replay {
    /// The newest of each row.
    pub changes: Changes,
    /// The number of the last record that is in the rows.
    pub last: u64,
    pub finding: Finding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Whole,
    Missing,
    /// Its first bytes are those of another journal, or of none.
    Other,
    /// It follows a later checkpoint: between the rows and its records others are missing.
    Later,
    /// Records behind `changes` cannot be used, because one before them is broken.
    Damaged,
}

pub(super) fn replay(journal: &Journal, base: &Base) -> io::Result<Replay> {
    Ok(match journal.bytes()? {
        Some(bytes) => read(&bytes, base),
        None => Replay::nothing(base, Finding::Missing),
    })
}

pub(super) fn read(bytes: &[u8], base: &Base) -> Replay {
    let content = record::read(bytes, base.salt, base.through);
    let has_head = record::salt_of(bytes) == Some(base.salt);
    if !has_head && content.records.is_empty() && !content.is_damaged {
        return Replay::nothing(base, Finding::Other);
    }
    if !content.records.is_empty() && content.after > base.through {
        return Replay::nothing(base, Finding::Later);
    }
    let is_whole = has_head && !content.is_damaged;
    let finding = if is_whole { Finding::Whole } else { Finding::Damaged };
    let mut replay = Replay::nothing(base, finding);
    for (number, changes) in content.records {
        if number > base.through {
            replay.last = number;
            replay.changes.extend(changes);
        }
    }
    replay
}

impl Replay {
    fn nothing(base: &Base, finding: Finding) -> Replay {
        Replay { changes: Changes::new(), last: base.through, finding }
    }
}

/// A salt that no other journal has.
pub(super) fn new_salt() -> io::Result<Salt> {
    Ok(Salt(getrandom::u64()?, getrandom::u64()?))
}
