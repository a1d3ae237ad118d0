//! A batch: consecutive events of one generation in one shared buffer, 48 bytes per record, immutable.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use super::fields::{Decode, Part};
use super::generation::Generation;
use super::id::EventId;
use super::level::Level;
use crate::base::Timestamp;

/// Special properties of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// The time is that of an earlier record.
    pub const TIME_PREVIOUS: Flags = Flags(1);
    /// The time is the moment at which the record was first seen.
    pub const TIME_SEEN: Flags = Flags(1 << 1);
    /// Follows a cut, or is part of a split record: belongs to an earlier record.
    pub const CONTINUATION: Flags = Flags(1 << 2);
    /// Longer than the limit: only its beginning is kept.
    pub const TRUNCATED: Flags = Flags(1 << 3);
    /// Its line end had not been written yet.
    pub const PARTIAL: Flags = Flags(1 << 4);
    /// A blank line: shown, but not given to sinks or rules.
    pub const QUIET: Flags = Flags(1 << 5);
    /// A run of NULs at the beginning of a record; also [`Flags::QUIET`], without text.
    pub const HOLE: Flags = Flags(1 << 6);
    /// Begins in the middle of a line, after a cut; also [`Flags::CONTINUATION`].
    pub const INSIDE: Flags = Flags(1 << 7);

    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    pub fn insert(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// Offsets, time and level of one record. 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Offset in the generation of its first byte.
    pub start: u64,
    /// Offset in the generation of the next record; the line end is included.
    pub end: u64,
    /// Offset of its text in [`Batch::bytes`].
    pub at: u32,
    /// Length of its text without the line end; shorter than `end - start` also if it was truncated.
    pub len: u32,
    /// Its own time, or a substitute (see the flags).
    pub time: Timestamp,
    pub level: Option<Level>,
    /// Fractional digits of the second as logged: 0, 3, 6, 9.
    pub precision: u8,
    pub flags: Flags,
}

/// Consecutive records of one generation, with the bytes of their texts.
///
/// Invariant: the records cover `[start, end)` in order, without gaps.
#[derive(Clone, Debug)]
pub struct Batch {
    pub generation: Arc<Generation>,
    /// The path of the file when the batch was read.
    pub path: Arc<Path>,
    /// The format in force, the same for the whole batch.
    pub decode: Arc<dyn Decode>,
    /// When the bytes were read.
    pub seen: Timestamp,
    /// The UTC day on which the bytes were first seen, stored with the generation: days since the epoch.
    pub day: i32,
    pub start: u64,
    pub end: u64,
    pub bytes: Arc<[u8]>,
    pub records: Vec<Record>,
}

impl Batch {
    /// Memory that the batch occupies, in bytes.
    pub fn weight(&self) -> usize {
        self.bytes.len() + self.records.len() * size_of::<Record>() + size_of::<Self>()
    }

    pub fn event(&self, index: usize) -> Event<'_> {
        Event { batch: self, record: &self.records[index] }
    }

    pub fn events(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.records.iter().map(|record| Event { batch: self, record })
    }

    /// Index of the record that begins at `offset`; `None` if there is none.
    pub fn index_of(&self, offset: u64) -> Option<usize> {
        self.records.binary_search_by_key(&offset, |record| record.start).ok()
    }
}

/// One event: a view into its batch.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    pub batch: &'a Batch,
    pub record: &'a Record,
}

impl<'a> Event<'a> {
    pub fn id(&self) -> EventId {
        let generation = &self.batch.generation;
        EventId::new(
            &generation.key,
            generation.id,
            &generation.identity,
            self.record.start,
            self.text(),
        )
    }

    pub fn time(&self) -> Timestamp {
        self.record.time
    }

    pub fn level(&self) -> Option<Level> {
        self.record.level
    }

    /// The text of the record as it is in the file, without its line end.
    pub fn text(&self) -> &'a [u8] {
        let at = self.record.at as usize;
        &self.batch.bytes[at..at + self.record.len as usize]
    }

    /// Message and fields in the order of the record.
    pub fn parts(&self, each: &mut dyn FnMut(Part<'a>)) {
        self.batch.decode.parts(self.text(), each);
    }

    /// The message. `None` if the record has none, as in formats with fields only.
    pub fn message(&self) -> Option<Cow<'a, str>> {
        let mut message = None;
        self.parts(&mut |part| {
            if let Part::Message(text) = part {
                message = Some(text);
            }
        });
        message
    }
}
