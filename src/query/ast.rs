//! The tree of a query. Every back end compiles this and nothing else.

use regex::bytes::Regex;

use crate::base::Timestamp;
use crate::event::Level;

/// Depth and length are bounded by the parser.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `*`, and the empty query.
    All,
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Consecutive tokens of the search text: a bare word (one), a "phrase", `message:…`.
    Words(Vec<Token>),
    /// `/regex/`, as the whole query: over the record.
    Record(RecordPattern),
    /// `level:error`, `level>=warning`: inclusive bounds; never true without a level.
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
    /// As it was written, without the slashes.
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

/// `*` any run of characters, `?` one character, `\` before a literal one of these; already lower case. Read it
/// by [`Pattern::steps`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub String);

/// A dotted path as the operator wrote it. Equal to a leaf's path when both are equal in lower case without
/// anything but letters and digits (`CLIENT ID` = `client_id` = `clientId`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(pub String);

/// The whole value, case ignored; arrays: any element. A missing field, null or [] is never true.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Equal as text. As it was written: case counts where a value is sealed.
    Equals(String),
    /// A number that was not quoted, as it was written: equal as text, or as a number to the last digit.
    Number(String),
    Wildcard(Pattern),
    /// `field:*`.
    Exists,
    /// As f64; a value that is no number is outside.
    Range {
        low: Bound,
        high: Bound,
    },
    /// An address inside this network: address and prefix length.
    Network {
        address: std::net::IpAddr,
        prefix: u8,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    None,
    Including(f64),
    Excluding(f64),
}
