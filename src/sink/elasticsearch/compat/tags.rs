//! Tags of values that leave as part of a text: they stand beside the fields too, where queries find them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::values::Named;
use crate::base::json::{Token, Tokens};
use crate::event::Value;
use crate::privacy::tag;

/// By field: its tags, as `privacy` writes them: one is a text, several are a list.
pub(super) type Beside = BTreeMap<String, String>;

/// `hidden` and those that `fields` hold under the same names.
pub(super) fn beside<'e>(
    hidden: Vec<Named>,
    fields: impl Iterator<Item = (&'e str, Value<'e>)>,
) -> Beside {
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

/// The fields with those tags.
pub(super) fn added<'b, 'e: 'b>(
    fields: impl Iterator<Item = (&'e str, Value<'e>)>,
    beside: &'b Beside,
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

/// `None`: it is no field of tags.
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

/// Nothing in a tag needs an escape.
fn written(tags: BTreeSet<String>) -> String {
    let mut tags = Vec::from_iter(tags);
    match tags.len() {
        1 => tags.remove(0),
        _ => format!("[\"{}\"]", tags.join("\",\"")),
    }
}
