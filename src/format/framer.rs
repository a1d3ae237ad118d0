//! Splits bytes into records: finds lines, joins those of one record, applies size limits and cuts. Pure; used by the
//! engine, the screen and `parse`.
//!
//! Promise: the bounds of records depend only on the bytes from a record's beginning on, the format and the cuts. So
//! reading can start at any record, and reading twice gives the same records. Every byte belongs to exactly one record;
//! nothing is dropped and nothing fails.
//! A run of NULs at the beginning of a record is a hole, which no program wrote: a record of its own without text, once
//! other bytes follow it. (A writer that does not append leaves a hole when its file is truncated.)

mod encoded;
mod finish;
mod join;

use std::sync::Arc;

use memchr::memchr;

use super::multiline::Trace;
use super::text::{is_blank, leading_hole, without_line_end};
use super::{Context, Format, Head, Joins};
use crate::event::{Encoding, Flags, Record};
pub use encoded::shared;
use finish::{is_later, mark_inside, with_time};
pub use join::is_unfinished_json;

/// A record with more lines is split.
const MAX_LINES: u32 = 1_000;

/// Maximum length of a record's text in bytes.
pub const LONGEST_RECORD: usize = 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Whether bytes may follow the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More bytes may follow: a record that may still grow is not returned.
    Open,
    /// Nothing follows, or there is a cut: the last record ends here, even without a line end.
    Closed,
}

/// The result of framing one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Bytes of the buffer that belong to the returned records.
    pub consumed: usize,
    /// Misfits after the last record that fitted: records, or lines if a long record was split.
    pub trailing_misfits: u32,
    /// At least one record fitted.
    pub fitted: bool,
}

impl Framed {
    /// After this many misfits in a row, the format is detected again.
    pub const VOTE_AGAIN: u32 = 200;

    /// Misfits in a row, including `before` of them before this buffer: for streams that deliver only a few records at
    /// a time.
    pub fn row(&self, before: u32) -> u32 {
        if self.fitted {
            self.trailing_misfits
        } else {
            before.saturating_add(self.trailing_misfits)
        }
    }
}

/// Splits the bytes of one generation into records of one format.
#[derive(Debug)]
pub struct Framer {
    pub format: Arc<dyn Format>,
    /// The encoding of the file; the framed text is always UTF-8.
    pub encoding: Encoding,
    /// Maximum length of a record's text in bytes. A longer line is one truncated record.
    pub max_length: usize,
}

impl Framer {
    /// Enough bytes to frame in one call: more than any record, also in UTF-16.
    pub const PIECE: usize = 2 * LONGEST_RECORD + 1024;

    pub fn new(format: Arc<dyn Format>, encoding: Encoding) -> Self {
        Framer { format, encoding, max_length: LONGEST_RECORD }
    }

    /// Length of the hole at the beginning of the file's `bytes`, which begin where a record may begin.
    pub fn leading_hole(&self, bytes: &[u8]) -> usize {
        self.encoding.unit_start(leading_hole(bytes) as u64) as usize
    }

    /// Appends the records of the text `bytes` (which begins at `base` of its generation, at the beginning of a
    /// record).
    /// `cuts` are ascending offsets of the generation; a record ends at each of them.
    /// Stops at `end`, or before a record that may still grow.
    ///
    /// With [`End::Open`] and a buffer of more than [`Framer::kept`] + 1 bytes it always makes progress, unless the
    /// first line is longer than that and incomplete ([`Framer::is_overlong`]).
    pub fn frame(
        &self,
        bytes: &[u8],
        base: u64,
        cuts: &[u64],
        end: End,
        context: &mut Context,
        records: &mut Vec<Record>,
    ) -> Framed {
        let format = &*self.format;
        let cuts = &cuts[cuts.partition_point(|cut| *cut < base)..];
        let framed = Framed { consumed: 0, trailing_misfits: 0, fitted: false };
        let joins = format.joins();
        let mut pass = Pass {
            format,
            joins,
            max_length: self.max_length,
            bytes,
            base,
            cuts,
            context,
            records,
            framed,
            open: None,
        };
        pass.run(end);
        pass.framed
    }

    /// Whether the first line of the file's `bytes`, which begin at `offset`, is longer than the limit and does not end
    /// in them. Then keep its beginning, skip the rest, and create its record with [`Framer::truncated`].
    pub fn is_overlong(&self, bytes: &[u8], offset: u64) -> bool {
        // The byte after the limit may be the CR of a line end.
        bytes.len() > self.kept() + 1 && self.encoding.line_end(bytes, offset).is_none()
    }

    /// The bytes of an over-long line to keep: the limit, plus a byte order mark. A code unit gives at least one byte
    /// of text.
    pub fn kept(&self) -> usize {
        (self.max_length + BOM.len()) * self.encoding.unit() as usize
    }

    /// Marks the first record as beginning inside a line, at a cut, which cannot be seen in the bytes after it.
    pub fn began_inside_a_line(&self, records: &mut [Record]) {
        if let Some(first) = records.first_mut() {
            mark_inside(first, self.format.joins());
        }
    }

    /// The record of a hole at `[start, end)`.
    pub fn hole(&self, (start, end): (u64, u64), context: &mut Context) -> Record {
        let mut record = with_time(Head { quiet: true, ..Head::default() }, 0, context);
        record.flags.insert(Flags::HOLE);
        Record { start, end, ..record }
    }

    /// The record of a line longer than the limit: `kept` is the text of its first [`Framer::kept`] bytes (at 0 of the
    /// batch's buffer), `[start, end)` the whole line with its end.
    pub fn truncated(
        &self,
        kept: &[u8],
        (start, end): (u64, u64),
        cuts: &[u64],
        context: &mut Context,
    ) -> Record {
        let bom = if start == 0 && kept.starts_with(BOM) { BOM.len() } else { 0 };
        let text = &kept[bom..kept.len().min(bom + self.max_length)];
        let head = self.format.head(text, context);
        let mut record = with_time(head, 1, context);
        record.flags.insert(Flags::TRUNCATED);
        let at_cut = cuts.binary_search(&start).is_ok();
        if start != 0 && is_later(&*self.format, self.format.joins(), &head, text, at_cut) {
            record.flags.insert(Flags::CONTINUATION);
        }
        Record { start, end, at: bom as u32, len: text.len() as u32, ..record }
    }
}

/// Offset in `bytes` of the first line that certainly begins a record, for reading backwards. With `aligned`, `bytes`
/// begins at the beginning of a line; otherwise its first line is skipped.
pub fn first_begin(format: &dyn Format, bytes: &[u8], aligned: bool) -> Option<usize> {
    let mut at = if aligned { 0 } else { memchr(b'\n', bytes)? + 1 };
    let mut previous: Option<&[u8]> = None;
    while at < bytes.len() {
        let next = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
        let line = without_line_end(&bytes[at..next]);
        if !is_blank(line) {
            let begins = match format.joins() {
                Joins::Lines => format.begins_after(previous, line),
                Joins::Depth => format.begins(line),
                Joins::Never => format.fit(line) != super::Fit::No,
            };
            if begins {
                return Some(at);
            }
            previous = Some(line);
        }
        at = next;
    }
    None
}

/// The record whose end has not been found yet.
#[derive(Clone, Copy)]
struct Open {
    start: usize,
    /// End of its last line that is not blank.
    end: usize,
    lines: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A record of a format that joins lines.
    Lines(Trace),
    /// A JSON object that is not closed yet, with its depth.
    Depth(u32),
    /// Lines that do not fit the format.
    Misfit,
}

/// One call of [`Framer::frame`].
struct Pass<'a> {
    format: &'a dyn Format,
    joins: Joins,
    max_length: usize,
    bytes: &'a [u8],
    base: u64,
    cuts: &'a [u64],
    context: &'a mut Context,
    records: &'a mut Vec<Record>,
    framed: Framed,
    open: Option<Open>,
}

impl<'a> Pass<'a> {
    fn run(&mut self, end: End) {
        let mut at = 0;
        while at < self.bytes.len() {
            if self.cut_at(at) {
                self.close(at);
            }
            if self.bytes[at] == 0 && leading_hole(&self.bytes[at..]) > 0 {
                self.close(at);
                let Some(behind) = self.hole_end(at, end) else { return };
                self.push_hole(at, behind);
                at = behind;
                continue;
            }
            let Some((next, finished)) = self.line_end(at, end) else {
                // Whatever follows in this line, it is too long to belong to the record before it.
                if self.open.is_some_and(|open| self.bytes.len() - open.start > self.max_length + 1)
                {
                    self.close(at);
                }
                return;
            };
            let line = self.text(at, next);
            if line.len() > self.max_length {
                self.close(at);
                self.truncate(at, next);
            } else {
                self.line(line, at, next);
            }
            if !finished {
                self.close(next);
                if let Some(record) = self.records.last_mut() {
                    record.flags.insert(Flags::PARTIAL);
                }
            }
            at = next;
        }
        if end == End::Closed || self.cut_at(at) {
            self.close(at);
        }
    }

    /// The text without the line end, and without the byte order mark at the beginning of a file.
    #[inline]
    fn text(&self, at: usize, next: usize) -> &'a [u8] {
        let text = without_line_end(&self.bytes[at..next]);
        if at == 0 && self.base == 0 { text.strip_prefix(BOM).unwrap_or(text) } else { text }
    }

    #[inline]
    fn offset(&self, at: usize) -> u64 {
        self.base + at as u64
    }

    #[inline]
    fn cut_at(&self, at: usize) -> bool {
        !self.cuts.is_empty() && self.cuts.binary_search(&self.offset(at)).is_ok()
    }

    /// End of the run of NULs at `at`, where a record may begin; `None` if nothing follows it yet.
    fn hole_end(&self, at: usize, end: End) -> Option<usize> {
        let behind = at + leading_hole(&self.bytes[at..]);
        let next_cut = self.cuts.get(self.cuts.partition_point(|cut| *cut <= self.offset(at)));
        match next_cut {
            Some(cut) if *cut <= self.offset(behind) => Some((*cut - self.base) as usize),
            _ if behind == self.bytes.len() && end == End::Open => None,
            _ => Some(behind),
        }
    }

    /// End of the line at `at`, and whether it has a line end; `None` if the line may continue.
    fn line_end(&self, at: usize, end: End) -> Option<(usize, bool)> {
        let newline = memchr(b'\n', &self.bytes[at..]).map(|length| at + length + 1);
        if !self.cuts.is_empty() {
            let behind = self.cuts.partition_point(|cut| *cut <= self.offset(at));
            if let Some(cut) = self.cuts.get(behind) {
                let cut = usize::try_from(cut - self.base).unwrap_or(usize::MAX);
                if cut <= self.bytes.len() && newline.is_none_or(|newline| cut < newline) {
                    return Some((cut, false));
                }
            }
        }
        match newline {
            Some(newline) => Some((newline, true)),
            None if end == End::Closed => Some((self.bytes.len(), false)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
