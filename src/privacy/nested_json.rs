//! JSON values inside an event: sealed inside, and made fit for every reader. Written again only where
//! something has to change.

use std::borrow::Cow;

use super::policy::Treatment;
use super::quoted_values::seal_in;
use super::replacements::Found;
use super::sealed_values::Seals;
use super::tag::tag_name;
use super::whole_words::Words;
use super::{Policy, SEALED};
use crate::base::json::{self, Token, Tokens};
use crate::event::document::{DEEPEST, Path, is_too_deep};

/// What became of a JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    AsItWas,
    Rewritten(String),
    /// It cannot stand in a document as JSON (too deep, a number that no double holds, no JSON at all): this
    /// text stands for it.
    Text(String),
}

/// What is to become of it.
pub(super) enum Pass<'p, 'e> {
    /// What the policy names inside is sealed, and noted.
    Seal(&'p mut Seals<'e>),
    /// Words are replaced in all texts but what was sealed.
    Replace(&'e Policy, &'p Words<'p>),
}

impl<'p, 'e> Pass<'p, 'e> {
    fn policy(&self) -> &'e Policy {
        match self {
            Pass::Seal(seals) => seals.policy(),
            Pass::Replace(policy, _) => policy,
        }
    }

    fn words(&self) -> Option<&'p Words<'p>> {
        match self {
            Pass::Seal(_) => None,
            Pass::Replace(_, words) => Some(words),
        }
    }
}

/// The value at `path`. One line comes out.
pub(super) fn settle(path: &str, raw: &str, pass: Pass<'_, '_>) -> Settled {
    if !raw.starts_with(['{', '[']) {
        return settle_scalar(raw, pass.words());
    }
    let as_it_was = match &pass {
        Pass::Seal(seals) => stays_as_it_is(raw, seals.policy()),
        // It was settled before, and what has no escape is as it looks.
        Pass::Replace(_, words) => {
            memchr::memchr(b'\\', raw.as_bytes()).is_none() && !words.stand_in(raw)
        }
    };
    if as_it_was {
        return Settled::AsItWas;
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
        // Not JSON: nobody can say what is in it.
        let text = if writer.policy.hides_anything() { SEALED } else { raw };
        return Settled::Text(text.to_string());
    }
    let (changed, too_deep) = (writer.changed, writer.too_deep);
    let text = String::from_utf8(writer.body).expect("tokens of a text are text");
    match () {
        () if too_deep => Settled::Text(text),
        () if changed => Settled::Rewritten(text),
        () => Settled::AsItWas,
    }
}

/// Seen at a glance, without writing anything; `false` where a closer look is needed.
fn stays_as_it_is(raw: &str, policy: &Policy) -> bool {
    // An escape or a control character anywhere, also the line ends of JSON over several lines.
    if raw.bytes().any(|byte| byte < 0x20 || byte == b'\\') {
        return false;
    }
    let mut tokens = Tokens::new(raw);
    while let Some(token) = tokens.next() {
        let plain = match token {
            Ok(Token::Key(key)) => policy.never_treats(key.0),
            Ok(Token::Scalar(scalar)) => !is_beyond_a_double(scalar),
            Ok(_) => tokens.depth() <= DEEPEST,
            Err(_) => false,
        };
        if !plain {
            return false;
        }
    }
    true
}

fn settle_scalar(raw: &str, words: Option<&Words<'_>>) -> Settled {
    if let Some(words) = words {
        // What is no scalar was settled before.
        words.stand_for(raw).map_or(Settled::AsItWas, |stand| Settled::Text(stand.to_owned()))
    } else if !json::is_scalar(raw) || is_beyond_a_double(raw) {
        Settled::Text(raw.to_string())
    } else {
        Settled::AsItWas
    }
}

/// `1e999` is JSON, but most readers refuse the whole document for it.
fn is_beyond_a_double(scalar: &str) -> bool {
    (scalar.len() > 300 || memchr::memchr2(b'e', b'E', scalar.as_bytes()).is_some())
        && json::is_number(scalar)
        && !scalar.parse::<f64>().is_ok_and(f64::is_finite)
}

/// As much of the path's end as makes it the name of a sealed field.
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
    /// It becomes a text, and the tags inside are noted: in a text nobody finds them.
    too_deep: bool,
    /// Inside an object or array that is sealed as a whole.
    sealing: Option<Sealing<'w, 'e>>,
    /// The next value was sealed in an earlier pass.
    sealed_before: bool,
    /// A comma is due before the next key or element.
    separate: bool,
}

/// An object or array that is sealed as a whole.
struct Sealing<'w, 'e> {
    treatment: Treatment<'e>,
    key: json::Quoted<'w>,
    start: usize,
    /// Outside of it.
    depth: usize,
}

impl<'w, 'e> Writer<'w, 'e> {
    /// `false` where `raw` is not JSON.
    fn write(&mut self) -> bool {
        let mut tokens = Tokens::new(self.raw);
        let mut treated = None;
        while let Some(token) = tokens.next() {
            let Ok(token) = token else { return false };
            let depth = tokens.depth();
            if let Some(sealing) = self.sealing.take_if(|sealing| sealing.depth == depth) {
                self.end_of_sealing(&sealing, tokens.at());
            } else if self.sealing.is_some() {
                // Until it ends.
            } else if let Some((treatment, key)) = treated.take() {
                self.begin_to_seal(treatment, key, token, &tokens);
            } else {
                treated = self.token(token);
            }
        }
        true
    }

    /// The value of a sealed key.
    fn begin_to_seal(
        &mut self,
        treatment: Treatment<'e>,
        key: json::Quoted<'w>,
        token: Token<'w>,
        tokens: &Tokens<'w>,
    ) {
        match token {
            Token::ObjectStart | Token::ArrayStart => {
                let (start, depth) = (tokens.at() - 1, tokens.depth() - 1);
                self.sealing = Some(Sealing { treatment, key, start, depth });
            }
            Token::Scalar("null") => _ = self.token(token),
            Token::Scalar(scalar) => self.seal(treatment, key, scalar),
            // Whatever it begins with, it is no object.
            Token::Text(text) => self.seal(treatment, key, &text.decode()),
            Token::Key(_) | Token::ObjectEnd | Token::ArrayEnd => {}
        }
    }

    fn seal(&mut self, treatment: Treatment<'e>, key: json::Quoted<'w>, value: &str) {
        let Pass::Seal(seals) = &mut self.pass else { return };
        let found = seals.value(treatment, Cow::Owned(value.to_owned()));
        self.write_stand(key, found);
    }

    fn end_of_sealing(&mut self, sealing: &Sealing<'w, 'e>, end: usize) {
        let Pass::Seal(seals) = &mut self.pass else { return };
        let found = seals.composite(sealing.treatment, &self.raw[sealing.start..end]);
        self.write_stand(sealing.key, found);
    }

    fn write_stand(&mut self, key: json::Quoted<'w>, found: Found) {
        let Pass::Seal(seals) = &mut self.pass else { return };
        json::write_string(seals.text(found), &mut self.body);
        if let Some(tag) = seals.tag(found) {
            self.body.push(b',');
            json::write_string(&tag_name(&key.decode()), &mut self.body);
            self.body.push(b':');
            json::write_string(tag, &mut self.body);
        }
        if self.too_deep {
            seals.note_tag(tagged_name(self.path.as_str(), self.policy), found);
        }
        self.changed = true;
        self.separate = true;
    }

    /// After the key of a value that is to be sealed: how, and the key.
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
        // A dot inside a key parts names as one between keys does.
        let (path, policy) = (self.path.as_str(), self.policy);
        let treatment = policy.treatment(path).or_else(|| policy.treatment(&name));
        let is_tag = policy.is_tag(path) || policy.is_tag(&name);
        let to_seal = match self.pass {
            // The log's own: the name is ours.
            Pass::Seal(_) if is_tag => {
                self.text(&(key.decode() + "_"));
                self.changed = true;
                None
            }
            Pass::Seal(_) => {
                // The name of a sealed field stays, even where its value is the same word.
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
            Pass::Seal(seals) if protect => seal_in(&decoded, seals, &[]),
            _ => None,
        };
        if let Some(sealed) = quoted {
            self.changed = true;
            return self.text(&sealed);
        }
        // U+FFFD stands for half of a surrogate pair: as it was written, no reader would take it.
        self.changed |= text.0.bytes().any(|byte| byte < 0x20) || decoded.contains('\u{fffd}');
        let replaced = words.and_then(|words| words.replace(&decoded));
        self.changed |= replaced.is_some();
        self.text(replaced.as_deref().unwrap_or(&decoded));
    }

    fn scalar(&mut self, scalar: &str) {
        let stand = self.pass.words().and_then(|words| words.stand_for(scalar));
        if stand.is_some() || is_beyond_a_double(scalar) {
            self.changed = true;
            self.text(stand.unwrap_or(scalar));
        } else {
            self.body.extend_from_slice(scalar.as_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        json::write_string(text, &mut self.body);
    }
}
