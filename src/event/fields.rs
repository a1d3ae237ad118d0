//! The borrowed view of a record's fields.

use std::borrow::Cow;
use std::fmt;

/// One value as it stands in the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, unescaped.
    Text(Cow<'a, str>),
    /// A JSON number, `true`, `false`, `null`, object or array, exactly as written and valid JSON.
    Json(&'a str),
}

/// What a record is made of, apart from its time and level.
#[derive(Clone, Debug, PartialEq)]
pub enum Part<'a> {
    /// At most once a record. Absent where the format has no message of its own (plain JSON objects).
    Message(Cow<'a, str>),
    /// A named field. A name may come twice; the last one counts.
    Field(Cow<'a, str>, Value<'a>),
}

/// Reads one record's parts on demand. Every format is one; a batch holds the one that is in force.
pub trait Decode: Send + Sync + fmt::Debug {
    /// The format's name, as in `format = "…"` of a source.
    fn name(&self) -> &'static str;

    /// Hands out message and fields of one record (without its line end), in the order of the record.
    /// Never fails: what is not understood is the message. Bytes that are not UTF-8 come as U+FFFD.
    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>));
}
