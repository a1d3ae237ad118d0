//! Names of the fields of one event, as servers take them. Pure.

use std::borrow::Cow;

use super::name_parts::{MOST_PARTS, is_odd};
use super::unique_names::Taken;
use super::values::{self, Kinds};
use crate::event::Value;
use crate::event::document::MOVED;

/// Fields that are compared with each other one by one.
const FEW: usize = 256;

/// Nothing has to be changed, as nearly always. May say `false` where it turns out that nothing has.
pub(super) fn are_plain<'e>(fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone) -> bool {
    let (mut lengths, mut dotted, mut count) = (0u64, false, 0);
    for (name, value) in fields.clone() {
        count += 1;
        if is_service(name) && contradicts_ours(name, &value) {
            return false;
        }
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
    !dotted || (count <= FEW && !fields.clone().any(|(name, _)| parents(name).any(is_there)))
}

fn bit(length: usize) -> u64 {
    1 << (length & 63)
}

/// `a` and `a.b` of `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'.', name.as_bytes()).map(|dot| &name[..dot])
}

/// The document has `service.name` where the settings name a service: other sources write to the same index, and the
/// template that `setup` installs says so. All other names of the document's own are never those of a field.
fn is_service(name: &str) -> bool {
    name.strip_prefix("service").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `service` is no object, or `service.name` is one.
fn contradicts_ours(name: &str, value: &Value<'_>) -> bool {
    let kinds = all_kinds(name, value);
    let at = |path| kinds.get(&values::place(path)).copied().unwrap_or(0);
    at("service") & !values::OBJECT != 0 || at("service.name") & values::OBJECT != 0
}

/// Servers keep such names for themselves, each version others: `_id`, `_source`, `_doc_count`. Those of journald
/// (`_PID`) are nobody's.
fn is_metadata(name: &str) -> bool {
    matches!(name.as_bytes(), [b'_', b'a'..=b'z', ..])
}

/// One a field, in their order. No two are equal, and none contradicts another.
pub(super) fn acceptable<'e>(fields: &[(&'e str, Value<'e>)]) -> Vec<Cow<'e, str>> {
    let mut names: Vec<Cow<'e, str>> = fields.iter().map(ours_apart).collect();
    let mut order: Vec<usize> = (0..fields.len()).collect();
    // What has no dot keeps its name; what has some gives way.
    order.sort_by_key(|index| parents(&names[*index]).count());
    let (mut taken, mut seen) = (Taken::default(), Kinds::new());
    for index in order {
        let fitting = |name: &str| {
            let kinds = all_kinds(name, &fields[index].1);
            (!values::contradict(&seen, &kinds)).then_some(kinds)
        };
        let name = &names[index];
        let wanted = match name.contains('.') && fitting(name).is_none() {
            true => undotted(name),
            false => name.to_string(),
        };
        let (name, kinds) = taken.take(wanted, fitting);
        names[index] = name.into();
        for (place, kinds) in kinds {
            *seen.entry(place).or_default() |= kinds;
        }
    }
    names
}

/// Of the field and of the objects that its dots make.
fn all_kinds(name: &str, value: &Value<'_>) -> Kinds {
    let mut kinds = values::kinds(name, value);
    kinds.extend(parents(name).map(|parent| (values::place(parent), values::OBJECT)));
    kinds
}

/// By itself, whatever the other fields are.
fn ours_apart<'e>((name, value): &(&'e str, Value<'e>)) -> Cow<'e, str> {
    let name = spelled(name);
    match is_service(&name) && contradicts_ours(&name, value) {
        true => flattened(format!("{MOVED}{name}").into()),
        false => name,
    }
}

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
