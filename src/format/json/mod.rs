//! The format `json`: JSON objects, flat or nested, one per line or pretty-printed over several lines.
//!
//! Time, level and message are found by the names that common loggers use ([`keys`]), in any order, at the top level;
//! level and message also inside a few known objects. A record that is not one complete object becomes an event with
//! the whole text as its message, without time and level.

mod keys;
pub mod scan;

use std::borrow::Cow;

use serde::de::IgnoredAny;

use self::keys::{LevelKey, Role};
pub use self::scan::Raw;
use super::text::lossy;
use super::time::{self, Stamp};
use super::{Context, Fit, Format, Head, Joins, level};
use crate::event::{Decode, Level, Part, Value};

#[derive(Debug)]
pub struct Json;

impl Decode for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(found) = KnownMembers::read(text) else { return each(Part::Message(lossy(text))) };
        let mut index = 0;
        scan::members(text, |key, escaped, value| {
            if found.is_message(index) {
                if let Raw::Text(text, escaped) = value {
                    each(Part::Message(unescape(text, escaped)));
                }
            } else if !found.is_taken(index) {
                if let (Some(wanted), Raw::Nested(object)) = (found.inner_message(index), value)
                    && let Some(text) = inner_text(object, wanted)
                {
                    each(Part::Message(text));
                }
                each(Part::Field(unescape(key, escaped), field(value)));
            }
            index += 1;
        });
    }
}

impl Format for Json {
    fn fit(&self, line: &[u8]) -> Fit {
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Fit::No;
        }
        match scan::members(line, |_, _, _| {}) {
            Some(()) => Fit::Exact,
            // The first line of a pretty-printed object.
            None if scan::depth(line, 0).is_some_and(|depth| depth > 0) => Fit::Exact,
            None => Fit::No,
        }
    }

    fn joins(&self) -> Joins {
        Joins::Depth
    }

    fn begins(&self, line: &[u8]) -> bool {
        line.starts_with(b"{\"") || line.starts_with(b"{ \"")
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        KnownMembers::read(text).map_or(Head::default(), |found| found.head(context))
    }
}

/// The rank of a member that counts only if there is no other.
const LAST: u8 = 100;

/// The best member so far: the lowest rank, and of equal ranks the last one.
#[derive(Clone, Copy)]
struct Choice<T> {
    value: Option<T>,
    rank: u8,
    /// Index of the member.
    index: Option<u32>,
}

impl<T> Choice<T> {
    const NONE: Self = Choice { value: None, rank: u8::MAX, index: None };

    fn offer(&mut self, rank: u8, index: u32, value: impl FnOnce() -> Option<T>) {
        if rank <= self.rank
            && let Some(value) = value()
        {
            *self = Choice { value: Some(value), rank, index: Some(index) };
        }
    }
}

/// The members of one object that are its time, level and message, found in one pass. Also used by logfmt, whose keys
/// have the same names.
pub struct KnownMembers {
    time: Choice<Stamp>,
    level: Choice<Level>,
    message: Choice<()>,
    /// A message inside a member: index of the member, and index inside it.
    inner_message: Option<(u32, u32)>,
    /// Index of the next member.
    index: u32,
    /// A GELF message: its numbers 0–7 are levels. The member that shows this may come after the level.
    gelf: bool,
    /// A `level` of 0–7, and the index of this member.
    number: Option<(u64, u32)>,
    /// Serilog's compact format.
    compact: bool,
}

impl KnownMembers {
    pub fn new() -> Self {
        KnownMembers {
            time: Choice::NONE,
            level: Choice::NONE,
            message: Choice::NONE,
            inner_message: None,
            index: 0,
            gelf: false,
            number: None,
            compact: false,
        }
    }

    #[inline]
    fn read(text: &[u8]) -> Option<Self> {
        let mut found = KnownMembers::new();
        scan::members(text, |key, _, value| found.member(key, value))?;
        Some(found.finish())
    }

    /// Evaluates the next member.
    #[inline]
    pub fn member(&mut self, key: &[u8], value: Raw<'_>) {
        if let Some(role) = keys::role(key) {
            self.take(role, key, value);
        }
        self.index += 1;
    }

    fn take(&mut self, role: Role, key: &[u8], value: Raw<'_>) {
        let index = self.index;
        let is_text = matches!(value, Raw::Text(..));
        match role {
            Role::Time(rank) => {
                self.compact |= key == b"@t";
                self.time.offer(rank, index, || stamp(value));
            }
            Role::Message(rank) => {
                self.gelf |= key == b"short_message";
                self.message.offer(rank, index, || is_text.then_some(()));
            }
            Role::Inner if key == b"log" && is_text => {
                self.message.offer(LAST, index, || Some(()));
            }
            Role::Inner => self.inner(value),
            Role::Level(kind, rank) => {
                if key == b"level" {
                    self.number = small(value).map(|number| (number, index));
                }
                self.level.offer(rank, index, || read_level(kind, value));
            }
        }
    }

    /// Level and message inside an object, which stays a field because it contains more. Members at the top level take
    /// precedence.
    fn inner(&mut self, value: Raw<'_>) {
        let Raw::Nested(text) = value else { return };
        let mut inner = KnownMembers::new();
        let walked = scan::members(text, |key, _, value| {
            if let Some(role @ (Role::Level(..) | Role::Message(_))) = keys::role(key) {
                inner.take(role, key, value)
            }
            inner.index += 1;
        });
        if walked.is_some() {
            self.level.offer(LAST, u32::MAX, || inner.level.value);
            let at = inner.message.index.map(|at| (self.index, at));
            if at.is_some() && self.message.value.is_none() {
                self.inner_message = at;
            }
        }
    }

    /// Decides the cases that depend on all members.
    #[inline]
    pub fn finish(mut self) -> Self {
        if let (true, None, Some((number, index))) = (self.gelf, self.level.value, self.number) {
            self.level.offer(0, index, || level::syslog(number));
        }
        if self.compact && self.level.value.is_none() {
            // Serilog omits the level if it is Information.
            self.level.value = Some(Level::Info);
        }
        self
    }

    #[inline]
    pub fn head(&self, context: &Context) -> Head {
        Head {
            time: self.time.value.and_then(|stamp| stamp.resolve(context)),
            precision: self.time.value.map_or(0, |stamp| stamp.precision),
            level: self.level.value,
            quiet: false,
            fits: true,
        }
    }

    pub fn level(&self) -> Option<Level> {
        self.level.value
    }

    pub fn is_message(&self, index: u32) -> bool {
        self.message.index == Some(index)
    }

    /// Index of the message inside this member, if it is there.
    fn inner_message(&self, index: u32) -> Option<u32> {
        let (outer, inner) = self.inner_message?;
        (outer == index && self.message.index.is_none()).then_some(inner)
    }

    /// Whether the member is the time or the level, and therefore not a field.
    pub fn is_taken(&self, index: u32) -> bool {
        self.time.index == Some(index) || self.level.index == Some(index)
    }
}

fn stamp(value: Raw<'_>) -> Option<Stamp> {
    match value {
        Raw::Text(text, false) => time::whole(text),
        Raw::Text(text, true) => time::whole(unescape(text, true).as_bytes()),
        Raw::Scalar(text) => time::epoch(text),
        Raw::Nested(text) => nested_stamp(text),
    }
}

/// `{"$date":"…"}` of MongoDB, `{"epochSecond":…,"nanoOfSecond":…}` of log4j2.
fn nested_stamp(text: &[u8]) -> Option<Stamp> {
    let (mut stamp, mut nanos) = (None, None);
    scan::members(text, |key, _, value| match (key, value) {
        (b"$date", Raw::Text(text, false)) => stamp = time::whole(text),
        (b"epochSecond", Raw::Scalar(text)) => stamp = time::epoch(text),
        (b"nanoOfSecond", Raw::Scalar(text)) => nanos = digits(text),
        _ => {}
    })?;
    let mut stamp: Stamp = stamp?;
    if let Some(nanos) = nanos.filter(|nanos| *nanos < time::NANOS as u64) {
        (stamp.nanos, stamp.precision) = (nanos as u32, 9);
    }
    Some(stamp)
}

fn read_level(kind: LevelKey, value: Raw<'_>) -> Option<Level> {
    match (kind, value) {
        (LevelKey::Letter, Raw::Text([letter, rest @ ..], false)) => {
            let debug = *letter == b'D' && matches!(rest, [b'1'..=b'5']);
            if rest.is_empty() || debug { level::letter(*letter) } else { None }
        }
        (LevelKey::Syslog, Raw::Text(text, false) | Raw::Scalar(text)) => {
            level::syslog(digits(text)?)
        }
        (LevelKey::Python, Raw::Scalar(text)) => level::python(digits(text)?),
        (LevelKey::Level, Raw::Scalar(text)) => level::bunyan(digits(text)?),
        (LevelKey::Level | LevelKey::Word, Raw::Text(text, false)) => {
            level::word(text.trim_ascii())
        }
        _ => None,
    }
}

/// The text of the member of `object` with the index `wanted`.
fn inner_text(object: &[u8], wanted: u32) -> Option<Cow<'_, str>> {
    let (mut text, mut index) = (None, 0);
    scan::members(object, |_, _, value| {
        if let (true, Raw::Text(found, escaped)) = (index == wanted, value) {
            text = Some(unescape(found, escaped));
        }
        index += 1;
    })?;
    text
}

/// The value, if it is a number from 0 to 7.
fn small(value: Raw<'_>) -> Option<u64> {
    match value {
        Raw::Scalar([digit @ b'0'..=b'7']) => Some(u64::from(digit - b'0')),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |value, byte| value * 10 + u64::from(byte - b'0')))
}

fn field(value: Raw<'_>) -> Value<'_> {
    match value {
        Raw::Text(text, escaped) => Value::Text(unescape(text, escaped)),
        Raw::Scalar(text) => match simdutf8::basic::from_utf8(text) {
            Ok(text) => Value::Json(text),
            Err(_) => Value::Text(lossy(text)),
        },
        // The scan skipped it: its content is validated here, where it is used.
        Raw::Nested(text) => match simdutf8::basic::from_utf8(text) {
            Ok(valid) if serde_json::from_str::<IgnoredAny>(valid).is_ok() => Value::Json(valid),
            _ => Value::Text(lossy(text)),
        },
    }
}

/// The text between the quotes. An escape that is not valid JSON is kept as it is.
pub fn unescape(text: &[u8], escaped: bool) -> Cow<'_, str> {
    if !escaped {
        return lossy(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'\\', &text[at..]) {
        out.extend_from_slice(&text[at..at + next]);
        at += next;
        at += escape(&text[at..], &mut out);
    }
    out.extend_from_slice(&text[at..]);
    match lossy(&out) {
        Cow::Owned(text) => Cow::Owned(text),
        Cow::Borrowed(_) => {
            Cow::Owned(String::from_utf8(out).expect("it was just found to be UTF-8"))
        }
    }
}

/// Appends the character of the escape at the beginning of `text`; returns the length of the escape.
fn escape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let byte = match text.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'u') => return unicode(text, out),
        _ => {
            out.push(b'\\');
            return 1;
        }
    };
    out.push(byte);
    2
}

/// As [`escape`], for `\u0041` and for pairs, as of characters above U+FFFF; half a pair becomes U+FFFD.
fn unicode(text: &[u8], out: &mut Vec<u8>) -> usize {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4)?;
        digits.iter().try_fold(0, |value, byte| Some(value << 4 | (*byte as char).to_digit(16)?))
    };
    let Some(first) = unit(2) else {
        out.push(b'\\');
        return 1;
    };
    let (code, length) = match first {
        0xd800..0xdc00 if text.get(6..8) == Some(b"\\u") => match unit(8) {
            Some(second @ 0xdc00..0xe000) => {
                (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
            }
            _ => (first, 6),
        },
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

#[cfg(test)]
mod tests;
