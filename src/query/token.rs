//! Splits a text into search tokens, identically for events in memory, the archive and every other back end.
//!
//! A token is a run of characters that are Alphabetic or a Number in Unicode's sense, in simple lower case (one
//! character to one; `İ` becomes `i`), truncated to 255 UTF-16 units. There is no stemming and there are no stop words.

/// Longest token, in UTF-16 units: the rest of a longer run is not searchable.
pub const LONGEST_TOKEN: usize = 255;

/// A run of token characters in its original form: case kept, not truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Its start in the text, in bytes.
    pub at: usize,
    pub text: &'a str,
}

impl<'a> Run<'a> {
    /// The characters of the token: lower case, truncated.
    pub fn folded(&self) -> impl Iterator<Item = char> + Clone + use<'a> {
        let mut units = 0;
        self.text.chars().map(lower).take_while(move |character| {
            units += character.len_utf16();
            units <= LONGEST_TOKEN
        })
    }

    /// Overwrites `token` with the token of this run.
    pub fn write_token(&self, token: &mut String) {
        token.clear();
        token.extend(self.folded());
    }

    fn is(&self, token: &str) -> bool {
        self.folded().eq(token.chars())
    }
}

/// All runs of a text, in order. Allocates nothing.
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    text: &'a str,
    at: usize,
}

/// The runs of token characters in a text.
pub fn runs(text: &str) -> Runs<'_> {
    Runs { text, at: 0 }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Run<'a>> {
        self.skip(false);
        let at = self.at;
        self.skip(true);
        (self.at > at).then(|| Run { at, text: &self.text[at..self.at] })
    }
}

impl Runs<'_> {
    /// Skips characters while they are (or are not) token characters.
    fn skip(&mut self, token: bool) {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if byte.is_ascii() {
                if byte.is_ascii_alphanumeric() != token {
                    return;
                }
                self.at += 1;
                continue;
            }
            match self.text[self.at..].chars().next() {
                Some(character) if character.is_alphanumeric() == token => {
                    self.at += character.len_utf8();
                }
                _ => return,
            }
        }
    }
}

/// Simple lower case: always one character.
pub fn lower(character: char) -> char {
    match character {
        _ if character.is_ascii() => character.to_ascii_lowercase(),
        // The only character whose full lower case is two characters.
        'İ' => 'i',
        _ => character.to_lowercase().next().unwrap_or(character),
    }
}

/// The whole text in simple lower case.
pub fn lower_text(text: &str) -> String {
    text.chars().map(lower).collect()
}

/// Whether both texts are equal in simple lower case.
pub fn equal_ignoring_case(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        return left.eq_ignore_ascii_case(right);
    }
    left.chars().map(lower).eq(right.chars().map(lower))
}

/// Whether the text contains these tokens consecutively.
pub(super) fn contains(text: &str, tokens: &[super::Token]) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return true };
    if cannot_contain(text, tokens) {
        return false;
    }
    let mut remaining = runs(text);
    while let Some(run) = remaining.next() {
        if token_is(first, run) && follows(rest, remaining.clone()) {
            return true;
        }
    }
    false
}

fn follows(tokens: &[super::Token], mut runs: Runs<'_>) -> bool {
    tokens.iter().all(|token| runs.next().is_some_and(|run| token_is(token, run)))
}

fn token_is(token: &super::Token, run: Run<'_>) -> bool {
    match token {
        super::Token::Exact(token) => run.is(token),
        super::Token::Wildcard(pattern) => pattern.matches(run.folded()),
    }
}

/// A cheap check before the text is split. Only for ASCII text: no other character has an ASCII lower case there.
fn cannot_contain(text: &str, tokens: &[super::Token]) -> bool {
    let exact = tokens.iter().filter_map(|token| match token {
        super::Token::Exact(token) => Some(token.as_str()),
        super::Token::Wildcard(_) => None,
    });
    match exact.max_by_key(|token| token.len()) {
        Some(token) if text.is_ascii() => {
            !token.is_ascii() || !super::prefilter::find_ascii(text.as_bytes(), token.as_bytes())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let mut tokens = Vec::new();
        for run in runs(text) {
            assert_eq!(&text[run.at..run.at + run.text.len()], run.text);
            let mut token = String::new();
            run.write_token(&mut token);
            tokens.push(token);
        }
        assert_eq!(tokens, expected, "{text:?}");
    }

    #[test]
    fn tokens_are_runs_of_letters_and_numbers_in_lower_case() {
        check("", &[]);
        check(" -- \0", &[]);
        check("Unauthorized - POST /a_b", &["unauthorized", "post", "a", "b"]);
        check("ÄRGER İstanbul Ⅻ ٣ x²", &["ärger", "istanbul", "ⅻ", "٣", "x²"]);
        check("日本語 ok", &["日本語", "ok"]);
    }

    #[test]
    fn long_tokens_are_truncated_by_utf16_units() {
        let long = "A".repeat(40_000);
        check(&long, &[&"a".repeat(LONGEST_TOKEN)]);
        // Two units each: the 128th does not fit.
        check(&"𝐀".repeat(200), &[&"𝐀".repeat(127)]);
    }
}
