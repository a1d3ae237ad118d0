//! Completes a record: its offsets, its time or a substitute, its flags, and whether it fits the format.

use memchr::memchr;

use super::{BOM, Framed, Kind, MAX_LINES, Pass};
use crate::event::{Flags, Record};
use crate::format::text::first_line;
use crate::format::{Context, Format, Head, Joins};

/// A record without a time of its own takes the time of an earlier record at most this many lines back.
const NEAR_LINES: u32 = 1_000;

impl Pass<'_> {
    /// Ends the open record before `upto`; blank lines after its end become records of their own.
    pub(super) fn close(&mut self, upto: usize) {
        let Some(open) = self.open.take() else { return };
        let text = self.text(open.start, open.end);
        let head = match open.kind {
            Kind::Misfit => Head::default(),
            Kind::Lines(_) | Kind::Depth(_) => self.format.head(text, self.context),
        };
        self.push(head, open.start, open.end, open.lines);
        let mut at = open.end;
        while at < upto {
            let next = memchr(b'\n', &self.bytes[at..upto]).map_or(upto, |end| at + end + 1);
            self.push_quiet(at, next);
            at = next;
        }
    }

    /// Adds a blank line as a record.
    pub(super) fn push_quiet(&mut self, at: usize, next: usize) {
        let before = self.framed;
        self.push(Head { quiet: true, ..Head::default() }, at, next, 0);
        // A blank line does not count for or against the format.
        self.framed = Framed { consumed: self.framed.consumed, ..before };
    }

    /// Adds a run of NULs as a record without text.
    pub(super) fn push_hole(&mut self, at: usize, next: usize) {
        let before = self.framed;
        let head = Head { quiet: true, ..Head::default() };
        self.push_text(head, b"", at, next, 0);
        if let Some(record) = self.records.last_mut() {
            record.flags.insert(Flags::HOLE);
        }
        self.framed = Framed { consumed: self.framed.consumed, ..before };
    }

    /// Makes a line longer than the limit a record of its own, of which only the beginning is kept.
    pub(super) fn truncate(&mut self, at: usize, next: usize) {
        let kept = &self.text(at, next)[..self.max_length];
        let head = self.format.head(kept, self.context);
        self.push_text(head, kept, at, next, 1);
        if let Some(record) = self.records.last_mut() {
            record.flags.insert(Flags::TRUNCATED);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, head: Head, at: usize, next: usize, lines: u32) {
        self.push_text(head, self.text(at, next), at, next, lines);
    }

    /// Adds a record with the given text; `next` is the end of its bytes.
    #[inline]
    fn push_text(&mut self, head: Head, text: &[u8], at: usize, next: usize, lines: u32) {
        let mut record = with_time(head, lines, self.context);
        let later = self.is_continuation(&head, text, at);
        if later {
            record.flags.insert(Flags::CONTINUATION);
        }
        if at > 0 && self.bytes[at - 1] != b'\n' && self.cut_at(at) {
            mark_inside(&mut record, self.joins);
        }
        if head.fits && !(later && self.joins == Joins::Lines) {
            (self.framed.fitted, self.framed.trailing_misfits) = (true, 0);
        } else {
            let weight = if lines >= MAX_LINES { lines } else { 1 };
            self.framed.trailing_misfits = self.framed.trailing_misfits.saturating_add(weight);
        }
        record.start = self.offset(at);
        record.end = self.offset(next);
        let bom =
            if self.offset(at) == 0 && self.bytes[at..].starts_with(BOM) { BOM.len() } else { 0 };
        record.at = (at + bom) as u32;
        record.len = text.len() as u32;
        self.framed.consumed = next;
        self.records.push(record);
    }

    #[inline]
    fn is_continuation(&self, head: &Head, text: &[u8], at: usize) -> bool {
        self.offset(at) != 0 && is_later(self.format, self.joins, head, text, self.cut_at(at))
    }
}

/// Marks a record that begins inside a line. A complete JSON object is an event of its own wherever it begins.
#[inline]
pub(super) fn mark_inside(record: &mut Record, joins: Joins) {
    if joins != Joins::Depth || record.flags.contains(Flags::CONTINUATION) {
        record.flags.insert(Flags::CONTINUATION);
        record.flags.insert(Flags::INSIDE);
    }
}

/// The record follows a cut, or its first line can only continue a record.
#[inline]
pub(super) fn is_later(
    format: &dyn Format,
    joins: Joins,
    head: &Head,
    text: &[u8],
    at_cut: bool,
) -> bool {
    let single = joins != Joins::Lines;
    if single && head.fits {
        return false;
    }
    (!head.quiet && format.is_later(first_line(text))) || (at_cut && (single || head.quiet))
}

/// A record with its own time or a substitute; its offsets are not set yet.
#[inline]
pub(super) fn with_time(head: Head, lines: u32, context: &mut Context) -> Record {
    let mut flags = Flags::default();
    if head.quiet {
        flags.insert(Flags::QUIET);
    }
    let time = match (head.time, context.last) {
        (Some(time), _) => {
            context.last = Some(time);
            context.since_last = 0;
            time
        }
        (None, Some(last)) if context.since_last < NEAR_LINES => {
            flags.insert(Flags::TIME_PREVIOUS);
            context.since_last = context.since_last.saturating_add(lines);
            last
        }
        (None, _) => {
            flags.insert(Flags::TIME_SEEN);
            context.since_last = context.since_last.saturating_add(lines);
            context.seen
        }
    };
    let (level, precision) = (head.level, head.precision);
    Record { start: 0, end: 0, at: 0, len: 0, time, level, precision, flags }
}
