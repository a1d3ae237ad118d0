//! Formats the merged settings as TOML, each with its origin in a comment.

use std::fmt::Write;

use crate::config::{Entry, Table, Value};

/// The settings as TOML text, which can be read back as the same settings.
pub fn print(table: &Table) -> String {
    let mut text = String::new();
    section(&mut text, "", table);
    text
}

fn section(text: &mut String, path: &str, table: &Table) {
    let (tables, values): (Vec<_>, Vec<_>) =
        table.entries.iter().partition(|(_, entry)| holds_tables(entry));
    if !path.is_empty() && (!values.is_empty() || tables.is_empty()) {
        let _ = writeln!(text, "\n[{path}]");
    }
    for (name, entry) in values {
        let _ = writeln!(text, "{} = {} # {}", key(name), value(&entry.value), entry.location);
    }
    for (name, entry) in tables {
        let path = if path.is_empty() { key(name) } else { format!("{path}.{}", key(name)) };
        match &entry.value {
            Value::Table(table) => section(text, &path, table),
            Value::List(items) => items.iter().for_each(|item| {
                let _ = writeln!(text, "\n[[{path}]] # {}", item.location);
                if let Value::Table(table) = &item.value {
                    for (name, entry) in &table.entries {
                        let _ = writeln!(text, "{} = {}", key(name), value(&entry.value));
                    }
                }
            }),
            _ => {}
        }
    }
}

fn holds_tables(entry: &Entry) -> bool {
    match &entry.value {
        Value::Table(_) => true,
        Value::List(items) => {
            !items.is_empty() && items.iter().all(|item| matches!(item.value, Value::Table(_)))
        }
        _ => false,
    }
}

fn key(name: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Typed(text) => typed(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| self::value(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let inner: Vec<String> = table
                .entries
                .iter()
                .map(|(name, entry)| format!("{} = {}", key(name), self::value(&entry.value)))
                .collect();
            format!("{{ {} }}", inner.join(", "))
        }
    }
}

/// Writes the text of an environment variable as the type that it most likely has.
fn typed(text: &str) -> String {
    if text == "true" || text == "false" || text.parse::<i64>().is_ok() {
        return text.to_owned();
    }
    quoted(text)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
