//! Access logs: Common Log Format and combined, with or without a leading virtual host and additional columns, and
//! Apache's `ssl_request_log`.
//!
//! A record is one line. It has no level (a status is not a level) and no message, only fields.

use super::text::lossy;
use super::time::{self, Stamp};
use super::{Context, Fit, Format, Head, Joins};
use crate::event::{Decode, Part, Value};

#[derive(Debug)]
pub struct Access;

impl Decode for Access {
    fn name(&self) -> &'static str {
        "access"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(line) = Line::read(text) else { return each(Part::Message(lossy(text))) };
        let mut field = |name: &'static str, value: &'a [u8]| {
            if !matches!(value, b"" | b"-") {
                each(Part::Field(name.into(), Value::Text(lossy(value))));
            }
        };
        field("vhost", line.vhost);
        field("ip", line.ip);
        field("ident", line.ident);
        field("user", line.user);
        field("tls_protocol", line.tls.0);
        field("tls_cipher", line.tls.1);
        match request(line.request) {
            Some((method, path, protocol)) => {
                field("method", method);
                field("path", path);
                field("protocol", protocol);
            }
            None => field("request", line.request),
        }
        let mut rest = Columns { text: line.rest };
        let status = if line.tls.0.is_empty() { rest.next() } else { None };
        for (name, value) in [("status", status), ("bytes", rest.next())] {
            if let Some(value) = value.filter(|value| value.iter().all(u8::is_ascii_digit)) {
                each(Part::Field(name.into(), number(value)));
            }
        }
        for (name, value) in [("referer", rest.next()), ("user_agent", rest.next())] {
            if let Some(value) = value.filter(|value| !matches!(*value, b"" | b"-")) {
                each(Part::Field(name.into(), Value::Text(lossy(value))));
            }
        }
        let more = rest.text.trim_ascii();
        if !more.is_empty() {
            each(Part::Field("more".into(), Value::Text(lossy(more))));
        }
    }
}

impl Format for Access {
    fn fit(&self, line: &[u8]) -> Fit {
        if Line::read(line).is_some() { Fit::Exact } else { Fit::No }
    }

    fn joins(&self) -> Joins {
        Joins::Never
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        let Some(line) = Line::read(text) else { return Head::default() };
        Head {
            time: line.stamp.resolve(context),
            precision: line.stamp.precision,
            fits: true,
            ..Head::default()
        }
    }
}

/// A number without leading zeros is valid JSON as it is.
fn number(digits: &[u8]) -> Value<'_> {
    match std::str::from_utf8(digits) {
        Ok(text) if text.len() == 1 || !text.starts_with('0') => Value::Json(text),
        _ => Value::Text(lossy(digits)),
    }
}

/// A line, split up to its status.
struct Line<'a> {
    vhost: &'a [u8],
    ip: &'a [u8],
    ident: &'a [u8],
    user: &'a [u8],
    stamp: Stamp,
    tls: (&'a [u8], &'a [u8]),
    request: &'a [u8],
    /// From the status to the end of the line.
    rest: &'a [u8],
}

impl<'a> Line<'a> {
    #[inline]
    fn read(text: &'a [u8]) -> Option<Self> {
        let (before, bracket) = if text.first() == Some(&b'[') {
            (&text[..0], 0)
        } else {
            // A user name may contain spaces and brackets: the time begins with a bracket after a space, before a day.
            let reach = &text[..text.len().min(1024)];
            let bracket = memchr::memchr_iter(b'[', reach)
                .find(|at| *at > 0 && reach[at - 1] == b' ' && is_day(&reach[at + 1..]))?;
            (&text[..bracket - 1], bracket)
        };
        let (stamp, length) = time::read(&text[bracket + 1..])?;
        let rest = text[bracket + 1 + length..].strip_prefix(b"] ")?;
        if before.is_empty() { Self::tls(stamp, rest) } else { Self::common(before, stamp, rest) }
    }

    fn common(before: &'a [u8], stamp: Stamp, rest: &'a [u8]) -> Option<Self> {
        let (request, rest) = quoted(rest)?;
        if !matches!(rest.first_chunk(), Some([b' ', b'0'..=b'9' | b'-'])) {
            return None;
        }
        let (before, user) = split_last(before)?;
        let (before, ident) = split_last(before)?;
        let (vhost, ip) = match before.iter().position(|byte| *byte == b' ') {
            // `host client`; several clients are separated by commas.
            Some(space) if !before[..space].ends_with(b",") && !is_address(&before[..space]) => {
                (&before[..space], &before[space + 1..])
            }
            Some(space) if !before[..space].ends_with(b",") && is_address(&before[space + 1..]) => {
                (&before[..space], &before[space + 1..])
            }
            _ => (&before[..0], before),
        };
        let tls = (&before[..0], &before[..0]);
        Some(Line { vhost, ip, ident, user, stamp, tls, request, rest })
    }

    /// `[time] client protocol cipher "request" bytes`
    fn tls(stamp: Stamp, rest: &'a [u8]) -> Option<Self> {
        let quote = memchr::memchr(b'"', &rest[..rest.len().min(256)])?;
        let mut words = rest[..quote].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (ip, protocol, cipher) = (words.next()?, words.next()?, words.next()?);
        let (request, rest) = quoted(&rest[quote..])?;
        if words.next().is_some() || !is_address(ip) {
            return None;
        }
        let none = &rest[..0];
        let tls = (protocol, cipher);
        Some(Line { vhost: none, ip, ident: none, user: none, stamp, tls, request, rest })
    }
}

/// `14/Nov/`, the beginning of a time in these logs.
fn is_day(text: &[u8]) -> bool {
    matches!(text.first_chunk(), Some([b'0'..=b'9', b'0'..=b'9', b'/', _, _, _, b'/']))
}

/// The text between the quotes at the beginning, and the text after them; `\"` does not end it.
#[inline]
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text[at..])?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        at = (at + 2).min(text.len());
    }
}

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = memchr::memrchr(b' ', text)?;
    (space > 0).then(|| (&text[..space], &text[space + 1..]))
}

/// Digits and dots, or hexadecimal with colons.
fn is_address(text: &[u8]) -> bool {
    let v4 = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') && text.contains(&b'.');
    let v6 = text.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        && text.contains(&b':');
    v4 || v6
}

/// `GET /path HTTP/1.1`; the path may contain spaces.
fn request(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let first = memchr::memchr(b' ', text)?;
    let (method, rest) = (&text[..first], &text[first + 1..]);
    if !method.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_')) {
        return None;
    }
    match memchr::memrchr(b' ', rest) {
        Some(last) if rest[last + 1..].starts_with(b"HTTP/") => {
            Some((method, &rest[..last], &rest[last + 1..]))
        }
        // HTTP/0.9 names no protocol.
        _ => Some((method, rest, &rest[..0])),
    }
}

/// Columns separated by spaces, some of them quoted.
struct Columns<'a> {
    text: &'a [u8],
}

impl<'a> Iterator for Columns<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.text.trim_ascii_start();
        if text.is_empty() {
            return None;
        }
        let (column, rest) = quoted(text).unwrap_or_else(|| {
            let end = memchr::memchr(b' ', text).unwrap_or(text.len());
            text.split_at(end)
        });
        self.text = rest;
        Some(column)
    }
}

#[cfg(test)]
mod tests;
