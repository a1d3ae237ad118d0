//! Log formats: split bytes into records and parse their times, levels, messages and fields.
//!
//! Adding a format takes one file and one line in [`detection`]. Pure: no I/O, no clock; a format gets its outside data
//! in a [`Context`].

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
    /// The envelope fits; its content is in another format (syslog, container prefixes).
    Frame,
    Exact,
}

/// How a record of a format ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joins {
    /// At the line end: the last record of an idle stream is delivered immediately.
    Never,
    /// Where the next record begins: the last one is ended by a timeout (a cut).
    Lines,
    /// At the line end where the JSON depth is 0.
    Depth,
}

/// The properties that are parsed immediately for every record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Head {
    pub time: Option<Timestamp>,
    /// Digits of the second's fraction: 0, 3, 6 or 9.
    pub precision: u8,
    pub level: Option<Level>,
    /// A blank line: shown, but never delivered.
    pub quiet: bool,
    /// The record is in this format.
    pub fits: bool,
}

/// The data that a record's time may depend on besides its own bytes. Carried from record to record.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time zone of times without one.
    pub zone: jiff::tz::TimeZone,
    /// The UTC day on which these bytes were first seen; determines a missing year.
    pub day_mark: i32,
    /// The last time in the generation that an earlier record contained itself.
    pub last: Option<Timestamp>,
    /// Lines since `last`.
    pub since_last: u32,
    /// When the bytes are read: the time of a record without one.
    pub seen: Timestamp,
}

impl Context {
    /// The context of the first record.
    pub fn new(zone: jiff::tz::TimeZone, day_mark: i32, seen: Timestamp) -> Self {
        Context { zone, day_mark, last: None, since_last: 0, seen }
    }
}

/// One log format. The methods are called once per line or record: no allocation, no regex.
pub trait Format: Decode {
    fn fit(&self, line: &[u8]) -> Fit;

    fn joins(&self) -> Joins;

    /// A record begins with this line, whatever comes before it.
    fn begins(&self, line: &[u8]) -> bool {
        self.fit(line) == Fit::Exact
    }

    /// The line continues the record before it; `trace` was built from the lines of that record. Called only for lines
    /// that do not begin a record.
    fn continues(&self, _trace: &Trace, _line: &[u8]) -> bool {
        true
    }

    /// The line can only continue a record: at the beginning of a record, it is a continuation of a record that was cut
    /// before it.
    fn is_later(&self, line: &[u8]) -> bool {
        match self.joins() {
            Joins::Lines => !self.begins(line),
            Joins::Never | Joins::Depth => multiline::is_continuation(line),
        }
    }

    /// A record begins with this line, which follows `previous` (the last line that is not blank, if known). In doubt
    /// the answer is `false`.
    fn begins_after(&self, _previous: Option<&[u8]>, line: &[u8]) -> bool {
        self.begins(line)
    }

    /// Time and level of one record. Fast and exact.
    fn head(&self, text: &[u8], context: &Context) -> Head;
}

/// The format of an entry in a generation's row. Unknown names (of a newer version) become plain.
pub fn from_entry(entry: &FormatEntry) -> Arc<dyn Format> {
    detection::by_name(&entry.format, &entry.parameters).unwrap_or_else(detection::plain)
}
