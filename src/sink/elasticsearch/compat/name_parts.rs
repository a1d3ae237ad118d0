//! Parts of a dotted name.

/// Of one name, at most: `index.mapping.depth.limit` of a server that nobody has changed.
pub(super) const MOST_PARTS: usize = 20;

/// Empty or blank, also by what Java takes for blank.
pub(super) fn is_odd(part: &str) -> bool {
    match part.as_bytes().first() {
        Some(b'!'..=b'~') => false,
        _ => part.trim_matches(|c: char| c.is_whitespace() || c < ' ').is_empty(),
    }
}
