//! Reads and writes JSON text without building trees: splits a text into tokens, and decodes and encodes strings.

use std::borrow::Cow;

/// One token. Commas, colons and white space are checked and skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key(Quoted<'a>),
    Text(Quoted<'a>),
    /// A number, `true`, `false` or `null`, as written.
    Scalar(&'a str),
}

/// The text between the quotes of a JSON string, still escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a>(pub &'a str);

impl<'a> Quoted<'a> {
    /// The unescaped text. An escaped surrogate without its other half becomes U+FFFD, and so does an escape that is
    /// not valid JSON.
    pub fn decode(self) -> Cow<'a, str> {
        let Some(first) = memchr::memchr(b'\\', self.0.as_bytes()) else {
            return Cow::Borrowed(self.0);
        };
        let mut text = String::with_capacity(self.0.len());
        text.push_str(&self.0[..first]);
        let mut rest = &self.0[first..];
        while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
            text.push_str(&rest[..at]);
            rest = decode_escape(&rest[at + 1..], &mut text);
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

/// `rest` begins after the backslash; returns the text after the escape.
fn decode_escape<'a>(rest: &'a str, text: &mut String) -> &'a str {
    let mut characters = rest.chars();
    let plain = match characters.next() {
        Some(same @ ('"' | '\\' | '/')) => same,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return decode_unicode(characters.as_str(), text),
        _ => '\u{fffd}',
    };
    text.push(plain);
    characters.as_str()
}

fn decode_unicode<'a>(rest: &'a str, text: &mut String) -> &'a str {
    let Some(first) = four_digits(rest) else {
        text.push('\u{fffd}');
        return rest;
    };
    let rest = &rest[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(second) = rest.strip_prefix("\\u").and_then(four_digits)
        && (0xdc00..0xe000).contains(&second)
    {
        let joined = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        text.push(char::from_u32(joined).unwrap_or('\u{fffd}'));
        return &rest[6..];
    }
    text.push(char::from_u32(first).unwrap_or('\u{fffd}'));
    rest
}

fn four_digits(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    let all = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Appends `text` as a JSON string with its quotes. Characters that control a terminal or are invisible are escaped
/// as `\uXXXX`, which is equivalent JSON, because documents are also read on terminals.
pub fn write_string(text: &str, body: &mut Vec<u8>) {
    body.push(b'"');
    write_by(&CAREFUL, text.as_bytes(), body);
    body.push(b'"');
}

/// Appends `text` as the content of a JSON string, with the escapes that JSON requires and no others: as most
/// programs write it, so that the result can be searched for in their output.
pub fn write_escaped(text: &str, body: &mut Vec<u8>) {
    write_by(&REQUIRED, text.as_bytes(), body);
}

/// Makes JSON text from elsewhere safe to show: unescaped characters that control a terminal or are invisible are
/// escaped. Equivalent JSON, because everything outside strings is ASCII. Line ends are kept.
pub fn harmless(json: &[u8]) -> Cow<'_, [u8]> {
    if json.iter().all(|byte| HIDING[usize::from(*byte)] == 0) {
        return Cow::Borrowed(json);
    }
    let mut body = Vec::with_capacity(json.len() + 16);
    write_by(&HIDING, json, &mut body);
    Cow::Owned(body)
}

/// Appends `text` with the escapes of a table such as [`REQUIRED`].
fn write_by(escapes: &[u8; 256], text: &[u8], body: &mut Vec<u8>) {
    let mut written = 0;
    for (start, chunk) in (0..).step_by(CHUNK).zip(text.chunks(CHUNK)) {
        if chunk.try_into().is_ok_and(is_plain) {
            continue;
        }
        for (at, &byte) in (start..).zip(chunk) {
            let escape = escapes[usize::from(byte)];
            if escape == 0 {
                continue;
            }
            let (code, length) = match escape {
                CHECK => match hidden(&text[at..]) {
                    Some(found) => found,
                    None => continue,
                },
                _ => (u16::from(byte), 1),
            };
            body.extend_from_slice(&text[written..at]);
            written = at + length;
            match escape {
                b'u' | CHECK => write_code(code, body),
                short => body.extend_from_slice(&[b'\\', short]),
            }
        }
    }
    body.extend_from_slice(&text[written..]);
}

/// Bytes that are checked in one step.
const CHUNK: usize = 16;

/// The chunk is visible ASCII without quotes and backslashes: no table escapes any of it.
fn is_plain(chunk: &[u8; CHUNK]) -> bool {
    let odd = |byte: u8| !(b' '..=b'~').contains(&byte) | (byte == b'"') | (byte == b'\\');
    !chunk.iter().fold(false, |any, byte| any | odd(*byte))
}

fn write_code(code: u16, body: &mut Vec<u8>) {
    body.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        body.push(b"0123456789abcdef"[usize::from((code >> shift) & 15)]);
    }
}

/// The character at the beginning of `bytes` and its length in bytes, if `sanitize` would not show it as it is. All
/// such characters outside ASCII begin with one of the four bytes marked with [`CHECK`].
fn hidden(bytes: &[u8]) -> Option<(u16, usize)> {
    let later = |byte: &u8| u16::from(*byte) - 0x80;
    match bytes {
        [0xc2, last @ (0x80..=0x9f | 0xad), ..] => Some((0x80 + later(last), 2)),
        [0xd8, 0x9c, ..] => Some((0x061c, 2)),
        [0xe2, 0x80, last @ (0x8b..=0x8f | 0xa8..=0xae), ..] => Some((0x2000 + later(last), 3)),
        [0xe2, 0x81, last @ 0xa0..=0xaf, ..] => Some((0x2040 + later(last), 3)),
        [0xef, 0xbb, 0xbf, ..] => Some((0xfeff, 3)),
        [0xef, 0xbe, 0xa0, ..] => Some((0xffa0, 3)),
        [0xef, 0xbf, last @ 0xb9..=0xbb, ..] => Some((0xffc0 + later(last), 3)),
        _ => None,
    }
}

/// The escapes that JSON requires. For each byte, the character after the backslash, `u` for a code such as `\u001f`;
/// 0: no escape.
const REQUIRED: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut control = 0;
    while control < 0x20 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// In a table: [`hidden`] decides whether the character that begins with this byte is escaped.
const CHECK: u8 = b'?';

/// Escapes for the characters that JSON allows unescaped, but that are unsafe to show: those of [`hidden`], and DEL.
const HIDING: [u8; 256] = with_hiding([0; 256]);

/// The escapes of [`REQUIRED`] and [`HIDING`].
const CAREFUL: [u8; 256] = with_hiding(REQUIRED);

const fn with_hiding(mut table: [u8; 256]) -> [u8; 256] {
    table[0x7f] = b'u';
    table[0xc2] = CHECK;
    table[0xd8] = CHECK;
    table[0xe2] = CHECK;
    table[0xef] = CHECK;
    table
}

/// The text is not valid JSON; `at` is the offset of the error in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson {
    pub at: usize,
}

/// Reads the tokens of one JSON value, nested to any depth. Ends after the first error. Checks the grammar except
/// inside strings: control characters and unknown escapes are accepted ([`Quoted::decode`]).
#[derive(Debug)]
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The open brackets, `true` for an object.
    open: Vec<bool>,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value or `]`.
    FirstElement,
    Key,
    /// A key or `}`.
    FirstKey,
    /// A comma or the closing bracket.
    Next,
    Nothing,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Tokens { text, at: 0, open: Vec::new(), expect: Expect::Value }
    }

    /// Number of brackets that are open now.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Offset after the last token, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    fn token(&mut self) -> Result<Option<Token<'a>>, NotJson> {
        self.skip_blanks();
        if self.expect == Expect::Next {
            match (self.byte(), self.open.last()) {
                (Some(b','), Some(&object)) => {
                    self.at += 1;
                    self.expect = if object { Expect::Key } else { Expect::Value };
                    self.skip_blanks();
                }
                (Some(b'}'), Some(true)) => return Ok(Some(self.close(Token::ObjectEnd))),
                (Some(b']'), Some(false)) => return Ok(Some(self.close(Token::ArrayEnd))),
                _ => return Err(NotJson { at: self.at }),
            }
        }
        match (self.expect, self.byte()) {
            (Expect::Nothing, None) => Ok(None),
            (Expect::FirstKey, Some(b'}')) => Ok(Some(self.close(Token::ObjectEnd))),
            (Expect::FirstElement, Some(b']')) => Ok(Some(self.close(Token::ArrayEnd))),
            (Expect::Key | Expect::FirstKey, Some(b'"')) => self.key().map(Some),
            (Expect::Value | Expect::FirstElement, Some(byte)) => self.value(byte).map(Some),
            _ => Err(NotJson { at: self.at }),
        }
    }

    fn close(&mut self, token: Token<'a>) -> Token<'a> {
        self.at += 1;
        self.open.pop();
        self.after_value();
        token
    }

    fn after_value(&mut self) {
        self.expect = if self.open.is_empty() { Expect::Nothing } else { Expect::Next };
    }

    fn key(&mut self) -> Result<Token<'a>, NotJson> {
        let key = self.quoted()?;
        self.skip_blanks();
        if self.byte() != Some(b':') {
            return Err(NotJson { at: self.at });
        }
        self.at += 1;
        self.expect = Expect::Value;
        Ok(Token::Key(key))
    }

    fn value(&mut self, first: u8) -> Result<Token<'a>, NotJson> {
        let opened = match first {
            b'{' => Some((Token::ObjectStart, Expect::FirstKey)),
            b'[' => Some((Token::ArrayStart, Expect::FirstElement)),
            _ => None,
        };
        if let Some((token, expect)) = opened {
            self.at += 1;
            self.open.push(first == b'{');
            self.expect = expect;
            return Ok(token);
        }
        let token =
            if first == b'"' { Token::Text(self.quoted()?) } else { Token::Scalar(self.scalar()?) };
        self.after_value();
        Ok(token)
    }

    fn quoted(&mut self) -> Result<Quoted<'a>, NotJson> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        loop {
            match memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
                None => return Err(NotJson { at: start }),
                Some(found) if bytes[at + found] == b'"' => {
                    self.at = at + found + 1;
                    return Ok(Quoted(&self.text[start..at + found]));
                }
                // Skip the escaped byte: it may be a quote.
                Some(found) => at += found + 2,
            }
        }
    }

    fn scalar(&mut self) -> Result<&'a str, NotJson> {
        let rest = &self.text[self.at..];
        let ends = |byte: u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        let length = rest.bytes().position(ends).unwrap_or(rest.len());
        let scalar = &rest[..length];
        if !is_scalar(scalar) {
            return Err(NotJson { at: self.at });
        }
        self.at += length;
        Ok(scalar)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, NotJson>;

    fn next(&mut self) -> Option<Self::Item> {
        let token = self.token().transpose();
        if let Some(Err(_)) = token {
            *self = Tokens { text: "", at: 0, open: Vec::new(), expect: Expect::Nothing };
        }
        token
    }
}

/// `true`, `false`, `null` or a number of the JSON grammar.
pub fn is_scalar(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || is_number(text)
}

/// A number of the JSON grammar (RFC 8259, section 6).
pub fn is_number(text: &str) -> bool {
    fn digits(text: &str) -> (usize, &str) {
        let count = text.bytes().take_while(u8::is_ascii_digit).count();
        (count, &text[count..])
    }
    let text = text.strip_prefix('-').unwrap_or(text);
    let (whole, mut rest) = digits(text);
    if whole == 0 || (whole > 1 && text.starts_with('0')) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let (count, after) = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let (count, after) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        return count > 0 && after.is_empty();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;
