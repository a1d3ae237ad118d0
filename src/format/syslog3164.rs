//! Syslog as in RFC 3164, and as rsyslog and syslog-ng write it to files: `[<PRI>]Nov 14 10:23:01 host tag[pid]:
//! message`, also with an ISO 8601 time.
//!
//! Indented lines and stack traces belong to the record before them.

use super::multiline::{Trace, is_continuation};
use super::text::{first_line, lossy};
use super::time::{self, Day, Stamp};
use super::{Context, Fit, Format, Head, Joins, level, syslog};
use crate::event::{Decode, Part, Value};

#[derive(Debug)]
pub struct Syslog3164;

impl Decode for Syslog3164 {
    fn name(&self) -> &'static str {
        "syslog3164"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(line) = Line::read(text) else { return each(Part::Message(lossy(text))) };
        if let Some(priority) = line.priority {
            each(Part::Field("facility".into(), Value::Text(syslog::facility(priority).into())));
        }
        for (name, value) in [("hostname", line.host), ("program", line.tag), ("process", line.pid)]
        {
            if !value.is_empty() {
                each(Part::Field(name.into(), Value::Text(lossy(value))));
            }
        }
        each(Part::Message(lossy(line.message)));
    }
}

impl Format for Syslog3164 {
    fn fit(&self, line: &[u8]) -> Fit {
        match Line::read(line) {
            Some(line) if line.priority.is_some() || !line.host.is_empty() => Fit::Exact,
            _ => Fit::No,
        }
    }

    fn joins(&self) -> Joins {
        Joins::Lines
    }

    fn begins(&self, line: &[u8]) -> bool {
        Line::read(line).is_some()
    }

    fn continues(&self, trace: &Trace, line: &[u8]) -> bool {
        trace.continues(line)
    }

    fn is_later(&self, line: &[u8]) -> bool {
        is_continuation(line)
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        let Some(line) = Line::read(text) else { return Head::default() };
        Head {
            time: line.stamp.resolve(context),
            precision: line.stamp.precision,
            level: syslog::payload_level(first_line(line.message), context)
                .or(syslog::severity(line.priority)),
            quiet: false,
            fits: true,
        }
    }
}

struct Line<'a> {
    priority: Option<u32>,
    stamp: Stamp,
    host: &'a [u8],
    tag: &'a [u8],
    pid: &'a [u8],
    message: &'a [u8],
}

impl<'a> Line<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let text = &text[syslog::octet_count(text)..];
        let (priority, at) =
            syslog::priority(text).map_or((None, 0), |(value, at)| (Some(value), at));
        let text = &text[at..];
        let (stamp, length) = time::read(text)?;
        let year_last = matches!(stamp.day, Day::Known(_)) && text[..length].ends_with(b":");
        if !is_syslog_time(text) || year_last {
            return None;
        }
        // Cisco writes a colon after the time.
        let rest =
            text[length..].strip_prefix(b":").unwrap_or(&text[length..]).strip_prefix(b" ")?;
        let named = text[0].is_ascii_alphabetic();
        let word = |from: usize| {
            rest[from..]
                .iter()
                .take(256)
                .position(|b| matches!(b, b' ' | b'\n'))
                .map(|end| from + end)
        };
        let host_end = word(0)?;
        let host = &rest[..host_end];
        let mut tagged = Tagged::read(&rest[host_end + 1..]);
        let mut host = host;
        if host.ends_with(b":") {
            // The first word ends in a colon, so it is the tag: there is no host.
            tagged = Tagged::read(rest);
            host = &rest[..0];
        }
        let sure = tagged.is_some()
            && (named || (is_host(host) && priority.is_none()) || priority.is_some());
        match tagged {
            Some(tagged) if sure => Some(Line {
                priority,
                stamp,
                host,
                tag: tagged.tag,
                pid: tagged.pid,
                message: tagged.message,
            }),
            // `last message repeated 2 times`, kernel lines and others without a tag.
            _ if named || priority.is_some() => {
                let message = &rest[(host_end + 1).min(rest.len())..];
                let none = &rest[..0];
                Some(Line { priority, stamp, host, tag: none, pid: none, message })
            }
            _ => None,
        }
    }
}

/// Whether the text begins like `Nov 14 …`, or with ISO 8601 with a `T`: other times belong to other formats.
fn is_syslog_time(text: &[u8]) -> bool {
    match text {
        [month @ b'A'..=b'Z', ..] => *month != b'@' && text.get(3) == Some(&b' '),
        [b'0'..=b'9', ..] => text.get(10) == Some(&b'T'),
        _ => false,
    }
}

/// Whether the text is a host name, not a word of a sentence.
fn is_host(text: &[u8]) -> bool {
    let host = text.iter().all(|byte| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'.' | b'-' | b'_' | b':')
    });
    host && !text.is_empty() && level::word(text).is_none()
}

/// The part after the host: `tag[pid]: message`.
struct Tagged<'a> {
    tag: &'a [u8],
    pid: &'a [u8],
    message: &'a [u8],
}

impl<'a> Tagged<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let reach = &text[..text.len().min(160)];
        let end = reach.iter().position(|byte| matches!(byte, b':' | b'[' | b'\n'))?;
        let (mut tag, mut at) = (&text[..end], end);
        let mut pid = &text[..0];
        if text[end] == b'[' {
            let close = end + reach[end..].iter().position(|byte| *byte == b']')?;
            pid = &text[end + 1..close];
            at = close + 1;
        }
        // `com.apple.xpc.launchd[1] (com.apple.quicklook[21581]): message`
        if text[at..].starts_with(b" (") {
            at += reach.get(at..)?.windows(2).position(|pair| pair == b"):")? + 1;
        }
        let message = text.get(at..)?.strip_prefix(b":")?;
        // A colon within a word (an address, a path) does not end a tag; more than three words are a sentence.
        let spaced = matches!(message.first(), None | Some(b' ' | b'\n' | b'\t'));
        let words = tag.iter().filter(|byte| **byte == b' ').count();
        let unsure = pid.is_empty() && (!spaced || words > 0);
        if tag.is_empty() || unsure || words > 3 {
            return None;
        }
        tag = tag.trim_ascii();
        Some(Tagged { tag, pid, message: message.strip_prefix(b" ").unwrap_or(message) })
    }
}

#[cfg(test)]
mod tests;
