//! Seals the last word of a truncated text: it may be the first part of a value, which no pattern recognises.

use std::borrow::Cow;

use super::sealed_values::EventSealer;

/// The start of the last word of `text`; the end of `text` if it ends in white space.
pub(super) fn last_word(text: &str) -> usize {
    let space = text.char_indices().rfind(|(_, c)| c.is_whitespace());
    space.map_or(0, |(at, c)| at + c.len_utf8())
}

/// Seals the last word of `text`, or the part of it after its last token. The values before it are sealed already.
pub(super) fn seal_end(text: &mut Cow<'_, str>, event_sealer: &mut EventSealer<'_>) {
    let word = last_word(text);
    let from = word + event_sealer.end_of_last_token(&text[word..]);
    if text[from..].chars().any(char::is_alphanumeric) {
        let sealed = [&text[..from], &event_sealer.seal_piece(&text[from..])].concat();
        *text = Cow::Owned(sealed);
    }
}
