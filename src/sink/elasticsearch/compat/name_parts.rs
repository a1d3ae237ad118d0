//! Limits of Elasticsearch for the parts of a dotted field name: their number, and that none may be blank.

/// Maximum number of parts of one name: the default of `index.mapping.depth.limit`.
pub(super) const MOST_PARTS: usize = 20;

/// Whether a part is empty or consists of blanks, including the characters that Java counts as blanks.
pub(super) fn is_blank(part: &str) -> bool {
    match part.as_bytes().first() {
        Some(b'!'..=b'~') => false,
        _ => part.trim_matches(|c: char| c.is_whitespace() || c < ' ').is_empty(),
    }
}
