//! Finds sealed values where they stand as whole words in other text, as they are or JSON-escaped.

use std::borrow::Cow;

use memchr::memmem;

use super::SEALED;
use crate::base::json;

/// Shorter values stand everywhere by chance: they are sealed in their own field only.
pub(super) const SHORTEST: usize = 4;

/// The values of one event that may not leave, in every spelling to look for, and what stands for each. Empty for
/// most events.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Longest first, so that a value that contains another is replaced as a whole.
    spellings: Vec<(String, usize)>,
    values: Vec<(String, String)>,
}

impl Words {
    /// Value → what stands for it.
    pub(super) fn new(mut values: Vec<(String, String)>) -> Self {
        values.retain(|(value, stand)| {
            value.chars().nth(SHORTEST - 1).is_some() && value != SEALED && value != stand
        });
        if values.is_empty() {
            return Words::default();
        }
        let mut spelled: Vec<(String, usize)> = Vec::new();
        for (index, (value, _)) in values.iter().enumerate() {
            spelled.extend(spellings(value).into_iter().map(|spelling| (spelling, index)));
        }
        spelled.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        spelled.dedup_by(|(a, _), (b, _)| a == b);
        Words { spellings: spelled, values }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What stands for `text` where it is one of the values, as a whole.
    pub(super) fn stand_for(&self, text: &str) -> Option<&str> {
        let found = self.values.iter().find(|(value, _)| value == text);
        found.map(|(_, stand)| stand.as_str())
    }

    /// `None` where nothing had to be replaced.
    pub(super) fn replace(&self, text: &str) -> Option<String> {
        let stands_there = |word: &str| memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        if !self.spellings.iter().any(|(word, _)| stands_there(word)) {
            return None;
        }
        let mut replaced = String::new();
        self.replace_into(text, &self.spellings, &mut replaced).then_some(replaced)
    }

    /// What stands for one value is not looked through for the next.
    fn replace_into(&self, text: &str, spellings: &[(String, usize)], out: &mut String) -> bool {
        let Some(((word, value), shorter)) = spellings.split_first() else {
            out.push_str(text);
            return false;
        };
        let (mut changed, mut rest) = (false, 0);
        for start in whole_words(text, word) {
            changed = true;
            self.replace_into(&text[rest..start], shorter, out);
            out.push_str(&self.values[*value].1);
            rest = start + word.len();
        }
        self.replace_into(&text[rest..], shorter, out) || changed
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

/// Where `word` stands as a whole; none overlaps the one before.
fn whole_words(text: &str, word: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = memmem::find(&text.as_bytes()[from..], word.as_bytes()) {
        let (start, end) = (from + at, from + at + word.len());
        if starts_a_word(&text[..start], word) && ends_a_word(&text[end..], word) {
            found.push(start);
            from = end;
        } else {
            from = start + word.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
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
        let sealed = |value: &&str| (value.to_string(), SEALED.to_owned());
        let words = |values: &[&str]| Words::new(values.iter().map(sealed).collect());
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
    #[test]
    fn what_stands_for_a_value_is_left_alone() {
        let pair = |value: &str, stand: &str| (value.to_owned(), stand.to_owned());
        let words = Words::new(vec![pair("12345", "enc1.a-abcd-b"), pair("abcd", "enc1.other")]);
        let replaced = words.replace("x 12345 abcd 12345");
        assert_eq!(replaced.as_deref(), Some("x enc1.a-abcd-b enc1.other enc1.a-abcd-b"));
        assert_eq!(words.stand_for("abcd"), Some("enc1.other"));
        assert_eq!(words.replace("1234 abc"), None);
    }
}
