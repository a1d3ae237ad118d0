//! Log → bulk: reads, filters, protects and encodes, off the async threads. Moves no cursor.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::WorkerConfig;
use super::bulk::{Bulk, Place};
use super::confirmed_prefix::Prefix;
use super::filter::Filter;
use super::lanes::{Taker, Targets};
use crate::base::{sanitize, with_causes};
use crate::event::{Batch, GenerationId, SourceName};
use crate::follow::{Pull, Pulled, Queue, Reading};
use crate::privacy::{KeyError, Policy, protect};
use crate::sink::Sink;

/// Where to read on in one generation.
#[derive(Debug)]
pub(super) struct Position {
    pub track: usize,
    /// Up to the end of the round, or of what was seen.
    pub reading: Reading,
    /// What is done already is not read into a bulk again.
    pub done: Prefix,
}

/// Input that one pass reads at most: so that a filter that lets nothing pass still reports how far it is.
pub(super) const LONGEST_PASS: u64 = 16 * 1024 * 1024;

/// How much to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub events: usize,
    pub bytes: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Filled {
    pub bulk: Bulk,
    /// Track → how far it is read.
    pub reached: Vec<(usize, Reading)>,
    /// Track → its source.
    pub sources: Vec<(usize, SourceName)>,
    /// Done in place: filtered, or without a wire form.
    pub skipped: Vec<Place>,
    pub skipped_events: u64,
    /// Values that were too short to be looked for elsewhere.
    pub unprotected: u64,
    /// Events of a target that is not ours, and who takes them.
    pub elsewhere: Vec<(Place, Taker)>,
    /// Destroyed before they were read.
    pub lost: Vec<Place>,
    pub errors: Vec<std::io::Error>,
    /// The bulk is as large as it may be; more is there.
    pub full: bool,
}

/// Reads for one sink.
pub(super) struct Filler {
    queue: Arc<dyn Queue>,
    sink: Arc<dyn Sink>,
    policy: Arc<Policy>,
    filter: Filter,
    targets: Targets,
    /// Keeps whose turn it is, and the batch in which the last bulk ended, from one pass to the next.
    pull: Pull,
}

impl Filler {
    pub(super) fn new(config: &WorkerConfig, targets: Targets) -> Self {
        Filler {
            queue: config.queue.clone(),
            sink: config.sink.clone(),
            policy: config.policy.clone(),
            filter: config.filter.clone(),
            targets,
            pull: Pull::fair(),
        }
    }

    /// Whose events it takes from now on.
    pub(super) fn choose(&mut self, targets: Targets) {
        self.targets = targets;
    }

    /// Memory goes back.
    pub(super) fn release(&mut self) {
        self.pull.release();
    }

    pub(super) fn fill(&mut self, positions: Vec<Position>, room: Room, buffer: Bulk) -> Filled {
        let mut filled = Filled { bulk: buffer, ..Filled::default() };
        self.pull.set(positions.iter().map(|position| position.reading));
        let positions: HashMap<GenerationId, &Position> =
            positions.iter().map(|position| (position.reading.generation, position)).collect();
        let mut read = 0;
        while !filled.full
            && let Some((generation, pulled)) = self.pull.next(&*self.queue)
        {
            let position = positions[&generation];
            read += pulled.bytes();
            match pulled {
                Pulled::Events { batch, records } => {
                    self.take(&batch, records, position, room, &mut filled);
                }
                Pulled::Lost { from: start, to: end } => {
                    filled.lost.push(Place { track: position.track, start, end });
                }
                Pulled::Failed(error) => filled.errors.push(error),
            }
            filled.full |= read >= LONGEST_PASS && self.pull.is_due();
        }
        let readings = self.pull.readings();
        filled.reached = readings.map(|read| (positions[&read.generation].track, *read)).collect();
        filled
    }

    /// What finds no room, or cannot be sealed now, stays in the pull.
    fn take(
        &mut self,
        batch: &Arc<Batch>,
        records: Range<usize>,
        position: &Position,
        room: Room,
        filled: &mut Filled,
    ) {
        filled.sources.push((position.track, batch.generation.source.clone()));
        self.policy.refresh();
        for index in records {
            match self.take_one(batch, index, position, room, filled) {
                Ok(Taken::NoRoom) => {
                    filled.full = true;
                    return self.pull.give_back(batch.clone(), index);
                }
                Ok(_) => {}
                Err(error) => {
                    filled.errors.push(cannot_seal(batch, &error));
                    return self.pull.refuse(batch, index);
                }
            }
        }
    }

    fn take_one(
        &mut self,
        batch: &Batch,
        index: usize,
        position: &Position,
        room: Room,
        filled: &mut Filled,
    ) -> Result<Taken, KeyError> {
        let event = batch.event(index);
        let (start, end) = (event.record.start, event.record.end);
        if position.done.contains(start) {
            return Ok(Taken::Before);
        }
        let place = Place { track: position.track, start, end };
        let taken = match self.filter.passes(&event) {
            true => self.encode(batch, index, room, filled)?,
            false => Taken::Filtered,
        };
        match taken {
            Taken::Filtered => {
                filled.skipped_events += 1;
                join(&mut filled.skipped, place);
            }
            Taken::Elsewhere(ref taker) => match filled.elsewhere.last_mut() {
                Some((last, of)) if of == taker && last.touches(place) => last.end = place.end,
                _ => filled.elsewhere.push((place, taker.clone())),
            },
            Taken::Added { day } => filled.add(place, day, batch),
            Taken::Before | Taken::NoRoom => {}
        }
        Ok(taken)
    }

    /// The body grows only where it is added. The first of a bulk always has room.
    fn encode(
        &self,
        batch: &Batch,
        index: usize,
        room: Room,
        filled: &mut Filled,
    ) -> Result<Taken, KeyError> {
        if filled.bulk.len() >= room.events {
            return Ok(Taken::NoRoom);
        }
        let body = &mut filled.bulk.items.body;
        let before = body.len();
        let event = protect(&self.policy, batch.event(index))?;
        self.sink.encode(&event, body);
        let length = body.len();
        let taker = || self.targets.taker(&*self.sink, &body[before..]);
        let taken = match (length > before).then(taker) {
            None => Taken::Filtered,
            Some(Taker::Us) if before > 0 && length > room.bytes => Taken::NoRoom,
            Some(Taker::Us) => {
                filled.unprotected += u64::from(event.unprotected());
                return Ok(Taken::Added { day: event.day() });
            }
            Some(other) => Taken::Elsewhere(other),
        };
        body.truncate(before);
        Ok(taken)
    }
}

/// Nothing of that file goes on from there; it is tried again.
fn cannot_seal(batch: &Batch, error: &KeyError) -> std::io::Error {
    let path = sanitize::line(&batch.path.to_string_lossy()).into_owned();
    let error = with_causes(error);
    std::io::Error::other(format!("{path} waits; nothing of it leaves in clear: {error}"))
}

/// What became of one event of a batch.
enum Taken {
    /// Done already.
    Before,
    Added {
        /// That names its index.
        day: i32,
    },
    /// Or without a wire form.
    Filtered,
    Elsewhere(Taker),
    NoRoom,
}

impl Filled {
    fn add(&mut self, place: Place, day: i32, batch: &Batch) {
        self.bulk.items.ends.push(self.bulk.items.body.len());
        self.bulk.places.push(place);
        self.bulk.days.push(day);
        self.bulk.oldest = Some(self.bulk.oldest.map_or(batch.seen, |time| time.min(batch.seen)));
    }
}

/// Neighbours become one.
fn join(places: &mut Vec<Place>, place: Place) {
    match places.last_mut() {
        Some(last) if last.touches(place) => last.end = place.end,
        _ => places.push(place),
    }
}
