//! Decodes one range of one file into records: reads it, finds the beginning of its first record, and assigns each
//! record its sort key in the timeline.

use std::io;
use std::sync::Arc;

use crate::base::Timestamp;
use crate::event::{Batch, Encoding, Flags, Generation, Record};
use crate::follow::cuts::is_inside_a_line;
use crate::follow::file::{FileFacts, FileHandle};
use crate::format::{Context, End, Format, Framer};

use super::PIECE;

/// If no record begins within this many bytes, they are shown as lines, or in parts, and the search for the beginning
/// of the record stops.
const FARTHEST: u64 = 4 * 1024 * 1024;

/// Consecutive records and their keys. Invariant: `keys` never falls, and has one for each record.
#[derive(Debug)]
pub struct Piece {
    pub batch: Arc<Batch>,
    pub keys: Vec<i64>,
    /// Records from this index on may still grow.
    pub open: usize,
}

impl Piece {
    /// The last record that begins before `offset`.
    pub fn last_before(&self, offset: u64) -> Option<usize> {
        self.batch.records.partition_point(|record| record.start < offset).checked_sub(1)
    }

    /// The first record that begins at or after `offset`.
    pub fn first_from(&self, offset: u64) -> Option<usize> {
        let index = self.batch.records.partition_point(|record| record.start < offset);
        (index < self.batch.records.len()).then_some(index)
    }

    pub fn weight(&self) -> usize {
        self.batch.weight() + self.keys.len() * size_of::<i64>()
    }
}

/// The records of a range; those from `open` on may still grow.
#[derive(Debug)]
pub(super) struct DecodedRange {
    pub batch: Batch,
    pub open: usize,
}

/// Reads ranges of one file and splits them into records.
#[derive(Debug)]
pub(super) struct RangeDecoder<'a> {
    pub handle: &'a FileHandle,
    pub facts: &'a FileFacts,
    pub format: &'a Arc<dyn Format>,
    pub encoding: Encoding,
    pub generation: &'a Arc<Generation>,
    pub seen: Timestamp,
    pub day_mark: i32,
    /// The last timestamp before the range, if it is known.
    pub last_time: Option<Timestamp>,
}

/// A range of a file. An edge is exact if a record is known to begin there.
#[derive(Clone, Copy, Debug)]
struct ByteRange {
    start: u64,
    start_exact: bool,
    stop: u64,
    stop_exact: bool,
}

impl RangeDecoder<'_> {
    /// Reads backwards from a record's beginning (or the file's end): the start moves towards `left`
    /// until a record begins.
    pub fn backwards(&self, left: u64, stop: u64) -> io::Result<DecodedRange> {
        let mut length = PIECE;
        loop {
            let start = self.encoding.unit_start(stop.saturating_sub(length)).max(left);
            let range = ByteRange { start, start_exact: start == left, stop, stop_exact: true };
            match self.decode(range)? {
                Some(decoded) => return Ok(decoded),
                None if length >= FARTHEST => {
                    return self.exact(self.line_after(start)?.min(stop), stop);
                }
                None => length *= 4,
            }
        }
    }

    /// Reads forwards from `start`: the stop moves towards `right` (where a record begins, or the file
    /// ends) until a record is complete.
    pub fn forwards(&self, start: u64, start_exact: bool, right: u64) -> io::Result<DecodedRange> {
        let mut length = PIECE;
        loop {
            let stop = (start + length).min(right);
            let range = ByteRange { start, start_exact, stop, stop_exact: stop == right };
            let found = self.decode(range)?.filter(|decoded| !decoded.batch.records.is_empty());
            match found {
                Some(decoded) => return Ok(decoded),
                None if stop == right || length >= FARTHEST => {
                    let start = if start_exact { start } else { self.line_after(start)? };
                    return self.exact(start.min(stop), stop);
                }
                None => length *= 4,
            }
        }
    }

    /// Decodes a range with a record beginning at both ends.
    pub fn exact(&self, start: u64, stop: u64) -> io::Result<DecodedRange> {
        let range = ByteRange { start, start_exact: true, stop, stop_exact: true };
        let decoded = self.decode(range)?;
        Ok(decoded.unwrap_or_else(|| self.frame(&[], start, true)))
    }

    /// The beginning of the first line after `offset`, used as a start if no record is known to begin there.
    fn line_after(&self, offset: u64) -> io::Result<u64> {
        let mut bytes = vec![0; PIECE as usize];
        let got = self.handle.read_at(&mut bytes, offset)?;
        Ok(offset + self.encoding.line_end(&bytes[..got], offset).unwrap_or(0) as u64)
    }

    /// Reads the range and splits it into records; `None` if no record begins in it.
    fn decode(&self, range: ByteRange) -> io::Result<Option<DecodedRange>> {
        let mut bytes = vec![0; (range.stop - range.start) as usize];
        let got = self.handle.read_at(&mut bytes, range.start)?;
        bytes.truncate(got);
        let skipped = match range.start_exact {
            true => 0,
            false => match self.framer().first_begin(&bytes, range.start, false) {
                Some(skipped) => skipped,
                None => return Ok(None),
            },
        };
        let live_end = range.stop == self.facts.size && self.facts.is_live();
        let start = range.start + skipped as u64;
        let closed = range.stop_exact && !live_end;
        let mut decoded = self.frame(&bytes[skipped..], start, closed);
        let place = (start, &*self.facts.cuts, self.encoding);
        if is_inside_a_line(place, |unit, from| self.handle.read_at(unit, from))? {
            self.framer().began_inside_a_line(&mut decoded.batch.records);
        }
        if live_end {
            self.append_open(&mut decoded, &bytes[skipped..]);
        }
        Ok(Some(decoded))
    }

    fn framer(&self) -> Framer {
        Framer::new(self.format.clone(), self.encoding)
    }

    fn frame(&self, bytes: &[u8], start: u64, closed: bool) -> DecodedRange {
        let mut context = Context {
            zone: self.handle.source.zone.clone(),
            day_mark: self.day_mark,
            last: self.last_time,
            since_last: 0,
            seen: self.seen,
        };
        let end = if closed { End::Closed } else { End::Open };
        let mut records = Vec::with_capacity(bytes.len() / 96 + 4);
        let cuts = &self.facts.cuts;
        let (framed, text) =
            self.framer().frame_file(bytes, start, cuts, end, &mut context, &mut records);
        let open = records.len();
        let used = records.last().map_or(0, |record| (record.at + record.len) as usize);
        let batch = Batch {
            generation: self.generation.clone(),
            path: self.facts.path.clone(),
            decode: self.format.clone(),
            seen: self.seen,
            day: self.seen.day(),
            start,
            end: start + framed.consumed as u64,
            bytes: text[..used].into(),
            records,
        };
        DecodedRange { batch, open }
    }

    /// Adds the bytes after the last complete record as records that may still grow.
    fn append_open(&self, decoded: &mut DecodedRange, bytes: &[u8]) {
        let from = (decoded.batch.end - decoded.batch.start) as usize;
        if from == bytes.len() {
            return;
        }
        let before = decoded.batch.bytes.len();
        let rest = self.frame(&bytes[from..], decoded.batch.end, true).batch;
        for mut record in rest.records {
            record.at += before as u32;
            record.flags.insert(Flags::PARTIAL);
            decoded.batch.records.push(record);
        }
        decoded.batch.bytes = [&*decoded.batch.bytes, &*rest.bytes].concat().into();
        decoded.batch.end = rest.end;
    }
}

/// Limits for the keys of a piece: those of its neighbours, and the latest plausible time.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyBounds {
    pub floor: Option<i64>,
    pub ceiling: Option<i64>,
    /// Later times are ignored.
    pub latest: Timestamp,
    /// Used if no other time is known.
    pub fallback: Timestamp,
}

/// A record's key is the highest plausible time of all records up to it, so that file order is kept and a line
/// dated 2066 has no effect.
pub(super) fn keys(records: &[Record], bounds: KeyBounds) -> Vec<i64> {
    let mut highest = bounds.floor;
    let mut keys: Vec<Option<i64>> = Vec::with_capacity(records.len());
    for record in records {
        if has_own_time(record) && record.time <= bounds.latest {
            highest = Some(highest.map_or(record.time.0, |key| key.max(record.time.0)));
        }
        keys.push(highest);
    }
    let first = keys.iter().flatten().next().copied();
    let before_any = first.or(bounds.ceiling).unwrap_or(bounds.fallback.0);
    let ceiling = bounds.ceiling.unwrap_or(i64::MAX);
    keys.into_iter().map(|key| key.unwrap_or(before_any).min(ceiling)).collect()
}

/// The record contains a timestamp of its own.
pub fn has_own_time(record: &Record) -> bool {
    record.flags.0 & (Flags::TIME_PREVIOUS.0 | Flags::TIME_SEEN.0) == 0
}
