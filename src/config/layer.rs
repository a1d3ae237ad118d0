//! One layer of settings: a tree of values with their locations, and the merging of layers.

use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::{Location, Problem};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Entry>),
    Table(Table),
    /// Text of a variable or an argument: converted to the expected type when it is read.
    Typed(String),
}

impl Value {
    /// The type of the value, for error messages.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Text(_) | Value::Typed(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Flag(_) => "true or false",
            Value::List(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// A value with the locations of its name and of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub name_location: Location,
    pub location: Location,
    pub value: Value,
}

/// Names and values, in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub entries: Vec<(String, Entry)>,
}

impl Table {
    /// Parses TOML. Errors are added to `problems`; the valid part is used.
    pub fn from_toml(origin: &str, text: &str, problems: &mut Vec<Problem>) -> Table {
        let origin: Arc<str> = origin.into();
        let (table, errors) = DeTable::parse_recoverable(text);
        problems.extend(errors.iter().map(|error| Problem {
            location: Location::in_text(&origin, text, error.span().map_or(0, |span| span.start)),
            text: error.message().replace('\n', "; "),
        }));
        File { origin, text }.table(table.get_ref())
    }

    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|(own, _)| own == name).map(|(_, entry)| entry)
    }

    /// Tables are merged, other values replaced. A merged table takes the location of the later layer, so that its
    /// errors are reported there and not in the defaults.
    pub fn merge(&mut self, later: Table) {
        for (name, entry) in later.entries {
            match (self.entries.iter_mut().find(|(own, _)| *own == name), entry.value) {
                (
                    Some((_, Entry { value: Value::Table(own), name_location, .. })),
                    Value::Table(table),
                ) => {
                    own.merge(table);
                    *name_location = entry.name_location;
                }
                (Some((_, own)), value) => *own = Entry { value, ..entry },
                (None, value) => self.entries.push((name, Entry { value, ..entry })),
            }
        }
    }

    /// Sets one value by its path, for a variable or an argument. Names are matched ignoring case.
    pub fn set(&mut self, path: &[&str], origin: &str, text: String) {
        let location = Location::of(origin);
        let Some((first, rest)) = path.split_first() else { return };
        let known = self.entries.iter().position(|(name, _)| name.eq_ignore_ascii_case(first));
        let index = known.unwrap_or_else(|| {
            let value = Value::Table(Table::default());
            let entry =
                Entry { name_location: location.clone(), location: location.clone(), value };
            self.entries.push((first.to_lowercase(), entry));
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index].1;
        match (&mut entry.value, rest.is_empty()) {
            (Value::Table(table), false) => table.set(rest, origin, text),
            _ => {
                *entry =
                    Entry { name_location: location.clone(), location, value: Value::Typed(text) }
            }
        }
    }
}

/// A TOML file that is being converted to a tree.
struct File<'a> {
    origin: Arc<str>,
    text: &'a str,
}

impl File<'_> {
    fn place(&self, offset: usize) -> Location {
        Location::in_text(&self.origin, self.text, offset)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(name, _)| name.span().start);
        let entries = pairs
            .into_iter()
            .map(|(name, value)| {
                let entry = self.entry(name.span().start, value.span().start, value.get_ref());
                (name.get_ref().to_string(), entry)
            })
            .collect();
        Table { entries }
    }

    fn entry(&self, name_at: usize, at: usize, value: &DeValue<'_>) -> Entry {
        Entry {
            name_location: self.place(name_at),
            location: self.place(at),
            value: self.value(value),
        }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::Text(number.as_str().to_owned()), Value::Integer),
            DeValue::Float(number) => number
                .as_str()
                .parse()
                .map_or_else(|_| Value::Text(number.as_str().to_owned()), Value::Float),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Datetime(time) => Value::Text(time.to_string()),
            DeValue::Array(list) => Value::List(
                list.iter()
                    .map(|item| self.entry(item.span().start, item.span().start, item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
        }
    }
}
