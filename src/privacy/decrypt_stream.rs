//! Tokens inside any text, opened while it streams by. Everything else passes to the byte, and so does a token
//! that cannot be opened.
//!
//! Where a token stands between double quotes on its line, as in JSON, its value is written with the escapes
//! that JSON demands, so that a document stays one; anywhere else as it is. Never keeps more than one token.

use memchr::memmem;

use super::base64url;
use super::decryptor::{OpenError, Opened, Opener};
use super::token::{LONGEST_TEXT, PREFIX};
use crate::base::{json, sanitize};

/// Fewer characters behind `enc1.` are a word of the text, not the beginning of a token: not even its key shows.
const FEWEST: usize = 16;

#[derive(Debug)]
pub struct Revealer<'a> {
    opener: &'a Opener,
    /// What may be the beginning of a token.
    kept: Vec<u8>,
    quotes: Quotes,
    /// Each line is one of a person's: no value steers a terminal or makes another line.
    one_line: bool,
}

/// Takes what a token held, or why it stayed as it was.
pub type Each<'f> = &'f mut dyn FnMut(Result<Opened, OpenError>);

impl<'a> Revealer<'a> {
    pub fn new(opener: &'a Opener) -> Self {
        Revealer { opener, kept: Vec::new(), quotes: Quotes::default(), one_line: false }
    }

    /// For lines that a person reads: values are made harmless.
    #[must_use]
    pub fn on_one_line(mut self, one_line: bool) -> Self {
        self.one_line = one_line;
        self
    }

    /// Appends what is settled by now. Calls `each` for each token.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, each: Each<'_>) {
        let mut kept = std::mem::take(&mut self.kept);
        match kept.is_empty() {
            true => {
                let settled = self.settle(bytes, false, out, each);
                kept.extend_from_slice(&bytes[settled..]);
            }
            false => {
                kept.extend_from_slice(bytes);
                let settled = self.settle(&kept, false, out, each);
                kept.drain(..settled);
            }
        }
        self.kept = kept;
    }

    /// The end of the text.
    pub fn finish(&mut self, out: &mut Vec<u8>, each: Each<'_>) {
        let kept = std::mem::take(&mut self.kept);
        self.settle(&kept, true, out, each);
        self.quotes = Quotes::default();
    }

    /// How much of `text` is settled; at its end all of it is.
    fn settle(&mut self, text: &[u8], end: bool, out: &mut Vec<u8>, each: Each<'_>) -> usize {
        let mut at = 0;
        while let Some(found) = memmem::find(&text[at..], PREFIX.as_bytes()) {
            self.pass(&text[at..at + found], out);
            at += found;
            let token = Self::code(&text[at..]);
            if !end && at + token.len() == text.len() && token.len() < PREFIX.len() + LONGEST_TEXT {
                return at;
            }
            at += self.token(token, out, each);
        }
        let rest = &text[at..];
        let begun = |length: &usize| rest.ends_with(&PREFIX.as_bytes()[..*length]);
        let kept = if end { 0 } else { (1..PREFIX.len()).rev().find(begun).unwrap_or(0) };
        self.pass(&rest[..rest.len() - kept], out);
        text.len() - kept
    }

    /// The prefix and all behind it that a token can consist of.
    fn code(text: &[u8]) -> &str {
        let longest = &text[..text.len().min(PREFIX.len() + LONGEST_TEXT)];
        let code = base64url::length(&longest[PREFIX.len()..]);
        std::str::from_utf8(&text[..PREFIX.len() + code]).expect("it is ASCII")
    }

    /// How much of it is settled: the token, or the prefix of what stays.
    fn token(&mut self, text: &str, out: &mut Vec<u8>, each: Each<'_>) -> usize {
        match self.opener.open_first(text) {
            Ok((length, opened)) => {
                match self.quotes.inside {
                    _ if self.one_line => {
                        out.extend_from_slice(sanitize::line(&opened.value).as_bytes());
                    }
                    true => json::write_escaped(&opened.value, out),
                    false => out.extend_from_slice(opened.value.as_bytes()),
                }
                each(Ok(opened));
                length
            }
            Err(error) => {
                if text.len() >= PREFIX.len() + FEWEST {
                    each(Err(error));
                }
                // What it consists of may end in the prefix of the next one.
                self.pass(PREFIX.as_bytes(), out);
                PREFIX.len()
            }
        }
    }

    fn pass(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.quotes.read(text);
        out.extend_from_slice(text);
    }
}

/// Whether a place of a line stands between double quotes.
#[derive(Debug, Default)]
struct Quotes {
    inside: bool,
    escaped: bool,
}

impl Quotes {
    fn read(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'\n' => *self = Quotes::default(),
                _ if self.escaped => self.escaped = false,
                b'\\' if self.inside => self.escaped = true,
                b'"' => self.inside = !self.inside,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
