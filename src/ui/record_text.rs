//! Converts a record into text that is safe to display: the lines of its message, with the fields after the first line.

use std::borrow::Cow;

use regex::bytes::Regex;
use unicode_width::UnicodeWidthStr;

use super::canvas::{Span, plain, span};
use super::mask::Mask;
use super::theme::Role;
use crate::base::sanitize;
use crate::event::document;
use crate::event::{Event, Level, Value};
use crate::privacy;

/// Maximum number of bytes drawn of one line.
const LONGEST: usize = 16 * 1024;
/// Maximum number of lines of a record that are searched for a match: a screen shows no more.
const HIT_LINES: usize = 100;
/// Maximum number of bytes of a record that are split into lines.
const LONGEST_TEXT: usize = 64 * 1024;

/// The lines of a record, at most `most`; the fields follow the text of the first one.
pub fn lines(event: &Event<'_>, mask: &Mask, most: usize) -> Vec<Vec<Span<'static>>> {
    if let Some(policy) = mask.policy() {
        // Under a mask only the masked record is drawn, never the record itself.
        let shown = privacy::shown(policy, *event);
        return spans(shown.message().unwrap_or_default(), shown.fields(), most);
    }
    let parts = document::parts(*event);
    let text = text_of(event, parts.message.as_deref());
    // Without a message the text is the whole record, which includes the fields.
    let fields = parts.message.is_some().then_some(&parts.fields).into_iter().flatten();
    spans(&text, fields.map(|(name, value)| (name.as_ref(), value.clone())), most)
}

fn spans<'f>(
    text: &str,
    fields: impl Iterator<Item = (&'f str, Value<'f>)>,
    most: usize,
) -> Vec<Vec<Span<'static>>> {
    let mut lines: Vec<Vec<Span<'static>>> = filled(head(text, LONGEST_TEXT))
        .take(most.max(1))
        .map(|line| vec![plain(safe(head(line, LONGEST)))])
        .collect();
    if lines.is_empty() {
        lines.push(vec![plain("")]);
    }
    for (name, value) in fields {
        lines[0].push(span(format!("  {}=", sanitize::line(name)), Role::Field));
        lines[0].push(plain(shown(&value)));
    }
    lines
}

/// Whether the record matches. Under a mask only the drawn text is searched.
pub fn matches(regex: &Regex, event: &Event<'_>, mask: &Mask) -> bool {
    if !mask.is_on() {
        return regex.is_match(event.text());
    }
    lines(event, mask, usize::MAX).iter().any(|line| {
        let text: String = line.iter().map(|span| span.text.as_ref()).collect();
        regex.is_match(text.as_bytes())
    })
}

/// The columns of the first match in the drawn lines.
pub fn first_match(
    regex: &Regex,
    event: &Event<'_>,
    mask: &Mask,
) -> Option<std::ops::Range<usize>> {
    lines(event, mask, HIT_LINES).iter().find_map(|line| {
        let text: String = line.iter().map(|span| span.text.as_ref()).collect();
        let found = regex.find(text.as_bytes())?;
        let (before, inside) = (text.get(..found.start())?, text.get(found.range())?);
        Some(before.width()..before.width() + inside.width())
    })
}

/// Number of lines that [`lines`] would return without a limit. Fast for a record without a line break (literal or
/// escaped), which is not decoded.
pub fn count(event: &Event<'_>, mask: &Mask) -> usize {
    let raw = event.text();
    if memchr::memchr(b'\n', raw).is_none() && memchr::memmem::find(raw, b"\\n").is_none() {
        return 1;
    }
    if let Some(policy) = mask.policy() {
        let shown = privacy::shown(policy, *event);
        return filled(head(shown.message().unwrap_or_default(), LONGEST_TEXT)).count().max(1);
    }
    let parts = document::parts(*event);
    filled(&text_of(event, parts.message.as_deref())).count().max(1)
}

/// The text of a record: its message, otherwise the whole record.
fn text_of<'a>(event: &Event<'a>, message: Option<&'a str>) -> Cow<'a, str> {
    match message {
        Some(message) => Cow::Borrowed(head(message, LONGEST_TEXT)),
        None => beginning(event, LONGEST_TEXT),
    }
}

/// The lines that are not blank.
fn filled(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !without_colours(line).trim().is_empty())
}

/// The beginning of the record as it is in the log; not safe to display.
pub fn raw<'a>(event: &Event<'a>) -> Cow<'a, str> {
    beginning(event, LONGEST)
}

fn beginning<'a>(event: &Event<'a>, bytes: usize) -> Cow<'a, str> {
    let text = event.text();
    String::from_utf8_lossy(&text[..text.len().min(bytes)])
}

fn head(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A value on one line.
pub fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => safe(head(text, LONGEST)),
        Value::Json(text) => safe(head(text, LONGEST)),
    }
}

/// Makes text safe for a terminal: colour codes are removed, other control characters are made visible.
pub fn safe(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    let text = without_colours(text);
    let text = if text.contains('\t') { Cow::Owned(text.replace('\t', "    ")) } else { text };
    sanitize::line(&text).into_owned()
}

/// Removes colour codes (`ESC [ … m`).
fn without_colours(text: &str) -> Cow<'_, str> {
    if !text.contains("\x1b[") {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        let parameters = &rest[at + 2..];
        let length =
            parameters.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
        if parameters.as_bytes().get(length) == Some(&b'm') {
            plain.push_str(&rest[..at]);
            rest = &parameters[length + 1..];
        } else {
            plain.push_str(&rest[..at + 2]);
            rest = parameters;
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

pub fn letter(level: Option<Level>) -> char {
    level.map_or('-', Level::letter)
}

/// `950`, `1.2k`, `34M`: at most four characters.
pub fn short_count(count: u64) -> String {
    match count {
        0..=999 => count.to_string(),
        1_000..=9_949 => format!("{:.1}k", count as f64 / 1e3),
        9_950..=999_499 => format!("{:.0}k", count as f64 / 1e3),
        999_500..=9_949_999 => format!("{:.1}M", count as f64 / 1e6),
        9_950_000..=999_499_999 => format!("{:.0}M", count as f64 / 1e6),
        _ => format!("{:.0}G", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::privacy::Policy;

    #[test]
    fn colours_are_removed_and_other_control_characters_are_shown() {
        assert_eq!(safe("\x1b[1;31mred\x1b[0m\r"), "red");
        assert_eq!(safe("\x1b[2Jgone?"), "␛[2Jgone?");
        assert_eq!(safe("\x1b]0;title\x07"), "␛]0;title␇");
        assert_eq!(safe("a\tb"), "a    b");
        assert_eq!(safe("\x1b["), "␛[");
    }

    #[test]
    fn the_line_count_equals_the_drawn_lines_and_none_is_blank() {
        let check = |text: &str, expected: &[&str]| {
            let batch = crate::event::test_batches::batch(text, None);
            let (event, mask) = (batch.event(0), Mask::default());
            let drawn: Vec<String> = lines(&event, &mask, 9)
                .iter()
                .map(|line| line[0].text.clone().into_owned())
                .collect();
            assert_eq!(drawn, expected);
            assert_eq!(count(&event, &mask), expected.len(), "{text:?}");
        };
        check("a=1 b=2", &["a=1 b=2"]);
        check("a=1\n\n\x20\r\nb=2\n", &["a=1", "b=2"]);
        check("a=1\nmessage=hi\nb=2", &["hi"]);
        check("message=one\\ntwo", &["one\\ntwo"]);
        check("\n", &[""]);
    }

    #[test]
    fn under_a_mask_the_line_count_equals_the_drawn_lines_and_no_sealed_value_is_shown() {
        let policy = Policy::new(&["client_id".into()], false);
        let mask = Mask::new(Arc::new(policy), true);
        let check = |text: &str, expected: &[&str]| {
            let batch = crate::event::test_batches::batch(text, None);
            let event = batch.event(0);
            let whole = |line: &Vec<Span<'_>>| line.iter().map(|span| &*span.text).collect();
            let drawn: Vec<String> = lines(&event, &mask, 9).iter().map(whole).collect();
            assert_eq!(drawn, expected);
            assert_eq!(count(&event, &mask), expected.len(), "{text:?}");
            assert!(!matches(&Regex::new("WANDA").unwrap(), &event, &mask));
            assert!(matches(&Regex::new("sealed").unwrap(), &event, &mask));
        };
        check("client_id=WANDA b=2", &["  client_id=[sealed]  b=2"]);
        check("client_id=WANDA\n\nb=2", &["  client_id=[sealed]  b=2"]);
        check("client_id=WANDA message=<WANDA>", &["<[sealed]>  client_id=[sealed]"]);
    }

    #[test]
    fn counts_are_short() {
        let counts = [0, 999, 1_000, 9_949, 9_950, 999_499, 999_500, 12_345_678, 2_000_000_000];
        let expected = ["0", "999", "1.0k", "9.9k", "10k", "999k", "1.0M", "12M", "2G"];
        assert_eq!(counts.map(short_count), expected);
    }
}
