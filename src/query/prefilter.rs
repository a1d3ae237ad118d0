//! Finds a literal that every match of a query must contain, so that a search can skip records without parsing them.

use memchr::memchr2;

use super::{Expr, Token};

/// A piece of ASCII text that every match of a query contains, ignoring case. Stored in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredLiteral {
    pub text: String,
}

impl RequiredLiteral {
    /// `false` only if no record within these bytes can match. Also `true` for escaped characters (`\u0041`) and for
    /// the two non-ASCII letters whose lower case is ASCII.
    pub fn may_occur(&self, bytes: &[u8]) -> bool {
        find_ascii(bytes, self.text.as_bytes())
            || memchr::memmem::find(bytes, b"\\u").is_some()
            || (self.text.contains('k')
                && memchr::memmem::find(bytes, "\u{212a}".as_bytes()).is_some())
            || (self.text.contains('i') && memchr::memmem::find(bytes, "İ".as_bytes()).is_some())
    }
}

/// The longest word that every match must contain, if any. Only words of the message are used: field values may come
/// from elsewhere (host, path) or be spelled differently (`1e3`).
pub fn required_literal(query: &Expr) -> Option<RequiredLiteral> {
    match query {
        Expr::Words(tokens) => tokens.iter().filter_map(literal_of_token).max_by_key(length),
        Expr::And(parts) => parts.iter().filter_map(required_literal).max_by_key(length),
        _ => None,
    }
}

fn length(literal: &RequiredLiteral) -> usize {
    literal.text.len()
}

fn literal_of_token(token: &Token) -> Option<RequiredLiteral> {
    let text = match token {
        Token::Exact(text) => text.as_str(),
        Token::Wildcard(pattern) => pattern.0.split(['*', '?']).max_by_key(|piece| piece.len())?,
    };
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .then(|| RequiredLiteral { text: text.to_owned() })
}

/// Whether `bytes` contains `needle` (ASCII, lower case), case ignored.
pub(super) fn find_ascii(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(&first) = needle.first() else { return true };
    let mut at = 0;
    while bytes.len() - at >= needle.len() {
        let last_start = bytes.len() - needle.len();
        let window = &bytes[at..=last_start];
        let Some(found) = memchr2(first, first.to_ascii_uppercase(), window) else { return false };
        let start = at + found;
        if bytes[start..start + needle.len()].eq_ignore_ascii_case(needle) {
            return true;
        }
        at = start + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::tests::parse;

    fn check(query: &str, expected: Option<&str>) {
        let literal = required_literal(&parse(query).expect(query));
        assert_eq!(literal.as_ref().map(|literal| literal.text.as_str()), expected, "{query}");
    }

    #[test]
    fn a_literal_is_required_only_if_every_match_must_contain_it() {
        check("Unauthorized", Some("unauthorized"));
        check("level:error and (disks full) a", Some("disks"));
        check("\"index page\"", Some("index"));
        check("un*thorized", Some("thorized"));
        check("größe", None);
        check("a or b", None);
        check("not a", None);
        check("host:web", None);
        check("*", None);
    }

    #[test]
    fn a_literal_is_found_in_any_case_and_never_excluded_wrongly() {
        let literal = RequiredLiteral { text: "disk".to_owned() };
        assert!(literal.may_occur(b"ddDISK"));
        assert!(literal.may_occur(b"disk"));
        assert!(!literal.may_occur(b"dis"));
        assert!(!literal.may_occur(b""));
        assert!(literal.may_occur("dis\u{212a}".as_bytes()));
        assert!(literal.may_occur("dİsk".as_bytes()));
        assert!(literal.may_occur(br"{\u0044isk}"));
    }
}
