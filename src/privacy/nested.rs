//! JSON values inside an event: sealed inside, and made fit for every reader. Written again only where
//! something has to change.

use super::words::Words;
use super::{Policy, SEALED};
use crate::base::json::{self, Token, Tokens};
use crate::event::document::{DEEPEST, Path};

/// What became of a JSON value.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    AsItWas,
    Rewritten(String),
    /// It cannot stand in a document as JSON (too deep, a number that no double holds, no JSON at all): this
    /// text stands for it.
    Text(String),
}

/// Seals what the policy names inside the value at `path`, notes the sealed texts in `values`, and replaces
/// `words` in all its texts. One line comes out.
pub(super) fn settle(
    path: &str,
    raw: &str,
    policy: &Policy,
    words: &Words,
    values: &mut Vec<String>,
) -> Settled {
    if !raw.starts_with(['{', '[']) {
        return settle_scalar(raw, words);
    }
    if words.is_empty() && stays_as_it_is(raw, policy) {
        return Settled::AsItWas;
    }
    let mut writer = Writer {
        policy,
        words,
        values,
        path: Path::new(path),
        body: Vec::with_capacity(raw.len()),
        changed: memchr::memchr2(b'\n', b'\r', raw.as_bytes()).is_some(),
        deepest: 0,
        sealed_depth: None,
        separate: false,
    };
    if !writer.write(raw) {
        // Not JSON: nobody can say what is in it.
        let text = if policy.seals_anything() { SEALED } else { raw };
        return Settled::Text(text.to_string());
    }
    let (changed, deepest) = (writer.changed, writer.deepest);
    let text = String::from_utf8(writer.body).expect("tokens of a text are text");
    match () {
        () if deepest > DEEPEST => Settled::Text(text),
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
            Ok(Token::Key(key)) => policy.never_seals(key.0),
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

fn settle_scalar(raw: &str, words: &Words) -> Settled {
    if words.contain(raw) {
        Settled::Text(SEALED.to_string())
    } else if !json::is_scalar(raw) || is_beyond_a_double(raw) {
        Settled::Text(raw.to_string())
    } else {
        Settled::AsItWas
    }
}

/// Every text of the value, for a field that is sealed as a whole.
pub(super) fn collect_texts(raw: &str, values: &mut Vec<String>) {
    for token in Tokens::new(raw).map_while(Result::ok) {
        note(&token, values);
    }
}

fn note(token: &Token<'_>, values: &mut Vec<String>) {
    match token {
        Token::Text(text) => values.push(text.decode().into_owned()),
        Token::Scalar("true" | "false" | "null") => {}
        Token::Scalar(number) => values.push((*number).to_string()),
        _ => {}
    }
}

/// `1e999` is JSON, but most readers refuse the whole document for it.
fn is_beyond_a_double(scalar: &str) -> bool {
    (scalar.len() > 300 || memchr::memchr2(b'e', b'E', scalar.as_bytes()).is_some())
        && json::is_number(scalar)
        && !scalar.parse::<f64>().is_ok_and(f64::is_finite)
}

struct Writer<'w> {
    policy: &'w Policy,
    words: &'w Words,
    values: &'w mut Vec<String>,
    path: Path,
    body: Vec<u8>,
    changed: bool,
    deepest: usize,
    /// Inside a sealed object or array: the depth outside of it.
    sealed_depth: Option<usize>,
    /// A comma is due before the next key or element.
    separate: bool,
}

impl Writer<'_> {
    /// `false` where `raw` is not JSON.
    fn write(&mut self, raw: &str) -> bool {
        let mut tokens = Tokens::new(raw);
        let mut sealed_next = false;
        while let Some(token) = tokens.next() {
            let Ok(token) = token else { return false };
            let depth = tokens.depth();
            self.deepest = self.deepest.max(depth);
            if let Some(outside) = self.sealed_depth {
                note(&token, self.values);
                if depth == outside {
                    self.sealed_depth = None;
                }
                continue;
            }
            if sealed_next {
                sealed_next = false;
                self.seal(&token, depth);
                continue;
            }
            sealed_next = self.token(token);
        }
        true
    }

    /// The value of a sealed key.
    fn seal(&mut self, token: &Token<'_>, depth: usize) {
        if *token == Token::Scalar("null") {
            self.token(*token);
            return;
        }
        note(token, self.values);
        self.text(SEALED);
        self.changed = true;
        self.separate = true;
        if matches!(token, Token::ObjectStart | Token::ArrayStart) {
            self.sealed_depth = Some(depth - 1);
        }
    }

    /// `true` after the key of a sealed value.
    fn token(&mut self, token: Token<'_>) -> bool {
        if self.separate && !matches!(token, Token::ObjectEnd | Token::ArrayEnd) {
            self.body.push(b',');
        }
        self.separate = !matches!(token, Token::ObjectStart | Token::ArrayStart | Token::Key(_));
        match token {
            Token::ObjectStart => self.open(b'{'),
            Token::ArrayStart => self.open(b'['),
            Token::ObjectEnd => self.close(b'}'),
            Token::ArrayEnd => self.close(b']'),
            Token::Text(text) => self.quoted(text, true),
            Token::Scalar(scalar) => self.scalar(scalar),
            Token::Key(key) => {
                self.path.key(&key.decode());
                let sealed = self.policy.seals(self.path.as_str());
                // The name of a sealed field stays, even where its value is the same word.
                self.quoted(key, !sealed);
                self.body.push(b':');
                return sealed;
            }
        }
        false
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
        if !odd && self.words.is_empty() {
            self.body.push(b'"');
            self.body.extend_from_slice(text.0.as_bytes());
            self.body.push(b'"');
            return;
        }
        let decoded = text.decode();
        // U+FFFD stands for half of a surrogate pair: as it was written, no reader would take it.
        self.changed |= text.0.bytes().any(|byte| byte < 0x20) || decoded.contains('\u{fffd}');
        match self.words.replace(&decoded) {
            Some(replaced) if protect => {
                self.changed = true;
                self.text(&replaced);
            }
            _ => self.text(&decoded),
        }
    }

    fn scalar(&mut self, scalar: &str) {
        let sealed = self.words.contain(scalar);
        if sealed || is_beyond_a_double(scalar) {
            self.changed = true;
            self.text(if sealed { SEALED } else { scalar });
        } else {
            self.body.extend_from_slice(scalar.as_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        json::write_string(text, &mut self.body);
    }
}
