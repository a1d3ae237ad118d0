//! Seals values inside a text: members of JSON objects that it quotes, and matches of patterns.

use std::borrow::Cow;
use std::cmp::Reverse;

use super::json_members::{self, Member};
use super::policy::Pattern;
use super::sealed_values::EventSealer;

/// The text with these values sealed, including members of truncated objects; `None`: it contains none.
pub(super) fn seal_quoted_values<'e>(
    text: &str,
    event_sealer: &mut EventSealer<'e>,
    patterns: &'e [Pattern],
) -> Option<String> {
    let mut found = json_members::treated_members(text, event_sealer.policy());
    for pattern in patterns {
        found.extend(pattern.find(text).into_iter().map(|(start, end)| Member {
            name: Cow::Borrowed(pattern.spelling()),
            treatment: pattern.field(),
            value: Cow::Borrowed(&text[start..end]),
            range: start..end,
            unquoted: false,
        }));
    }
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|member| (member.range.start, Reverse(member.range.end)));
    let (mut sealed, mut rest) = (String::with_capacity(text.len()), 0);
    for Member { name, treatment, value, range, unquoted } in found {
        let found = event_sealer.seal_value(treatment, Cow::Owned(value.into_owned()));
        event_sealer.note_tag(&name, found);
        if range.end <= rest {
            // It is inside a value that is already sealed.
            continue;
        }
        // Of overlapping values, the second replacement follows the first.
        sealed.push_str(text.get(rest..range.start).unwrap_or(""));
        let replacement = event_sealer.replacement_text(found);
        match unquoted {
            true => sealed.extend(["\"", replacement, "\""]),
            false => sealed.push_str(replacement),
        }
        rest = range.end;
    }
    sealed.push_str(&text[rest..]);
    Some(sealed)
}
