//! Replaces sealed values that are whole words in other text, plain or with JSON escapes (also JSON inside JSON).
//!
//! A text is scanned once per level of escapes, independent of the number of values.

use std::borrow::Cow;
use std::cmp::Reverse;

use memchr::{memchr, memchr2, memmem};

use super::SEALED;
use super::json_unescape::Unescaped;

/// Minimum number of characters. Shorter values occur by chance in other text, so they are sealed in their own field
/// only.
const SHORTEST: usize = 4;

/// Whether a value is not replaced in other texts: too short, or a prefix of tokens or tags, which must stay intact.
pub(super) fn is_short(value: &str) -> bool {
    value.chars().nth(SHORTEST - 1).is_none() || matches!(value, "enc1" | "tag1")
}

/// Levels of escapes: JSON inside JSON inside JSON.
const DEEPEST_ESCAPES: usize = 3;

/// The sealed values of one event and their replacements. Empty for most events.
#[derive(Debug, Default)]
pub(super) struct WordReplacer<'v> {
    /// Sorted, for binary search.
    values: Vec<(&'v str, &'v str)>,
    /// Values longer than [`LONG`]: only a few fit into a record, and each is searched separately.
    long: Vec<(&'v str, &'v str)>,
    /// A bit set of the first bytes of all values.
    first: [u64; 4],
    /// Length of the shortest value, in bytes.
    shortest: usize,
}

/// Values of more bytes are searched separately: the cost of comparing two values grows with the length of their common
/// prefix.
const LONG: usize = 1024;

/// An occurrence of a value in a text, and its replacement.
struct Match<'v> {
    start: usize,
    end: usize,
    replacement: &'v str,
}

impl<'v> WordReplacer<'v> {
    /// Takes pairs of value and replacement.
    pub(super) fn new(mut values: Vec<(&'v str, &'v str)>) -> Self {
        values.retain(|(value, replacement)| {
            !is_short(value) && *value != SEALED && value != replacement
        });
        values.sort_by_key(|(value, _)| *value);
        values.dedup_by_key(|(value, _)| *value);
        let shortest = values.iter().map(|(value, _)| value.len()).min().unwrap_or(0);
        let long = values.extract_if(.., |(value, _)| value.len() > LONG).collect();
        let mut first = [0; 4];
        for byte in values.iter().filter_map(|(value, _)| value.bytes().next()) {
            first[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        WordReplacer { values, long, first, shortest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.long.is_empty()
    }

    /// The replacement of `text` if all of it is one of the values.
    pub(super) fn replacement_of(&self, text: &str) -> Option<&'v str> {
        if text.len() < self.shortest {
            return None;
        }
        let values = if text.len() > LONG { &self.long } else { &self.values };
        let found = values.binary_search_by_key(&text, |(value, _)| value);
        found.ok().map(|at| values[at].1)
    }

    /// Whether `text` contains one of the values as a whole word.
    pub(super) fn any_in(&self, text: &str) -> bool {
        !self.matches(text).is_empty()
    }

    /// `None` if `text` contains no value. Replacements are not searched for further values.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        let matches = self.matches(text);
        if matches.is_empty() {
            return None;
        }
        let (mut replaced, mut rest) = (String::with_capacity(text.len()), 0);
        for found in &matches {
            // Of overlapping matches, only the first is replaced; the rest of the others is removed.
            if found.start >= rest {
                replaced.push_str(&text[rest..found.start]);
                replaced.push_str(found.replacement);
            }
            rest = rest.max(found.end);
        }
        replaced.push_str(&text[rest..]);
        Some(replaced)
    }

    pub(super) fn replace_in(&self, text: &mut Cow<'_, str>) {
        if let Some(replaced) = self.replace(text) {
            *text = Cow::Owned(replaced);
        }
    }

    /// All matches in text order; of those at the same position, the longest first.
    fn matches(&self, text: &str) -> Vec<Match<'v>> {
        let mut matches = Vec::new();
        // Decoding escapes never makes a text longer.
        if text.len() < self.shortest || self.cannot_occur_in(text) {
            return matches;
        }
        self.find(text, None, &mut matches);
        let mut level = Unescaped::of(text);
        for _ in 0..DEEPEST_ESCAPES {
            let Some(unescaped) = level else { break };
            self.find(&unescaped.text, Some(&unescaped), &mut matches);
            level = unescaped.unescape_again();
        }
        matches.sort_by_key(|found| (found.start, Reverse(found.end)));
        matches
    }

    /// A fast check that excludes nearly every text of an event with a single value.
    fn cannot_occur_in(&self, text: &str) -> bool {
        match (&self.values[..], &self.long[..]) {
            ([(value, _)], []) => memchr2(value.as_bytes()[0], b'\\', text.as_bytes()).is_none(),
            _ => false,
        }
    }

    /// Adds the matches in `text`. `level`: the level of escapes whose decoded text this is.
    fn find(&self, text: &str, level: Option<&Unescaped>, matches: &mut Vec<Match<'v>>) {
        let origin = |at| level.map_or(at, |level| level.origin(at));
        let match_at =
            |start, end, replacement| Match { start: origin(start), end: origin(end), replacement };
        for (value, replacement) in &self.long {
            for start in memmem::find_iter(text.as_bytes(), value.as_bytes()) {
                let end = start + value.len();
                if ![start, end].into_iter().any(|at| is_inside_a_word(text, at, level)) {
                    matches.push(match_at(start, end, replacement));
                }
            }
        }
        let mut from = 0;
        while let Some(at) = self.next_start(text.as_bytes(), from) {
            from = at + 1;
            if let Some(value) = self.longest_at(text, at, level) {
                let (value, replacement) = self.values[value];
                from = at + value.len();
                matches.push(match_at(at, from, replacement));
            }
        }
    }

    /// The next position at or after `from` where a value may start. Nearly every event has at most one value.
    fn next_start(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = &text[from..];
        let at = match &self.values[..] {
            // For a short text, preparing a search costs more than the scan.
            [(value, _)] if rest.len() < 64 => memchr(value.as_bytes()[0], rest),
            // Searching for the first 32 bytes bounds the preparation, which is repeated per candidate.
            [(value, _)] => memmem::find(rest, &value.as_bytes()[..value.len().min(32)]),
            _ => rest
                .iter()
                .position(|byte| self.first[usize::from(byte / 64)] & (1 << (byte % 64)) != 0),
        };
        at.map(|at| from + at)
    }

    /// The index of the longest value that is a whole word at `at`.
    fn longest_at(&self, text: &str, at: usize, level: Option<&Unescaped>) -> Option<usize> {
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
                // A value that is a prefix of this text and sorts before that one is a prefix of their common part.
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

/// Whether `at` is between two letters or digits. A word also ends at an escape: sealing too much is safer than too
/// little.
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
