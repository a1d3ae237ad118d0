//! The payload of every commit: up to where each generation is in the archive.
//!
//! JSON, versioned, and enough by itself: with each generation's full identity and mark it can be told which
//! file on disk it is even when the state is lost. Rows are arrays, because they are many:
//! `[generation, offset, [inode, birth, head length, head hash, ordinal] or null, mark offset, mark hash,
//! seconds absent]`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::event::{self, Cursor, GenerationId, Identity, Mark};
use crate::state::Store;

/// What this program writes, and the newest it reads.
pub(super) const VERSION: u32 = 1;

/// A generation that nobody knows any more leaves the payload after this long.
const KEEP_ABSENT: Duration = Duration::from_secs(30 * 86_400);
/// Most that counts of the time between two commits: a clock that steps must not end a generation.
const LONGEST_STEP: Duration = Duration::from_secs(86_400);

/// What the state knows of a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    pub identity: Identity,
    pub mark: Mark,
}

/// Where the identities come from at each commit.
pub trait Generations: Send + Sync {
    fn fact(&self, generation: GenerationId) -> Option<Fact>;
}

impl Generations for Store {
    fn fact(&self, generation: GenerationId) -> Option<Fact> {
        let row = self.generation(generation)?;
        // Also a line that was left for later tells this generation from others that begin alike.
        let mark = *row.last_mark();
        Some(Fact { identity: row.identity, mark })
    }
}

/// Up to where one generation is in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub offset: u64,
    /// `None` only where the state did not know it.
    pub identity: Option<Identity>,
    pub mark: Mark,
    /// How long nobody has known this generation.
    pub absent: Duration,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Positions {
    pub written: Timestamp,
    /// What retention goes by: the wall clock, but never more than a day further at one commit.
    pub aged: Timestamp,
    pub rows: BTreeMap<GenerationId, Position>,
}

#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum PayloadError {
    #[error("written by a newer version: {0}")]
    Newer(u32),
    #[error("the positions of the last commit cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
struct Payload {
    version: u32,
    written: Timestamp,
    #[serde(default)]
    aged: Option<Timestamp>,
    generations: Vec<Row>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

type Row = (GenerationId, u64, Option<(u64, i64, u32, u64, u32)>, u64, u64, u64);

impl Positions {
    pub(super) fn parse(payload: &str) -> Result<Self, PayloadError> {
        let unreadable = |error: serde_json::Error| PayloadError::Unreadable(error.to_string());
        let Version { version } = serde_json::from_str(payload).map_err(unreadable)?;
        if version > VERSION {
            return Err(PayloadError::Newer(version));
        }
        let payload: Payload = serde_json::from_str(payload).map_err(unreadable)?;
        let rows = payload.generations.into_iter().map(from_row).collect();
        let aged = payload.aged.unwrap_or(payload.written);
        Ok(Positions { written: payload.written, aged, rows })
    }

    pub(super) fn to_payload(&self) -> String {
        let generations = self.rows.iter().map(to_row).collect();
        let payload =
            Payload { version: VERSION, written: self.written, aged: Some(self.aged), generations };
        serde_json::to_string(&payload).expect("numbers are JSON")
    }

    pub fn offset(&self, generation: GenerationId) -> u64 {
        self.rows.get(&generation).map_or(0, |row| row.offset)
    }

    /// As a worker and the log want them.
    pub fn known(&self) -> Vec<event::Position> {
        let known = |(id, row): (&GenerationId, &Position)| event::Position {
            cursor: Cursor { generation: *id, offset: row.offset },
            identity: row.identity.clone(),
            mark: row.mark,
        };
        self.rows.iter().map(known).collect()
    }

    /// What these generations hold in the archive was of other bytes than they hold now.
    pub(crate) fn forget(&mut self, generations: &[GenerationId]) {
        self.rows.retain(|id, _| !generations.contains(id));
    }

    /// The same but for how long generations are absent: nothing that would need a commit.
    pub(super) fn same_places(&self, other: &Positions) -> bool {
        self.rows.len() == other.rows.len()
            && self.rows.iter().zip(&other.rows).all(|((id, row), (other_id, other))| {
                id == other_id && row.offset == other.offset && row.identity == other.identity
            })
    }

    /// These positions moved on to `upto`; none ever moves back. What is not in `upto` stays for 30 days.
    pub(crate) fn advanced(
        &self,
        upto: &[Cursor],
        generations: &dyn Generations,
        now: Timestamp,
    ) -> Positions {
        let passed = now.since(self.written).min(LONGEST_STEP);
        let mut rows = self.rows.clone();
        for row in rows.values_mut() {
            row.absent += passed;
        }
        for cursor in upto {
            let known = rows.get(&cursor.generation);
            let stands_still =
                known.is_some_and(|row| row.identity.is_some() && cursor.offset <= row.mark.offset);
            let mut row = known.cloned().unwrap_or_else(Position::unknown);
            if !stands_still && let Some(fact) = generations.fact(cursor.generation) {
                row.identity = Some(fact.identity);
                row.mark = fact.mark;
            }
            row.offset = row.offset.max(cursor.offset);
            row.absent = Duration::ZERO;
            rows.insert(cursor.generation, row);
        }
        rows.retain(|_, row| row.absent < KEEP_ABSENT);
        let first = self.written == Timestamp::default();
        let aged = if first { now } else { self.aged.plus(passed).min(now).max(self.aged) };
        Positions { written: now.max(self.written), aged, rows }
    }

    /// What was left behind by a step of the clock is caught up slowly, if the clock stays there.
    pub(super) fn caught_up(&self, by: Duration, now: Timestamp) -> Positions {
        Positions { aged: self.aged.plus(by).min(now).max(self.aged), ..self.clone() }
    }
}

impl Position {
    /// Nothing of it is delivered.
    pub(crate) fn unknown() -> Self {
        Position { offset: 0, identity: None, mark: Mark::default(), absent: Duration::ZERO }
    }
}

fn to_row((id, position): (&GenerationId, &Position)) -> Row {
    let identity = position.identity.as_ref().map(|identity| {
        let Identity { inode, birth, head_len, head_hash, ordinal } = *identity;
        (inode, birth, head_len, head_hash, ordinal)
    });
    let mark = position.mark;
    (*id, position.offset, identity, mark.offset, mark.hash, position.absent.as_secs())
}

fn from_row((id, offset, identity, mark_offset, hash, absent): Row) -> (GenerationId, Position) {
    let identity = identity.map(|(inode, birth, head_len, head_hash, ordinal)| Identity {
        inode,
        birth,
        head_len,
        head_hash,
        ordinal,
    });
    let mark = Mark { offset: mark_offset, hash, wide: 0 };
    (id, Position { offset, identity, mark, absent: Duration::from_secs(absent) })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Generations for Known {
        fn fact(&self, generation: GenerationId) -> Option<Fact> {
            let identity = Identity {
                inode: u64::MAX,
                birth: -5,
                head_len: 7,
                head_hash: u64::MAX - 1,
                ordinal: 3,
            };
            let mark = Mark { offset: 1000, hash: u64::MAX, wide: 0 };
            (generation.0 != 9).then_some(Fact { identity, mark })
        }
    }

    fn cursor(generation: u64, offset: u64) -> Cursor {
        Cursor { generation: GenerationId(generation), offset }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn positions_are_read_back_with_their_identities() {
        let start = Positions::default();
        let upto = [cursor(u64::MAX, 500), cursor(9, 3)];
        let positions = start.advanced(&upto, &Known, Timestamp::from_seconds(100));
        assert_eq!(Positions::parse(&positions.to_payload()), Ok(positions.clone()));
        let row = &positions.rows[&GenerationId(u64::MAX)];
        assert_eq!((row.offset, row.mark.offset), (500, 1000));
        assert_eq!(row.identity.as_ref().unwrap().head_hash, u64::MAX - 1);
        assert_eq!(positions.rows[&GenerationId(9)].identity, None);
    }

    #[test]
    fn a_newer_or_broken_payload_is_told_apart() {
        assert_eq!(Positions::parse(r#"{"version":2,"x":[]}"#), Err(PayloadError::Newer(2)));
        assert!(matches!(Positions::parse("{}"), Err(PayloadError::Unreadable(_))));
    }

    #[test]
    fn no_position_moves_back() {
        let first = Positions::default().advanced(&[cursor(1, 500)], &Known, Timestamp(0));
        let second = first.advanced(&[cursor(1, 100)], &Known, Timestamp(1));
        assert_eq!(second.offset(GenerationId(1)), 500);
    }

    #[test]
    fn an_absent_generation_stays_for_thirty_days_whatever_the_clock_does() {
        let mut now = Timestamp::from_seconds(1_700_000_000);
        let mut positions = Positions::default().advanced(&[cursor(1, 5)], &Known, now);
        // A step of a year counts as one day, a step back as nothing.
        now = now.plus(HOUR * 24 * 365);
        positions = positions.advanced(&[], &Known, now);
        positions = positions.advanced(&[], &Known, now.minus(HOUR * 48));
        for _ in 0..28 {
            now = now.plus(HOUR * 24);
            positions = positions.advanced(&[], &Known, now);
        }
        assert_eq!(positions.rows.len(), 1);
        positions = positions.advanced(&[], &Known, now.plus(HOUR * 24));
        assert!(positions.rows.is_empty());
    }
}
