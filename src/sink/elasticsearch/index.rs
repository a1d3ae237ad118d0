//! Parses index names with date patterns, such as `logwarden-%Y.%m.%d`, and makes the index name of a day.

use std::fmt;

use crate::base::rfc3339;

/// An index name such as `logwarden-%Y.%m.%d`: `%Y`, `%m` and `%d` are parts of the event's own day in UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct IndexPattern {
    written: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Year,
    Month,
    Day,
}

impl Part {
    /// Length in a name, in bytes.
    fn length(&self) -> usize {
        match self {
            Part::Text(text) => text.len(),
            Part::Year => 4,
            Part::Month | Part::Day => 2,
        }
    }
}

/// The longest name that servers allow, in bytes.
const LONGEST: usize = 255;

impl IndexPattern {
    /// Parses a name by the rules of Elasticsearch; errors name the violated rule.
    pub fn parse(written: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut letters = written.chars();
        while let Some(letter) = letters.next() {
            let part = match (letter, letter == '%') {
                (_, true) => match letters.next() {
                    Some('Y') => Part::Year,
                    Some('m') => Part::Month,
                    Some('d') => Part::Day,
                    _ => {
                        return Err(format!("`{written}`: only %Y, %m and %d are allowed after %"));
                    }
                },
                ('a'..='z' | '0'..='9' | '-' | '_' | '.', _) => {
                    text.push(letter);
                    continue;
                }
                _ => {
                    return Err(format!(
                        "`{written}`: index names allow only lower-case letters, digits, `-`, `_` and `.`"
                    ));
                }
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(part);
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        match parts.first() {
            None => return Err("an index name must not be empty".to_owned()),
            Some(Part::Text(text)) if text.starts_with(['-', '_', '.']) => {
                return Err(format!(
                    "`{written}`: an index name must not start with `-`, `_` or `.`"
                ));
            }
            Some(_) if parts.iter().map(Part::length).sum::<usize>() > LONGEST => {
                return Err(format!("an index name must not exceed {LONGEST} bytes"));
            }
            Some(_) => {}
        }
        Ok(IndexPattern { written: written.to_owned(), parts })
    }

    /// Appends the name for a day since 1970-01-01. It needs no escaping in JSON or in a URL.
    pub fn write(&self, day: i32, name: &mut Vec<u8>) {
        let (year, month, of_month) = rfc3339::civil(day);
        for part in &self.parts {
            match part {
                Part::Text(text) => name.extend_from_slice(text.as_bytes()),
                Part::Year => {
                    name.extend_from_slice(&rfc3339::two_digits(year / 100));
                    name.extend_from_slice(&rfc3339::two_digits(year % 100));
                }
                Part::Month => name.extend_from_slice(&rfc3339::two_digits(month)),
                Part::Day => name.extend_from_slice(&rfc3339::two_digits(of_month)),
            }
        }
    }

    /// Each day has its own index.
    pub fn names_the_day(&self) -> bool {
        self.parts.contains(&Part::Day)
    }

    /// The indexes of all days: `logwarden-*`.
    pub fn wildcard(&self) -> String {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                _ if name.ends_with("*") => {}
                _ if name.ends_with("*.") || name.ends_with("*-") => {
                    name.pop();
                }
                _ => name.push('*'),
            }
        }
        name
    }
}

impl fmt::Display for IndexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for IndexPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_is_part_of_the_name() {
        let name = |written, day| {
            let mut name = Vec::new();
            IndexPattern::parse(written).unwrap().write(day, &mut name);
            String::from_utf8(name).unwrap()
        };
        assert_eq!(name("logwarden-%Y.%m.%d", 20_000), "logwarden-2024.10.04");
        assert_eq!(name("error", 20_000), "error");
        assert_eq!(name("%Y%m-data", 0), "197001-data");
    }

    #[test]
    fn names_that_servers_reject_are_refused() {
        for wrong in ["", "Logs", "a b", "a/b", "_logs", "-x", ".hidden", "a*", "x-%H", "%", "ä"] {
            assert!(IndexPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(IndexPattern::parse(&"a".repeat(256)).is_err());
        assert!(IndexPattern::parse(&("a".repeat(252) + "%Y")).is_err());
        assert!(IndexPattern::parse(&("a".repeat(253) + "%m")).is_ok());
    }

    #[test]
    fn a_wildcard_matches_all_days() {
        let wildcard = |written| IndexPattern::parse(written).unwrap().wildcard();
        assert_eq!(wildcard("logwarden-%Y.%m.%d"), "logwarden-*");
        assert_eq!(wildcard("error"), "error");
        assert_eq!(wildcard("a-%Y.%m-b"), "a-*-b");
    }
}
