//! Converts values to forms that servers accept. Pure.
//!
//! - An integer beyond 64 signed bits and a number beyond the range of a 32-bit float become texts: servers choose
//!   these number types for a new field. So does a number of more than 1,000 characters: their JSON readers refuse it.
//! - An object nested deeper than the maximum number of name parts, and a list inside too many lists, become texts
//!   that contain their JSON.
//! - A key of an object has no dots (`_` instead), is not blank (`_`), and is unique ([`UniqueNames`]).
//! - All values of one path have one type: integers among fractions become fractions (`2.0`); any other mix becomes
//!   texts.

use std::collections::HashMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::name_parts::{MOST_PARTS, is_blank};
use super::unique_names::UniqueNames;
use crate::base::json::{self, Quoted, Token, Tokens};
use crate::event::Value;
use crate::privacy::tag;

/// Maximum number of lists inside each other.
const MOST_LISTS: usize = 20;

/// Longer numbers, in bytes, make the JSON readers of servers refuse the whole document.
const LONGEST_NUMBER: usize = 1_000;
/// Up to this many keys of one object are compared one by one.
const FEW_KEYS: usize = 128;

/// The kinds of values at each path, one bit per kind. The key is the [`path_hash`] of the path.
pub(super) type Kinds = HashMap<u64, u8>;

/// The name of a tag field, and the tag.
pub(super) type NamedTag = (String, String);

pub(super) const OBJECT: u8 = 1;
const TEXT: u8 = 2;
const BOOLEAN: u8 = 4;
const INTEGER: u8 = 8;
const FRACTION: u8 = 16;

/// Hash of a dotted path. It is used instead of the path, which may be as long as the event.
pub(super) fn path_hash(path: &str) -> u64 {
    hashed(path).finish()
}

fn hashed(path: &str) -> SipHasher13 {
    let mut hasher = SipHasher13::new();
    hasher.write(path.as_bytes());
    hasher
}

/// Appends the value of the field; `true` if it was changed. Adds tags to `hidden` that are now inside a text, where
/// no query finds them.
pub(super) fn write(
    name: &str,
    value: &Value<'_>,
    body: &mut Vec<u8>,
    hidden: &mut Vec<NamedTag>,
) -> bool {
    let raw = match value {
        Value::Text(text) => {
            json::write_string(text, body);
            return false;
        }
        Value::Json(raw) => *raw,
    };
    if !raw.starts_with(['{', '[']) {
        return write_scalar(raw, body);
    }
    if fits_unchanged(raw, parts(name)) {
        body.extend_from_slice(raw.as_bytes());
        return false;
    }
    let mut writer = Writer::new(name, raw);
    writer.run();
    let mixed: Kinds = writer.kinds.drain().filter(|(_, kinds)| kinds.count_ones() > 1).collect();
    if !mixed.is_empty() {
        writer = Writer { mixed, ..Writer::new(name, raw) };
        writer.run();
    }
    match writer.changed {
        true => body.extend_from_slice(&writer.body),
        false => body.extend_from_slice(raw.as_bytes()),
    }
    hidden.append(&mut writer.hidden);
    writer.changed
}

/// The kinds of values at each path, as they are sent.
pub(super) fn kinds(name: &str, value: &Value<'_>) -> Kinds {
    match value {
        Value::Text(_) => Kinds::from([(path_hash(name), TEXT)]),
        Value::Json("null") => Kinds::new(),
        Value::Json(raw) => {
            let mut writer = Writer::new(name, raw);
            writer.run();
            writer.kinds
        }
    }
}

/// Whether some path would have values of two kinds.
pub(super) fn conflict(one: &Kinds, other: &Kinds) -> bool {
    let both = |(path, kinds): (&u64, &u8)| {
        one.get(path).is_some_and(|seen| (seen | kinds).count_ones() > 1)
    };
    other.iter().any(both)
}

fn parts(name: &str) -> usize {
    name.bytes().filter(|byte| *byte == b'.').count() + 1
}

fn write_scalar(raw: &str, body: &mut Vec<u8>) -> bool {
    let changes = kind(raw) == TEXT;
    if changes {
        json::write_string(raw, body);
    } else {
        body.extend_from_slice(raw.as_bytes());
    }
    changes
}

/// The kind of a boolean or number, as it is sent.
fn kind(scalar: &str) -> u8 {
    match scalar.as_bytes() {
        [b't' | b'f', ..] => BOOLEAN,
        bytes if bytes.len() > LONGEST_NUMBER => TEXT,
        bytes if bytes.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) => {
            let number = scalar.parse::<f64>();
            let fits = number.is_ok_and(|number| number.abs() <= f64::from(f32::MAX));
            if fits { FRACTION } else { TEXT }
        }
        bytes if bytes.len() < 19 || scalar.parse::<i64>().is_ok() => INTEGER,
        _ => TEXT,
    }
}

/// An object or list whose end has not been reached.
struct OpenBracket {
    object: bool,
    /// Index of its first key among all keys.
    keys: usize,
    /// Hash bits of its keys.
    slots: u64,
    /// For a list: the kinds of its items.
    kind: u8,
}

/// A quick check whether nothing changes; `false`: the full check is needed. `parts`: those of the field's name.
fn fits_unchanged(raw: &str, parts: usize) -> bool {
    let (mut open, mut keys): (Vec<OpenBracket>, Vec<&str>) = (Vec::new(), Vec::new());
    for token in Tokens::new(raw) {
        let fits = match token {
            Ok(Token::ObjectStart | Token::ArrayStart) => {
                let object = token == Ok(Token::ObjectStart);
                let in_list = open.last().is_some_and(|outer| !outer.object);
                let keys = keys.len();
                open.push(OpenBracket { object, keys, slots: 0, kind: 0 });
                // All brackets around it are objects, except perhaps the last.
                !in_list && (!object || parts + open.len() <= MOST_PARTS)
            }
            Ok(Token::ObjectEnd | Token::ArrayEnd) => {
                keys.truncate(open.pop().map_or(0, |closed| closed.keys));
                true
            }
            Ok(Token::Key(Quoted(key))) => is_plain_key(key) && is_new(key, &mut open, &mut keys),
            Ok(Token::Text(_)) => is_alike(TEXT, false, &mut open),
            Ok(Token::Scalar("null")) => true,
            Ok(Token::Scalar(scalar)) => {
                let kind = kind(scalar);
                is_alike(kind, kind == TEXT, &mut open)
            }
            Err(_) => false,
        };
        if !fits {
            return false;
        }
    }
    true
}

fn is_plain_key(key: &str) -> bool {
    memchr::memchr2(b'.', b'\\', key.as_bytes()).is_none() && !is_blank(key)
}

fn is_new<'r>(key: &'r str, open: &mut [OpenBracket], keys: &mut Vec<&'r str>) -> bool {
    let Some(object) = open.last_mut() else { return false };
    let last = key.as_bytes().last().copied().unwrap_or(0);
    let slot = 1 << ((usize::from(key.as_bytes()[0]) * 7 + usize::from(last) * 3 + key.len()) & 63);
    let others = &keys[object.keys..];
    let is_new = object.slots & slot == 0 || (others.len() < FEW_KEYS && !others.contains(&key));
    object.slots |= slot;
    keys.push(key);
    is_new
}

/// Whether the innermost list still has items of one kind only, and the value is sent unchanged.
fn is_alike(kind: u8, changes: bool, open: &mut [OpenBracket]) -> bool {
    match open.last_mut() {
        Some(list) if !list.object => {
            list.kind |= kind;
            !changes && list.kind == kind
        }
        _ => !changes,
    }
}

/// Writes a value and records the kinds at each path.
struct Writer<'r> {
    tokens: Tokens<'r>,
    raw: &'r str,
    body: Vec<u8>,
    changed: bool,
    hidden: Vec<NamedTag>,
    path: SipHasher13,
    parts: usize,
    lists: usize,
    kinds: Kinds,
    /// Paths of several kinds, from the first pass.
    mixed: Kinds,
}

impl<'r> Writer<'r> {
    fn new(name: &str, raw: &'r str) -> Self {
        Writer {
            tokens: Tokens::new(raw),
            raw,
            body: Vec::with_capacity(raw.len() + 16),
            changed: false,
            hidden: Vec::new(),
            path: hashed(name),
            parts: parts(name),
            lists: 0,
            kinds: Kinds::new(),
            mixed: Kinds::new(),
        }
    }

    /// Writes the value, which is valid JSON: `privacy` guarantees it.
    fn run(&mut self) {
        if let Some(first) = self.next() {
            self.value(first);
        }
    }

    fn next(&mut self) -> Option<Token<'r>> {
        self.tokens.next().and_then(Result::ok)
    }

    fn value(&mut self, token: Token<'r>) {
        let mixed = self.mixed.get(&self.path.finish()).copied().unwrap_or(0);
        let all_texts = mixed & !(INTEGER | FRACTION) != 0;
        match token {
            Token::ObjectStart if all_texts || self.parts >= MOST_PARTS => self.as_text(),
            Token::ObjectStart => self.object(),
            Token::ArrayStart if self.lists >= MOST_LISTS => self.as_text(),
            Token::ArrayStart => self.list(),
            Token::Text(Quoted(text)) => {
                self.note(TEXT);
                self.quoted(text);
            }
            Token::Scalar("null") => self.body.extend_from_slice(b"null"),
            Token::Scalar(scalar) => {
                let kind = kind(scalar);
                self.note(kind);
                if all_texts || kind == TEXT {
                    // A scalar needs no escaping.
                    self.quoted(scalar);
                    self.changed = true;
                    return;
                }
                self.body.extend_from_slice(scalar.as_bytes());
                if kind == INTEGER && mixed & FRACTION != 0 {
                    self.body.extend_from_slice(b".0");
                    self.changed = true;
                }
            }
            Token::Key(_) | Token::ObjectEnd | Token::ArrayEnd => {}
        }
    }

    fn note(&mut self, kind: u8) {
        *self.kinds.entry(self.path.finish()).or_default() |= kind;
    }

    fn quoted(&mut self, text: &str) {
        self.body.push(b'"');
        self.body.extend_from_slice(text.as_bytes());
        self.body.push(b'"');
    }

    fn object(&mut self) {
        self.note(OBJECT);
        self.body.push(b'{');
        let (mut taken, mut first) = (UniqueNames::default(), true);
        while let Some(Token::Key(key)) = self.next() {
            let name = self.key(key, &mut taken);
            if !std::mem::take(&mut first) {
                self.body.push(b',');
            }
            json::write_string(&name, &mut self.body);
            self.body.push(b':');
            let outside = self.path;
            self.path.write(b".");
            self.path.write(name.as_bytes());
            self.parts += 1;
            if let Some(token) = self.next() {
                self.value(token);
            }
            self.parts -= 1;
            self.path = outside;
        }
        self.body.push(b'}');
    }

    fn key(&mut self, key: Quoted<'r>, taken: &mut UniqueNames) -> String {
        let decoded = key.decode();
        let name = if is_blank(&decoded) { "_".to_owned() } else { decoded.replace('.', "_") };
        let (name, ()) = taken.take(name, |_| Some(()));
        self.changed |= name != decoded;
        name
    }

    fn list(&mut self) {
        self.lists += 1;
        self.body.push(b'[');
        let mut first = true;
        while let Some(token) = self.next() {
            if token == Token::ArrayEnd {
                break;
            }
            if !std::mem::take(&mut first) {
                self.body.push(b',');
            }
            self.value(token);
        }
        self.body.push(b']');
        self.lists -= 1;
    }

    /// Writes the object or list that the last token opened as a text with its JSON.
    fn as_text(&mut self) {
        self.note(TEXT);
        let (start, outside) = (self.tokens.at() - 1, self.tokens.depth() - 1);
        while self.tokens.depth() > outside && self.next().is_some() {}
        let text = &self.raw[start..self.tokens.at()];
        json::write_string(text, &mut self.body);
        self.hidden
            .extend(tag::in_json(text).into_iter().map(|(key, tag)| (key.replace('.', "_"), tag)));
        self.changed = true;
    }
}
