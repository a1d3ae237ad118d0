//! Determines the message and the fields that the document of an event has, and the leaves of a field, which queries
//! search. Of several fields with one name the last one is kept; fields with a name that the document itself uses get
//! the prefix `fields.`.
//!
//! Predicates, the archive and all sinks use this module, so that they agree.

use std::borrow::Cow;
use std::collections::HashMap;

use super::batch::Event;
use super::fields::{Part, Value};
use crate::base::json::{Token, Tokens};

/// Prefix of a field whose name is used by the document itself.
pub const MOVED: &str = "fields.";

/// Values nested more deeply are not split into leaves: they are one text.
pub const DEEPEST: usize = 100;

/// The content of a record, apart from its time and level.
#[derive(Debug, Default)]
pub struct Parts<'a> {
    pub message: Option<Cow<'a, str>>,
    /// Names as in the document; each occurs once.
    pub fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The message and the fields of an event, under their names in the document.
pub fn parts<'a>(event: Event<'a>) -> Parts<'a> {
    let mut message = None;
    let mut fields: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(16);
    let mut seen = 0u64;
    let mut doubtful = false;
    event.parts(&mut |part| match part {
        Part::Message(text) => message = Some(text),
        Part::Field(name, value) => {
            let bit = 1 << slot(&name);
            doubtful |= seen & bit != 0;
            seen |= bit;
            fields.push((name, value));
        }
    });
    if doubtful {
        keep_last_of_each_name(&mut fields);
    }
    let service = event.batch.generation.service.is_some();
    for (name, _) in &mut fields {
        if is_taken(name, service) {
            *name = Cow::Owned(format!("{MOVED}{name}"));
        }
    }
    Parts { message, fields }
}

/// 64 slots by length, first and last byte: different names rarely share a slot, equal names always do.
fn slot(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first().copied(), bytes.last().copied());
    let mixed = u32::from(first.unwrap_or(0)) * 7 + u32::from(last.unwrap_or(0)) * 3;
    mixed.wrapping_add(bytes.len() as u32 * 11) & 63
}

fn keep_last_of_each_name(fields: &mut Vec<(Cow<'_, str>, Value<'_>)>) {
    let mut last: HashMap<&str, usize> = HashMap::with_capacity(fields.len());
    for (index, (name, _)) in fields.iter().enumerate() {
        last.insert(name, index);
    }
    if last.len() == fields.len() {
        return;
    }
    let keep: Vec<bool> =
        fields.iter().enumerate().map(|(index, (name, _))| last[name.as_ref()] == index).collect();
    let mut kept = keep.into_iter();
    fields.retain(|_| kept.next().expect("one for each field"));
}

/// The document itself uses this name, or a parent or child of it.
fn is_taken(name: &str, service: bool) -> bool {
    const LOG: &[&str] = &["level", "file.path", "offset", "continuation", "truncated", "partial"];
    const EVENT: &[&str] = &["id", "created", "time_source", "original"];
    if !matches!(name.as_bytes().first(), Some(b'@' | b'm' | b'l' | b'e' | b'h' | b's' | b'f')) {
        return false;
    }
    match name.split_once('.') {
        None => match name {
            "@timestamp" | "message" | "log" | "event" | "host" | "fields" => true,
            "service" => service,
            _ => false,
        },
        Some((top, rest)) => match top {
            "@timestamp" | "message" | "fields" => true,
            "log" => LOG.iter().any(|own| overlap(own, rest)),
            "event" => EVENT.iter().any(|own| overlap(own, rest)),
            "host" => overlap("name", rest),
            "service" => service && overlap("name", rest),
            _ => false,
        },
    }
}

/// Equal, or one is the parent of the other.
fn overlap(own: &str, other: &str) -> bool {
    let (short, long) = if own.len() <= other.len() { (own, other) } else { (other, own) };
    long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Calls `each` with the leaves of one field and their dotted paths. A dot in an object's key becomes `_`; all elements
/// of an array have the path of the array; null and empty objects and arrays have no leaves. A value that is nested too
/// deeply ([`DEEPEST`]) is one leaf.
pub fn leaves(name: &str, value: &Value<'_>, each: &mut dyn FnMut(&str, Value<'_>)) {
    match value {
        Value::Text(text) => each(name, Value::Text(Cow::Borrowed(text))),
        Value::Json("null") => {}
        Value::Json(raw) if !raw.starts_with(['{', '[']) => each(name, Value::Json(raw)),
        Value::Json(raw) => nested_leaves(name, raw, each),
    }
}

fn nested_leaves(name: &str, raw: &str, each: &mut dyn FnMut(&str, Value<'_>)) {
    if is_too_deep(raw) {
        return each(name, Value::Text(Cow::Borrowed(raw)));
    }
    let mut path = Path::new(name);
    for token in Tokens::new(raw).map_while(Result::ok) {
        match token {
            Token::Key(key) => path.key(&key.decode()),
            Token::ObjectStart | Token::ArrayStart => path.open(),
            Token::ObjectEnd | Token::ArrayEnd => path.close(),
            Token::Text(text) => each(path.as_str(), Value::Text(text.decode())),
            Token::Scalar("null") => {}
            Token::Scalar(scalar) => each(path.as_str(), Value::Json(scalar)),
        }
    }
}

/// More than [`DEEPEST`] brackets are open at some point.
pub fn is_too_deep(raw: &str) -> bool {
    if memchr::memchr2_iter(b'{', b'[', raw.as_bytes()).nth(DEEPEST).is_none() {
        return false;
    }
    let mut tokens = Tokens::new(raw);
    while let Some(Ok(_)) = tokens.next() {
        if tokens.depth() > DEEPEST {
            return true;
        }
    }
    false
}

/// The dotted path of the current token while the tokens of a JSON value are read.
#[derive(Debug)]
pub struct Path {
    text: String,
    /// For each open bracket: the length of the path at the bracket.
    open: Vec<usize>,
}

impl Path {
    pub fn new(name: &str) -> Self {
        Path { text: name.to_string(), open: Vec::new() }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn key(&mut self, key: &str) {
        let parent = self.open.last().copied().unwrap_or(0);
        self.text.truncate(parent);
        self.text.push('.');
        self.text.extend(key.chars().map(|letter| if letter == '.' { '_' } else { letter }));
    }

    pub fn open(&mut self) {
        self.open.push(self.text.len());
    }

    pub fn close(&mut self) {
        if let Some(parent) = self.open.pop() {
            self.text.truncate(parent);
        }
    }
}

/// The text in which the words of a query without a field name are searched: the message, or if there is none, the
/// leaves of all fields, separated by spaces.
pub fn search_text<'p>(
    message: Option<&'p str>,
    fields: impl Iterator<Item = (&'p str, Value<'p>)>,
) -> Cow<'p, str> {
    if let Some(message) = message {
        return Cow::Borrowed(message);
    }
    let mut joined = String::new();
    for (name, value) in fields {
        leaves(name, &value, &mut |_, leaf| {
            if !joined.is_empty() {
                joined.push(' ');
            }
            match leaf {
                Value::Text(text) => joined.push_str(&text),
                Value::Json(scalar) => joined.push_str(scalar),
            }
        });
    }
    Cow::Owned(joined)
}

#[cfg(test)]
mod tests;
