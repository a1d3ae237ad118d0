//! JSON lines: flat or nested, one object a line or pretty-printed over several.
//!
//! Time, level and message are found by the names that the common loggers use ([`keys`]), at the top level
//! only, whatever their order; nothing is guessed from where they stood in other lines. A line that is not
//! one whole object is an event as it stands, without time and level.

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
        let Some(found) = Found::read(text) else { return each(Part::Message(lossy(text))) };
        let mut place = 0;
        scan::members(text, |key, escaped, value| {
            if found.is_message(place) {
                if let Raw::Text(text, escaped) = value {
                    each(Part::Message(unescape(text, escaped)));
                }
            } else if !found.is_taken(place) {
                if let (Some(wanted), Raw::Nested(object)) = (found.inner_message(place), value)
                    && let Some(text) = inner_text(object, wanted)
                {
                    each(Part::Message(text));
                }
                each(Part::Field(unescape(key, escaped), field(value)));
            }
            place += 1;
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
            // The beginning of a pretty-printed object.
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
        Found::read(text).map_or(Head::default(), |found| found.head(context))
    }
}

/// The rank of what counts only where nothing else does.
const LAST: u8 = 100;

/// The member that counts so far: the lowest rank, and of equal ones the last.
#[derive(Clone, Copy)]
struct Choice<T> {
    value: Option<T>,
    rank: u8,
    /// Which member it is, counted from 0.
    place: Option<u32>,
}

impl<T> Choice<T> {
    const NONE: Self = Choice { value: None, rank: u8::MAX, place: None };

    fn offer(&mut self, rank: u8, place: u32, value: impl FnOnce() -> Option<T>) {
        if rank <= self.rank
            && let Some(value) = value()
        {
            *self = Choice { value: Some(value), rank, place: Some(place) };
        }
    }
}

/// What one pass over the members found. Shared with logfmt, whose keys have the same names.
pub struct Found {
    time: Choice<Stamp>,
    level: Choice<Level>,
    message: Choice<()>,
    /// A message inside a member: which one, and which one in there.
    inner_message: Option<(u32, u32)>,
    /// Members so far.
    place: u32,
    /// A GELF message: its numbers 0–7 are levels. It may say so behind the level.
    gelf: bool,
    number: Option<(u64, u32)>,
    /// Serilog's compact format.
    compact: bool,
}

impl Found {
    pub fn nothing() -> Self {
        Found {
            time: Choice::NONE,
            level: Choice::NONE,
            message: Choice::NONE,
            inner_message: None,
            place: 0,
            gelf: false,
            number: None,
            compact: false,
        }
    }

    #[inline]
    fn read(text: &[u8]) -> Option<Self> {
        let mut found = Found::nothing();
        scan::members(text, |key, _, value| found.member(key, value))?;
        Some(found.finish())
    }

    /// Takes note of the next member.
    #[inline]
    pub fn member(&mut self, key: &[u8], value: Raw<'_>) {
        if let Some(role) = keys::role(key) {
            self.take(role, key, value);
        }
        self.place += 1;
    }

    fn take(&mut self, role: Role, key: &[u8], value: Raw<'_>) {
        let place = self.place;
        let is_text = matches!(value, Raw::Text(..));
        match role {
            Role::Time(rank) => {
                self.compact |= key == b"@t";
                self.time.offer(rank, place, || stamp(value));
            }
            Role::Message(rank) => {
                self.gelf |= key == b"short_message";
                self.message.offer(rank, place, || is_text.then_some(()));
            }
            Role::Inner if key == b"log" && is_text => {
                self.message.offer(LAST, place, || Some(()));
            }
            Role::Inner => self.inner(value),
            Role::Level(kind, rank) => {
                if key == b"level" {
                    self.number = small(value).map(|number| (number, place));
                }
                self.level.offer(rank, place, || read_level(kind, value));
            }
        }
    }

    /// Level and message in an object, which stays a field: it holds more than them. What stands at the top
    /// level comes first.
    fn inner(&mut self, value: Raw<'_>) {
        let Raw::Nested(text) = value else { return };
        let mut inner = Found::nothing();
        let walked = scan::members(text, |key, _, value| {
            if let Some(role @ (Role::Level(..) | Role::Message(_))) = keys::role(key) {
                inner.take(role, key, value)
            }
            inner.place += 1;
        });
        if walked.is_some() {
            self.level.offer(LAST, u32::MAX, || inner.level.value);
            let at = inner.message.place.map(|at| (self.place, at));
            if at.is_some() && self.message.value.is_none() {
                self.inner_message = at;
            }
        }
    }

    /// Decides what could not be decided before all members were seen.
    #[inline]
    pub fn finish(mut self) -> Self {
        if let (true, None, Some((number, place))) = (self.gelf, self.level.value, self.number) {
            self.level.offer(0, place, || level::syslog(number));
        }
        if self.compact && self.level.value.is_none() {
            // Serilog leaves the level out where it is Information.
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

    pub fn is_message(&self, place: u32) -> bool {
        self.message.place == Some(place)
    }

    /// The message is that member of this member.
    fn inner_message(&self, place: u32) -> Option<u32> {
        let (outer, inner) = self.inner_message?;
        (outer == place && self.message.place.is_none()).then_some(inner)
    }

    /// The member is the time or the level: it is no field.
    pub fn is_taken(&self, place: u32) -> bool {
        self.time.place == Some(place) || self.level.place == Some(place)
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

/// The text of the object's member number `wanted`.
fn inner_text(object: &[u8], wanted: u32) -> Option<Cow<'_, str>> {
    let (mut text, mut place) = (None, 0);
    scan::members(object, |_, _, value| {
        if let (true, Raw::Text(found, escaped)) = (place == wanted, value) {
            text = Some(unescape(found, escaped));
        }
        place += 1;
    })?;
    text
}

/// 0–7.
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
        // Stepped over when it was found: whether it is valid inside is asked here, where it is used.
        Raw::Nested(text) => match simdutf8::basic::from_utf8(text) {
            Ok(valid) if serde_json::from_str::<IgnoredAny>(valid).is_ok() => Value::Json(valid),
            _ => Value::Text(lossy(text)),
        },
    }
}

/// The text between the quotes. An escape that JSON does not know stays as it is.
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

/// Appends what the escape at the beginning of `text` stands for; returns its length.
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

/// `\u0041`, and pairs for what lies beyond U+FFFF; half a pair is U+FFFD.
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
