//! Decodes JSON escapes in any text and maps each position back to the original.
//!
//! Invalid escapes stay unchanged.

use memchr::memchr;

/// A text whose JSON escapes are decoded.
pub(super) struct Unescaped {
    pub text: String,
    /// For each byte of `text`, and for its end: where its character starts in the original.
    origins: Vec<usize>,
}

impl Unescaped {
    /// `None`: `text` has no escapes.
    pub fn of(text: &str) -> Option<Unescaped> {
        Self::read(text, |at| at)
    }

    /// Decodes the decoded text once more, for JSON inside JSON; origins still refer to the original text. `None`: it
    /// has no escapes.
    pub fn unescape_again(&self) -> Option<Unescaped> {
        Self::read(&self.text, |at| self.origins[at])
    }

    /// Where the character at `at` starts in the original.
    pub fn origin(&self, at: usize) -> usize {
        self.origins[at]
    }

    /// Whether the character at `at` is not an escape in the original.
    pub fn is_plain(&self, at: usize) -> bool {
        let length = self.text[at..].chars().next().map_or(0, char::len_utf8);
        self.origins[at + length] - self.origins[at] == length
    }

    fn read(text: &str, origin: impl Fn(usize) -> usize) -> Option<Unescaped> {
        memchr(b'\\', text.as_bytes())?;
        let mut unescaped = Unescaped {
            text: String::with_capacity(text.len()),
            origins: Vec::with_capacity(text.len() + 1),
        };
        let (mut rest, mut changed) = (text, false);
        while let Some(plain) = rest.chars().next() {
            let (letter, length) = escape(rest).unwrap_or((plain, plain.len_utf8()));
            changed |= length != plain.len_utf8();
            let at = origin(text.len() - rest.len());
            unescaped.text.push(letter);
            unescaped.origins.resize(unescaped.text.len(), at);
            rest = &rest[length..];
        }
        unescaped.origins.push(origin(text.len()));
        changed.then_some(unescaped)
    }
}

/// The escape at the beginning of `text`: the character it stands for, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let (letter, length) = match text.as_bytes() {
        [b'\\', letter @ (b'"' | b'\\' | b'/'), ..] => (char::from(*letter), 2),
        [b'\\', b'b', ..] => ('\u{8}', 2),
        [b'\\', b'f', ..] => ('\u{c}', 2),
        [b'\\', b'n', ..] => ('\n', 2),
        [b'\\', b'r', ..] => ('\r', 2),
        [b'\\', b't', ..] => ('\t', 2),
        _ => {
            let first = unit(text)?;
            match char::from_u32(first.into()) {
                Some(letter) => (letter, 6),
                // The first half of a surrogate pair.
                None => {
                    let both = [first, unit(text.get(6..)?)?];
                    (char::decode_utf16(both).next()?.ok()?, 12)
                }
            }
        }
    };
    Some((letter, length))
}

/// The UTF-16 code unit of an escape such as `\u00e9`, in upper or lower case.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let all_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    all_digits.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}
