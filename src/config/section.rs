//! Reads one table of the merged settings. The requested keys are the known keys: any other key is reported when the
//! section ends, with the nearest known one. A value of the wrong type is reported and treated as absent.

use std::cell::RefCell;
use std::time::Duration;

use super::suggest::closest;
use super::{Entry, Location, Problem, Table, Value};
use crate::base::bytes::parse_duration;
use crate::event::Level;
use crate::query::{self, Expr, ParseContext};

/// The problems found while reading.
#[derive(Debug, Default)]
pub struct Findings {
    pub errors: RefCell<Vec<Problem>>,
    /// Warnings, for example about known settings without effect.
    pub notes: RefCell<Vec<Problem>>,
}

impl Findings {
    pub fn error(&self, location: &Location, text: impl Into<String>) {
        self.errors.borrow_mut().push(Problem { location: location.clone(), text: text.into() });
    }

    pub fn note(&self, location: &Location, text: impl Into<String>) {
        self.notes.borrow_mut().push(Problem { location: location.clone(), text: text.into() });
    }
}

/// A table that is being read.
pub struct Section<'a> {
    /// For example `sink.es`; empty at the top level.
    path: String,
    location: Location,
    table: &'a Table,
    requested: Vec<&'static str>,
    ignores_unknown_keys: bool,
    pub findings: &'a Findings,
    pub queries: &'a ParseContext,
}

impl<'a> Section<'a> {
    /// Reads the top-level table, with all tables in it.
    pub fn read_all<T>(
        table: &'a Table,
        findings: &'a Findings,
        queries: &'a ParseContext,
        read: impl FnOnce(&mut Section<'a>) -> T,
    ) -> T {
        let location = Location::of("configuration");
        let path = String::new();
        let requested = Vec::new();
        Section { path, location, table, requested, ignores_unknown_keys: false, findings, queries }
            .finish(read)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Suppresses errors about unknown keys.
    pub fn ignore_rest(&mut self) {
        self.ignores_unknown_keys = true;
    }

    fn finish<T>(mut self, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        let result = read(&mut self);
        for (name, entry) in &self.table.entries {
            if !self.ignores_unknown_keys && !self.requested.contains(&name.as_str()) {
                let problem = self.unknown(name);
                self.findings.error(&entry.name_location, problem);
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
                "`{key}` {location} would put a secret into the configuration; {advice}"
            );
        }
        match closest(name, self.requested.iter().copied()) {
            Some(known) => format!("unknown key `{name}` {location}; did you mean `{known}`?"),
            None => {
                let mut known = self.requested.clone();
                known.sort_unstable();
                format!("unknown key `{name}` {location}; known keys: {}", known.join(", "))
            }
        }
    }

    /// The location of the table itself, for messages.
    pub fn place(&self) -> &Location {
        &self.location
    }

    /// Requests a key, which makes it known; returns its entry.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Entry> {
        self.requested.push(key);
        self.table.get(key)
    }

    /// The full name of a key, for messages: `path.key`.
    pub fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong_type(&self, key: &str, entry: &Entry, expected: &str) {
        let found = match &entry.value {
            Value::Typed(text) => format!("`{text}`"),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            value => value.describe().to_owned(),
        };
        let name = self.name_of(key);
        self.findings.error(&entry.location, format!("{name}: expected {expected}, found {found}"));
    }

    /// Reads a string and converts it; an error of `read` is reported at the value's location.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.take(key)?;
        let (Value::Text(text) | Value::Typed(text)) = &entry.value else {
            self.wrong_type(key, entry, "a string");
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.findings.error(&entry.location, format!("{}: {problem}", self.name_of(key)));
                None
            }
        }
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, |text| Ok(text.to_owned()))
    }

    /// A string that must not be empty.
    pub fn filled_text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, non_empty)
    }

    /// Like [`Section::parsed`], but a missing key is an error.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if !self.has(key) {
            let problem = format!("[{}] needs `{key}`", self.path);
            self.findings.error(&self.location, problem);
        }
        self.parsed(key, read)
    }

    /// A required string that must not be empty.
    pub fn required_text(&mut self, key: &'static str) -> Option<String> {
        self.required(key, non_empty)
    }

    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, parse_duration)
    }

    /// A query, with its original text.
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
                    format!("`{text}` is not one of {}{hint}", names.join(", "))
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
                self.wrong_type(key, entry, "true or false");
                None
            }
        }
    }

    /// An integer within bounds.
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
                u64::MAX => format!("an integer of at least {lowest}"),
                _ => format!("an integer from {lowest} to {highest}"),
            };
            self.wrong_type(key, entry, &expected);
        }
        number
    }

    /// Strings with their locations. In an environment variable they are separated by commas.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<(String, Location)>> {
        let entry = self.take(key)?;
        match &entry.value {
            Value::Typed(text) => Some(
                text.split(',')
                    .map(|item| (item.trim().to_owned(), entry.location.clone()))
                    .filter(|(item, _)| !item.is_empty())
                    .collect(),
            ),
            Value::List(items) => {
                Some(items.iter().filter_map(|item| self.text_item(key, item)).collect())
            }
            _ => {
                self.wrong_type(key, entry, "an array of strings, for example [\"one\", \"two\"]");
                None
            }
        }
    }

    fn text_item(&self, key: &str, item: &Entry) -> Option<(String, Location)> {
        match &item.value {
            Value::Text(text) => Some((text.clone(), item.location.clone())),
            _ => {
                self.wrong_type(key, item, "a string in the array");
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
        for (text, location) in self.texts(key)? {
            match text.parse() {
                Ok(level) => levels.push(level),
                Err(problem) => self.findings.error(&location, format!("{name}: {problem}")),
            }
        }
        Some(levels)
    }

    /// A nested table; an absent one is read as empty.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'a>) -> T) -> T {
        static EMPTY: Table = Table { entries: Vec::new() };
        let path = self.name_of(key);
        let entry = self.take(key);
        let (table, location) = match entry {
            Some(entry @ Entry { value: Value::Table(table), .. }) => (table, &entry.name_location),
            Some(entry) => {
                self.wrong_type(key, entry, &format!("a table: write [{path}]"));
                (&EMPTY, &entry.location)
            }
            None => (&EMPTY, &self.location),
        };
        self.child(path, location.clone(), table).finish(read)
    }

    /// Named tables: `[sink.NAME]`.
    pub fn named<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Section<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        let Value::Table(names) = &entry.value else {
            self.wrong_type(key, entry, &format!("named tables: write [{key}.NAME]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, entry) in &names.entries {
            let Value::Table(table) = &entry.value else {
                self.wrong_type(&format!("{key}.{name}"), entry, "a table");
                continue;
            };
            let child = self.child(format!("{key}.{name}"), entry.name_location.clone(), table);
            found.extend(child.finish(|section| read(name, section)));
        }
        found
    }

    /// An array of tables: `[[sink.NAME.route]]`.
    pub fn tables(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'a>)) {
        let Some(entry) = self.take(key) else { return };
        let path = self.name_of(key);
        let Value::List(items) = &entry.value else {
            return self.wrong_type(key, entry, &format!("an array of tables: write [[{path}]]"));
        };
        for item in items {
            match &item.value {
                Value::Table(table) => {
                    self.child(path.clone(), item.location.clone(), table).finish(&mut read);
                }
                _ => self.wrong_type(key, item, "a table"),
            }
        }
    }

    fn child(&self, path: String, location: Location, table: &'a Table) -> Section<'a> {
        let (findings, queries) = (self.findings, self.queries);
        Section {
            path,
            location,
            table,
            requested: Vec::new(),
            ignores_unknown_keys: false,
            findings,
            queries,
        }
    }
}

/// Keys that users are likely to try for secrets, and their replacements.
const SECRETS: &[(&str, &str)] = &[
    ("password", "use `password_file` or `password_env`"),
    ("api_key", "use `api_key_file`"),
    (
        "secret",
        "use a setting that reads it from a file, such as `password_file` or `api_key_file`",
    ),
    ("token", "use a setting that reads it from a file, such as `password_file` or `api_key_file`"),
    ("url", "use `urls` or `url_file`"),
];

fn non_empty(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".to_owned()),
        text => Ok(text.to_owned()),
    }
}
