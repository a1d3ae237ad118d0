//! Queries of the form `/regex/`, applied to the whole record, as in the search of the screen.

use regex::bytes::{Regex, RegexBuilder};

use super::{Expr, ParseContext, QueryError, RecordPattern, parse};

/// Memory limit of a compiled regular expression, in bytes; larger ones are refused.
const LARGEST_REGEX: usize = 4 * 1024 * 1024;

/// Parses a query, or `/regex/` as the whole text.
pub fn parse_or_regex(text: &str, context: &ParseContext) -> Result<Expr, QueryError> {
    let inside = text.trim().strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(inside) = inside.filter(|inside| !inside.is_empty()) else {
        return parse(text, context);
    };
    match smart_case(inside) {
        Ok(regex) => Ok(Expr::Record(RecordPattern { text: inside.to_owned(), regex })),
        Err(problem) => Err(QueryError { column: 1, problem }),
    }
}

/// Compiles a regular expression that is case-sensitive only if the pattern has a capital letter; or the problem.
pub fn smart_case(pattern: &str) -> Result<Regex, String> {
    let mut escaped = false;
    // `\S` and `\D` are character classes, not capitals.
    let has_capital = pattern.chars().any(|character| {
        let counts = !escaped && character.is_uppercase();
        escaped = character == '\\' && !escaped;
        counts
    });
    RegexBuilder::new(pattern)
        .case_insensitive(!has_capital)
        .size_limit(LARGEST_REGEX)
        .dfa_size_limit(LARGEST_REGEX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "this regular expression is too large; write a shorter one".to_owned()
            }
            error => {
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or("").trim_start_matches("error: ");
                format!("not a valid regular expression: {reason}")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_only_with_a_capital_letter() {
        assert!(smart_case("error").unwrap().is_match(b"An ERROR"));
        assert!(!smart_case("Error").unwrap().is_match(b"An ERROR"));
        assert!(smart_case(r"\Serror").unwrap().is_match(b"xERROR"));
        assert!(smart_case("a{1000}{1000}").unwrap_err().contains("too large"));
        assert!(smart_case("(").unwrap_err().contains("not a valid regular expression"));
    }

    #[test]
    fn only_text_between_slashes_is_a_regular_expression() {
        let context = ParseContext {
            now: crate::base::Timestamp::from_seconds(0),
            zone: jiff::tz::TimeZone::UTC,
        };
        let is_regex = |text: &str| matches!(parse_or_regex(text, &context), Ok(Expr::Record(pattern)) if pattern.text == "a b");
        assert!(is_regex("/a b/") && is_regex(" /a b/ "));
        assert!(!is_regex("/a b") && !is_regex("a b/") && !is_regex("a b"));
        assert!(
            parse_or_regex("/(/", &context).unwrap_err().problem.contains("not a valid regular")
        );
    }
}
