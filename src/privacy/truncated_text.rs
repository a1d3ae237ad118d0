//! The end of a text that is cut off: half a value there is known to no pattern.

use std::borrow::Cow;

use super::sealed_values::Seals;

/// Where the last word of `text` begins; its end where it ends in a space.
pub(super) fn last_word(text: &str) -> usize {
    let space = text.char_indices().rfind(|(_, c)| c.is_whitespace());
    space.map_or(0, |(at, c)| at + c.len_utf8())
}

/// What of the last word is not sealed becomes one token. `text` is sealed otherwise.
pub(super) fn seal_end(text: &mut Cow<'_, str>, seals: &mut Seals<'_>) {
    let word = last_word(text);
    let from = word + seals.behind_tokens(&text[word..]);
    if text[from..].chars().any(char::is_alphanumeric) {
        let sealed = [&text[..from], &seals.piece(&text[from..])].concat();
        *text = Cow::Owned(sealed);
    }
}
