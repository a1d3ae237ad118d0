//! The month that an event is sealed in.

use std::fmt;
use std::ops::RangeInclusive;

use crate::base::{Timestamp, rfc3339};

/// Year × 12 + month − 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u16);

const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Those that a name of a log may mean: a [`Timestamp`] can hold them, from the epoch on.
const YEARS: RangeInclusive<u16> = 1970..=2262;
/// All that a [`Timestamp`] can hold: an event may have a key of any of them.
const ALL_YEARS: RangeInclusive<u16> = 1677..=2262;

impl Month {
    /// No month at all: the key of what must look alike in all months.
    pub const ALWAYS: Month = Month(u16::MAX);

    pub fn of(time: Timestamp) -> Month {
        let (year, month, _) = rfc3339::civil(time.day());
        Month((year * 12 + month - 1) as u16)
    }

    /// The first one that a file's name holds: `logs_2021_Apr.txt`, `april-2021.log`, `app-2021-04-15.log`.
    pub fn in_name(name: &str) -> Option<Month> {
        Month::of_words(name, &YEARS)
    }

    /// A year, and nothing beside it that is a month: `logs_2021_Foo.txt`, `app-2021.log`.
    pub fn is_missing_in(name: &str) -> bool {
        Month::in_name(name).is_none() && words(name).any(|word| word.year(&YEARS).is_some())
    }

    fn of_words(text: &str, years: &RangeInclusive<u16>) -> Option<Month> {
        words(text).zip(words(text).skip(1)).find_map(|(word, next)| word.month_with(&next, years))
    }

    /// What a person types: `2021_April`, `apr 2021`, `2021-04`, `always`.
    pub fn typed(text: &str) -> Option<Month> {
        match words(text).count() {
            2 => Month::of_words(text, &ALL_YEARS),
            _ if text.eq_ignore_ascii_case("always") => Some(Month::ALWAYS),
            _ => None,
        }
    }

    pub fn index(self) -> u16 {
        self.0
    }

    pub fn from_index(index: u16) -> Month {
        Month(index)
    }
}

/// As in the names of key files: `2021_April`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Month::ALWAYS => f.write_str("always"),
            Month(index) => write!(f, "{}_{}", index / 12, NAMES[usize::from(index % 12)]),
        }
    }
}

/// A run of letters or of digits.
struct Word<'a> {
    text: &'a str,
    /// What stands between the word before and this one.
    gap: &'a str,
}

impl Word<'_> {
    fn month_with(&self, next: &Word<'_>, years: &RangeInclusive<u16>) -> Option<Month> {
        let joined = matches!(next.gap, "" | "_" | "-" | "." | " ");
        let numbered = || next.number().filter(|_| !next.gap.is_empty());
        let (year, month) = match (self.year(years), next.year(years)) {
            (Some(year), _) => (year, next.named().or_else(numbered)?),
            (None, Some(year)) => (year, self.named()?),
            (None, None) => return None,
        };
        joined.then_some(Month(year * 12 + month))
    }

    fn year(&self, years: &RangeInclusive<u16>) -> Option<u16> {
        let year = self.text.parse().ok().filter(|year| years.contains(year))?;
        (self.text.len() == 4).then_some(year)
    }

    /// From 0.
    fn named(&self) -> Option<u16> {
        let matches = |name: &str| {
            let short = [&name[..3], "Sept"]
                .iter()
                .any(|short| name.starts_with(short) && self.text.eq_ignore_ascii_case(short));
            short || self.text.eq_ignore_ascii_case(name)
        };
        NAMES.iter().position(|name| matches(name)).map(|month| month as u16)
    }

    /// Two digits; from 0.
    fn number(&self) -> Option<u16> {
        let number: u16 = self.text.parse().ok().filter(|_| self.text.len() == 2)?;
        number.checked_sub(1).filter(|month| *month < 12)
    }
}

fn words(mut rest: &str) -> impl Iterator<Item = Word<'_>> {
    let kind = |letter: char| (letter.is_ascii_digit(), letter.is_alphanumeric());
    std::iter::from_fn(move || {
        let (gap, word) = rest.split_at(rest.find(char::is_alphanumeric)?);
        let first = word.chars().next().map(kind);
        let end = word.find(|letter| Some(kind(letter)) != first).unwrap_or(word.len());
        let (text, behind) = word.split_at(end);
        rest = behind;
        Some(Word { text, gap })
    })
}

#[cfg(test)]
mod tests;
