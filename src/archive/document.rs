//! One event on its way into the index: encoded once, then read in place by the indexer.
//!
//! Everything that costs (privacy, lower case, numbers, JSON) is done by [`encode`], so that the indexer only
//! copies bytes. Little endian: generation u64 ‖ start u64 ‖ end u64 ‖ time i64 ‖ day i32 ‖ level u8 (0: none)
//! ‖ length u32 and search text ‖ length u32 and event document ‖ for each term: length u16 and term.

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

const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A delivery is through in some 50 ms; one that meets the writing of a segment, or an indexer that died, takes longer.
const SHORT_WAIT: Duration = Duration::from_millis(100);

const GENERATION: usize = 0;
const START: usize = 8;
const END: usize = 16;
const TIME: usize = 24;
const DAY: usize = 32;
const LEVEL: usize = 36;
const TEXT: usize = 37;

/// Appends one item.
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
                // Longest name and longest value together stay far below.
                if let Ok(length) = u16::try_from(term.len()) {
                    body.extend_from_slice(&length.to_le_bytes());
                    body.extend_from_slice(term);
                }
            });
        });
    });
}

/// The event document in an item.
pub fn document(item: &[u8]) -> &[u8] {
    split(split(&item[TEXT..]).1).0
}

fn with_length(body: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = body.len();
    body.extend_from_slice(&[0; 4]);
    write(body);
    let length = u32::try_from(body.len() - at - 4).expect("a record is cut far below 4 GiB");
    body[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// Where an item comes from.
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

/// Splits off what [`with_length`] wrote.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("4 bytes"));
    rest.split_at(length as usize)
}

/// The bytes of one delivery, shared by its items; tells when the indexer is through with them.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Bytes,
    flow: Arc<Flow>,
}

impl Drop for Body {
    fn drop(&mut self) {
        let length = self.bytes.len();
        // First the bytes: who waits for them uses their buffer again.
        drop(std::mem::take(&mut self.bytes));
        self.flow.leave(length);
    }
}

/// How many bytes are between us and the indexer.
#[derive(Debug, Default)]
pub(super) struct Flow {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Flow {
    /// Waits until there is room (or nothing at all on the way), then lets the bytes in. Not for ever: where the
    /// indexer died, the call that follows says so.
    pub fn enter(self: &Arc<Self>, bytes: Bytes, room: usize) -> Arc<Body> {
        let length = bytes.len();
        let is_full = |under_way: usize| under_way > 0 && under_way + length > room;
        *self.wait_while(LONGEST_WAIT, is_full) += length;
        Arc::new(Body { bytes, flow: self.clone() })
    }

    fn leave(&self, length: usize) {
        *self.bytes.lock().expect("no holder panics") -= length;
        self.less.notify_all();
    }

    /// Waits a little for the indexer to be through with all of them.
    pub fn run_dry(&self) {
        drop(self.wait_while(SHORT_WAIT, |under_way| under_way > 0));
    }

    fn wait_while(
        &self,
        longest: Duration,
        is_much: impl Fn(usize) -> bool,
    ) -> MutexGuard<'_, usize> {
        let under_way = self.bytes.lock().expect("no holder panics");
        let waited =
            self.less.wait_timeout_while(under_way, longest, |under_way| is_much(*under_way));
        waited.expect("no holder panics").0
    }
}

/// One item as tantivy sees it.
#[derive(Debug)]
pub(super) struct Item {
    pub body: Arc<Body>,
    pub start: usize,
    pub end: usize,
    /// The day of the newest commit: nothing is put before it.
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
    /// Terms that are still to come.
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
        // A clock that stands far back must not make what comes in now the first to go.
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
    /// Checked only when it is asked for.
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
