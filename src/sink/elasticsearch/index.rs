//! The name of the index an event goes to: text with the parts of a day in it.

use std::fmt;

use crate::base::rfc3339;

/// `logwarden-%Y.%m.%d`: `%Y`, `%m` and `%d` stand for the event's own day in UTC.
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
    /// In a name, in bytes.
    fn length(&self) -> usize {
        match self {
            Part::Text(text) => text.len(),
            Part::Year => 4,
            Part::Month | Part::Day => 2,
        }
    }
}

/// As long as the server allows, in bytes.
const LONGEST: usize = 255;

impl IndexPattern {
    /// Errors say what is wrong with the name, as Elasticsearch would.
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
                    _ => return Err(format!("`{written}`: only %Y, %m and %d can stand behind %")),
                },
                ('a'..='z' | '0'..='9' | '-' | '_' | '.', _) => {
                    text.push(letter);
                    continue;
                }
                _ => {
                    return Err(format!(
                        "`{written}`: an index name has small letters, digits, `-`, `_` and `.` only"
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
            None => return Err("an index name cannot be empty".to_owned()),
            Some(Part::Text(text)) if text.starts_with(['-', '_', '.']) => {
                return Err(format!(
                    "`{written}`: an index name cannot begin with `-`, `_` or `.`"
                ));
            }
            Some(_) if parts.iter().map(Part::length).sum::<usize>() > LONGEST => {
                return Err(format!("an index name has {LONGEST} bytes at most"));
            }
            Some(_) => {}
        }
        Ok(IndexPattern { written: written.to_owned(), parts })
    }

    /// Appends the name for a day since 1970-01-01. Nothing in it needs an escape in JSON or in a URL.
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

    /// Each day has an index of its own.
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
    fn the_day_stands_in_the_name() {
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
    fn names_that_no_server_takes_are_refused() {
        for wrong in ["", "Logs", "a b", "a/b", "_logs", "-x", ".hidden", "a*", "x-%H", "%", "ä"] {
            assert!(IndexPattern::parse(wrong).is_err(), "{wrong}");
        }
        assert!(IndexPattern::parse(&"a".repeat(256)).is_err());
        assert!(IndexPattern::parse(&("a".repeat(252) + "%Y")).is_err());
        assert!(IndexPattern::parse(&("a".repeat(253) + "%m")).is_ok());
    }

    #[test]
    fn all_days_at_once() {
        let wildcard = |written| IndexPattern::parse(written).unwrap().wildcard();
        assert_eq!(wildcard("logwarden-%Y.%m.%d"), "logwarden-*");
        assert_eq!(wildcard("error"), "error");
        assert_eq!(wildcard("a-%Y.%m-b"), "a-*-b");
    }
}
