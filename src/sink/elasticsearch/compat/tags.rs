//! Copies tags that are inside a text to fields of their own, so that queries find them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::values::NamedTag;
use crate::base::json::{Token, Tokens};
use crate::event::Value;
use crate::privacy::tag;

/// The tags of each field in the form in which `privacy` writes them: one tag is a text, several are a JSON list.
pub(super) type TagFields = BTreeMap<String, String>;

/// Combines the tags inside texts (`hidden`) with those that `fields` contain under the same names.
pub(super) fn tag_fields<'e>(
    hidden: Vec<NamedTag>,
    fields: impl Iterator<Item = (&'e str, Value<'e>)>,
) -> TagFields {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, tag) in hidden {
        all.entry(name).or_default().insert(tag);
    }
    for (name, value) in fields {
        if let Some(tags) = all.get_mut(name) {
            tags.extend(tags_of(&value).unwrap_or_default());
        }
    }
    all.into_iter().map(|(name, tags)| (name, written(tags))).collect()
}

/// Returns the fields together with the tag fields `beside`, which replace tag fields of the same names.
pub(super) fn with_tag_fields<'b, 'e: 'b>(
    fields: impl Iterator<Item = (&'e str, Value<'e>)>,
    beside: &'b TagFields,
) -> Vec<(&'b str, Value<'b>)> {
    let mut all: Vec<(&'b str, Value<'b>)> = Vec::new();
    for (name, value) in fields {
        if !beside.contains_key(name) || tags_of(&value).is_none() {
            all.push((name, value));
        }
    }
    all.extend(beside.iter().map(|(name, tags)| match tags.starts_with('[') {
        true => (name.as_str(), Value::Json(tags)),
        false => (name.as_str(), Value::Text(tags.into())),
    }));
    all
}

/// The tags in the value of a tag field; `None`: it is not one.
fn tags_of(value: &Value<'_>) -> Option<Vec<String>> {
    match value {
        Value::Text(text) => tag::is_tag(text).then(|| vec![text.to_string()]),
        Value::Json(list) if list.starts_with('[') => Tokens::new(list)
            .filter(|token| !matches!(token, Ok(Token::ArrayStart | Token::ArrayEnd)))
            .map(|token| match token {
                Ok(Token::Text(text)) if tag::is_tag(text.0) => Some(text.0.to_owned()),
                _ => None,
            })
            .collect(),
        Value::Json(_) => None,
    }
}

/// One tag as text, several as a JSON list. Tags need no escaping.
fn written(tags: BTreeSet<String>) -> String {
    let mut tags = Vec::from_iter(tags);
    match tags.len() {
        1 => tags.remove(0),
        _ => format!("[\"{}\"]", tags.join("\",\"")),
    }
}
