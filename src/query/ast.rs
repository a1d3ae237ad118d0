//! The syntax tree of a query. Searches, filters and rules evaluate only this tree, never the text of a query.

use regex::bytes::Regex;

use crate::base::Timestamp;
use crate::event::Level;

/// A condition on an event. The parser limits its depth and length.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `*`, and the empty query.
    All,
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Consecutive tokens of the search text: a bare word (one), a "phrase", `message:…`.
    Words(Vec<Token>),
    /// `/regex/` as the whole query, applied to the record.
    Record(RecordPattern),
    /// `level:error`, `level>=warning`: inclusive bounds; false for events without a level.
    Level {
        low: Level,
        high: Level,
    },
    /// `level:*`.
    AnyLevel,
    /// `time>=…`, `@timestamp<…`: low inclusive, high exclusive.
    Time {
        low: Option<Timestamp>,
        high: Option<Timestamp>,
    },
    Field {
        name: FieldName,
        test: Test,
    },
}

/// A regular expression over a whole record.
#[derive(Clone, Debug)]
pub struct RecordPattern {
    /// The source text, without the slashes.
    pub text: String,
    pub regex: Regex,
}

impl PartialEq for RecordPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// One token of the search text, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Exact(String),
    Wildcard(Pattern),
}

/// `*` is any run of characters, `?` one character, `\` makes the next one literal; already lower case. Decoded by
/// [`Pattern::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// A dotted path as written in the query. It matches a leaf's path if both are equal in lower case, compared by letters
/// and digits only (`CLIENT ID` = `client_id` = `clientId`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(pub String);

/// A test of a field's whole value, ignoring case. An array passes if any of its elements does. A missing field, null
/// and [] do not pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Equal as text. Keeps the case of the query, which matters for sealed values.
    Equals(String),
    /// An unquoted number, in its original spelling: equal as text, or as a number to the last digit.
    Number(String),
    Wildcard(Pattern),
    /// `field:*`.
    Exists,
    /// Compared as f64; a value that is not a number is outside.
    Range {
        low: Bound,
        high: Bound,
    },
    /// An address inside this network, given by address and prefix length.
    Network {
        address: std::net::IpAddr,
        prefix: u8,
    },
}

/// One end of a range of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    None,
    Including(f64),
    Excluding(f64),
}
