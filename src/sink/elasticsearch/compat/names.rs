//! Changes the field names of one event where servers would reject them. Pure.

use std::borrow::Cow;

use super::name_parts::{MOST_PARTS, is_blank};
use super::unique_names::UniqueNames;
use super::values::{self, Kinds};
use crate::event::Value;
use crate::event::document::MOVED;

/// With up to this many fields, [`are_plain`] compares their names with each other.
const FEW: usize = 256;

/// Whether no name has to be changed, the common case. May be `false` although nothing changes.
pub(super) fn are_plain<'e>(fields: impl Iterator<Item = (&'e str, Value<'e>)> + Clone) -> bool {
    let (mut lengths, mut dotted, mut count) = (0u64, false, 0);
    for (name, value) in fields.clone() {
        count += 1;
        if is_service(name) && conflicts_with_service(name, &value) {
            return false;
        }
        lengths |= bit(name.len());
        match memchr::memchr(b'.', name.as_bytes()) {
            None if is_blank(name) || is_metadata(name) => return false,
            None => {}
            Some(_) => {
                let own = name.strip_prefix(MOVED).unwrap_or(name);
                let parts = name.bytes().filter(|byte| *byte == b'.').count() + 1;
                if own.split('.').any(is_blank) || is_metadata(name) || parts > MOST_PARTS {
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

/// Whether the field is `service`, or in the object `service`. The document has `service.name` if the source names a
/// service, but a field must never conflict with it: other sources write to the same index, and the template of `setup`
/// contains it. (Fields with other names that the document uses are already under [`MOVED`].)
fn is_service(name: &str) -> bool {
    name.strip_prefix("service").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Whether `service` would not be an object, or `service.name` would be one.
fn conflicts_with_service(name: &str, value: &Value<'_>) -> bool {
    let kinds = all_kinds(name, value);
    let at = |path| kinds.get(&values::path_hash(path)).copied().unwrap_or(0);
    at("service") & !values::OBJECT != 0 || at("service.name") & values::OBJECT != 0
}

/// Whether a server may reserve the name: `_id`, `_source`, `_doc_count`; each version has others. Those of journald
/// (`_PID`) are not reserved.
fn is_metadata(name: &str) -> bool {
    matches!(name.as_bytes(), [b'_', b'a'..=b'z', ..])
}

/// The names that the fields get, in the same order. All are different and free of conflicts.
pub(super) fn acceptable<'e>(fields: &[(&'e str, Value<'e>)]) -> Vec<Cow<'e, str>> {
    let mut names: Vec<Cow<'e, str>> = fields.iter().map(without_conflict).collect();
    let mut order: Vec<usize> = (0..fields.len()).collect();
    // Names with fewer dots come first: of two that conflict, the later one is changed.
    order.sort_by_key(|index| parents(&names[*index]).count());
    let (mut taken, mut seen) = (UniqueNames::default(), Kinds::new());
    for index in order {
        let fitting = |name: &str| {
            let kinds = all_kinds(name, &fields[index].1);
            (!values::conflict(&seen, &kinds)).then_some(kinds)
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

/// The kinds of the field and of the objects that its dots imply.
fn all_kinds(name: &str, value: &Value<'_>) -> Kinds {
    let mut kinds = values::kinds(name, value);
    kinds.extend(parents(name).map(|parent| (values::path_hash(parent), values::OBJECT)));
    kinds
}

/// Resolves conflicts of one field, independent of the other fields.
fn without_conflict<'e>((name, value): &(&'e str, Value<'e>)) -> Cow<'e, str> {
    let name = normalized(name);
    match is_service(&name) && conflicts_with_service(&name, value) {
        true => flattened(format!("{MOVED}{name}").into()),
        false => name,
    }
}

/// The name with acceptable parts and no more of them than allowed; a reserved name is moved under [`MOVED`].
fn normalized(name: &str) -> Cow<'_, str> {
    let (moved, own) = match name.strip_prefix(MOVED) {
        Some(own) => (true, own),
        None => (false, name),
    };
    let whole = without_odd_dots(own);
    let whole = match whole.split('.').any(is_blank) {
        true => {
            let part = |part| if is_blank(part) { "_" } else { part };
            whole.split('.').map(part).collect::<Vec<_>>().join(".").into()
        }
        false => whole,
    };
    // A name that only now begins with `_` is moved as well.
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

/// Dots beyond the maximum number of parts become `_`.
fn flattened(name: Cow<'_, str>) -> Cow<'_, str> {
    let Some(dot) = memchr::memchr_iter(b'.', name.as_bytes()).nth(MOST_PARTS - 1) else {
        return name;
    };
    let (kept, rest) = name.split_at(dot);
    (kept.to_owned() + &rest.replace('.', "_")).into()
}

/// The name with all its dots replaced by `_`.
fn undotted(name: &str) -> String {
    match name.strip_prefix(MOVED) {
        Some(own) => MOVED.to_owned() + &own.replace('.', "_"),
        None => name.replace('.', "_"),
    }
}
