//! How a record reads on the screen: its message, then its fields, safe and on as many lines as it has.

use std::borrow::Cow;

use super::canvas::{Span, plain, span};
use super::theme::Role;
use crate::base::sanitize;
use crate::event::document;
use crate::event::{Event, Level, Value};

/// Bytes of a record that are looked at for drawing.
const LONGEST: usize = 16 * 1024;

/// The lines of a record, at most `most`; fields stand behind the first one.
pub fn lines(event: &Event<'_>, most: usize) -> Vec<Vec<Span<'static>>> {
    let parts = document::parts(*event);
    let text = match &parts.message {
        Some(message) => Cow::Borrowed(head(message)),
        None => raw(event),
    };
    let mut lines: Vec<Vec<Span<'static>>> =
        text.split('\n').take(most.max(1)).map(|line| vec![plain(safe(line))]).collect();
    if parts.message.is_some()
        && let Some(first) = lines.first_mut()
    {
        for (name, value) in &parts.fields {
            first.push(span(format!("  {}=", sanitize::line(name)), Role::Field));
            first.push(plain(shown(value)));
        }
    }
    lines
}

pub fn raw<'a>(event: &Event<'a>) -> Cow<'a, str> {
    let text = event.text();
    String::from_utf8_lossy(&text[..text.len().min(LONGEST)])
}

fn head(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A value on one line.
pub fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Text(text) => safe(head(text)),
        Value::Json(text) => safe(head(text)),
    }
}

/// Safe on a terminal: colours that the log sets are left out, everything else that could steer is shown.
pub fn safe(text: &str) -> String {
    let text = text.trim_end_matches('\r');
    let text = without_colours(text);
    let text = if text.contains('\t') { Cow::Owned(text.replace('\t', "    ")) } else { text };
    sanitize::line(&text).into_owned()
}

/// Without `ESC [ … m`.
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
    use super::*;

    #[test]
    fn colours_go_and_everything_else_that_steers_is_shown() {
        assert_eq!(safe("\x1b[1;31mred\x1b[0m\r"), "red");
        assert_eq!(safe("\x1b[2Jgone?"), "␛[2Jgone?");
        assert_eq!(safe("\x1b]0;title\x07"), "␛]0;title␇");
        assert_eq!(safe("a\tb"), "a    b");
        assert_eq!(safe("\x1b["), "␛[");
    }

    #[test]
    fn counts_are_short() {
        let counts = [0, 999, 1_000, 9_949, 9_950, 999_499, 999_500, 12_345_678, 2_000_000_000];
        let expected = ["0", "999", "1.0k", "9.9k", "10k", "999k", "1.0M", "12M", "2G"];
        assert_eq!(counts.map(short_count), expected);
    }
}
