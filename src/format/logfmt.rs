//! logfmt: `time=… level=info msg="…" key=value`. A record is one line.
//!
//! Time, level and message have the same names as in JSON.

use std::borrow::Cow;

use super::json::{self, Raw};
use super::text::lossy;
use super::{Context, Fit, Format, Head, Joins};
use crate::event::{Decode, Part, Value};

#[derive(Debug)]
pub struct Logfmt;

impl Decode for Logfmt {
    fn name(&self) -> &'static str {
        "logfmt"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(found) = find(text) else {
            return each(Part::Message(lossy(text)));
        };
        let mut index = 0;
        pairs(text, |key, value| {
            if found.is_message(index) {
                each(Part::Message(read(value)));
            } else if !found.is_taken(index) {
                each(Part::Field(lossy(key), Value::Text(read(value))));
            }
            index += 1;
        });
    }
}

impl Format for Logfmt {
    fn fit(&self, line: &[u8]) -> Fit {
        if pairs(line, |_, _| {}).is_some() { Fit::Exact } else { Fit::No }
    }

    fn joins(&self) -> Joins {
        Joins::Never
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        find(text).map_or(Head::default(), |found| found.head(context))
    }
}

/// Time, level and message of the pairs; `None` if the line does not consist of pairs.
pub fn find(text: &[u8]) -> Option<json::KnownMembers> {
    let mut found = json::KnownMembers::new();
    pairs(text, |key, value| found.member(key, value))?;
    Some(found.finish())
}

fn read(value: Raw<'_>) -> Cow<'_, str> {
    match value {
        Raw::Text(text, escaped) => json::unescape(text, escaped),
        Raw::Scalar(text) | Raw::Nested(text) => lossy(text),
    }
}

/// Passes the pairs of the line to `each`; `None` if it does not consist of pairs: it needs at least two, must begin
/// with one, and must have more pairs than words without a value.
fn pairs<'a>(text: &'a [u8], mut each: impl FnMut(&'a [u8], Raw<'a>)) -> Option<()> {
    let (mut at, mut found, mut bare) = (0, 0, 0);
    while let Some(byte) = text.get(at) {
        if matches!(byte, b' ' | b'\t') {
            at += 1;
            continue;
        }
        let end = key_end(text, at)?;
        let key = &text[at..end];
        if text.get(end) != Some(&b'=') {
            if found == 0 || !matches!(text.get(end), None | Some(b' ' | b'\t')) {
                return None;
            }
            bare += 1;
            at = end;
            continue;
        }
        let (value, after) = value(text, end + 1)?;
        each(key, value);
        found += 1;
        at = after;
    }
    (found >= 2 && found > bare).then_some(())
}

fn key_end(text: &[u8], at: usize) -> Option<usize> {
    let length = text[at..]
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'_' | b'-' | b'.' | b'@' | b'/' | b':' | b'[' | b']' | b'$' | 0x80..
                )
        })
        .count();
    (length > 0 && length <= 128).then_some(at + length)
}

fn value(text: &[u8], at: usize) -> Option<(Raw<'_>, usize)> {
    if text.get(at) == Some(&b'"') {
        let (close, escaped) = json::scan::string(text, at + 1)?;
        let ends = matches!(text.get(close + 1), None | Some(b' ' | b'\t'));
        return ends.then_some((Raw::Text(&text[at + 1..close], escaped), close + 1));
    }
    let rest = &text[at..];
    let length = memchr::memchr2(b' ', b'\t', rest).unwrap_or(rest.len());
    let value = &rest[..length];
    let number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let value = if number { Raw::Scalar(value) } else { Raw::Text(value, false) };
    Some((value, at + length))
}

#[cfg(test)]
mod tests;
