//! Properties that hold for any input.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::base::json::{self, Token, Tokens};
use crate::privacy::tag;

/// As in an event: keys may occur twice, and a sealed value has its tag beside it.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|truth| truth.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        (-3i64..3).prop_map(|number| number.to_string()),
        (-2.0f64..2.0).prop_map(|number| format!("{number:?}")),
        "[ab.]{0,3}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let plain = ("[ab._ ]{0,3}", inner.clone()).prop_map(|(key, json)| format!("{key:?}:{json}"));
        let sealed = ("[ab._ ]{0,2}", any_tag())
            .prop_map(|(key, tag)| format!(r#""{key}":"enc1.x","{key}_tag":"{tag}""#));
        let members = prop::collection::vec(prop_oneof![3 => plain, 1 => sealed], 0..4);
        let deep = ("[{\\[]{0,12}", inner.clone()).prop_map(|(brackets, inner)| nest(&brackets, &inner));
        prop_oneof![
            3 => prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            6 => members.prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => deep,
        ]
    })
}

fn nest(brackets: &str, inner: &str) -> String {
    brackets.chars().rev().fold(inner.to_owned(), |inner, bracket| match bracket {
        '{' => format!(r#"{{"a":{inner}}}"#),
        _ => format!("[{inner}]"),
    })
}

fn any_tag() -> impl Strategy<Value = String> {
    (0..6).prop_map(|number| format!("tag1.{number:022}"))
}

/// Names and JSON. Tag fields hold tags only.
fn any_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let tags = prop::collection::btree_set(any_tag(), 1..3).prop_map(|tags| {
        let tags: Vec<String> = tags.into_iter().map(|tag| format!("{tag:?}")).collect();
        if tags.len() == 1 { tags[0].clone() } else { format!("[{}]", tags.join(",")) }
    });
    let field = prop_oneof![
        4 => ("[ab_. ]{0,7}", any_json()),
        1 => ("[ab_. ]{0,2}_tag", tags),
    ];
    let distinct = |fields: Vec<(String, String)>| {
        let mut seen = BTreeSet::new();
        fields.into_iter().filter(|(name, _)| seen.insert(name.clone())).collect()
    };
    prop::collection::vec(field, 1..6).prop_map(distinct)
}

/// The texts contain no escapes.
fn as_fields(texts: &[(String, String)]) -> Vec<(&str, Value<'_>)> {
    let value = |json| match json {
        text if str::starts_with(text, "\"") => Value::Text(text.trim_matches('"').into()),
        json => Value::Json(json),
    };
    texts.iter().map(|(name, json)| (name.as_str(), value(json))).collect()
}

/// All strings under names that end with `_tag`, in a list or not.
fn found(json: &Json, under_tag: bool, tags: &mut BTreeSet<String>) {
    match json {
        Json::Object(members) => {
            members.iter().for_each(|(key, json)| found(json, key.ends_with("_tag"), tags));
        }
        Json::Array(list) => list.iter().for_each(|json| found(json, under_tag, tags)),
        Json::String(text) if under_tag => _ = tags.insert(text.clone()),
        _ => {}
    }
}

/// The kinds that a server finds at each path: names with dots are objects.
fn kinds(path: &str, json: &Json, kinds_at: &mut HashMap<String, BTreeSet<&'static str>>) {
    let kind = match json {
        Json::Null => return,
        Json::Array(list) => return list.iter().for_each(|json| kinds(path, json, kinds_at)),
        Json::Object(members) => {
            let inner =
                |key: &String| if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            members.iter().for_each(|(key, json)| kinds(&inner(key), json, kinds_at));
            "object"
        }
        Json::Bool(_) => "truth",
        Json::String(_) => "text",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "whole number",
    };
    kinds_at.entry(path.to_owned()).or_default().insert(kind);
    for (dot, _) in path.match_indices('.') {
        kinds_at.entry(path[..dot].to_owned()).or_default().insert("object");
    }
}

fn keys(json: &Json) -> usize {
    match json {
        Json::Object(members) => members.len() + members.values().map(keys).sum::<usize>(),
        Json::Array(list) => list.iter().map(keys).sum(),
        _ => 0,
    }
}

proptest! {
    /// For any input: the document has one kind per path and no duplicate key.
    #[test]
    fn every_encoded_document_is_acceptable(texts in any_fields()) {
        let body = fitted(&as_fields(&texts));
        let leaves: Json = serde_json::from_str(&body).unwrap();
        let written = Tokens::new(&body).filter(|token| matches!(token, Ok(Token::Key(_)))).count();
        prop_assert_eq!(written, keys(&leaves), "{}", body);
        let mut kinds_at = HashMap::new();
        kinds("", &leaves, &mut kinds_at);
        for (path, kinds) in kinds_at {
            prop_assert_eq!(kinds.len(), 1, "{} is {:?} in {}", path, kinds, body);
        }
    }

    /// A document that was sent once is sent unchanged: a dead letter that is replayed.
    #[test]
    fn an_encoded_document_needs_no_further_change(texts in any_fields()) {
        let fields = as_fields(&texts);
        let names = acceptable(&fields);
        let mut again = Vec::new();
        for (name, (_, value)) in names.iter().zip(&fields) {
            let mut body = Vec::new();
            values::write(name, value, &mut body, &mut Vec::new());
            again.push((name.to_string(), String::from_utf8(body).unwrap()));
        }
        let twice = as_fields(&again);
        for ((name, value), (_, body)) in twice.iter().zip(&again) {
            let changed = values::write(name, value, &mut Vec::new(), &mut Vec::new());
            prop_assert!(body.starts_with('"') || !changed, "{}", body);
        }
        prop_assert_eq!(acceptable(&twice), names);
    }

    /// At any depth: `find` and `erase` search names that end with `_tag`.
    #[test]
    fn every_tag_is_sent_in_a_tag_field(texts in any_fields()) {
        let members: Vec<String> = texts
            .iter()
            .map(|(name, json)| {
                let mut key = Vec::new();
                json::write_string(name, &mut key);
                format!("{}:{json}", String::from_utf8(key).unwrap())
            })
            .collect();
        let before = format!("{{{}}}", members.join(","));
        let mut expected: BTreeSet<String> = BTreeSet::new();
        expected.extend(tag::in_json(&before).into_iter().map(|(_, tag)| tag));
        found(&serde_json::from_str(&before).unwrap(), false, &mut expected);
        expected.retain(|text| tag::is_tag(text));
        let mut tags = BTreeSet::new();
        let body = fitted(&as_fields(&texts));
        found(&serde_json::from_str(&body).unwrap(), false, &mut tags);
        let lost: Vec<&String> = expected.difference(&tags).collect();
        prop_assert!(lost.is_empty(), "{:?} of {} in {}", lost, before, body);
    }
}
