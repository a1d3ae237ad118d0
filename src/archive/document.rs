//! Encodes one event as an item: consecutive bytes from which the indexer reads the values of the fields in place.
//! Also limits the bytes that the indexer has not processed yet ([`InFlight`]).
//!
//! All expensive work (privacy, lower case, numbers, JSON) is done by [`encode`], so that the indexer only copies
//! bytes. The layout of an item, little endian: generation u64 ‖ start u64 ‖ end u64 ‖ time i64 ‖ day i32 ‖ level u8
//! (0: none) ‖ length u32 and search text ‖ length u32 and event document ‖ for each term: length u16 and term.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tantivy::schema::Field;
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf, Value};

use super::schema;
use super::term::each_term;
use crate::event::GenerationId;
use crate::privacy::Outgoing;
use crate::query::{Subject, value::each_text};

/// Longest wait for room.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait for the indexer to process one delivery. It usually takes some 50 ms; longer if a segment is written
/// meanwhile or the indexer has failed.
const SHORT_WAIT: Duration = Duration::from_millis(100);

const GENERATION: usize = 0;
const START: usize = 8;
const END: usize = 16;
const TIME: usize = 24;
const DAY: usize = 32;
const LEVEL: usize = 36;
const TEXT: usize = 37;

/// Appends one item to `body`.
pub fn encode(event: &Outgoing<'_>, body: &mut Vec<u8>) {
    body.extend_from_slice(&event.generation().0.to_le_bytes());
    body.extend_from_slice(&event.offset().to_le_bytes());
    body.extend_from_slice(&(event.offset() + event.input_bytes()).to_le_bytes());
    body.extend_from_slice(&event.time().0.to_le_bytes());
    body.extend_from_slice(&event.seen().day().to_le_bytes());
    body.push(event.level().map_or(0, |level| level as u8));
    with_length(body, |body| body.extend_from_slice(event.search_text().as_bytes()));
    with_length(body, |body| event.write_json(body));
    let mut term = Vec::with_capacity(64);
    event.leaves(&mut |path, value| {
        each_text(&value, &mut |text| {
            each_term(path, text, &mut term, &mut |term| {
                // The longest name and the longest value together are far shorter.
                if let Ok(length) = u16::try_from(term.len()) {
                    body.extend_from_slice(&length.to_le_bytes());
                    body.extend_from_slice(term);
                }
            });
        });
    });
}

/// The event document in an item, as JSON.
pub fn document(item: &[u8]) -> &[u8] {
    split(split(&item[TEXT..]).1).0
}

fn with_length(body: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = body.len();
    body.extend_from_slice(&[0; 4]);
    write(body);
    let length =
        u32::try_from(body.len() - at - 4).expect("a record is limited to far less than 4 GiB");
    body[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The generation and the offsets of an item's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub generation: GenerationId,
    pub start: u64,
    pub end: u64,
}

pub(super) fn origin(item: &[u8]) -> Origin {
    Origin {
        generation: GenerationId(number(item, GENERATION)),
        start: number(item, START),
        end: number(item, END),
    }
}

fn number(item: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(item[at..at + 8].try_into().expect("8 bytes"))
}

/// Splits off the bytes that [`with_length`] wrote.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("4 bytes"));
    rest.split_at(length as usize)
}

/// The bytes of one delivery, shared by its items; when the last item is dropped, they no longer count as in flight.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Bytes,
    in_flight: Arc<InFlight>,
}

impl Drop for Body {
    fn drop(&mut self) {
        let length = self.bytes.len();
        // The bytes first: a thread that waits for this reuses their buffer.
        drop(std::mem::take(&mut self.bytes));
        self.in_flight.leave(length);
    }
}

/// The number of bytes that were given to the indexer and not processed yet.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl InFlight {
    /// Waits until at most `room` bytes would be in flight (or nothing else is), then counts `bytes` as in flight. The
    /// wait is limited: if the indexer has failed, the next call to it reports that.
    pub fn enter(self: &Arc<Self>, bytes: Bytes, room: usize) -> Arc<Body> {
        let length = bytes.len();
        let is_full = |in_flight: usize| in_flight > 0 && in_flight + length > room;
        *self.wait_while(LONGEST_WAIT, is_full) += length;
        Arc::new(Body { bytes, in_flight: self.clone() })
    }

    fn leave(&self, length: usize) {
        *self.bytes.lock().expect("no holder panics") -= length;
        self.less.notify_all();
    }

    /// Waits until the indexer has processed all bytes, but only for a short time.
    pub fn wait_until_empty(&self) {
        drop(self.wait_while(SHORT_WAIT, |in_flight| in_flight > 0));
    }

    fn wait_while(
        &self,
        longest: Duration,
        is_too_much: impl Fn(usize) -> bool,
    ) -> MutexGuard<'_, usize> {
        let in_flight = self.bytes.lock().expect("no holder panics");
        let waited =
            self.less.wait_timeout_while(in_flight, longest, |in_flight| is_too_much(*in_flight));
        waited.expect("no holder panics").0
    }
}

/// One item as a tantivy document.
#[derive(Debug)]
pub(super) struct Item {
    pub body: Arc<Body>,
    pub start: usize,
    pub end: usize,
    /// The day of the newest commit: items with an earlier day get this one.
    pub earliest: i32,
}

impl Item {
    fn bytes(&self) -> &[u8] {
        &self.body.bytes[self.start..self.end]
    }
}

impl Document for Item {
    type Value<'a> = Cell<'a>;
    type FieldsValuesIter<'a> = Cells<'a>;

    fn iter_fields_and_values(&self) -> Cells<'_> {
        Cells { item: self.bytes(), next: schema::TIME, rest: &[], earliest: self.earliest }
    }
}

/// The values of an item, in the order of their fields.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    item: &'a [u8],
    next: Field,
    /// The remaining terms.
    rest: &'a [u8],
    earliest: i32,
}

impl<'a> Iterator for Cells<'a> {
    type Item = (Field, Cell<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.next;
        let cell = match field {
            schema::TIME => Cell::I64(number(self.item, TIME).cast_signed()),
            schema::OFFSET => Cell::U64(number(self.item, START)),
            schema::DAY => Cell::I64(self.day()),
            schema::LEVEL if self.item[LEVEL] == 0 => {
                self.next = schema::DOCUMENT;
                return self.next();
            }
            schema::LEVEL => Cell::U64(self.item[LEVEL].into()),
            schema::DOCUMENT => {
                let (document, terms) = split(split(&self.item[TEXT..]).1);
                self.rest = terms;
                Cell::Bytes(document)
            }
            schema::LEAF if !self.rest.is_empty() => return Some((field, self.term())),
            schema::LEAF => {
                self.next = schema::WORDS;
                return self.next();
            }
            schema::WORDS => Cell::Text(split(&self.item[TEXT..]).0),
            _ => return None,
        };
        self.next = Field::from_field_id(field.field_id() + 1);
        Some((field, cell))
    }
}

impl<'a> Cells<'a> {
    fn day(&self) -> i64 {
        let day = i32::from_le_bytes(self.item[DAY..DAY + 4].try_into().expect("4 bytes"));
        // With a clock that is far behind, new events must not be the first that retention removes.
        i64::from(day.max(self.earliest))
    }

    fn term(&mut self) -> Cell<'a> {
        let (length, rest) = self.rest.split_at(2);
        let length = u16::from_le_bytes(length.try_into().expect("2 bytes"));
        let (term, rest) = rest.split_at(length.into());
        self.rest = rest;
        Cell::Bytes(term)
    }
}

/// One value of an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    I64(i64),
    U64(u64),
    Bytes(&'a [u8]),
    /// Validated only when it is read.
    Text(&'a [u8]),
}

impl<'a> Value<'a> for Cell<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = std::iter::Empty<(&'a str, Self)>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match *self {
            Cell::I64(number) => ReferenceValueLeaf::I64(number),
            Cell::U64(number) => ReferenceValueLeaf::U64(number),
            Cell::Bytes(bytes) => ReferenceValueLeaf::Bytes(bytes),
            Cell::Text(bytes) => ReferenceValueLeaf::Str(
                simdutf8::basic::from_utf8(bytes).expect("encoded from a str"),
            ),
        })
    }
}
