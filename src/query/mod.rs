//! The query language: parses queries into a tree and evaluates it on events in memory. Pure: no I/O.
//!
//! The same tree is compiled for the archive in `search`; the archive never gets the raw text of a query.

pub mod ast;
mod display;
mod event_subject;
mod lexer;
mod parse;
pub mod pattern;
mod predicate;
pub mod prefilter;
mod record_regex;
mod term;
#[cfg(test)]
pub(crate) mod tests;
pub mod time;
pub mod token;
pub mod value;

pub use ast::{Bound, Expr, FieldName, Pattern, RecordPattern, Test, Token};
pub use parse::{DEEPEST_QUERY, LONGEST_QUERY, parse};
pub use predicate::comparable;
pub use prefilter::{RequiredLiteral, required_literal};
pub use record_regex::{parse_or_regex, smart_case};

/// The context on which the meaning of a query's text depends.
#[derive(Clone, Debug)]
pub struct ParseContext {
    /// The time to which `-15m` is relative.
    pub now: crate::base::Timestamp,
    /// The time zone of times without one.
    pub zone: jiff::tz::TimeZone,
}

/// A syntax error: its position and the expected input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("query, column {column}: {problem}")]
pub struct QueryError {
    /// 1-based, in characters.
    pub column: usize,
    pub problem: String,
}

/// An object that a query can be evaluated on: an event in a batch, or anything else with the same parts.
pub trait Subject {
    fn time(&self) -> crate::base::Timestamp;
    fn level(&self) -> Option<crate::event::Level>;
    /// The text in which words without a field name are searched: the message, or all fields if there is no message.
    fn search_text(&self) -> std::borrow::Cow<'_, str>;
    /// The text in which a regular expression is searched: the record's bytes, or, where only parts are stored, the
    /// search text followed by `  name=value` per leaf.
    fn record(&self) -> std::borrow::Cow<'_, [u8]> {
        let mut text = self.search_text().into_owned();
        self.leaves(&mut |name, value| {
            let value: &str = match &value {
                crate::event::Value::Text(text) => text,
                crate::event::Value::Json(json) => json,
            };
            text.extend(["  ", name, "=", value]);
        });
        std::borrow::Cow::Owned(text.into_bytes())
    }
    /// Calls `each` with all leaves and their dotted paths (`http.status`), also those of the document itself:
    /// `service.name`, `host.name`, `log.file.path`, `event.id`.
    fn leaves(&self, each: &mut dyn FnMut(&str, crate::event::Value<'_>));
}
