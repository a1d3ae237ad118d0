//! Pure: the query language, its tree and its predicate in memory.
//!
//! The same tree is compiled for the archive (and other back ends) in `search`; raw text is never forwarded.

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

/// What a query's text may depend on besides itself.
#[derive(Clone, Debug)]
pub struct ParseContext {
    /// What `-15m` counts from.
    pub now: crate::base::Timestamp,
    /// The zone of times without one.
    pub zone: jiff::tz::TimeZone,
}

/// Where a query is wrong and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("query, column {column}: {problem}")]
pub struct QueryError {
    /// 1-based, in characters.
    pub column: usize,
    pub problem: String,
}

/// What a query is asked about: an event in a batch, or anything else with the same parts.
pub trait Subject {
    fn time(&self) -> crate::base::Timestamp;
    fn level(&self) -> Option<crate::event::Level>;
    /// The text that bare words look at: the message, or the whole record where the format has none.
    fn search_text(&self) -> std::borrow::Cow<'_, str>;
    /// What a regular expression looks at: the record's bytes, or all that is kept of them: the search text, then
    /// `  name=value` of each leaf.
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
    /// All leaves with their dotted path (`http.status`), also the document's own: `service.name`,
    /// `host.name`, `log.file.path`, `event.id`.
    fn leaves(&self, each: &mut dyn FnMut(&str, crate::event::Value<'_>));
}
