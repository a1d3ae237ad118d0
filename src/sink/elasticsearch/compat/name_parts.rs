//! The parts of a dotted field name.

/// Most parts of one name: the default of `index.mapping.depth.limit`.
pub(super) const MOST_PARTS: usize = 20;

/// Empty or blank, including what Java counts as blank.
pub(super) fn is_blank(part: &str) -> bool {
    match part.as_bytes().first() {
        Some(b'!'..=b'~') => false,
        _ => part.trim_matches(|c: char| c.is_whitespace() || c < ' ').is_empty(),
    }
}
