//! Fills bulks from the log: reads events, filters them, applies privacy and encodes them, on a blocking thread. Moves
//! no cursor.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::WorkerConfig;
use super::bulk::{Bulk, Span};
use super::confirmed_prefix::Prefix;
use super::filter::Filter;
use super::lanes::{Owner, Targets};
use crate::base::{sanitize, with_causes};
use crate::event::{Batch, GenerationId, SourceName};
use crate::follow::{Pull, Pulled, Queue, Reading};
use crate::privacy::{KeyError, Policy, protect};
use crate::sink::Sink;

/// Where to continue reading in one generation.
#[derive(Debug)]
pub(super) struct ReadPosition {
    /// As [`Span::slot`].
    pub slot: usize,
    /// Up to the end of the round, or to the known end.
    pub reading: Reading,
    /// The events that are done: they are not added to a bulk again.
    pub done: Prefix,
    /// Events that start before this offset were encoded before: their values are not counted again.
    pub encoded_until: u64,
}

/// Maximum number of bytes that one call reads, so that progress is reported even if the filter rejects everything.
pub(super) const MAX_PASS_BYTES: u64 = 16 * 1024 * 1024;

/// The maximum numbers of events and bytes in one bulk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub events: usize,
    pub bytes: usize,
}

/// The result of one call of [`BatchEncoder::encode_next`].
#[derive(Debug, Default)]
pub(super) struct EncodeResult {
    pub bulk: Bulk,
    /// Slot → how far it is read.
    pub reached: Vec<(usize, Reading)>,
    /// Slot → its source.
    pub sources: Vec<(usize, SourceName)>,
    /// Events that need no delivery: filtered, or the sink encodes nothing for them.
    pub skipped: Vec<Span>,
    pub skipped_events: u64,
    /// Number of sealed values that were too short to be searched for in other fields.
    pub unprotected: u64,
    /// Events that other workers deliver, and which workers.
    pub for_others: Vec<(Span, Owner)>,
    /// Bytes that were destroyed before they were read.
    pub lost: Vec<Span>,
    pub errors: Vec<std::io::Error>,
    /// The bulk is full; there are more events.
    pub full: bool,
}

/// Reads and encodes events for one sink.
pub(super) struct BatchEncoder {
    queue: Arc<dyn Queue>,
    sink: Arc<dyn Sink>,
    policy: Arc<Policy>,
    filter: Filter,
    targets: Targets,
    /// Keeps the turn among generations, and the batch in which the last bulk ended, from call to call.
    pull: Pull,
}

impl BatchEncoder {
    pub(super) fn new(config: &WorkerConfig, targets: Targets) -> Self {
        BatchEncoder {
            queue: config.queue.clone(),
            sink: config.sink.clone(),
            policy: config.policy.clone(),
            filter: config.filter.clone(),
            targets,
            pull: Pull::fair(),
        }
    }

    /// Sets the targets whose events it encodes from now on.
    pub(super) fn set_targets(&mut self, targets: Targets) {
        self.targets = targets;
    }

    /// Frees the kept batches; they are read again when needed.
    pub(super) fn release(&mut self) {
        self.pull.release();
    }

    /// Reads from these positions and fills `buffer` up to the limits of `room`.
    pub(super) fn encode_next(
        &mut self,
        positions: Vec<ReadPosition>,
        room: Room,
        buffer: Bulk,
    ) -> EncodeResult {
        let mut encoded = EncodeResult { bulk: buffer, ..EncodeResult::default() };
        self.pull.set(positions.iter().map(|position| position.reading));
        let positions: HashMap<GenerationId, &ReadPosition> =
            positions.iter().map(|position| (position.reading.generation, position)).collect();
        let mut read = 0;
        while !encoded.full
            && let Some((generation, pulled)) = self.pull.next(&*self.queue)
        {
            let position = positions[&generation];
            read += pulled.bytes();
            match pulled {
                Pulled::Events { batch, records } => {
                    self.take(&batch, records, position, room, &mut encoded);
                }
                Pulled::Lost { from: start, to: end } => {
                    encoded.lost.push(Span { slot: position.slot, start, end });
                }
                Pulled::Failed(error) => encoded.errors.push(error),
            }
            encoded.full |= read >= MAX_PASS_BYTES && self.pull.is_due();
        }
        let readings = self.pull.readings();
        encoded.reached = readings.map(|read| (positions[&read.generation].slot, *read)).collect();
        encoded
    }

    /// Takes events of a batch, in order. From one that does not fit or cannot be sealed now, they stay in the pull.
    fn take(
        &mut self,
        batch: &Arc<Batch>,
        records: Range<usize>,
        position: &ReadPosition,
        room: Room,
        encoded: &mut EncodeResult,
    ) {
        encoded.sources.push((position.slot, batch.generation.source.clone()));
        self.policy.refresh();
        for index in records {
            match self.take_one(batch, index, position, room, encoded) {
                Ok(EventResult::NoRoom) => {
                    encoded.full = true;
                    return self.pull.give_back(batch.clone(), index);
                }
                Ok(_) => {}
                Err(error) => {
                    encoded.errors.push(sealing_failed(batch, &error));
                    return self.pull.refuse(batch, index);
                }
            }
        }
    }

    fn take_one(
        &mut self,
        batch: &Batch,
        index: usize,
        position: &ReadPosition,
        room: Room,
        encoded: &mut EncodeResult,
    ) -> Result<EventResult, KeyError> {
        let event = batch.event(index);
        let (start, end) = (event.record.start, event.record.end);
        if position.done.contains(start) {
            return Ok(EventResult::AlreadyDone);
        }
        let span = Span { slot: position.slot, start, end };
        let taken = match self.filter.passes(&event) {
            true => self.encode(batch, index, room, start >= position.encoded_until, encoded)?,
            false => EventResult::Filtered,
        };
        match taken {
            EventResult::Filtered => {
                encoded.skipped_events += 1;
                join(&mut encoded.skipped, span);
            }
            EventResult::ForOther(ref owner) => match encoded.for_others.last_mut() {
                Some((last, of)) if of == owner && last.touches(span) => last.end = span.end,
                _ => encoded.for_others.push((span, owner.clone())),
            },
            EventResult::Added { day } => encoded.add(span, day, batch),
            EventResult::AlreadyDone | EventResult::NoRoom => {}
        }
        Ok(taken)
    }

    /// The body grows only for an added event. The first event of a bulk always fits.
    fn encode(
        &self,
        batch: &Batch,
        index: usize,
        room: Room,
        is_new: bool,
        encoded: &mut EncodeResult,
    ) -> Result<EventResult, KeyError> {
        if encoded.bulk.len() >= room.events {
            return Ok(EventResult::NoRoom);
        }
        let body = &mut encoded.bulk.items.body;
        let before = body.len();
        let event = protect(&self.policy, batch.event(index))?;
        self.sink.encode(&event, body);
        let length = body.len();
        let owner = || self.targets.owner(&*self.sink, &body[before..]);
        let taken = match (length > before).then(owner) {
            None => EventResult::Filtered,
            Some(Owner::This) if before > 0 && length > room.bytes => EventResult::NoRoom,
            Some(Owner::This) => {
                if is_new {
                    encoded.unprotected += u64::from(event.unprotected());
                }
                return Ok(EventResult::Added { day: event.day() });
            }
            Some(other) => EventResult::ForOther(other),
        };
        body.truncate(before);
        Ok(taken)
    }
}

/// The error for an event that cannot be sealed: reading of its file stops there and is retried.
fn sealing_failed(batch: &Batch, error: &KeyError) -> std::io::Error {
    let path = sanitize::line(&batch.path.to_string_lossy()).into_owned();
    let error = with_causes(error);
    std::io::Error::other(format!(
        "{path} is paused, so that nothing leaves in plain text: {error}"
    ))
}

/// The result for one event of a batch.
enum EventResult {
    /// It was done before.
    AlreadyDone,
    /// It was added to the bulk.
    Added {
        /// The day that names its index.
        day: i32,
    },
    /// Filtered, or the sink encodes nothing for it.
    Filtered,
    ForOther(Owner),
    NoRoom,
}

impl EncodeResult {
    fn add(&mut self, span: Span, day: i32, batch: &Batch) {
        self.bulk.items.ends.push(self.bulk.items.body.len());
        self.bulk.spans.push(span);
        self.bulk.days.push(day);
        self.bulk.oldest = Some(self.bulk.oldest.map_or(batch.seen, |time| time.min(batch.seen)));
    }
}

/// Adds the span, merged with the last one if they are adjacent.
fn join(spans: &mut Vec<Span>, span: Span) {
    match spans.last_mut() {
        Some(last) if last.touches(span) => last.end = span.end,
        _ => spans.push(span),
    }
}
