//! Determines the group in which a rule counts an event: the event's values of the rule's `by` fields, joined to one
//! text (the key). Also numbers the keys.

use std::collections::HashMap;
use std::sync::Arc;

use crate::event::{Event, SourceName, Value, document};
use crate::privacy::{self, Policy};
use crate::query::{FieldName, Subject};

/// The text in a key for a `by` field that the event does not have.
const NONE: &str = "(none)";
/// Longer keys are truncated to this many bytes; events whose keys are equal after that are counted together.
const LONGEST_KEY: usize = 256;

/// How a rule groups events, from its `by` setting.
#[derive(Debug)]
pub(super) enum Grouping {
    /// All events are one group, with the empty key.
    All,
    Source,
    Fields(Vec<By>),
}

/// One entry of `by`.
#[derive(Debug)]
pub(super) enum By {
    Source,
    Field(FieldName),
}

/// Document fields that Logwarden adds: they are not in the record.
const ADDED_FIELDS: [&str; 4] = ["service.name", "host.name", "log.file.path", "event.id"];

impl Grouping {
    pub fn new(by: &[String]) -> Self {
        match by {
            [] => Grouping::All,
            [one] if one == "source" => Grouping::Source,
            several => Grouping::Fields(several.iter().map(|name| By::new(name)).collect()),
        }
    }
}

impl By {
    fn new(name: &str) -> Self {
        match name {
            "source" => By::Source,
            field => By::Field(FieldName(field.into())),
        }
    }

    fn is_added_field(&self) -> bool {
        matches!(self, By::Field(name) if ADDED_FIELDS.iter().any(|path| name.matches(path)))
    }
}

/// The known keys of a rule, numbered from 0 in the order of their first event.
#[derive(Debug)]
pub(super) struct Keys {
    numbers: HashMap<Arc<str>, usize>,
    /// The last source and its number: consecutive events mostly have the same source.
    last_source: Option<(SourceName, usize)>,
    scratch: String,
    /// Tells which values must not be shown.
    policy: Arc<Policy>,
}

impl Keys {
    pub fn new(policy: Arc<Policy>) -> Self {
        Keys { numbers: HashMap::new(), last_source: None, scratch: String::new(), policy }
    }

    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The number of the event's key; an error with the text of the key if the key is not known yet.
    pub fn find(&mut self, grouping: &Grouping, event: &Event<'_>) -> Result<usize, &str> {
        let source = &event.batch.generation.source;
        match grouping {
            Grouping::All => {
                self.scratch.clear();
                if self.numbers.is_empty() { Err("") } else { Ok(0) }
            }
            Grouping::Source => match &self.last_source {
                Some((last, number)) if Arc::ptr_eq(last, source) => Ok(*number),
                _ => match self.numbers.get(&**source) {
                    Some(number) => {
                        self.last_source = Some((source.clone(), *number));
                        Ok(*number)
                    }
                    None => {
                        self.scratch.clear();
                        self.scratch.push_str(source);
                        Err(&self.scratch)
                    }
                },
            },
            Grouping::Fields(fields) => {
                write_key(fields, event, |_, _| None, &mut self.scratch);
                self.numbers.get(self.scratch.as_str()).copied().ok_or(&self.scratch)
            }
        }
    }

    /// The event's key as it is shown, with aliases for the values that must not be shown; `None` if the key itself may
    /// be shown. Called once per key.
    pub fn shown_text(&self, grouping: &Grouping, event: &Event<'_>) -> Option<Arc<str>> {
        let Grouping::Fields(fields) = grouping else { return None };
        if !self.policy.hides_anything() {
            return None;
        }
        self.policy.refresh();
        let mut key = String::new();
        let alias = |name: &str, value: &str| privacy::alias(&self.policy, event, name, value);
        write_key(fields, event, alias, &mut key);
        Some(key.into())
    }

    pub fn number(&self, key: &str) -> Option<usize> {
        self.numbers.get(key).copied()
    }

    pub fn insert(&mut self, key: Arc<str>) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(key).or_insert(next)
    }

    /// Replaces all keys, numbered from 0 in this order.
    pub fn replace(&mut self, keys: impl Iterator<Item = Arc<str>>) {
        self.numbers = keys.enumerate().map(|(number, key)| (key, number)).collect();
        self.last_source = None;
    }
}

/// Replaces `key` with the key of the event. `alias`: the replacement for a field value that must not be shown.
fn write_key(
    fields: &[By],
    event: &Event<'_>,
    alias: impl Fn(&str, &str) -> Option<String>,
    key: &mut String,
) {
    let mut values: Vec<Option<String>> = vec![None; fields.len()];
    let mut note = |path: &str, value: Value<'_>| {
        for (field, found) in fields.iter().zip(&mut values) {
            if let By::Field(name) = field
                && name.matches(path)
            {
                *found = text_of(value.clone());
            }
        }
    };
    // The event id and path are computed only for keys that use them.
    if fields.iter().any(By::is_added_field) {
        event.leaves(&mut note);
    } else {
        for (name, value) in &document::parts(*event).fields {
            document::leaves(name, value, &mut note);
        }
    }
    key.clear();
    for (index, (field, value)) in fields.iter().zip(&values).enumerate() {
        if index > 0 {
            key.push_str(", ");
        }
        match field {
            By::Source => key.push_str(&event.batch.generation.source),
            By::Field(name) => {
                let value = value.as_deref();
                let alias = value.and_then(|value| alias(&name.0, value));
                key.push_str(alias.as_deref().or(value).unwrap_or(NONE));
            }
        }
    }
    if let Some((end, _)) = key.char_indices().take_while(|(at, _)| *at <= LONGEST_KEY).last()
        && key.len() > LONGEST_KEY
    {
        key.truncate(end);
    }
}

fn text_of(value: Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.into_owned()),
        Value::Json("null" | "[]") => None,
        Value::Json(text) => Some(text.into()),
    }
}
