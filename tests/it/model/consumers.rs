//! The two consumers: one keeps its cursors as the Elasticsearch sink does, one as the archive and the file sink do.

use std::collections::{BTreeMap, HashMap};

use logwarden::event::{Cursor, Event, EventId, GenerationId, Identity, Mark};
use logwarden::follow::{Log, Read};
use logwarden::state::Store;

use super::failure::{Failure, Kind};
use super::steps::Consumer;

/// An event as a consumer took it.
#[derive(Clone, Debug, PartialEq)]
pub struct TakenEvent {
    pub id: EventId,
    pub text: Vec<u8>,
    pub generation: GenerationId,
    pub bounds: (u64, u64),
    pub taken: TakenAt,
}

/// The moment at which an event was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenAt {
    /// How often the state had been lost or replaced by an older one; ids may denote other streams after that.
    pub epoch: usize,
    /// How many streams existed.
    pub streams: usize,
}

/// Bytes that the log reported as lost.
#[derive(Clone, Copy, Debug)]
pub struct Lost {
    pub generation: GenerationId,
    pub from: u64,
    pub to: u64,
}

#[derive(Debug, Default)]
pub struct Pulled {
    pub events: Vec<TakenEvent>,
    pub lost: Vec<Lost>,
}

/// The read offsets of one consumer, kept as `sink::worker` keeps them.
#[derive(Debug, Default)]
pub struct ReadPositions {
    pub offsets: BTreeMap<GenerationId, u64>,
    /// Cursors in generations that the log does not list yet.
    elsewhere: HashMap<GenerationId, u64>,
}

impl ReadPositions {
    fn begin(&mut self, cursors: impl Iterator<Item = (GenerationId, u64)>) {
        *self = ReadPositions { offsets: BTreeMap::new(), elsewhere: cursors.collect() };
    }

    /// `marks`: the marks kept with the consumer's own cursors. Returns the generations whose mark does not match.
    fn discover(
        &mut self,
        consumer: Consumer,
        log: &Log,
        store: &Store,
        marks: &HashMap<GenerationId, Mark>,
    ) -> Vec<GenerationId> {
        let mut refuted = Vec::new();
        for generation in log.generations() {
            let Some((start, end)) = log.extent(generation) else { continue };
            if self.offsets.contains_key(&generation) {
                continue;
            }
            let is_beyond = self.elsewhere.get(&generation).is_some_and(|done| *done > end);
            let is_gone = store.generation(generation).is_some_and(|row| row.ended.is_some());
            if is_beyond && (!log.settled() || !log.has_file(generation) && !is_gone) {
                continue;
            }
            let done = self.elsewhere.remove(&generation);
            let holds = marks.get(&generation).and_then(|mark| log.matches_mark(generation, mark));
            if holds == Some(false) {
                refuted.push(generation);
                let offset = start;
                store.put_cursor(&consumer.to_string(), "*", Cursor { generation, offset });
                self.offsets.insert(generation, offset);
                continue;
            }
            let offset = match is_beyond {
                true if is_gone => end,
                true => {
                    refuted.push(generation);
                    start
                }
                false => done.unwrap_or(start),
            };
            store.put_cursor_if_none(&consumer.to_string(), "*", Cursor { generation, offset });
            self.offsets.insert(generation, offset);
        }
        refuted
    }

    fn pull(&mut self, log: &Log, most: usize, when: TakenAt) -> Result<Pulled, Failure> {
        let mut pulled = Pulled::default();
        for (&generation, offset) in &mut self.offsets {
            while pulled.events.len() < most {
                match log.read(Cursor { generation, offset: *offset }).map_err(Failure::read)? {
                    Read::Batch { batch, first } => {
                        for event in batch.events().skip(first).take(most - pulled.events.len()) {
                            if event.record.start != *offset {
                                return Err(Failure::new(
                                    Kind::Gap,
                                    format!(
                                        "a record at {} where {offset} is next",
                                        event.record.start
                                    ),
                                ));
                            }
                            *offset = event.record.end;
                            pulled.events.push(got(&event, when));
                        }
                    }
                    Read::Lost { to } => {
                        pulled.lost.push(Lost { generation, from: *offset, to });
                        *offset = to;
                    }
                    Read::Waiting | Read::Finished => break,
                }
            }
        }
        Ok(pulled)
    }
}

fn got(event: &Event<'_>, when: TakenAt) -> TakenEvent {
    TakenEvent {
        id: event.id(),
        text: event.text().to_vec(),
        generation: event.batch.generation.id,
        bounds: (event.record.start, event.record.end),
        taken: when,
    }
}

/// Keeps its cursors in the state and one document per event id.
#[derive(Debug, Default)]
pub struct Elastic {
    pub reading: ReadPositions,
    pub documents: BTreeMap<EventId, TakenEvent>,
    /// Every event sent, repetitions included.
    pub attempts: Vec<TakenEvent>,
}

impl Elastic {
    pub fn begin(&mut self, store: &Store) {
        let rows = store.cursors(&Consumer::Elastic.to_string()).into_iter();
        self.reading.begin(rows.map(|row| (row.generation, row.offset)));
    }

    pub fn take(
        &mut self,
        log: &Log,
        store: &Store,
        most: usize,
        when: TakenAt,
    ) -> Result<Pulled, Failure> {
        self.reading.discover(Consumer::Elastic, log, store, &HashMap::new());
        let pulled = self.reading.pull(log, most, when)?;
        for event in &pulled.events {
            self.attempts.push(event.clone());
            let known = self.documents.entry(event.id).or_insert_with(|| event.clone());
            if known.text != event.text {
                let text = format!("one id, two texts: {known:?} and {event:?}");
                return Err(Failure::new(Kind::SameId, text));
            }
        }
        Ok(pulled)
    }

    pub fn confirm(&self, store: &Store) {
        for (&generation, &offset) in &self.reading.offsets {
            store.put_cursor(&Consumer::Elastic.to_string(), "*", Cursor { generation, offset });
        }
    }
}

/// How far one generation has been taken, as `archive::positions` and the side file of a file sink keep it.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub cursor: Cursor,
    pub identity: Identity,
    pub mark: Mark,
}

/// Keeps its own positions and commits them together with the events.
#[derive(Debug, Default)]
pub struct Archive {
    pub reading: ReadPositions,
    pub taken: Vec<TakenEvent>,
    pub positions: BTreeMap<GenerationId, Position>,
    /// Taken but not committed yet.
    added: Vec<TakenEvent>,
    reached: HashMap<GenerationId, u64>,
}

impl Archive {
    pub fn begin(&mut self, log: &Log, store: &Store) {
        self.added.clear();
        self.reached.clear();
        let name = Consumer::Archive.to_string();
        for row in store.cursors(&name) {
            let start = log.extent(row.generation).map(|(start, _)| start);
            if !self.positions.contains_key(&row.generation)
                && let Some(offset) = start
            {
                store.put_cursor(&name, "*", Cursor { generation: row.generation, offset });
            }
        }
        for position in self.positions.values() {
            if store.generation(position.cursor.generation).is_some() {
                store.put_cursor(&name, "*", position.cursor);
            }
        }
        let own = self.positions.iter().map(|(id, position)| (*id, position.cursor.offset));
        self.reading.begin(own);
    }

    pub fn take(
        &mut self,
        log: &Log,
        store: &Store,
        most: usize,
        when: TakenAt,
    ) -> Result<Pulled, Failure> {
        let marks = self.positions.iter().map(|(id, position)| (*id, position.mark)).collect();
        for generation in self.reading.discover(Consumer::Archive, log, store, &marks) {
            self.positions.remove(&generation);
        }
        let pulled = self.reading.pull(log, most, when)?;
        for event in &pulled.events {
            let committed = self.positions.get(&event.generation).map_or(0, |p| p.cursor.offset);
            let reached = self.reached.entry(event.generation).or_insert(committed);
            if event.bounds.0 >= *reached {
                *reached = event.bounds.1;
                self.added.push(event.clone());
            }
        }
        Ok(pulled)
    }

    /// Makes the taken events and the positions after them durable together.
    pub fn commit(&mut self, store: &Store) {
        for (&generation, &offset) in &self.reading.offsets {
            let Some(row) = store.generation(generation) else { continue };
            let cursor = Cursor { generation, offset };
            let position = self.positions.entry(generation).or_insert(Position {
                cursor,
                identity: row.identity.clone(),
                mark: *row.last_mark(),
            });
            if offset > position.mark.offset {
                (position.identity, position.mark) = (row.identity.clone(), *row.last_mark());
            }
            position.cursor.offset = position.cursor.offset.max(offset);
            store.put_cursor(&Consumer::Archive.to_string(), "*", position.cursor);
        }
        self.taken.append(&mut self.added);
        self.reached.clear();
    }

    /// A kill discards uncommitted events.
    pub fn forget_uncommitted_events(&mut self) {
        self.added.clear();
        self.reached.clear();
    }
}
