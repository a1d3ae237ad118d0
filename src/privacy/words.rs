//! Finds sealed values where they stand as whole words in other text: as they are, or behind JSON escapes of
//! whatever form, also those of JSON inside JSON. One look goes over a text, however many values there are.

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::{memchr, memmem};

use super::SEALED;
use super::unescaped::Unescaped;

/// Shorter values stand everywhere by chance: they are sealed in their own field only.
const SHORTEST: usize = 4;

pub(super) fn is_short(value: &str) -> bool {
    value.chars().nth(SHORTEST - 1).is_none()
}

/// JSON inside JSON inside JSON.
const DEEPEST_ESCAPES: usize = 3;

/// The values of one event that may not leave, and what stands for each. Empty for most events.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Sorted: what begins a text is found by halving.
    values: Vec<(String, String)>,
    /// The bytes that values begin with, a bit each.
    first: [u64; 4],
    /// Bytes of the shortest one.
    shortest: usize,
}

/// A value in a text.
struct Place {
    start: usize,
    end: usize,
    value: usize,
}

impl Words {
    /// Value → what stands for it.
    pub(super) fn new(mut values: Vec<(String, String)>) -> Self {
        values.retain(|(value, stand)| !is_short(value) && value != SEALED && value != stand);
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        values.dedup_by(|(a, _), (b, _)| a == b);
        let mut first = [0; 4];
        for byte in values.iter().filter_map(|(value, _)| value.bytes().next()) {
            first[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        let shortest = values.iter().map(|(value, _)| value.len()).min().unwrap_or(0);
        Words { values, first, shortest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What stands for `text` where it is one of the values, as a whole.
    pub(super) fn stand_for(&self, text: &str) -> Option<&str> {
        let found = self.values.binary_search_by(|(value, _)| value.as_str().cmp(text));
        found.ok().map(|at| self.values[at].1.as_str())
    }

    /// One of them stands there, as a whole word.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        !self.places(text).is_empty()
    }

    /// `None` where nothing had to be replaced. What stands for one value is not looked through for the next.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let places = self.places(text);
        let mut replaced = String::new();
        let mut rest = 0;
        for place in &places {
            // One that overlaps the one before goes as far as it goes on behind it.
            if place.start >= rest {
                replaced.push_str(&text[rest..place.start]);
                replaced.push_str(&self.values[place.value].1);
            }
            rest = rest.max(place.end);
        }
        replaced.push_str(&text[rest..]);
        (!places.is_empty()).then_some(replaced)
    }

    pub(super) fn replace_in(&self, text: &mut Cow<'_, str>) {
        if let Some(replaced) = self.replace(text) {
            *text = Cow::Owned(replaced);
        }
    }

    /// In the order in which they stand, the longest first.
    fn places(&self, text: &str) -> Vec<Place> {
        let mut places = Vec::new();
        // Without its escapes it is no longer.
        if text.len() < self.shortest {
            return places;
        }
        self.find(text, None, &mut places);
        let mut level = Unescaped::of(text);
        for _ in 0..DEEPEST_ESCAPES {
            let Some(unescaped) = level else { break };
            self.find(&unescaped.text, Some(&unescaped), &mut places);
            level = unescaped.again();
        }
        places.sort_by_key(|place| (place.start, Reverse(place.end)));
        places
    }

    /// `level`: the text is one without its escapes.
    fn find(&self, text: &str, level: Option<&Unescaped>, places: &mut Vec<Place>) {
        let origin = |at| level.map_or(at, |level| level.origin(at));
        let mut from = 0;
        while let Some(at) = self.may_begin(text.as_bytes(), from) {
            from = at + 1;
            if let Some(value) = self.longest(text, at, level) {
                from = at + self.values[value].0.len();
                places.push(Place { start: origin(at), end: origin(from), value });
            }
        }
    }

    /// Where one of them may begin, from there on. Nearly every event has one value at most.
    fn may_begin(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = &text[from..];
        let at = match &self.values[..] {
            // What a search prepares costs more than a look at a short text.
            [(value, _)] if rest.len() < 64 => memchr(value.as_bytes()[0], rest),
            [(value, _)] => memmem::find(rest, value.as_bytes()),
            _ => rest
                .iter()
                .position(|byte| self.first[usize::from(byte / 64)] & (1 << (byte % 64)) != 0),
        };
        at.map(|at| from + at)
    }

    /// The longest value that stands at `at` as a whole word.
    fn longest(&self, text: &str, at: usize, level: Option<&Unescaped>) -> Option<usize> {
        let rest = &text[at..];
        if is_inside_a_word(text, at, level) {
            return None;
        }
        let mut before = self.values.partition_point(|(value, _)| value.as_str() <= rest);
        while let Some(last) = before.checked_sub(1) {
            let value = &self.values[last].0;
            let end = at + value.len();
            match rest.starts_with(value.as_str()) {
                true if !is_inside_a_word(text, end, level) => return Some(last),
                true => before = last,
                // What begins this text and sorts before that value begins what both have in common.
                false => {
                    let both = value.bytes().zip(rest.bytes()).take_while(|(a, b)| a == b).count();
                    let both = &rest.as_bytes()[..both];
                    before = self.values[..last].partition_point(|(it, _)| it.as_bytes() <= both);
                }
            }
        }
        None
    }
}

/// Between two letters or digits. Beside an escape a word ends: better one too many is sealed.
fn is_inside_a_word(text: &str, at: usize, level: Option<&Unescaped>) -> bool {
    let sides = text[..at].chars().next_back().zip(text[at..].chars().next());
    sides.is_some_and(|(before, after)| {
        let plain = |at| level.is_none_or(|level| level.is_plain(at));
        before.is_alphanumeric()
            && after.is_alphanumeric()
            && plain(at - before.len_utf8())
            && plain(at)
    })
}

#[cfg(test)]
mod tests;
