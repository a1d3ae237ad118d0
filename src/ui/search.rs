//! Searching on the screen: the pattern or level to search for, and the state of a running search.

use regex::bytes::Regex;

use super::mask::Mask;
use super::record_text;
use crate::event::{Event, Level};
use crate::query::smart_case;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Newer,
    Older,
}

/// A search pattern, as typed and compiled.
#[derive(Clone, Debug)]
pub struct Search {
    pub text: String,
    pub regex: Regex,
}

impl Search {
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Search { text: text.to_owned(), regex: smart_case(text)? })
    }
}

/// The target of a running search: a pattern or a minimum level.
#[derive(Clone, Debug)]
pub enum Wanted {
    Text(Search),
    AtLeast(Level),
}

impl Wanted {
    pub fn matches(&self, event: &Event<'_>, mask: &Mask) -> bool {
        match self {
            Wanted::Text(search) => record_text::matches(&search.regex, event, mask),
            Wanted::AtLeast(level) => event.level() >= Some(*level),
        }
    }

    /// The target in messages.
    pub fn name(&self) -> String {
        match self {
            Wanted::Text(search) => format!("`{}`", search.text),
            Wanted::AtLeast(Level::Error) => "error".to_owned(),
            Wanted::AtLeast(level) => format!("{level} or worse"),
        }
    }

    /// The default keys that search upwards and downwards.
    pub fn keys(&self) -> (char, char) {
        match self {
            Wanted::Text(_) => ('N', 'n'),
            Wanted::AtLeast(level) if *level >= Level::Error => ('E', 'e'),
            Wanted::AtLeast(_) => ('W', 'w'),
        }
    }
}

/// The behaviour of a search that reaches the edge of the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AtEdge {
    /// Ends and reports that nothing was found.
    Stop,
    /// Continues from these offsets (one per file) in the other direction.
    Turn { at: Vec<u64> },
    /// Continues from the other edge.
    Wrap,
}

/// A running search. It continues from `at` in the background, step by step.
#[derive(Clone, Debug)]
pub struct RunningSearch {
    pub wanted: Wanted,
    pub direction: Direction,
    /// The offset that it has reached in each file.
    pub at: Vec<u64>,
    pub at_edge: AtEdge,
    /// Whether the search has turned or wrapped around, as a text that is shown with the result; otherwise empty.
    pub note: &'static str,
    /// Bytes behind `at` at the start, to compute the progress.
    pub bytes_below_at_start: u64,
    pub bytes_below: u64,
    pub total_bytes: u64,
}
