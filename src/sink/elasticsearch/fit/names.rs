//! Names of the fields of one event, as servers take them. Pure.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::parts::{MOST_PARTS, is_odd};
use super::values::{self, Kinds};
use crate::event::Value;
use crate::event::document::MOVED;

/// Nothing has to be changed, as nearly always. May say `false` where it turns out that nothing has.
pub(super) fn are_plain<'e>(fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone) -> bool {
    let (mut lengths, mut dotted) = (0u64, false);
    for (name, _) in fields.clone() {
        lengths |= bit(name.len());
        match memchr::memchr(b'.', name.as_bytes()) {
            None if is_odd(name) || is_metadata(name) => return false,
            None => {}
            Some(_) => {
                let own = name.strip_prefix(MOVED).unwrap_or(name);
                let parts = name.bytes().filter(|byte| *byte == b'.').count() + 1;
                if own.split('.').any(is_odd) || is_metadata(name) || parts > MOST_PARTS {
                    return false;
                }
                dotted = true;
            }
        }
    }
    let is_there = |parent: &str| {
        lengths & bit(parent.len()) != 0 && fields.clone().any(|(name, _)| name == parent)
    };
    !dotted || !fields.clone().any(|(name, _)| parents(name).any(is_there))
}

fn bit(length: usize) -> u64 {
    1 << (length & 63)
}

/// `a` and `a.b` of `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'.', name.as_bytes()).map(|dot| &name[..dot])
}

/// Servers keep such names for themselves, each version others: `_id`, `_source`, `_doc_count`. Those of journald
/// (`_PID`) are nobody's.
fn is_metadata(name: &str) -> bool {
    matches!(name.as_bytes(), [b'_', b'a'..=b'z', ..])
}

/// One a field, in their order; no two are equal.
pub(super) fn acceptable<'e>(fields: &[(&'e str, Value<'e>)]) -> Vec<Cow<'e, str>> {
    let mut names: Vec<Cow<'e, str>> = fields.iter().map(|(name, _)| spelled(name)).collect();
    let mut order: Vec<usize> = (0..fields.len()).collect();
    // What has no dot keeps its name; what has some gives way.
    order.sort_by_key(|index| parents(&names[*index]).count());
    let (mut taken, mut seen) = (HashSet::new(), Kinds::new());
    for index in order {
        let value = &fields[index].1;
        let mut kinds = all_kinds(&names[index], value);
        if values::contradict(&seen, &kinds) {
            names[index] = undotted(&names[index]).into();
            kinds = all_kinds(&names[index], value);
        }
        while taken.contains(names[index].as_ref()) {
            names[index].to_mut().push('_');
            kinds = all_kinds(&names[index], value);
        }
        taken.insert(names[index].to_string());
        merge(&mut seen, kinds);
    }
    names
}

/// Of the field and of the objects that its dots make.
fn all_kinds(name: &str, value: &Value<'_>) -> Kinds {
    let mut kinds = values::kinds(name, value);
    kinds.extend(parents(name).map(|parent| (parent.to_owned(), values::OBJECT)));
    kinds
}

fn merge(seen: &mut HashMap<String, u8>, more: Kinds) {
    for (path, kinds) in more {
        *seen.entry(path).or_default() |= kinds;
    }
}

/// By itself, whatever the other fields are.
fn spelled(name: &str) -> Cow<'_, str> {
    let (moved, own) = match name.strip_prefix(MOVED) {
        Some(own) => (true, own),
        None => (false, name),
    };
    let whole = without_odd_dots(own);
    let whole = match whole.split('.').any(is_odd) {
        true => {
            let part = |part| if is_odd(part) { "_" } else { part };
            whole.split('.').map(part).collect::<Vec<_>>().join(".").into()
        }
        false => whole,
    };
    // A name that became one of ours stands beside those of servers.
    let moves = !moved && (is_metadata(&whole) || (whole != own && whole.starts_with('_')));
    match () {
        () if moves || moved && whole != own => flattened(format!("{MOVED}{whole}").into()),
        () if moved => flattened(name.into()),
        () => flattened(whole),
    }
}

/// Dots at an end, and several in a row, become one `_`.
fn without_odd_dots(name: &str) -> Cow<'_, str> {
    if !name.starts_with('.') && !name.ends_with('.') && !name.contains("..") {
        return name.into();
    }
    let mut spelled = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(dot) = rest.find('.') {
        spelled.push_str(&rest[..dot]);
        let behind = rest[dot..].trim_start_matches('.');
        let dots = rest.len() - dot - behind.len();
        let inside = dots == 1 && !spelled.is_empty() && !behind.is_empty();
        spelled.push(if inside { '.' } else { '_' });
        rest = behind;
    }
    spelled.push_str(rest);
    spelled.into()
}

/// The dots behind as many parts as a server takes become `_`.
fn flattened(name: Cow<'_, str>) -> Cow<'_, str> {
    let Some(dot) = memchr::memchr_iter(b'.', name.as_bytes()).nth(MOST_PARTS - 1) else {
        return name;
    };
    let (kept, rest) = name.split_at(dot);
    (kept.to_owned() + &rest.replace('.', "_")).into()
}

fn undotted(name: &str) -> String {
    match name.strip_prefix(MOVED) {
        Some(own) => MOVED.to_owned() + &own.replace('.', "_"),
        None => name.replace('.', "_"),
    }
}
