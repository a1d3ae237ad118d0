//! The payload of every archive commit: for each generation, the position up to which its events are in the archive.
//! The file sink stores the same positions in its cursor file.
//!
//! JSON with a version. Usable without the state: the full identity and mark of each generation tell which file on disk
//! it is, even if the state is lost. Rows are arrays, to save space:
//! `[generation, offset, [inode, birth, head length, head hash, ordinal] or null, mark offset, mark hash,
//! seconds absent]`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::event::{self, Cursor, GenerationId, Identity, Mark};
use crate::state::Store;

/// The version that this program writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

/// The position of a generation that no longer exists is removed after this time.
const KEEP_ABSENT: Duration = Duration::from_secs(30 * 86_400);
/// The time between two commits counts as at most this long: a step of the clock must not make a generation expire.
const LONGEST_STEP: Duration = Duration::from_secs(86_400);

/// The data of the state that identify a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationFacts {
    pub identity: Identity,
    pub mark: Mark,
}

/// Provides the data that identify generations, for each commit.
pub trait Generations: Send + Sync {
    /// `None` if the generation is unknown.
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts>;
}

impl Generations for Store {
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts> {
        let row = self.generation(generation)?;
        // An incomplete line left for later also distinguishes this generation from others with the same beginning.
        let mark = *row.last_mark();
        Some(GenerationFacts { identity: row.identity, mark })
    }
}

/// The position of one generation in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub offset: u64,
    /// `None` only if the state did not know the generation.
    pub identity: Option<Identity>,
    pub mark: Mark,
    /// How long the generation has been gone; zero: it exists.
    pub absent: Duration,
}

/// The positions of all generations, as of one commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Positions {
    /// Time of the commit; never earlier than that of the previous one.
    pub written: Timestamp,
    /// The clock of retention: the wall clock, but advanced by at most one day per commit.
    pub aged: Timestamp,
    pub rows: BTreeMap<GenerationId, Position>,
}

/// The changes of one commit.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub written: Timestamp,
    /// New and changed rows. A longer absence is not a change.
    pub changed: Vec<(GenerationId, Position)>,
    /// Rows to remove.
    pub gone: Vec<GenerationId>,
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

/// The stored form of a row; see the module.
pub(crate) type Row = (GenerationId, u64, Option<(u64, i64, u32, u64, u32)>, u64, u64, u64);

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

    /// The positions in the form that workers and the log use.
    pub fn known(&self) -> Vec<event::Position> {
        let known = |(id, row): (&GenerationId, &Position)| event::Position {
            cursor: Cursor { generation: *id, offset: row.offset },
            identity: row.identity.clone(),
            mark: row.mark,
        };
        self.rows.iter().map(known).collect()
    }

    /// Forgets these generations: their events in the archive came from bytes that have since been replaced.
    pub(crate) fn forget(&mut self, generations: &[GenerationId]) {
        self.rows.retain(|id, _| !generations.contains(id));
    }

    /// The changes from these positions to `upto`; no position moves back. Generations not in `upto` stay for 30 days.
    pub(crate) fn step(
        &self,
        upto: &[Cursor],
        generations: &dyn Generations,
        now: Timestamp,
    ) -> Step {
        let written = now.max(self.written);
        let passed = self.passed(written);
        let mut step = Step { written, changed: Vec::new(), gone: Vec::new() };
        let mut furthest: HashMap<GenerationId, u64> = HashMap::with_capacity(upto.len());
        for cursor in upto {
            let offset = furthest.entry(cursor.generation).or_default();
            *offset = cursor.offset.max(*offset);
        }
        for (id, row) in &self.rows {
            match furthest.remove(id) {
                Some(offset) => step.changed.extend(row.moved(*id, offset, generations)),
                None if row.absent + passed >= KEEP_ABSENT => step.gone.push(*id),
                None if row.absent.is_zero() && !passed.is_zero() => {
                    step.changed.push((*id, Position { absent: passed, ..row.clone() }));
                }
                None => {}
            }
        }
        for (id, offset) in furthest {
            let row = Position::unknown();
            let moved = row.moved(id, offset, generations);
            step.changed.push(moved.unwrap_or((id, row)));
        }
        step
    }

    pub(crate) fn apply(&mut self, step: Step) {
        let passed = self.passed(step.written);
        self.aged = match self.written == Timestamp::default() {
            true => step.written,
            false => self.aged.plus(passed).min(step.written).max(self.aged),
        };
        self.written = step.written;
        let absent = self.rows.values_mut().filter(|row| !row.absent.is_zero());
        absent.for_each(|row| row.absent += passed);
        for id in &step.gone {
            self.rows.remove(id);
        }
        self.rows.extend(step.changed);
    }

    /// A copy of the positions with the step applied.
    pub(super) fn after(&self, step: Step) -> Positions {
        let mut after = self.clone();
        after.apply(step);
        after
    }

    /// The step changes at most how long generations have been gone, which needs no commit.
    pub(super) fn is_unchanged_by(&self, step: &Step) -> bool {
        let same = |row: &Position, changed: &Position| {
            row.offset == changed.offset && row.identity == changed.identity
        };
        let stands = |(id, changed): &(GenerationId, Position)| {
            self.rows.get(id).is_some_and(|row| same(row, changed))
        };
        step.gone.is_empty() && step.changed.iter().all(stands)
    }

    /// The time from the last commit to `written`, at most [`LONGEST_STEP`].
    fn passed(&self, written: Timestamp) -> Duration {
        written.since(self.written).min(LONGEST_STEP)
    }

    /// A copy whose retention clock is advanced by `by`, but not beyond `now`: it slowly catches up with a wall clock
    /// that stepped forward. It never goes back.
    pub(super) fn caught_up(&self, by: Duration, now: Timestamp) -> Positions {
        Positions { aged: self.aged.plus(by).min(now).max(self.aged), ..self.clone() }
    }
}

impl Position {
    /// The position of a generation of which nothing has been delivered.
    fn unknown() -> Self {
        Position { offset: 0, identity: None, mark: Mark::default(), absent: Duration::ZERO }
    }

    /// The position after delivery up to `offset`; `None` if that changes nothing.
    fn moved(
        &self,
        id: GenerationId,
        offset: u64,
        generations: &dyn Generations,
    ) -> Option<(GenerationId, Position)> {
        let is_unchanged = self.identity.is_some() && offset <= self.mark.offset;
        if is_unchanged && offset <= self.offset && self.absent.is_zero() {
            return None;
        }
        let fact = if is_unchanged { None } else { generations.fact(id) };
        let (identity, mark) = match fact {
            Some(fact) => (Some(fact.identity), fact.mark),
            None => (self.identity.clone(), self.mark),
        };
        let offset = self.offset.max(offset);
        let moved = Position { offset, identity, mark, absent: Duration::ZERO };
        (moved != *self).then_some((id, moved))
    }
}

pub(crate) fn to_row((id, position): (&GenerationId, &Position)) -> Row {
    let identity = position.identity.as_ref().map(|identity| {
        let Identity { inode, birth, head_len, head_hash, ordinal } = *identity;
        (inode, birth, head_len, head_hash, ordinal)
    });
    let mark = position.mark;
    // Rounded up: 0 seconds means that the generation exists.
    let absent = position.absent.as_nanos().div_ceil(1_000_000_000) as u64;
    (*id, position.offset, identity, mark.offset, mark.hash, absent)
}

pub(crate) fn from_row(
    (id, offset, identity, mark_offset, hash, absent): Row,
) -> (GenerationId, Position) {
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
mod tests;
