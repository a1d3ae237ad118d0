//! Pure: bytes → records and their times, levels, messages and fields.
//!
//! Adding a format is one file and one line in [`detection`]. No I/O, no clock: what a format needs from
//! outside comes in a [`Context`].

mod access;
mod ansi;
pub mod detection;
mod encoding;
pub mod framer;
mod generic;
mod header;
mod json;
mod level;
mod logfmt;
mod multiline;
mod plain;
mod python;
mod syslog;
mod syslog3164;
mod syslog5424;
#[cfg(test)]
mod test_output;
mod text;
mod time;

use std::sync::Arc;

use crate::base::Timestamp;
use crate::event::{Decode, FormatEntry, Level};
use multiline::Trace;

pub use framer::{End, Framed, Framer, LONGEST_RECORD, first_begin, is_unfinished_json, shared};
pub use text::{leading_hole, nul_run};

/// How well a line fits a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    No,
    /// The frame is right; what it carries is another format's (syslog, container prefixes).
    Frame,
    Exact,
}

/// How a format's records end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// At the line end: an idle stream is delivered at once.
    Never,
    /// Where the next record begins: the last one is closed by time (a cut).
    Lines,
    /// At the line end where the JSON depth is 0.
    Depth,
}

/// What is read at once for every record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Head {
    pub time: Option<Timestamp>,
    /// Digits of the second's fraction: 0, 3, 6 or 9.
    pub precision: u8,
    pub level: Option<Level>,
    /// A blank line: shown, never delivered.
    pub quiet: bool,
    /// The record is one of this format.
    pub fits: bool,
}

/// What a record's time may depend on besides its own bytes. Carried from record to record.
#[derive(Clone, Debug)]
pub struct Context {
    /// The zone of naive times.
    pub zone: jiff::tz::TimeZone,
    /// The UTC day on which these bytes were first seen: decides a missing year.
    pub day_mark: i32,
    /// The last own time of the generation before this record.
    pub last: Option<Timestamp>,
    /// Lines since `last`.
    pub since_last: u32,
    /// When the bytes are read: the time of a record that has none.
    pub seen: Timestamp,
}

impl Context {
    /// Before the first record that is read.
    pub fn new(zone: jiff::tz::TimeZone, day_mark: i32, seen: Timestamp) -> Self {
        Context { zone, day_mark, last: None, since_last: 0, seen }
    }
}

/// One log format. The trait's methods are called once a line or once a record: no allocation, no regex.
pub trait Format: Decode {
    fn fit(&self, line: &[u8]) -> Fit;

    fn joins(&self) -> Joins;

    /// A record begins with this line, whatever stands before it.
    fn begins(&self, line: &[u8]) -> bool {
        self.fit(line) == Fit::Exact
    }

    /// The line belongs to the record before it, of which `trace` knows the lines so far. Asked only of
    /// lines that do not begin a record.
    fn continues(&self, _trace: &Trace, _line: &[u8]) -> bool {
        true
    }

    /// The line can only be a later one of some record: standing first, it is a continuation of what was
    /// cut off before it.
    fn is_later(&self, line: &[u8]) -> bool {
        match self.joins() {
            Joins::Lines => !self.begins(line),
            Joins::Never | Joins::Depth => multiline::is_continuation(line),
        }
    }

    /// A record begins with this line, which stands behind `previous` (the last line that is not blank, if
    /// it is known). May say no in doubt, never yes.
    fn begins_behind(&self, _previous: Option<&[u8]>, line: &[u8]) -> bool {
        self.begins(line)
    }

    /// Time and level of one record. Cheap, exact.
    fn head(&self, text: &[u8], context: &Context) -> Head;
}

/// The format of an entry of a generation's row. Unknown names (a newer version wrote them) are plain.
pub fn from_entry(entry: &FormatEntry) -> Arc<dyn Format> {
    detection::by_name(&entry.format, &entry.parameters).unwrap_or_else(detection::plain)
}
