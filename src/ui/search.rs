//! What is searched for, where the matches are marked, and the search that runs.

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

/// What a running search looks for.
#[derive(Clone, Debug)]
pub enum Wanted {
    Text(Search),
    AtLeast(Level),
}

impl Wanted {
    pub fn matches(&self, event: &Event<'_>, mask: &Mask) -> bool {
        match self {
            Wanted::Text(search) => record_text::finds(&search.regex, event, mask),
            Wanted::AtLeast(level) => event.level() >= Some(*level),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Wanted::Text(search) => format!("`{}`", search.text),
            Wanted::AtLeast(Level::Error) => "error".to_owned(),
            Wanted::AtLeast(level) => format!("{level} or worse"),
        }
    }
}

/// What comes where nothing was found up to the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is said.
    Stop,
    /// On from this place in the other direction.
    Turn { at: Vec<u64> },
    /// On from the other edge.
    Wrap,
}

/// A search on its way. Goes on from `at` whenever there is time.
#[derive(Clone, Debug)]
pub struct Hunt {
    pub wanted: Wanted,
    pub direction: Direction,
    pub at: Vec<u64>,
    pub then: Then,
    /// How it came here, for people; empty while it is on its first way.
    pub way: &'static str,
    /// Bytes behind `at` when it began, to say how far it is.
    pub began_behind: u64,
    pub behind: u64,
    pub total: u64,
}
