//! The filters of the screen: levels, and any number of including and excluding filters.
//!
//! An event is shown if its level is on, all including filters match it and no excluding filter matches it. The
//! filters of the list can be turned off together.

use regex::bytes::Regex;

use super::mask::Mask;
use super::record_text;
use crate::event::{Event, Level};
use crate::privacy::shown;
use crate::query::{self, Expr, ParseContext, smart_case};

#[derive(Clone, Debug)]
pub struct Filters {
    /// Bit 0 is "no level", bits 1 to 7 are trace … fatal.
    levels: u8,
    minimum: Option<Level>,
    pub list: Vec<Filter>,
    /// `false`: all filters of the list are off.
    pub is_on: bool,
}

#[derive(Clone, Debug)]
pub struct Filter {
    /// The filter as typed.
    pub text: String,
    test: Test,
    /// Hides the events that it matches.
    excludes: bool,
}

#[derive(Clone, Debug)]
enum Test {
    Query(Expr),
    Regex(Regex),
}

impl Default for Filters {
    fn default() -> Self {
        Filters { levels: u8::MAX, minimum: None, list: Vec::new(), is_on: true }
    }
}

impl Filters {
    /// The shown levels, as bits (slots): bit 0 is "no level", bits 1 to 7 are trace … fatal.
    pub fn mask(&self) -> u8 {
        let Some(minimum) = self.minimum else { return self.levels };
        let from_minimum = u8::MAX << Level::slot(Some(minimum));
        // No level counts as info, so that a file without levels stays visible.
        let without = u8::from(minimum <= Level::Info);
        self.levels & (from_minimum | without)
    }

    pub fn shows_slot(&self, slot: usize) -> bool {
        self.mask() & (1 << slot) != 0
    }

    pub fn toggle_slot(&mut self, slot: usize) {
        // The key of a level also shows it if only the minimum hides it.
        if !self.shows_slot(slot) && self.levels & (1 << slot) != 0 {
            self.levels = self.mask();
            self.minimum = None;
        }
        self.levels ^= 1 << slot;
    }

    pub fn minimum(&self) -> Option<Level> {
        self.minimum
    }

    pub fn raise_minimum(&mut self) {
        let next = self.minimum.map_or(2, |level| (level as usize + 1).min(Level::ALL.len()));
        self.minimum = Some(Level::ALL[next - 1]);
    }

    pub fn lower_minimum(&mut self) {
        self.minimum = match self.minimum {
            Some(level) if level as usize > 2 => Some(Level::ALL[level as usize - 2]),
            _ => None,
        };
    }

    /// Whether anything is hidden.
    pub fn is_active(&self) -> bool {
        self.mask() != u8::MAX || (self.is_on && !self.list.is_empty())
    }

    /// Whether the list of filters shows the event. Levels are not checked here: see [`Filters::mask`].
    pub fn shows(&self, event: &Event<'_>, mask: &Mask) -> bool {
        !self.is_on || self.list.iter().all(|filter| filter.shows(event, mask))
    }
}

impl Filter {
    /// Parses `query` or `/regex/`, either with `!` in front.
    pub fn parse(text: &str, context: &ParseContext) -> Result<Self, String> {
        let written = text.trim();
        let (excludes, rest) = match written.strip_prefix('!') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, written),
        };
        let regex = rest.strip_prefix('/').filter(|rest| !rest.is_empty());
        let test = match regex {
            Some(regex) => Test::Regex(smart_case(regex.strip_suffix('/').unwrap_or(regex))?),
            None => Test::Query(query::parse(rest, context).map_err(|error| error.to_string())?),
        };
        Ok(Filter { text: written.to_owned(), test, excludes })
    }

    fn shows(&self, event: &Event<'_>, mask: &Mask) -> bool {
        let matches = match (&self.test, mask.policy()) {
            (Test::Query(query), None) => query.matches(event),
            (Test::Query(query), Some(policy)) => query.matches(&shown(policy, *event)),
            (Test::Regex(regex), _) => record_text::matches(regex, event, mask),
        };
        matches != self.excludes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(filters: &Filters) -> String {
        (0..8).filter(|slot| filters.shows_slot(*slot)).map(|slot| slot.to_string()).collect()
    }

    #[test]
    fn the_minimum_is_raised_and_lowered_and_up_to_info_keeps_events_with_no_level() {
        let mut filters = Filters::default();
        let mut seen = vec![shown(&filters)];
        for _ in 0..7 {
            filters.raise_minimum();
            seen.push(shown(&filters));
        }
        let expected =
            ["01234567", "0234567", "034567", "4567", "567", "67", "7", "7"].map(str::to_owned);
        assert_eq!(seen, expected);
        for _ in 0..7 {
            filters.lower_minimum();
        }
        assert_eq!(shown(&filters), "01234567");
    }

    #[test]
    fn a_level_key_shows_a_level_that_the_minimum_hides() {
        let mut filters = Filters::default();
        filters.raise_minimum();
        filters.raise_minimum();
        assert_eq!(shown(&filters), "034567");
        filters.toggle_slot(1);
        assert_eq!(shown(&filters), "0134567");
        filters.toggle_slot(5);
        assert_eq!(shown(&filters), "013467");
    }
}
