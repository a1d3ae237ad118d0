//! Parses one term of a query: words to search for, or a field with a comparison and a value.

use std::net::IpAddr;

use super::lexer::{Comparison, Word};
use super::pattern::Step;
use super::time::parse_time;
use super::{Bound, Expr, FieldName, ParseContext, Pattern, QueryError, Test, Token, token, value};
use crate::base::Timestamp;
use crate::event::Level;

/// A term without a field name: words in the search text; an unquoted `*` matches every event.
pub(super) fn words(word: &Word) -> Result<Expr, QueryError> {
    if word.is_anything() && !word.quoted {
        return Ok(Expr::All);
    }
    message_words(word)
}

fn message_words(word: &Word) -> Result<Expr, QueryError> {
    let is_token = |step: &Step| match step {
        Step::Character(character) => character.is_alphanumeric(),
        Step::AnyRun | Step::AnyOne => true,
    };
    let tokens: Vec<Token> = word
        .steps
        .split(|step| !is_token(step))
        .filter(|steps| !steps.is_empty())
        .map(token_of)
        .collect();
    match tokens.is_empty() {
        true => Err(word.error(format!(
            "`{}` has no letter or digit to search for; expected a word",
            word.text()
        ))),
        false => Ok(Expr::Words(tokens)),
    }
}

fn token_of(steps: &[Step]) -> Token {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Character(character) => text.push(*character),
            Step::AnyRun | Step::AnyOne => {
                return Token::Wildcard(Pattern::from_steps(steps.iter().copied()));
            }
        }
    }
    let run = token::Run { at: 0, text: &text };
    Token::Exact(run.folded().collect())
}

pub(super) fn field_name(word: &Word) -> Result<FieldName, QueryError> {
    let name = FieldName(word.text());
    if word.has_wildcards() {
        return Err(word.error(
            "expected a field name before the comparison sign; names cannot contain wildcards",
        ));
    }
    if !name.0.chars().any(char::is_alphanumeric) {
        return Err(word.error("expected a field name: letters or digits"));
    }
    Ok(name)
}

/// Field names with a special meaning.
enum Kind {
    Message,
    Level,
    Time,
    Other,
}

fn kind(name: &FieldName) -> Kind {
    match name.canonical().as_str() {
        "message" => Kind::Message,
        "level" | "log.level" => Kind::Level,
        "time" | "timestamp" => Kind::Time,
        _ => Kind::Other,
    }
}

/// A term with a field name, a comparison and one value.
pub(super) fn field(
    name: &FieldName,
    comparison: Comparison,
    value: &Word,
    context: &ParseContext,
) -> Result<Expr, QueryError> {
    match kind(name) {
        Kind::Message if comparison == Comparison::Is => message_words(value),
        Kind::Message => Err(value.error(format!(
            "the words of a message cannot be compared; expected `message:` instead of `message{}`",
            comparison.sign()
        ))),
        Kind::Level => level(comparison, value),
        Kind::Time => time(comparison, value, context),
        Kind::Other => {
            let test = match comparison {
                Comparison::Is => equality(value)?,
                _ => range(comparison, value)?,
            };
            Ok(Expr::Field { name: name.clone(), test })
        }
    }
}

fn level(comparison: Comparison, value: &Word) -> Result<Expr, QueryError> {
    if comparison == Comparison::Is && value.is_anything() {
        return Ok(Expr::AnyLevel);
    }
    let level: Level = value.text().parse().map_err(|problem: String| value.error(problem))?;
    let neighbour = |step: isize| {
        let index = level as isize - 1 + step;
        usize::try_from(index).ok().and_then(|index| Level::ALL.get(index).copied())
    };
    let bounds = match comparison {
        Comparison::Is => Some((level, level)),
        Comparison::AtLeast => Some((level, Level::Fatal)),
        Comparison::AtMost => Some((Level::Trace, level)),
        Comparison::Above => neighbour(1).map(|low| (low, Level::Fatal)),
        Comparison::Below => neighbour(-1).map(|high| (Level::Trace, high)),
    };
    match bounds {
        Some((low, high)) => Ok(Expr::Level { low, high }),
        None => Err(value.error(format!(
            "no level is {} {level}; expected another level",
            if comparison == Comparison::Above { "above" } else { "below" }
        ))),
    }
}

fn time(comparison: Comparison, word: &Word, context: &ParseContext) -> Result<Expr, QueryError> {
    let text = word.text();
    let read = |text: &str| parse_time(text, context).map_err(|problem| word.error(problem));
    if let (Comparison::Is, Some((low, high))) = (comparison, text.split_once("..")) {
        let bound = |text: &str| -> Result<Option<Timestamp>, QueryError> {
            if text.is_empty() { Ok(None) } else { read(text).map(|(start, _)| Some(start)) }
        };
        return Ok(Expr::Time { low: bound(low)?, high: bound(high)? });
    }
    let (start, end) = read(&text)?;
    let (low, high) = match comparison {
        Comparison::Is => (Some(start), Some(end)),
        Comparison::AtLeast => (Some(start), None),
        Comparison::Above => (Some(end), None),
        Comparison::AtMost => (None, Some(end)),
        Comparison::Below => (None, Some(start)),
    };
    Ok(Expr::Time { low, high })
}

fn equality(value: &Word) -> Result<Test, QueryError> {
    if value.is_anything() {
        return Ok(Test::Exists);
    }
    if value.has_wildcards() {
        return Ok(Test::Wildcard(Pattern::from_steps(value.steps.iter().copied())));
    }
    let text = value.text();
    if !value.quoted
        && let Some((address, prefix)) = network(&text).map_err(|problem| value.error(problem))?
    {
        return Ok(Test::Network { address, prefix });
    }
    Ok(match !value.quoted && value::number(&text).is_some() {
        true => Test::Number(text),
        false => Test::Equals(text),
    })
}

/// Parses a network such as `10.0.0.0/8`; the bits after the prefix become zero. `None`: the text is not a network.
pub(super) fn network(text: &str) -> Result<Option<(IpAddr, u8)>, String> {
    let Some((address, digits)) = text.split_once('/') else { return Ok(None) };
    let Ok(address) = address.parse::<IpAddr>() else { return Ok(None) };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(|| {
        format!("expected a prefix length from 0 to {longest} after the `/`, found {digits}")
    })?;
    let (first, _) = value::network_bounds(address, prefix);
    let first = match address {
        IpAddr::V4(_) => IpAddr::from((first as u32).to_be_bytes()),
        IpAddr::V6(_) => IpAddr::from(first.to_be_bytes()),
    };
    Ok(Some((first, prefix)))
}

fn range(comparison: Comparison, value: &Word) -> Result<Test, QueryError> {
    let text = value.text();
    let number = value::number(&text)
        .ok_or_else(|| value.error(format!("expected a number, found `{text}`")))?;
    let (low, high) = match comparison {
        Comparison::AtLeast => (Bound::Including(number), Bound::None),
        Comparison::Above => (Bound::Excluding(number), Bound::None),
        Comparison::AtMost => (Bound::None, Bound::Including(number)),
        Comparison::Below => (Bound::None, Bound::Excluding(number)),
        Comparison::Is => (Bound::Including(number), Bound::Including(number)),
    };
    Ok(Test::Range { low, high })
}
