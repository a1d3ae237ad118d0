//! Finds sealed values where they stand as whole words in other text: as they are, or behind JSON escapes of
//! whatever form, also those of JSON inside JSON. One look goes over a text, however many values there are.

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::{memchr, memchr2, memmem};

use super::SEALED;
use super::json_unescape::Unescaped;

/// Shorter values stand everywhere by chance: they are sealed in their own field only.
const SHORTEST: usize = 4;

/// It is not looked for in other texts. Neither is what tokens and tags begin with: that would break those of others.
pub(super) fn is_short(value: &str) -> bool {
    value.chars().nth(SHORTEST - 1).is_none() || matches!(value, "enc1" | "tag1")
}

/// JSON inside JSON inside JSON.
const DEEPEST_ESCAPES: usize = 3;

/// The values of one event that may not leave, and what stands for each. Empty for most events.
#[derive(Debug, Default)]
pub(super) struct Words<'v> {
    /// Sorted: what begins a text is found by halving.
    values: Vec<(&'v str, &'v str)>,
    /// Longer than [`LONG`]: few fit into a record, and each is looked for alone.
    long: Vec<(&'v str, &'v str)>,
    /// The bytes that values begin with, a bit each.
    first: [u64; 4],
    /// Bytes of the shortest one.
    shortest: usize,
}

/// In bytes. To tell where two values differ takes as long as they are alike.
const LONG: usize = 1024;

/// A value in a text, and what stands for it.
struct Place<'v> {
    start: usize,
    end: usize,
    stand: &'v str,
}

impl<'v> Words<'v> {
    /// Value → what stands for it.
    pub(super) fn new(mut values: Vec<(&'v str, &'v str)>) -> Self {
        values.retain(|(value, stand)| !is_short(value) && *value != SEALED && value != stand);
        values.sort_by_key(|(value, _)| *value);
        values.dedup_by_key(|(value, _)| *value);
        let shortest = values.iter().map(|(value, _)| value.len()).min().unwrap_or(0);
        let long = values.extract_if(.., |(value, _)| value.len() > LONG).collect();
        let mut first = [0; 4];
        for byte in values.iter().filter_map(|(value, _)| value.bytes().next()) {
            first[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        Words { values, long, first, shortest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.long.is_empty()
    }

    /// What stands for `text` where it is one of the values, as a whole.
    pub(super) fn stand_for(&self, text: &str) -> Option<&'v str> {
        if text.len() < self.shortest {
            return None;
        }
        let values = if text.len() > LONG { &self.long } else { &self.values };
        let found = values.binary_search_by_key(&text, |(value, _)| value);
        found.ok().map(|at| values[at].1)
    }

    /// One of them stands there, as a whole word.
    pub(super) fn stand_in(&self, text: &str) -> bool {
        !self.places(text).is_empty()
    }

    /// `None` where nothing had to be replaced. What stands for one value is not looked through for the next.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        let places = self.places(text);
        if places.is_empty() {
            return None;
        }
        let (mut replaced, mut rest) = (String::with_capacity(text.len()), 0);
        for place in &places {
            // One that overlaps the one before goes as far as it goes on behind it.
            if place.start >= rest {
                replaced.push_str(&text[rest..place.start]);
                replaced.push_str(place.stand);
            }
            rest = rest.max(place.end);
        }
        replaced.push_str(&text[rest..]);
        Some(replaced)
    }

    pub(super) fn replace_in(&self, text: &mut Cow<'_, str>) {
        if let Some(replaced) = self.replace(text) {
            *text = Cow::Owned(replaced);
        }
    }

    /// In the order in which they stand, the longest first.
    fn places(&self, text: &str) -> Vec<Place<'v>> {
        let mut places = Vec::new();
        // Without its escapes it is no longer.
        if text.len() < self.shortest || self.cannot_stand_in(text) {
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

    /// Seen at a glance, as for nearly every text of an event that has one value.
    fn cannot_stand_in(&self, text: &str) -> bool {
        match (&self.values[..], &self.long[..]) {
            ([(value, _)], []) => memchr2(value.as_bytes()[0], b'\\', text.as_bytes()).is_none(),
            _ => false,
        }
    }

    /// `level`: the text is one without its escapes.
    fn find(&self, text: &str, level: Option<&Unescaped>, places: &mut Vec<Place<'v>>) {
        let origin = |at| level.map_or(at, |level| level.origin(at));
        let place = |start, end, stand| Place { start: origin(start), end: origin(end), stand };
        for (value, stand) in &self.long {
            for start in memmem::find_iter(text.as_bytes(), value.as_bytes()) {
                let end = start + value.len();
                if ![start, end].into_iter().any(|at| is_inside_a_word(text, at, level)) {
                    places.push(place(start, end, stand));
                }
            }
        }
        let mut from = 0;
        while let Some(at) = self.may_begin(text.as_bytes(), from) {
            from = at + 1;
            if let Some(value) = self.longest(text, at, level) {
                let (value, stand) = self.values[value];
                from = at + value.len();
                places.push(place(at, from, stand));
            }
        }
    }

    /// Where one of them may begin, from there on. Nearly every event has one value at most.
    fn may_begin(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = &text[from..];
        let at = match &self.values[..] {
            // What a search prepares costs more than a look at a short text.
            [(value, _)] if rest.len() < 64 => memchr(value.as_bytes()[0], rest),
            // A long one is not prepared as a whole at each place where it may begin.
            [(value, _)] => memmem::find(rest, &value.as_bytes()[..value.len().min(32)]),
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
        let mut before = self.values.partition_point(|(value, _)| *value <= rest);
        while let Some(last) = before.checked_sub(1) {
            let value = self.values[last].0;
            let end = at + value.len();
            match rest.starts_with(value) {
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
