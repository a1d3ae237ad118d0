//! Seals members inside JSON values of an event, replaces sealed values in their other texts, and rewrites JSON that some
//! readers would reject.
//!
//! A value is rewritten only if something must change.

use std::borrow::Cow;

use super::policy::Treatment;
use super::quoted_values::seal_quoted_values;
use super::replacements::ReplacementId;
use super::sealed_values::EventSealer;
use super::tag::tag_name;
use super::whole_words::WordReplacer;
use super::{Policy, SEALED};
use crate::base::json::{self, Token, Tokens};
use crate::event::document::{DEEPEST, Path, is_too_deep};

/// The result for one JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Rewrite {
    Unchanged,
    Json(String),
    /// It cannot be JSON in a document (nested too deeply, a number outside the range of a double, invalid JSON): this
    /// text replaces it.
    Text(String),
}

/// The two passes over the JSON values of an event.
pub(super) enum Pass<'p, 'e> {
    /// Seals and notes the members that the policy names.
    Seal(&'p mut EventSealer<'e>),
    /// Replaces sealed values in all other texts; members sealed by the first pass stay.
    Replace(&'e Policy, &'p WordReplacer<'p>),
}

impl<'p, 'e> Pass<'p, 'e> {
    fn policy(&self) -> &'e Policy {
        match self {
            Pass::Seal(event_sealer) => event_sealer.policy(),
            Pass::Replace(policy, _) => policy,
        }
    }

    fn words(&self) -> Option<&'p WordReplacer<'p>> {
        match self {
            Pass::Seal(_) => None,
            Pass::Replace(_, words) => Some(words),
        }
    }
}

/// Rewrites the value at `path`, if necessary; the result has no line ends.
pub(super) fn rewrite(path: &str, raw: &str, pass: Pass<'_, '_>) -> Rewrite {
    if !raw.starts_with(['{', '[']) {
        return rewrite_scalar(raw, pass.words());
    }
    let is_unchanged = match &pass {
        Pass::Seal(event_sealer) => needs_no_rewrite(raw, event_sealer.policy()),
        // The first pass has validated it; without escapes its raw text is its content.
        Pass::Replace(_, words) => {
            memchr::memchr(b'\\', raw.as_bytes()).is_none() && !words.any_in(raw)
        }
    };
    if is_unchanged {
        return Rewrite::Unchanged;
    }
    let mut writer = Writer {
        policy: pass.policy(),
        pass,
        raw,
        path: Path::new(path),
        body: Vec::with_capacity(raw.len()),
        changed: memchr::memchr2(b'\n', b'\r', raw.as_bytes()).is_some(),
        too_deep: is_too_deep(raw),
        sealing: None,
        sealed_before: false,
        separate: false,
    };
    if !writer.write() {
        // Invalid JSON cannot be searched for sealed members.
        let text = if writer.policy.hides_anything() { SEALED } else { raw };
        return Rewrite::Text(text.to_string());
    }
    let (changed, too_deep) = (writer.changed, writer.too_deep);
    let text = String::from_utf8(writer.body).expect("tokens of a text are text");
    match () {
        () if too_deep => Rewrite::Text(text),
        () if changed => Rewrite::Json(text),
        () => Rewrite::Unchanged,
    }
}

/// A fast check without writing; `false` if the value must be processed member by member.
fn needs_no_rewrite(raw: &str, policy: &Policy) -> bool {
    // Escapes and control characters, including the line ends of multi-line JSON.
    if raw.bytes().any(|byte| byte < 0x20 || byte == b'\\') {
        return false;
    }
    let mut tokens = Tokens::new(raw);
    while let Some(token) = tokens.next() {
        let is_unchanged = match token {
            Ok(Token::Key(key)) => policy.never_treats(key.0),
            Ok(Token::Scalar(scalar)) => !is_beyond_a_double(scalar),
            Ok(_) => tokens.depth() <= DEEPEST,
            Err(_) => false,
        };
        if !is_unchanged {
            return false;
        }
    }
    true
}

fn rewrite_scalar(raw: &str, words: Option<&WordReplacer<'_>>) -> Rewrite {
    if let Some(words) = words {
        // The first pass has already replaced invalid scalars.
        words
            .replacement_of(raw)
            .map_or(Rewrite::Unchanged, |replacement| Rewrite::Text(replacement.to_owned()))
    } else if !json::is_scalar(raw) || is_beyond_a_double(raw) {
        Rewrite::Text(raw.to_string())
    } else {
        Rewrite::Unchanged
    }
}

/// `1e999` is valid JSON, but most readers reject the whole document because of it.
fn is_beyond_a_double(scalar: &str) -> bool {
    (scalar.len() > 300 || memchr::memchr2(b'e', b'E', scalar.as_bytes()).is_some())
        && json::is_number(scalar)
        && !scalar.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The shortest end of the path that is the name of a sealed field; the whole path if there is none.
fn tagged_name<'p>(path: &'p str, policy: &Policy) -> &'p str {
    let ends = path.rmatch_indices('.').map(|(dot, _)| &path[dot + 1..]);
    ends.into_iter().find(|end| policy.seals(end)).unwrap_or(path)
}

struct Writer<'w, 'e> {
    policy: &'e Policy,
    pass: Pass<'w, 'e>,
    raw: &'w str,
    path: Path,
    body: Vec<u8>,
    changed: bool,
    /// The result is a text. Tags inside it cannot be searched, so they are also noted for the event.
    too_deep: bool,
    /// Inside an object or array that is sealed as a whole.
    sealing: Option<SealedContainer<'w, 'e>>,
    /// The next value was sealed in the first pass.
    sealed_before: bool,
    /// A comma is due before the next key or element.
    separate: bool,
}

/// An object or array that is sealed as a whole.
struct SealedContainer<'w, 'e> {
    treatment: Treatment<'e>,
    key: json::Quoted<'w>,
    start: usize,
    /// The depth outside of it.
    depth: usize,
}

impl<'w, 'e> Writer<'w, 'e> {
    /// Writes the whole value; `false` if `raw` is not valid JSON.
    fn write(&mut self) -> bool {
        let mut tokens = Tokens::new(self.raw);
        let mut treated = None;
        while let Some(token) = tokens.next() {
            let Ok(token) = token else { return false };
            let depth = tokens.depth();
            if let Some(sealing) = self.sealing.take_if(|sealing| sealing.depth == depth) {
                self.finish_sealing(&sealing, tokens.at());
            } else if self.sealing.is_some() {
                // Skipped up to the end of the sealed container.
            } else if let Some((treatment, key)) = treated.take() {
                self.start_sealing(treatment, key, token, &tokens);
            } else {
                treated = self.token(token);
            }
        }
        true
    }

    /// Seals the value of a sealed key; `token` is the first token of the value.
    fn start_sealing(
        &mut self,
        treatment: Treatment<'e>,
        key: json::Quoted<'w>,
        token: Token<'w>,
        tokens: &Tokens<'w>,
    ) {
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                let (start, depth) = (tokens.at() - 1, tokens.depth() - 1);
                self.sealing = Some(SealedContainer { treatment, key, start, depth });
            }
            Token::Scalar("null") => _ = self.token(token),
            Token::Scalar(scalar) => self.seal(treatment, key, scalar),
            // A text is a plain value, even if it looks like an object.
            Token::Text(text) => self.seal(treatment, key, &text.decode()),
            Token::Key(_) | Token::ObjectEnd | Token::ArrayEnd => {}
        }
    }

    fn seal(&mut self, treatment: Treatment<'e>, key: json::Quoted<'w>, value: &str) {
        let Pass::Seal(event_sealer) = &mut self.pass else { return };
        let found = event_sealer.seal_value(treatment, Cow::Owned(value.to_owned()));
        self.write_replacement(key, found);
    }

    fn finish_sealing(&mut self, sealing: &SealedContainer<'w, 'e>, end: usize) {
        let Pass::Seal(event_sealer) = &mut self.pass else { return };
        let found = event_sealer.seal_composite(sealing.treatment, &self.raw[sealing.start..end]);
        self.write_replacement(sealing.key, found);
    }

    fn write_replacement(&mut self, key: json::Quoted<'w>, found: ReplacementId) {
        let Pass::Seal(event_sealer) = &mut self.pass else { return };
        json::write_string(event_sealer.replacement_text(found), &mut self.body);
        if let Some(tag) = event_sealer.tag(found) {
            self.body.push(b',');
            json::write_string(&tag_name(&key.decode()), &mut self.body);
            self.body.push(b':');
            json::write_string(tag, &mut self.body);
        }
        if self.too_deep {
            event_sealer.note_tag(tagged_name(self.path.as_str(), self.policy), found);
        }
        self.changed = true;
        self.separate = true;
    }

    /// Writes one token. Returns the treatment and the key if it is the key of a value to seal.
    fn token(&mut self, token: Token<'w>) -> Option<(Treatment<'e>, json::Quoted<'w>)> {
        if self.separate && !matches!(token, Token::ObjectEnd | Token::ArrayEnd) {
            self.body.push(b',');
        }
        self.separate = !matches!(token, Token::ObjectStart | Token::ArrayStart | Token::Key(_));
        let sealed_before = std::mem::take(&mut self.sealed_before);
        match token {
            Token::ObjectStart => self.open(b'{'),
            Token::ArrayStart => self.open(b'['),
            Token::ObjectEnd => self.close(b'}'),
            Token::ArrayEnd => self.close(b']'),
            Token::Text(text) => self.quoted(text, !sealed_before),
            Token::Scalar(scalar) => self.scalar(scalar),
            Token::Key(key) => return self.key(key),
        }
        None
    }

    fn key(&mut self, key: json::Quoted<'w>) -> Option<(Treatment<'e>, json::Quoted<'w>)> {
        let name = key.decode();
        self.path.key(&name);
        // A dot inside a key separates names like a dot between keys.
        let (path, policy) = (self.path.as_str(), self.policy);
        let treatment = policy.treatment(path).or_else(|| policy.treatment(&name));
        let is_tag = policy.is_tag(path) || policy.is_tag(&name);
        let to_seal = match self.pass {
            // A field of the log with the name of a tag: renamed, because the name is reserved for Logwarden's tag.
            Pass::Seal(_) if is_tag => {
                self.text(&(key.decode() + "_"));
                self.changed = true;
                None
            }
            Pass::Seal(_) => {
                // The name of a sealed field stays, even if it equals its value.
                self.quoted(key, false);
                treatment
            }
            Pass::Replace(..) => {
                self.sealed_before = treatment.is_some() || is_tag;
                self.quoted(key, !self.sealed_before);
                None
            }
        };
        self.body.push(b':');
        to_seal.map(|treatment| (treatment, key))
    }

    fn open(&mut self, bracket: u8) {
        self.path.open();
        self.body.push(bracket);
    }

    fn close(&mut self, bracket: u8) {
        self.path.close();
        self.body.push(bracket);
    }

    fn quoted(&mut self, text: json::Quoted<'_>, protect: bool) {
        let odd = text.0.bytes().any(|byte| byte < 0x20 || byte == b'\\');
        let words = self.pass.words().filter(|_| protect);
        if !odd && words.is_none() {
            self.body.push(b'"');
            self.body.extend_from_slice(text.0.as_bytes());
            self.body.push(b'"');
            return;
        }
        let decoded = text.decode();
        let quoted = match &mut self.pass {
            Pass::Seal(event_sealer) if protect => seal_quoted_values(&decoded, event_sealer, &[]),
            _ => None,
        };
        if let Some(sealed) = quoted {
            self.changed = true;
            return self.text(&sealed);
        }
        // U+FFFD replaces half of a surrogate pair, which readers would reject.
        self.changed |= text.0.bytes().any(|byte| byte < 0x20) || decoded.contains('\u{fffd}');
        let replaced = words.and_then(|words| words.replace(&decoded));
        self.changed |= replaced.is_some();
        self.text(replaced.as_deref().unwrap_or(&decoded));
    }

    fn scalar(&mut self, scalar: &str) {
        let replacement = self.pass.words().and_then(|words| words.replacement_of(scalar));
        if replacement.is_some() || is_beyond_a_double(scalar) {
            self.changed = true;
            self.text(replacement.unwrap_or(scalar));
        } else {
            self.body.extend_from_slice(scalar.as_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        json::write_string(text, &mut self.body);
    }
}
