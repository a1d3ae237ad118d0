//! Pulls events from the log for one consumer: one cursor per generation, taken in fair turns or merged by time.
//!
//! It reads only generations that the log names, as far as they were seen then: so whatever is due at one
//! [`Pull::look`] gets its turn before anything that comes later. What cannot be read, or is not complete, waits
//! until the log tells of it or [`Pull::look_again`] is called; the others go on meanwhile. It knows no clock
//! and nothing of what becomes of the events: its cursors stand behind everything that it handed out, and a
//! consumer keeps them together with what it made of that.

mod reading;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{News, Queue, Read};
use crate::event::{Batch, Cursor, GenerationId, Record};

pub use reading::Reading;

/// Batches that are kept while other generations are read: so many that are written at the same time are merged
/// event by event, more of them batch by batch.
const HELD: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Pull {
    by_time: bool,
    heads: HashMap<GenerationId, Head>,
    /// Those with something to read, by their rank. Invariant: a head has a rank where it is among these.
    due: BTreeSet<(i64, GenerationId)>,
    /// Those with something unread that wait.
    waiting: BTreeSet<GenerationId>,
    /// Batches of which a part is not handed out: where each goes on. At most [`HELD`].
    held: HashMap<GenerationId, (Arc<Batch>, usize)>,
    /// Where to begin in generations that the log has not named yet.
    start: HashMap<GenerationId, u64>,
    /// Number of the last turn.
    turn: i64,
}

/// One generation.
#[derive(Debug)]
struct Head {
    reading: Reading,
    rank: Option<i64>,
    /// Of its next event, where somebody has read it.
    next_time: Option<i64>,
    /// Of the last event that was handed out; the next one is hardly older.
    last_time: i64,
    /// A part of its batch was handed out, and the batch given up: it comes whole then, lest it is read for each event.
    whole: bool,
}

/// What was found in a generation.
#[derive(Debug)]
pub enum Pulled {
    /// These records of the batch.
    Events { batch: Arc<Batch>, records: Range<usize> },
    /// Bytes [from, to) are gone.
    Lost { from: u64, to: u64 },
    /// It cannot be read now.
    Failed(io::Error),
}

impl Pulled {
    /// Bytes of the log.
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
    /// A batch of one generation, then one of the next.
    pub fn fair() -> Self {
        Pull::new(false)
    }

    /// The oldest event of all that are due comes next, as far as generations keep the order of time themselves.
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

    /// Begins there, instead of at their beginning, in generations that the log names from now on.
    pub fn start_at(&mut self, cursors: impl IntoIterator<Item = Cursor>) {
        self.start.extend(cursors.into_iter().map(|cursor| (cursor.generation, cursor.offset)));
    }

    /// The cursors to keep, also of generations that the log has not named yet.
    pub fn cursors(&self) -> impl Iterator<Item = Cursor> {
        let start = self.start.iter().map(|(&generation, &offset)| Cursor { generation, offset });
        self.heads.values().map(|head| head.reading.cursor()).chain(start)
    }

    /// What the log has told. Returns generations that are new; those that the log does not hold are forgotten.
    pub fn look(&mut self, queue: &dyn Queue, news: News) -> Vec<GenerationId> {
        let mut named: Vec<GenerationId> = news.generations.into_iter().collect();
        if news.all {
            named = queue.generations();
            named.extend(self.heads.keys().filter(|id| !queue.holds(**id)));
        }
        let mut new = Vec::new();
        for generation in named {
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

    /// The generation reaches up to `end`. Reads on where it is, or from the cursor where it is new.
    pub fn hear(&mut self, from: Cursor, end: u64) {
        match self.heads.get_mut(&from.generation) {
            Some(head) => head.reading.hear(end),
            None => self.add(Reading::new(from, end), None),
        }
        self.line_up(from.generation);
    }

    /// Reads these from now on, and no others; whose turn it is stays.
    pub fn set(&mut self, readings: impl Iterator<Item = Reading>) {
        let before = std::mem::take(&mut self.heads);
        self.due.clear();
        self.waiting.clear();
        for reading in readings {
            let rank = before.get(&reading.generation).and_then(|head| head.rank);
            self.add(reading, rank);
            self.line_up(reading.generation);
        }
        self.held.retain(|id, _| self.heads.contains_key(id));
    }

    fn add(&mut self, reading: Reading, rank: Option<i64>) {
        let head = Head { reading, rank, next_time: None, last_time: i64::MIN, whole: false };
        self.heads.insert(reading.generation, head);
    }

    fn forget(&mut self, generation: GenerationId) {
        if let Some(Head { rank: Some(rank), .. }) = self.heads.remove(&generation) {
            self.due.remove(&(rank, generation));
        }
        self.waiting.remove(&generation);
        self.held.remove(&generation);
    }

    /// Those that wait may be read again.
    pub fn look_again(&mut self) {
        for generation in std::mem::take(&mut self.waiting) {
            self.head(generation).reading.look_again();
            self.line_up(generation);
        }
    }

    /// What is read next, where anything is due. Blocking.
    pub fn next(&mut self, queue: &dyn Queue) -> Option<(GenerationId, Pulled)> {
        while let Some((_, generation)) = self.due.pop_first() {
            self.head(generation).rank = None;
            let pulled = self.read(queue, generation);
            self.line_up(generation);
            if let Some(pulled) = pulled {
                return Some((generation, pulled));
            }
        }
        None
    }

    /// The records from this one on, of what was handed out last, are not taken yet: they come first in the next turn.
    pub fn give_back(&mut self, batch: Arc<Batch>, record: usize) {
        let (generation, offset) = (batch.generation.id, batch.records[record].start);
        self.head(generation).reading.rewind(offset);
        self.rank(generation, Some(i64::MIN));
        self.held.insert(generation, (batch, record));
    }

    /// The same where they cannot be taken now.
    pub fn refuse(&mut self, batch: &Batch, record: usize) {
        let generation = batch.generation.id;
        let reading = &mut self.head(generation).reading;
        reading.rewind(batch.records[record].start);
        reading.fail();
        self.line_up(generation);
    }

    /// Memory goes back; what was held is read again.
    pub fn release(&mut self) {
        self.held.clear();
    }

    pub fn knows(&self, generation: GenerationId) -> bool {
        self.heads.contains_key(&generation)
    }

    pub fn readings(&self) -> impl Iterator<Item = &Reading> {
        self.heads.values().map(|head| &head.reading)
    }

    /// There may be something to read.
    pub fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Everything that the log has told of is read, as far as it is complete and can be read.
    pub fn is_through(&self) -> bool {
        let is_through = |id| self.heads[id].reading.is_through();
        !self.is_due() && self.waiting.iter().all(is_through)
    }

    /// Some record stands open: not complete, but perhaps with time.
    pub fn is_open(&self) -> bool {
        self.waiting.iter().any(|id| !self.heads[id].reading.fails())
    }

    /// Some generation could not be read.
    pub fn fails(&self) -> bool {
        self.waiting.iter().any(|id| self.heads[id].reading.fails())
    }

    fn head(&mut self, generation: GenerationId) -> &mut Head {
        self.heads.get_mut(&generation).expect("a generation that is due or waits has a head")
    }

    /// Puts it where it belongs now: among those that are due, that wait, or neither.
    fn line_up(&mut self, generation: GenerationId) {
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

    /// `None` where nothing of it can be handed out now.
    fn read(&mut self, queue: &dyn Queue, generation: GenerationId) -> Option<Pulled> {
        let held = self.held.remove(&generation);
        let head = self.head(generation);
        let cursor = head.reading.cursor();
        let is_here = |(batch, first): &(Arc<Batch>, usize)| {
            batch.records.get(*first).is_some_and(|record| record.start == cursor.offset)
        };
        let read = match held.filter(is_here) {
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
            self.hold(batch, first);
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
            self.hold(batch.clone(), next);
        }
        Some(Pulled::Events { batch, records: first..next })
    }

    /// Where too many are held, the one that is needed last is given up.
    fn hold(&mut self, batch: Arc<Batch>, next: usize) {
        self.held.insert(batch.generation.id, (batch, next));
        if self.held.len() <= HELD {
            return;
        }
        let last = self.held.keys().copied().max_by_key(|id| self.heads[id].next_time);
        let given_up = last.and_then(|last| Some((last, self.held.remove(&last)?)));
        if let Some((generation, (_, next))) = given_up {
            self.head(generation).whole = next > 0;
        }
    }
}

#[cfg(test)]
mod tests;
