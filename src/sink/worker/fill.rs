//! Log → bulk: reads, filters, protects and encodes, off the async threads. Moves no cursor.

use std::collections::VecDeque;
use std::sync::Arc;

use super::WorkerConfig;
use super::bulk::{Bulk, Place};
use super::filter::Filter;
use super::lanes::Targets;
use super::prefix::Prefix;
use crate::base::{sanitize, with_causes};
use crate::event::{Batch, Cursor, SourceName};
use crate::follow::Read;
use crate::privacy::{KeyError, Policy, protect};
use crate::sink::Sink;
use crate::sink::queue::Queue;

/// Where to read on in one generation.
#[derive(Debug)]
pub(super) struct Position {
    pub track: usize,
    pub cursor: Cursor,
    /// What the log had told of it when this was made.
    pub news: u64,
    /// Records that begin here or later wait for another pass.
    pub until: u64,
    /// What is done already is not read into a bulk again.
    pub done: Prefix,
}

/// Input that one pass reads at most: so that a filter that lets nothing pass still reports how far it is.
const LONGEST_PASS: u64 = 16 * 1024 * 1024;

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
    /// Track → where to read on.
    pub reached: Vec<(usize, u64)>,
    /// Track → its source.
    pub sources: Vec<(usize, SourceName)>,
    /// Done in place: filtered, or without a wire form.
    pub skipped: Vec<Place>,
    pub skipped_events: u64,
    /// Values that were too short to be looked for elsewhere.
    pub unprotected: u64,
    /// Events of a target that is not ours: another worker takes them.
    pub elsewhere: Vec<Place>,
    /// Destroyed before they were read.
    pub lost: Vec<Place>,
    /// Nothing complete was there behind the place that was reached, when this was the last news of the track.
    pub waiting: Vec<(usize, u64)>,
    pub errors: Vec<std::io::Error>,
    /// Tracks that could not be read now.
    pub troubled: Vec<usize>,
    /// The bulk is as large as it may be; more is there.
    pub full: bool,
}

/// Reads for one sink. Fair: one batch of a generation, then the next generation.
pub(super) struct Filler {
    queue: Arc<dyn Queue>,
    sink: Arc<dyn Sink>,
    policy: Arc<Policy>,
    filter: Filter,
    targets: Targets,
    /// The batch in which the last bulk ended, so that it is not looked up again.
    pub rest: Option<(Arc<Batch>, usize)>,
    /// The track whose turn it is.
    turn: usize,
}

impl Filler {
    pub(super) fn new(config: &WorkerConfig, targets: Targets) -> Self {
        Filler {
            queue: config.queue.clone(),
            sink: config.sink.clone(),
            policy: config.policy.clone(),
            filter: config.filter.clone(),
            targets,
            rest: None,
            turn: 0,
        }
    }

    /// Whose events it takes from now on.
    pub(super) fn choose(&mut self, targets: Targets) {
        self.targets = targets;
    }

    pub(super) fn fill(&mut self, positions: Vec<Position>, room: Room, buffer: Bulk) -> Filled {
        let mut filled = Filled { bulk: buffer, ..Filled::default() };
        let mut open: VecDeque<Position> = positions.into();
        let first = open.iter().position(|position| position.track >= self.turn).unwrap_or(0);
        open.rotate_left(first);
        let mut read = 0;
        while let Some(mut position) = open.pop_front() {
            let from = position.cursor.offset;
            self.turn = position.track + 1;
            let more = self.read_one(&mut position, room, &mut filled);
            read += position.cursor.offset - from;
            filled.full |= more && read >= LONGEST_PASS;
            if filled.full {
                // It was interrupted: it stays its turn.
                self.turn = position.track;
                open.push_front(position);
                break;
            }
            match more {
                true => open.push_back(position),
                false => filled.reached.push((position.track, position.cursor.offset)),
            }
        }
        filled.reached.extend(open.into_iter().map(|left| (left.track, left.cursor.offset)));
        filled
    }

    /// `true` where more may be read from this generation now.
    fn read_one(&mut self, position: &mut Position, room: Room, filled: &mut Filled) -> bool {
        let (track, from) = (position.track, position.cursor.offset);
        match self.read(position.cursor) {
            Ok(Read::Batch { batch, first }) => {
                filled.sources.push((track, batch.generation.source.clone()));
                self.policy.refresh();
                if let Err(error) = self.take(&batch, first, position, room, filled) {
                    filled.errors.push(cannot_seal(&batch, &error));
                    filled.waiting.push((track, position.news));
                    filled.troubled.push(track);
                    return false;
                }
                let moved = position.cursor.offset > from;
                moved && position.cursor.offset < position.until
            }
            Ok(Read::Lost { to }) if to > from => {
                filled.lost.push(Place { track, start: from, end: to });
                position.cursor.offset = to;
                to < position.until
            }
            Ok(Read::Lost { .. } | Read::Waiting | Read::Finished) => {
                filled.waiting.push((track, position.news));
                false
            }
            Err(error) => {
                filled.waiting.push((track, position.news));
                filled.troubled.push(track);
                filled.errors.push(error);
                false
            }
        }
    }

    fn read(&mut self, cursor: Cursor) -> std::io::Result<Read> {
        if let Some((batch, first)) = self.rest.take()
            && batch.generation.id == cursor.generation
            && batch.records.get(first).is_some_and(|record| record.start == cursor.offset)
        {
            return Ok(Read::Batch { batch, first });
        }
        self.queue.read(cursor)
    }

    fn take(
        &mut self,
        batch: &Arc<Batch>,
        first: usize,
        position: &mut Position,
        room: Room,
        filled: &mut Filled,
    ) -> Result<(), KeyError> {
        for index in first..batch.records.len() {
            let event = batch.event(index);
            let (start, end) = (event.record.start, event.record.end);
            let place = Place { track: position.track, start, end };
            if start >= position.until {
                return Ok(());
            }
            if !position.done.contains(start) {
                let taken = match self.filter.passes(&event) {
                    true => self.encode(batch, index, room, filled)?,
                    false => Taken::Filtered,
                };
                match taken {
                    Taken::Filtered => {
                        filled.skipped_events += 1;
                        join(&mut filled.skipped, place);
                    }
                    Taken::Elsewhere => join(&mut filled.elsewhere, place),
                    Taken::Added { day } => filled.add(place, day, batch),
                    Taken::NoRoom => {
                        filled.full = true;
                        self.rest = Some((batch.clone(), index));
                        return Ok(());
                    }
                }
            }
            position.cursor.offset = end;
        }
        Ok(())
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
        let taken = match body.len() {
            length if length == before => Taken::Filtered,
            _ if !self.targets.have(&*self.sink, &body[before..]) => Taken::Elsewhere,
            length if before > 0 && length > room.bytes => Taken::NoRoom,
            _ => {
                filled.unprotected += u64::from(event.unprotected());
                return Ok(Taken::Added { day: event.day() });
            }
        };
        body.truncate(before);
        Ok(taken)
    }
}

/// Nothing of that file goes on from there; it is tried again.
fn cannot_seal(batch: &Batch, error: &KeyError) -> std::io::Error {
    let path = sanitize::line(&batch.path.to_string_lossy()).into_owned();
    let error = with_causes(error);
    std::io::Error::other(format!("{path} waits, nothing of it leaves in clear: {error}"))
}

/// What became of one event of a batch.
enum Taken {
    Added {
        /// That names its index.
        day: i32,
    },
    /// Or without a wire form.
    Filtered,
    Elsewhere,
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
        Some(last) if last.track == place.track && last.end == place.start => last.end = place.end,
        _ => places.push(place),
    }
}
