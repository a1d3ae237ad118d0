//! Sealing what a text quotes.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::json_members::{self, Member};
use super::policy::Pattern;
use super::sealed_values::Seals;

/// Values that a text quotes: members of objects, whole or cut, and what patterns find. `None`: there are none.
pub(super) fn seal_in<'e>(
    text: &str,
    seals: &mut Seals<'e>,
    patterns: &'e [Pattern],
) -> Option<String> {
    let mut found = json_members::treated(text, seals.policy());
    for pattern in patterns {
        found.extend(pattern.find(text).into_iter().map(|(start, end)| Member {
            name: Cow::Borrowed(pattern.spelling()),
            treatment: pattern.field(),
            value: Cow::Borrowed(&text[start..end]),
            place: start..end,
            bare: false,
        }));
    }
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|member| (member.place.start, Reverse(member.place.end)));
    let (mut sealed, mut rest) = (String::with_capacity(text.len()), 0);
    for Member { name, treatment, value, place, bare } in found {
        let found = seals.value(treatment, Cow::Owned(value.into_owned()));
        seals.note_tag(&name, found);
        if place.end <= rest {
            // Inside one that is sealed as a whole.
            continue;
        }
        // One that overlaps the one before stands behind it.
        sealed.push_str(text.get(rest..place.start).unwrap_or(""));
        let stand = seals.text(found);
        match bare {
            true => sealed.extend(["\"", stand, "\""]),
            false => sealed.push_str(stand),
        }
        rest = place.end;
    }
    sealed.push_str(&text[rest..]);
    Some(sealed)
}
