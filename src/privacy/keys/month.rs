//! [`Month`]: the month whose key seals an event, and its recognition in file names.

use std::fmt;
use std::ops::RangeInclusive;

use crate::base::{Timestamp, rfc3339};

/// A month as a number: year × 12 + month − 1.
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

/// Years recognised in file names: those of a [`Timestamp`], from the epoch on.
const YEARS: RangeInclusive<u16> = 1970..=2262;
/// All years of a [`Timestamp`]: an event may be of any of them.
const ALL_YEARS: RangeInclusive<u16> = 1677..=2262;

impl Month {
    /// Not a month: the key for values that must look alike in all months.
    pub const ALWAYS: Month = Month(u16::MAX);

    pub fn of(time: Timestamp) -> Month {
        let (year, month, _) = rfc3339::civil(time.day());
        Month((year * 12 + month - 1) as u16)
    }

    /// The first month in a file name: `logs_2021_Apr.txt`, `april-2021.log`, `app-2021-04-15.log`.
    pub fn in_name(name: &str) -> Option<Month> {
        Month::of_words(name, &YEARS)
    }

    /// Whether the file name has a year but no month beside it: `logs_2021_Foo.txt`, `app-2021.log`.
    pub fn is_missing_in(name: &str) -> bool {
        Month::in_name(name).is_none() && words(name).any(|word| word.year(&YEARS).is_some())
    }

    fn of_words(text: &str, years: &RangeInclusive<u16>) -> Option<Month> {
        words(text).zip(words(text).skip(1)).find_map(|(word, next)| word.month_with(&next, years))
    }

    /// Parses a month as people type it: `2021_April`, `apr 2021`, `2021-04`, `always`.
    pub fn typed(text: &str) -> Option<Month> {
        match words(text).count() {
            2 => Month::of_words(text, &ALL_YEARS),
            _ if text.eq_ignore_ascii_case("always") => Some(Month::ALWAYS),
            _ => None,
        }
    }

    /// The form in key files and tokens; see [`Month`].
    pub fn index(self) -> u16 {
        self.0
    }

    pub fn from_index(index: u16) -> Month {
        Month(index)
    }
}

/// The form in names of key files: `2021_April`.
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
    /// The text between the previous word and this one.
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

    /// The month of a name or abbreviation, from 0.
    fn named(&self) -> Option<u16> {
        let matches = |name: &str| {
            let short = [&name[..3], "Sept"]
                .iter()
                .any(|short| name.starts_with(short) && self.text.eq_ignore_ascii_case(short));
            short || self.text.eq_ignore_ascii_case(name)
        };
        NAMES.iter().position(|name| matches(name)).map(|month| month as u16)
    }

    /// The month of two digits, from 0.
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
        let (text, remainder) = word.split_at(end);
        rest = remainder;
        Some(Word { text, gap })
    })
}

#[cfg(test)]
mod tests;
