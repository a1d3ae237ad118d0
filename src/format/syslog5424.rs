//! Syslog as in RFC 5424: `<PRI>1 TIME HOST APP PROCID MSGID [structured data] message`.
//!
//! A record is one line. An octet count (RFC 6587) before it is skipped; the PRI may be missing.

use std::borrow::Cow;

use super::text::lossy;
use super::time::{self, Stamp};
use super::{Context, Fit, Format, Head, Joins, level, syslog};
use crate::event::{Decode, Level, Part, Value};

#[derive(Debug)]
pub struct Syslog5424;

impl Decode for Syslog5424 {
    fn name(&self) -> &'static str {
        "syslog5424"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(line) = Line::read(text) else { return each(Part::Message(lossy(text))) };
        if let Some(priority) = line.priority {
            each(Part::Field("facility".into(), Value::Text(syslog::facility(priority).into())));
        }
        for (name, value) in ["hostname", "program", "process", "message_id"].iter().zip(line.words)
        {
            if value != b"-" {
                each(Part::Field((*name).into(), Value::Text(lossy(value))));
            }
        }
        structured(line.data, each);
        each(Part::Message(lossy(line.message)));
    }
}

impl Format for Syslog5424 {
    fn fit(&self, line: &[u8]) -> Fit {
        if Line::read(line).is_some() { Fit::Exact } else { Fit::No }
    }

    fn joins(&self) -> Joins {
        Joins::Never
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        let Some(line) = Line::read(text) else { return Head::default() };
        Head {
            time: line.stamp.and_then(|stamp| stamp.resolve(context)),
            precision: line.stamp.map_or(0, |stamp| stamp.precision),
            level: syslog::payload_level(line.message, context)
                .or_else(|| data_level(line.data))
                .or(syslog::severity(line.priority)),
            quiet: false,
            fits: true,
        }
    }
}

struct Line<'a> {
    priority: Option<u32>,
    stamp: Option<Stamp>,
    /// Host, application, process, message id.
    words: [&'a [u8]; 4],
    data: &'a [u8],
    message: &'a [u8],
}

impl<'a> Line<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let text = &text[syslog::octet_count(text)..];
        let (priority, at) =
            syslog::priority(text).map_or((None, 0), |(value, at)| (Some(value), at));
        let rest = match text[at..].strip_prefix(b"1 ") {
            Some(rest) => rest,
            None if priority.is_none() && is_bare(text) => text,
            None => return None,
        };
        let (stamp, mut rest) = match rest.strip_prefix(b"- ") {
            Some(rest) if priority.is_some() => (None, rest),
            _ => {
                let (stamp, length) = time::read(rest)?;
                if rest.get(10) != Some(&b'T') {
                    return None;
                }
                (Some(stamp), rest[length..].strip_prefix(b" ")?)
            }
        };
        let mut words = [rest; 4];
        for word in &mut words {
            let end = rest.iter().take(256).position(|byte| *byte == b' ')?;
            (*word, rest) = (&rest[..end], &rest[end + 1..]);
        }
        let end = data_end(rest)?;
        let message = rest[end..].strip_prefix(b" ").unwrap_or(&rest[end..]);
        let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
        Some(Line { priority, stamp, words, data: &rest[..end], message })
    }
}

/// Whether a line without priority and version is in this format: its process and structured data must be unambiguous.
fn is_bare(text: &[u8]) -> bool {
    let mut words = text.splitn(6, |byte| *byte == b' ');
    let (Some(_time), Some(_host), Some(program)) = (words.next(), words.next(), words.next())
    else {
        return false;
    };
    let (Some(process), Some(id), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let number = !process.is_empty() && process.iter().all(u8::is_ascii_digit);
    let process = (process == b"-" || number) && !id.is_empty() && !program.starts_with(b"[");
    let id = rest.iter().take(80).position(|byte| *byte == b' ').map_or(rest, |end| &rest[..end]);
    process && (rest.starts_with(b"- ") || (id.starts_with(b"[") && id.contains(&b'@')))
}

/// End of the structured data: `-` or elements in brackets.
fn data_end(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'-') {
        return Some(1);
    }
    let (mut at, mut quoted) = (0, false);
    loop {
        match *text.get(at)? {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b']' if !quoted && text.get(at + 1) != Some(&b'[') => return Some(at + 1),
            b'[' | b']' => {}
            _ if at == 0 => return None,
            _ => {}
        }
        at += 1;
    }
}

/// Passes the parameters of all elements `[id name="value" …]` to `each`. The element's id is the field `sd_id`.
fn structured<'a>(data: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
    let mut rest = data;
    while let Some(element) = rest.strip_prefix(b"[") {
        let id =
            element.iter().position(|byte| matches!(byte, b' ' | b']')).unwrap_or(element.len());
        each(Part::Field("sd_id".into(), Value::Text(lossy(&element[..id]))));
        rest = &element[id..];
        while let Some(parameter) = rest.strip_prefix(b" ") {
            let Some(equals) = memchr::memchr(b'=', parameter) else { return };
            let Some(value) = parameter[equals + 1..].strip_prefix(b"\"") else { return };
            let mut end = 0;
            while let Some(byte) = value.get(end)
                && *byte != b'"'
            {
                end += 1 + usize::from(*byte == b'\\');
            }
            let (value, after) = value.split_at(end.min(value.len()));
            each(Part::Field(lossy(&parameter[..equals]), Value::Text(unescape(value))));
            rest = after.strip_prefix(b"\"").unwrap_or(after);
        }
        rest = rest.strip_prefix(b"]").unwrap_or(&[]);
    }
}

/// The level in a parameter named `level`.
fn data_level(data: &[u8]) -> Option<Level> {
    let from = memchr::memmem::find(data, b" level=\"")? + 8;
    let length = memchr::memchr(b'"', &data[from..])?;
    level::word(&data[from..from + length])
}

/// `\"`, `\\` and `\]` are escapes; any other backslash is literal (RFC 5424, 6.3.3).
fn unescape(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'\\') {
        return lossy(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        let escape = *byte == b'\\' && matches!(value.get(at + 1), Some(b'"' | b'\\' | b']'));
        at += usize::from(escape);
        out.push(value[at]);
        at += 1;
    }
    Cow::Owned(lossy(&out).into_owned())
}

#[cfg(test)]
mod tests;
