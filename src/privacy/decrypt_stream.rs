//! Decrypts the tokens inside a stream of text. All other bytes, and tokens that cannot be decrypted, stay unchanged.
//!
//! Between double quotes on a line, as in JSON, a value is written with JSON escapes, so that a document stays valid;
//! elsewhere it is written unchanged. Never buffers more than one token.

use memchr::memmem;

use super::base64url;
use super::decryptor::{DecryptError, DecryptedValue, Decryptor};
use super::token::{LONGEST_TEXT, PREFIX};
use crate::base::{json, sanitize};

/// `enc1.` with fewer characters after it is taken as ordinary text, not as a damaged token: not even a key id fits.
const SHORTEST_REPORTED: usize = 16;

#[derive(Debug)]
pub struct StreamDecryptor<'a> {
    decryptor: &'a Decryptor,
    /// Bytes that may be the beginning of a token.
    pending: Vec<u8>,
    quotes: Quotes,
    /// Output for people: no value may contain terminal control sequences or line ends.
    one_line: bool,
}

/// Called with the decrypted value of each token, or the reason why it stays unchanged.
pub type Each<'f> = &'f mut dyn FnMut(Result<DecryptedValue, DecryptError>);

impl<'a> StreamDecryptor<'a> {
    pub fn new(decryptor: &'a Decryptor) -> Self {
        let (pending, quotes) = (Vec::new(), Quotes::default());
        StreamDecryptor { decryptor, pending, quotes, one_line: false }
    }

    /// `true`: the output is text for people, so values are sanitised and stay on one line.
    #[must_use]
    pub fn on_one_line(mut self, one_line: bool) -> Self {
        self.one_line = one_line;
        self
    }

    /// Appends the output for all input that is complete so far. Calls `each` for each token.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>, each: Each<'_>) {
        let mut pending = std::mem::take(&mut self.pending);
        match pending.is_empty() {
            true => {
                let processed = self.process(bytes, false, out, each);
                pending.extend_from_slice(&bytes[processed..]);
            }
            false => {
                pending.extend_from_slice(bytes);
                let processed = self.process(&pending, false, out, each);
                pending.drain(..processed);
            }
        }
        self.pending = pending;
    }

    /// At the end of the text: appends the output for the bytes that are still pending.
    pub fn finish(&mut self, out: &mut Vec<u8>, each: Each<'_>) {
        let pending = std::mem::take(&mut self.pending);
        self.process(&pending, true, out, each);
        self.quotes = Quotes::default();
    }

    /// Returns the number of processed bytes of `text`; at its `end` all of them.
    fn process(&mut self, text: &[u8], end: bool, out: &mut Vec<u8>, each: Each<'_>) -> usize {
        let mut at = 0;
        while let Some(found) = memmem::find(&text[at..], PREFIX.as_bytes()) {
            self.copy(&text[at..at + found], out);
            at += found;
            let token = Self::candidate(&text[at..]);
            if !end && at + token.len() == text.len() && token.len() < PREFIX.len() + LONGEST_TEXT {
                return at;
            }
            at += self.token(token, out, each);
        }
        let rest = &text[at..];
        let begun = |length: &usize| rest.ends_with(&PREFIX.as_bytes()[..*length]);
        let pending = if end { 0 } else { (1..PREFIX.len()).rev().find(begun).unwrap_or(0) };
        self.copy(&rest[..rest.len() - pending], out);
        text.len() - pending
    }

    /// The longest text at the beginning that can be a token: the prefix and the base64url after it.
    fn candidate(text: &[u8]) -> &str {
        let longest = &text[..text.len().min(PREFIX.len() + LONGEST_TEXT)];
        let code = base64url::length(&longest[PREFIX.len()..]);
        std::str::from_utf8(&text[..PREFIX.len() + code]).expect("it is ASCII")
    }

    /// Returns the number of processed bytes: the token, or only the prefix if it cannot be decrypted.
    fn token(&mut self, text: &str, out: &mut Vec<u8>, each: Each<'_>) -> usize {
        match self.decryptor.open_first(text) {
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
                if text.len() >= PREFIX.len() + SHORTEST_REPORTED {
                    each(Err(error));
                }
                // The text after the prefix may end in the prefix of the next token.
                self.copy(PREFIX.as_bytes(), out);
                PREFIX.len()
            }
        }
    }

    fn copy(&mut self, text: &[u8], out: &mut Vec<u8>) {
        self.quotes.read(text);
        out.extend_from_slice(text);
    }
}

/// Tracks whether the current position of a line is between double quotes.
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
