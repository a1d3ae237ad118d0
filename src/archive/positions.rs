//! The payload of every commit: up to where each generation is in the archive.
//!
//! JSON, versioned, and enough by itself: with each generation's full identity and mark it can be told which
//! file on disk it is even when the state is lost. Rows are arrays, because they are many:
//! `[generation, offset, [inode, birth, head length, head hash, ordinal] or null, mark offset, mark hash,
//! seconds absent]`.

use std::collections::{BTreeMap, HashMap};
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

/// What a commit changes.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub written: Timestamp,
    /// New rows, and those that are not as before. Time that is added to an absence is no change.
    pub changed: Vec<(GenerationId, Position)>,
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

/// As it is kept. See the module.
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

    /// The way from these positions to `upto`; none ever moves back. What is not in `upto` stays for 30 days.
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

    pub(super) fn after(&self, step: Step) -> Positions {
        let mut after = self.clone();
        after.apply(step);
        after
    }

    /// The step changes at most how long generations are absent: nothing that would need a commit.
    pub(super) fn stand_still(&self, step: &Step) -> bool {
        let same = |row: &Position, changed: &Position| {
            row.offset == changed.offset && row.identity == changed.identity
        };
        let stands = |(id, changed): &(GenerationId, Position)| {
            self.rows.get(id).is_some_and(|row| same(row, changed))
        };
        step.gone.is_empty() && step.changed.iter().all(stands)
    }

    /// The time up to `written`, as far as it counts.
    fn passed(&self, written: Timestamp) -> Duration {
        written.since(self.written).min(LONGEST_STEP)
    }

    /// What was left behind by a step of the clock is caught up slowly, if the clock stays there.
    pub(super) fn caught_up(&self, by: Duration, now: Timestamp) -> Positions {
        Positions { aged: self.aged.plus(by).min(now).max(self.aged), ..self.clone() }
    }
}

impl Position {
    /// Nothing of it is delivered.
    fn unknown() -> Self {
        Position { offset: 0, identity: None, mark: Mark::default(), absent: Duration::ZERO }
    }

    /// As it is once the generation is known and delivered up to there; `None` where that is what it is.
    fn moved(
        &self,
        id: GenerationId,
        offset: u64,
        generations: &dyn Generations,
    ) -> Option<(GenerationId, Position)> {
        let stands_still = self.identity.is_some() && offset <= self.mark.offset;
        if stands_still && offset <= self.offset && self.absent.is_zero() {
            return None;
        }
        let fact = if stands_still { None } else { generations.fact(id) };
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
    // Rounded up: none are those of a generation that is known.
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
