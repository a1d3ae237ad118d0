//! Pulls events from the log for one consumer: keeps one cursor per generation, and reads generations in fair turns or
//! merged by time.
//!
//! Reads only generations that the log has reported as changed, up to their reported ends, so everything due at one
//! [`Pull::look`] is read before later additions. A generation with an unreadable or incomplete record waits until the
//! log reports a change or [`Pull::look_again`] is called; the others are read meanwhile. Never uses a clock, and does
//! not know the outcome of events: its cursors are after all events handed out, and the consumer stores them together
//! with its results.

mod reading;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{ChangeSet, Queue, Read};
use crate::event::{Batch, Cursor, GenerationId, Record};

pub use reading::Reading;

/// Maximum number of batches kept while other generations are read: up to this many generations are merged event by
/// event, more of them batch by batch.
const HELD: usize = 32;

/// The read state of one consumer; see the module.
#[derive(Debug)]
pub struct Pull {
    by_time: bool,
    heads: HashMap<GenerationId, GenerationState>,
    /// Generations that can be read now, the lowest rank first: the number of a turn, or the time of the next event.
    /// Invariant: exactly these have a rank in `heads`.
    due: BTreeSet<(i64, GenerationId)>,
    /// Generations with unread bytes that cannot be read now.
    waiting: BTreeSet<GenerationId>,
    /// Partly handed out batches, with the index of the next record. At most [`HELD`].
    held: HashMap<GenerationId, (Arc<Batch>, usize)>,
    /// Start offsets for generations that the log has not reported yet.
    start: HashMap<GenerationId, u64>,
    /// Number of the last turn.
    turn: i64,
}

/// The state of one generation.
#[derive(Debug)]
struct GenerationState {
    reading: Reading,
    rank: Option<i64>,
    /// Time of its next event, if that is already read.
    next_time: Option<i64>,
    /// Time of the last event handed out; the next one is rarely older.
    last_time: i64,
    /// Its batch was dropped after a part of it was handed out: the next batch is handed out whole, so that it is not
    /// read again for each event.
    whole: bool,
}

/// The result of one read of a generation.
#[derive(Debug)]
pub enum Pulled {
    /// These records of the batch.
    Events { batch: Arc<Batch>, records: Range<usize> },
    /// Bytes [from, to) no longer exist.
    Lost { from: u64, to: u64 },
    /// The generation cannot be read now.
    Failed(io::Error),
}

impl Pulled {
    /// The number of bytes of the log that this result covers.
    pub fn bytes(&self) -> u64 {
        match self {
            Pulled::Events { batch, records } => {
                batch.records[records.end - 1].end - batch.records[records.start].start
            }
            Pulled::Lost { from, to } => to - from,
            Pulled::Failed(_) => 0,
        }
    }
}

impl Pull {
    /// Reads the generations in turns, one batch per turn.
    pub fn fair() -> Self {
        Pull::new(false)
    }

    /// Merges the generations by time: the oldest due event comes next, provided that the events of each generation are
    /// themselves in order of time.
    pub fn by_time() -> Self {
        Pull::new(true)
    }

    fn new(by_time: bool) -> Self {
        Pull {
            by_time,
            heads: HashMap::new(),
            due: BTreeSet::new(),
            waiting: BTreeSet::new(),
            held: HashMap::new(),
            start: HashMap::new(),
            turn: 0,
        }
    }

    /// Sets the offsets at which to start in generations that the log has not reported yet; all others are read from
    /// their beginning.
    pub fn start_at(&mut self, cursors: impl IntoIterator<Item = Cursor>) {
        self.start.extend(cursors.into_iter().map(|cursor| (cursor.generation, cursor.offset)));
    }

    /// The cursors to store, including those of generations that the log has not reported yet.
    pub fn cursors(&self) -> impl Iterator<Item = Cursor> {
        let start = self.start.iter().map(|(&generation, &offset)| Cursor { generation, offset });
        self.heads.values().map(|head| head.reading.cursor()).chain(start)
    }

    /// Takes over the changes that the log reports: adds and returns the new generations, sets the ends of those that
    /// have grown, and drops those that the log no longer holds.
    pub fn look(&mut self, queue: &dyn Queue, news: ChangeSet) -> Vec<GenerationId> {
        let mut changed: Vec<GenerationId> = news.generations.into_iter().collect();
        if news.all {
            changed = queue.generations();
            changed.extend(self.heads.keys().filter(|id| !queue.holds(**id)));
        }
        let mut new = Vec::new();
        for generation in changed {
            if !queue.holds(generation) {
                self.forget(generation);
            } else if let Some((start, end)) = queue.extent(generation) {
                if !self.heads.contains_key(&generation) {
                    new.push(generation);
                }
                let offset = self.start.remove(&generation).unwrap_or(start);
                self.hear(Cursor { generation, offset }, end);
            }
        }
        new
    }

    /// The generation now ends at `end`. Reading continues at its own cursor, or starts at `from` if it is new.
    pub fn hear(&mut self, from: Cursor, end: u64) {
        match self.heads.get_mut(&from.generation) {
            Some(head) => head.reading.hear(end),
            None => self.add(Reading::new(from, end), None),
        }
        self.reschedule(from.generation);
    }

    /// Replaces all generations by these; the order of turns is kept.
    pub fn set(&mut self, readings: impl Iterator<Item = Reading>) {
        let before = std::mem::take(&mut self.heads);
        self.due.clear();
        self.waiting.clear();
        for reading in readings {
            let rank = before.get(&reading.generation).and_then(|head| head.rank);
            self.add(reading, rank);
            self.reschedule(reading.generation);
        }
        self.held.retain(|id, _| self.heads.contains_key(id));
    }

    fn add(&mut self, reading: Reading, rank: Option<i64>) {
        let head =
            GenerationState { reading, rank, next_time: None, last_time: i64::MIN, whole: false };
        self.heads.insert(reading.generation, head);
    }

    fn forget(&mut self, generation: GenerationId) {
        if let Some(GenerationState { rank: Some(rank), .. }) = self.heads.remove(&generation) {
            self.due.remove(&(rank, generation));
        }
        self.waiting.remove(&generation);
        self.held.remove(&generation);
    }

    /// Makes waiting generations due again.
    pub fn look_again(&mut self) {
        for generation in std::mem::take(&mut self.waiting) {
            self.head(generation).reading.look_again();
            self.reschedule(generation);
        }
    }

    /// Reads the next due generation; `None` if none is due. Blocking.
    pub fn next(&mut self, queue: &dyn Queue) -> Option<(GenerationId, Pulled)> {
        while let Some((_, generation)) = self.due.pop_first() {
            self.head(generation).rank = None;
            let pulled = self.read(queue, generation);
            self.reschedule(generation);
            if let Some(pulled) = pulled {
                return Some((generation, pulled));
            }
        }
        None
    }

    /// Returns records that the consumer has not taken, from index `record` of the last batch on: they are handed out
    /// first in the next turn.
    pub fn give_back(&mut self, batch: Arc<Batch>, record: usize) {
        let (generation, offset) = (batch.generation.id, batch.records[record].start);
        self.head(generation).reading.rewind(offset);
        self.rank(generation, Some(i64::MIN));
        self.held.insert(generation, (batch, record));
    }

    /// Like [`Pull::give_back`], for records that cannot be taken now: counts as a failed read.
    pub fn refuse(&mut self, batch: &Batch, record: usize) {
        let generation = batch.generation.id;
        let reading = &mut self.head(generation).reading;
        reading.rewind(batch.records[record].start);
        reading.fail();
        self.reschedule(generation);
    }

    /// Frees the kept batches; they are read again when needed.
    pub fn release(&mut self) {
        self.held.clear();
    }

    pub fn knows(&self, generation: GenerationId) -> bool {
        self.heads.contains_key(&generation)
    }

    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.heads.values().map(|head| &head.reading)
    }

    /// Whether any generation can be read now.
    pub fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether all reported bytes are read, except incomplete records and generations that failed repeatedly.
    pub fn is_through(&self) -> bool {
        let is_through = |id| self.heads[id].reading.is_through();
        !self.is_due() && self.waiting.iter().all(is_through)
    }

    /// Whether any generation waits at an incomplete record, which may be completed later.
    pub fn is_open(&self) -> bool {
        self.waiting.iter().any(|id| !self.heads[id].reading.fails())
    }

    /// Whether the last read of any generation has failed.
    pub fn fails(&self) -> bool {
        self.waiting.iter().any(|id| self.heads[id].reading.fails())
    }

    fn head(&mut self, generation: GenerationId) -> &mut GenerationState {
        self.heads.get_mut(&generation).expect("every due or waiting generation has a head")
    }

    /// Moves the generation to the due ones, the waiting ones, or neither, as its read state requires.
    fn reschedule(&mut self, generation: GenerationId) {
        let (by_time, turn) = (self.by_time, self.turn + 1);
        let head = self.head(generation);
        let rank = match head.rank {
            Some(rank) => rank,
            None if by_time => head.next_time.unwrap_or(head.last_time),
            None => turn,
        };
        let rank = head.reading.is_due().then_some(rank);
        self.turn = turn;
        self.rank(generation, rank);
    }

    fn rank(&mut self, generation: GenerationId, rank: Option<i64>) {
        let head = self.heads.get_mut(&generation).expect("it has a head");
        if let Some(before) = std::mem::replace(&mut head.rank, rank) {
            self.due.remove(&(before, generation));
        }
        let waits = head.reading.is_unread() && head.reading.waits();
        match rank {
            Some(rank) => _ = self.due.insert((rank, generation)),
            None => _ = self.held.remove(&generation),
        }
        match waits {
            true => self.waiting.insert(generation),
            false => self.waiting.remove(&generation),
        };
    }

    /// Reads one generation; `None` if no events can be handed out now.
    fn read(&mut self, queue: &dyn Queue, generation: GenerationId) -> Option<Pulled> {
        let held = self.held.remove(&generation);
        let head = self.head(generation);
        let cursor = head.reading.cursor();
        let is_at_cursor = |(batch, first): &(Arc<Batch>, usize)| {
            batch.records.get(*first).is_some_and(|record| record.start == cursor.offset)
        };
        let read = match held.filter(is_at_cursor) {
            Some((batch, first)) => Ok(Read::Batch { batch, first }),
            None => queue.read(cursor),
        };
        match read {
            Ok(Read::Batch { batch, first }) => return self.hand_out(batch, first),
            Ok(Read::Lost { to }) if to > cursor.offset => {
                head.reading.reach(to);
                head.next_time = None;
                return Some(Pulled::Lost { from: cursor.offset, to });
            }
            Ok(_) => head.reading.wait(),
            Err(error) => {
                head.reading.fail();
                return Some(Pulled::Failed(error));
            }
        }
        None
    }

    fn hand_out(&mut self, batch: Arc<Batch>, first: usize) -> Option<Pulled> {
        let (generation, by_time) = (batch.generation.id, self.by_time);
        let others = self.due.first().map_or(i64::MAX, |(rank, _)| *rank);
        let head = self.head(generation);
        if by_time && head.next_time.is_none() && batch.records[first].time.0 > others {
            head.next_time = Some(batch.records[first].time.0);
            self.keep_batch(batch, first);
            return None;
        }
        let latest = if by_time && !head.whole { others } else { i64::MAX };
        let until = head.reading.until;
        let is_next = |record: &&Record| record.start < until && record.time.0 <= latest;
        let next = first + batch.records[first..].iter().take_while(is_next).count().max(1);
        let last = &batch.records[next - 1];
        head.reading.reach(last.end);
        head.last_time = last.time.0;
        head.next_time = batch.records.get(next).map(|record| record.time.0);
        head.whole = false;
        if by_time && head.next_time.is_some() {
            self.keep_batch(batch.clone(), next);
        }
        Some(Pulled::Events { batch, records: first..next })
    }

    /// Keeps a partly handed out batch; if there are too many, drops the one that is needed last.
    fn keep_batch(&mut self, batch: Arc<Batch>, next: usize) {
        self.held.insert(batch.generation.id, (batch, next));
        if self.held.len() <= HELD {
            return;
        }
        let last = self.held.keys().copied().max_by_key(|id| self.heads[id].next_time);
        let dropped = last.and_then(|last| Some((last, self.held.remove(&last)?)));
        if let Some((generation, (_, next))) = dropped {
            self.head(generation).whole = next > 0;
        }
    }
}

#[cfg(test)]
mod tests;
