//! Finds JSON members with sealed names inside any text, by their names alone.
//!
//! Needed where an object is not parsed into fields: in a truncated or broken record, or in a message that quotes an
//! object. Accepts any text.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2};

use super::policy::{Policy, Treatment};
use crate::base::json::Quoted;

/// A member that the policy seals or pseudonymises.
pub(super) struct Member<'t, 'p> {
    pub name: Cow<'t, str>,
    pub treatment: Treatment<'p>,
    pub value: Cow<'t, str>,
    /// The value without its quotes; up to the end of the text if the text is truncated.
    pub range: Range<usize>,
    /// A number: its replacement needs quotes.
    pub unquoted: bool,
}

/// The members in `text` that the policy seals or pseudonymises, in text order. An object or array is not itself a
/// value, but its members are examined.
pub(super) fn treated_members<'t, 'p>(text: &'t str, policy: &'p Policy) -> Vec<Member<'t, 'p>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = memchr(b'"', &text.as_bytes()[from..]) {
        let key = from + at + 1;
        let Some(close) = closing(text, key) else { break };
        let after_name = text[close + 1..].trim_start();
        let Some(value) = after_name.strip_prefix(':').map(str::trim_start) else {
            // If the beginning of the text is missing, this closing quote may open the next string. Quotes in between
            // cannot: all of them are escaped.
            from = close;
            continue;
        };
        from = text.len() - value.len();
        let name = Quoted(&text[key..close]).decode();
        let Some(treatment) = policy.treatment(&name) else { continue };
        if let Some((range, unquoted)) = value_at(text, from) {
            from = range.end + usize::from(!unquoted && range.end < text.len());
            let value = match unquoted {
                true => Cow::Borrowed(&text[range.clone()]),
                false => Quoted(&text[range.clone()]).decode(),
            };
            found.push(Member { name, treatment, value, range, unquoted });
        }
    }
    found
}

fn value_at(text: &str, at: usize) -> Option<(Range<usize>, bool)> {
    let rest = &text[at..];
    if rest.starts_with('"') {
        let end = closing(text, at + 1).unwrap_or(text.len());
        return (end > at + 1).then_some((at + 1..end, false));
    }
    let length = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
    let value = &rest[..length];
    let is_value = value.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    is_value.then_some((at..at + length, true))
}

/// The offset of the quote that ends the string in which `at` is; `None` if it does not end.
fn closing(text: &str, mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.as_bytes().get(at..)?)?;
        match text.as_bytes()[at] {
            b'"' => return Some(at),
            // Skip the escaped character.
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_whole_and_broken_objects() {
        let policy = Policy::new(&["client_id".into()], false);
        let cases: [(&str, &[&str]); 12] = [
            (r#"{"client_id":"A1","x":"#, &["A1"]),
            (r#"{"x": "y", "CLIENT ID" : "A1" , "x"#, &["A1"]),
            (r#"{"request":{"clientId":"A"#, &["A"]),
            (r#"{"client\u005fid":"a\"b\u0041\"#, &["a\"bA\u{fffd}"]),
            (r#"sent {"client_id":17} to {"client_id": "B"}"#, &["17", "B"]),
            (r#"rest of a text" , "client_id":"A1"}"#, &["A1"]),
            (r#"{"client_id":"#, &[]),
            (r#"{"client_id":"""#, &[]),
            (r#"{"client_id":null,"x":{"client_id":[1"#, &[]),
            (r#"{"client_id":{"clientId":"A1"}}"#, &["A1"]),
            (r#"{"other":"client_id","a":"b"}"#, &[]),
            ("\"\\", &[]),
        ];
        for (text, expected) in cases {
            let found = treated_members(text, &policy);
            let values: Vec<&str> = found.iter().map(|member| &*member.value).collect();
            assert_eq!(values, expected, "{text}");
        }
    }
}
