//! Finds sealed values where they stand as whole words in other text, as they are or JSON-escaped.

use std::borrow::Cow;

use memchr::memmem;

use super::SEALED;
use crate::base::json;

/// Shorter values stand everywhere by chance: they are sealed in their own field only.
const SHORTEST: usize = 4;

/// The sealed values of one event, in every spelling to look for. Empty for most events.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Longest first, so that a value that contains another is replaced as a whole.
    spellings: Vec<String>,
    values: Vec<String>,
}

impl Words {
    pub(super) fn new(mut values: Vec<String>) -> Self {
        for value in &mut values {
            *value = value.trim().to_string();
        }
        values.retain(|value| value.chars().nth(SHORTEST - 1).is_some() && value != SEALED);
        if values.is_empty() {
            return Words::default();
        }
        let mut spellings: Vec<String> = values.iter().flat_map(|value| spellings(value)).collect();
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spellings.dedup();
        Words { spellings, values }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// `text` is one of the values, as a whole.
    pub(super) fn contain(&self, text: &str) -> bool {
        self.values.iter().any(|value| value == text)
    }

    /// `None` where nothing had to be replaced.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        let mut replaced: Option<String> = None;
        for spelling in &self.spellings {
            if let Some(next) = replace_word(replaced.as_deref().unwrap_or(text), spelling) {
                replaced = Some(next);
            }
        }
        replaced
    }

    pub(super) fn replace_in(&self, text: &mut Cow<'_, str>) {
        if let Some(replaced) = self.replace(text) {
            *text = Cow::Owned(replaced);
        }
    }
}

/// The value itself, JSON-escaped, and JSON-escaped in ASCII alone.
fn spellings(value: &str) -> Vec<String> {
    let mut all = vec![value.to_string()];
    let mut escaped = Vec::new();
    json::write_escaped(value, &mut escaped);
    let escaped = String::from_utf8(escaped).expect("escaped text is text");
    if !value.is_ascii() {
        let mut ascii = String::with_capacity(escaped.len() * 3);
        for letter in escaped.chars() {
            if letter.is_ascii() {
                ascii.push(letter);
                continue;
            }
            for unit in letter.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
        all.push(ascii);
    }
    if escaped != value {
        all.push(escaped);
    }
    all
}

fn replace_word(text: &str, word: &str) -> Option<String> {
    let mut replaced = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = memmem::find(&text.as_bytes()[from..], word.as_bytes()) {
        let (start, end) = (from + found, from + found + word.len());
        if starts_a_word(&text[..start], word) && ends_a_word(&text[end..], word) {
            replaced.push_str(&text[copied..start]);
            replaced.push_str(SEALED);
            (copied, from) = (end, end);
        } else {
            from = start + word.chars().next().map_or(1, char::len_utf8);
        }
    }
    (copied > 0).then(|| replaced + &text[copied..])
}

fn starts_a_word(before: &str, word: &str) -> bool {
    let inside = before.chars().next_back().is_some_and(char::is_alphanumeric)
        && word.chars().next().is_some_and(char::is_alphanumeric);
    !inside || ends_with_escape(before)
}

fn ends_a_word(after: &str, word: &str) -> bool {
    let inside = after.chars().next().is_some_and(char::is_alphanumeric)
        && word.chars().next_back().is_some_and(char::is_alphanumeric);
    !inside
}

/// In `\n1234567` the letter belongs to an escape, not to the word.
fn ends_with_escape(before: &str) -> bool {
    let bytes = before.as_bytes();
    let short = matches!(bytes, [.., b'\\', b'b' | b'f' | b'n' | b'r' | b't']);
    let long = bytes.len() >= 6
        && bytes[bytes.len() - 6..].starts_with(b"\\u")
        && bytes[bytes.len() - 4..].iter().all(u8::is_ascii_hexdigit);
    short || long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced_and_nothing_else() {
        let words = |values: &[&str]| Words::new(values.iter().map(|v| v.to_string()).collect());
        let cases: &[(&[&str], &str, &str)] = &[
            (&["1234567"], "client 1234567 logged in", "client [sealed] logged in"),
            (&["1234567"], "1234567", "[sealed]"),
            (&["1234567"], "id=1234567,/1234567/x_1234567", "id=[sealed],/[sealed]/x_[sealed]"),
            (&["1234567"], "12345678 a1234567 1234567b", "12345678 a1234567 1234567b"),
            (&["1234567"], r#"{"m":"a\n1234567"}"#, r#"{"m":"a\n[sealed]"}"#),
            (&["1234567"], r"a\u00201234567", r"a\u0020[sealed]"),
            (&["123"], "123", "123"),
            (&["12345678", "1234"], "12345678 1234", "[sealed] [sealed]"),
            (&["1234", "1234-5678"], "1234-5678", "[sealed]"),
            (&["a\"b c"], r#"x a\"b c y"#, "x [sealed] y"),
            (&["José"], r"x Jos\u00e9 José", "x [sealed] [sealed]"),
            (&["aaaa"], "aaaaa aaaa", "aaaaa [sealed]"),
            (&["äöüß"], "äöüß.äöüßa", "[sealed].äöüßa"),
        ];
        for (values, text, expected) in cases {
            let replaced = words(values).replace(text);
            assert_eq!(replaced.as_deref().unwrap_or(text), *expected, "{text}");
        }
    }
}
