//! Reads one table of the merged settings. What is asked for is what is known: any other key is reported
//! when the section ends, with the nearest known one. A value of a wrong kind is reported and read as absent.

use std::cell::RefCell;
use std::time::Duration;

use super::suggest::closest;
use super::{Entry, Place, Problem, Table, Value};
use crate::base::bytes::parse_duration;
use crate::event::Level;
use crate::query::{self, Expr, ParseContext};

/// What reading found beside values.
#[derive(Debug, Default)]
pub struct Findings {
    pub errors: RefCell<Vec<Problem>>,
    /// Understood, but without effect.
    pub notes: RefCell<Vec<Problem>>,
}

impl Findings {
    pub fn error(&self, place: &Place, text: impl Into<String>) {
        self.errors.borrow_mut().push(Problem { place: place.clone(), text: text.into() });
    }

    pub fn note(&self, place: &Place, text: impl Into<String>) {
        self.notes.borrow_mut().push(Problem { place: place.clone(), text: text.into() });
    }
}

/// One table while it is being read.
pub struct Section<'a> {
    /// `sink.es`; empty at the top.
    path: String,
    place: Place,
    table: &'a Table,
    asked: Vec<&'static str>,
    rest_is_ignored: bool,
    pub findings: &'a Findings,
    pub queries: &'a ParseContext,
}

impl<'a> Section<'a> {
    /// Reads the whole tree.
    pub fn read_all<T>(
        table: &'a Table,
        findings: &'a Findings,
        queries: &'a ParseContext,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let place = Place::of("configuration");
        let path = String::new();
        let asked = Vec::new();
        Section { path, place, table, asked, rest_is_ignored: false, findings, queries }
            .finish(read)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Says nothing about keys that were not asked for.
    pub fn ignore_rest(&mut self) {
        self.rest_is_ignored = true;
    }

    fn finish<T>(mut self, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        let result = read(&mut self);
        for (name, entry) in &self.table.entries {
            if !self.rest_is_ignored && !self.asked.contains(&name.as_str()) {
                let problem = self.unknown(name);
                self.findings.error(&entry.name_place, problem);
            }
        }
        result
    }

    fn unknown(&self, name: &str) -> String {
        let location = if self.path.is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in [{}]", self.path)
        };
        if let Some((key, advice)) = SECRETS.iter().find(|(key, _)| *key == name) {
            return format!(
                "`{key}` {location} would keep a secret in the configuration; {advice}"
            );
        }
        match closest(name, self.asked.iter().copied()) {
            Some(known) => format!("unknown key `{name}` {location}; did you mean `{known}`?"),
            None => {
                let mut known = self.asked.clone();
                known.sort_unstable();
                format!("unknown key `{name}` {location}; known are {}", known.join(", "))
            }
        }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    pub fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// `path.key` as it is written in messages.
    pub fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong(&self, key: &str, entry: &Entry, expected: &str) {
        let found = match &entry.value {
            Value::Typed(text) => format!("`{text}`"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            value => value.describe().to_owned(),
        };
        let name = self.name_of(key);
        self.findings.error(&entry.place, format!("{name}: expected {expected}, found {found}"));
    }

    /// Reads a text and what it means; the error of `read` is reported at the value.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.take(key)?;
        let (Value::Text(text) | Value::Typed(text)) = &entry.value else {
            self.wrong(key, entry, "a text");
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.findings.error(&entry.place, format!("{}: {problem}", self.name_of(key)));
                None
            }
        }
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, |text| Ok(text.to_owned()))
    }

    /// A text that must not be empty.
    pub fn filled_text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, filled)
    }

    /// As [`Section::parsed`]; it must be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            let problem = format!("[{}] needs `{key}`", self.path);
            self.findings.error(&self.place, problem);
        }
        self.parsed(key, read)
    }

    /// A text that must be there and not empty.
    pub fn required_text(&mut self, key: &'static str) -> Option<String> {
        self.required(key, filled)
    }

    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, parse_duration)
    }

    /// A query with the text it was written as.
    pub fn query(&mut self, key: &'static str) -> Option<(Expr, String)> {
        let context = self.queries;
        self.parsed(key, |text| match query::parse(text, context) {
            Ok(tree) => Ok((tree, text.to_owned())),
            Err(error) => Err(error.to_string()),
        })
    }

    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(
                || {
                    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                    let hint = match closest(text, names.iter().copied()) {
                        Some(name) => format!("; did you mean `{name}`?"),
                        None => String::new(),
                    };
                    format!("`{text}` is none of {}{hint}", names.join(", "))
                },
            )
        })
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let entry = self.take(key)?;
        match &entry.value {
            Value::Flag(flag) => Some(*flag),
            Value::Typed(text) if text == "true" => Some(true),
            Value::Typed(text) if text == "false" => Some(false),
            _ => {
                self.wrong(key, entry, "true or false");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &'static str, lowest: u64, highest: u64) -> Option<u64> {
        let entry = self.take(key)?;
        let number = match &entry.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Typed(text) => text.parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (lowest..=highest).contains(number));
        if number.is_none() {
            let expected = match highest {
                u64::MAX => format!("a whole number, at least {lowest}"),
                _ => format!("a whole number from {lowest} to {highest}"),
            };
            self.wrong(key, entry, &expected);
        }
        number
    }

    /// Texts with their places. A variable holds them with commas between.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<(String, Place)>> {
        let entry = self.take(key)?;
        match &entry.value {
            Value::Typed(text) => Some(
                text.split(',')
                    .map(|item| (item.trim().to_owned(), entry.place.clone()))
                    .filter(|(item, _)| !item.is_empty())
                    .collect(),
            ),
            Value::List(items) => {
                Some(items.iter().filter_map(|item| self.text_item(key, item)).collect())
            }
            _ => {
                self.wrong(key, entry, "a list of texts, as in [\"one\", \"two\"]");
                None
            }
        }
    }

    fn text_item(&self, key: &str, item: &Entry) -> Option<(String, Place)> {
        match &item.value {
            Value::Text(text) => Some((text.clone(), item.place.clone())),
            _ => {
                self.wrong(key, item, "a text in the list");
                None
            }
        }
    }

    pub fn plain_texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        Some(self.texts(key)?.into_iter().map(|(text, _)| text).collect())
    }

    pub fn levels(&mut self, key: &'static str) -> Option<Vec<Level>> {
        let name = self.name_of(key);
        let mut levels = Vec::new();
        for (text, place) in self.texts(key)? {
            match text.parse() {
                Ok(level) => levels.push(level),
                Err(problem) => self.findings.error(&place, format!("{name}: {problem}")),
            }
        }
        Some(levels)
    }

    /// A table below this one; an absent one is read as empty.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        static EMPTY: Table = Table { entries: Vec::new() };
        let path = self.name_of(key);
        let entry = self.take(key);
        let (table, place) = match entry {
            Some(entry @ Entry { value: Value::Table(table), .. }) => (table, &entry.name_place),
            Some(entry) => {
                self.wrong(key, entry, &format!("a table: write [{path}]"));
                (&EMPTY, &entry.place)
            }
            None => (&EMPTY, &self.place),
        };
        self.child(path, place.clone(), table).finish(read)
    }

    /// The tables under names: `[sink.NAME]`.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Section<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let Value::Table(names) = &entry.value else {
            self.wrong(key, entry, &format!("tables with names: write [{key}.NAME]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, entry) in &names.entries {
            let Value::Table(table) = &entry.value else {
                self.wrong(&format!("{key}.{name}"), entry, "a table");
                continue;
            };
            let child = self.child(format!("{key}.{name}"), entry.name_place.clone(), table);
            found.extend(child.finish(|section| read(name, section)));
        }
        found
    }

    /// `[[sink.NAME.route]]`.
    pub fn tables(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'a>)) {
        let Some(entry) = self.take(key) else { return };
        let path = self.name_of(key);
        let Value::List(items) = &entry.value else {
            return self.wrong(key, entry, &format!("a list of tables: write [[{path}]]"));
        };
        for item in items {
            match &item.value {
                Value::Table(table) => {
                    self.child(path.clone(), item.place.clone(), table).finish(&mut read);
                }
                _ => self.wrong(key, item, "a table"),
            }
        }
    }

    fn child(&self, path: String, place: Place, table: &'a Table) -> Section<'a> {
        let (findings, queries) = (self.findings, self.queries);
        Section { path, place, table, asked: Vec::new(), rest_is_ignored: false, findings, queries }
    }
}

/// Keys that somebody will try, and what to do instead.
const SECRETS: &[(&str, &str)] = &[
    ("password", "use `password_file` or `password_env`"),
    ("api_key", "use `api_key_file`"),
    ("secret", "put it in a file and name that"),
    ("token", "put it in a file and name that"),
    ("url", "use `urls` or `url_file`"),
];

fn filled(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}
