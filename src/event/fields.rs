//! The message and fields of a record as borrowed views, and the trait by which each format decodes them on demand.

use std::borrow::Cow;
use std::fmt;

/// The value of a field, as it is in the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text, unescaped.
    Text(Cow<'a, str>),
    /// A JSON number, `true`, `false`, `null`, object or array: valid JSON, exactly as logged.
    Json(&'a str),
}

/// One part of a record: its message or a field. Time and level are not parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Part<'a> {
    /// At most once per record. Absent if the format has no message (plain JSON objects).
    Message(Cow<'a, str>),
    /// A named field. If a name occurs twice, the last value counts.
    Field(Cow<'a, str>, Value<'a>),
}

/// Decodes one record on demand. Every format implements it; a batch holds the format in force.
pub trait Decode: Send + Sync + fmt::Debug {
    /// The format's name, as in `format = "…"` of a source.
    fn name(&self) -> &'static str;

    /// Passes message and fields of one record (without its line end) to `each`, in the order of the record.
    /// Never fails: text that cannot be parsed is the message. Invalid UTF-8 becomes U+FFFD.
    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>));
}
