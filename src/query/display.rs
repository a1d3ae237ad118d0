//! Writes a query tree as text. Parsing the text gives the same tree, for every tree from the parser.

use std::fmt::{self, Display, Formatter, Write};

use super::pattern::Step;
use super::time::write_time;
use super::{Bound, Expr, FieldName, Pattern, Test, Token, term, value};
use crate::event::Level;

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::All => f.write_str("*"),
            Expr::And(parts) if parts.is_empty() => f.write_str("*"),
            Expr::Or(parts) if parts.is_empty() => f.write_str("not *"),
            Expr::And(parts) => join(f, parts, " and ", |part| part.is_and() || part.is_or()),
            Expr::Or(parts) => join(f, parts, " or ", Expr::is_or),
            Expr::Not(inner) => {
                f.write_str("not ")?;
                operand(f, inner, inner.is_and() || inner.is_or())
            }
            Expr::Words(tokens) => words(f, tokens),
            Expr::Record(pattern) => write!(f, "/{}/", pattern.text),
            Expr::Level { low, high } => level(f, *low, *high),
            Expr::AnyLevel => f.write_str("level:*"),
            Expr::Time { low: Some(low), high: None } => write!(f, "time>={}", write_time(*low)),
            Expr::Time { low: None, high: Some(high) } => write!(f, "time<{}", write_time(*high)),
            Expr::Time { low, high } => {
                let text = |time: &Option<_>| time.map(write_time).unwrap_or_default();
                write!(f, "time:{}..{}", text(low), text(high))
            }
            Expr::Field { name, test } => field(f, name, test),
        }
    }
}

impl Expr {
    fn is_and(&self) -> bool {
        matches!(self, Expr::And(parts) if !parts.is_empty()) || self.is_two_bounds()
    }

    fn is_or(&self) -> bool {
        matches!(self, Expr::Or(parts) if !parts.is_empty())
    }

    /// Written as two comparisons.
    fn is_two_bounds(&self) -> bool {
        match self {
            Expr::Level { low, high } => {
                low != high && *low != Level::Trace && *high != Level::Fatal
            }
            Expr::Field { test: Test::Range { low, high }, .. } => {
                *low != Bound::None && *high != Bound::None
            }
            _ => false,
        }
    }
}

fn join(
    f: &mut Formatter<'_>,
    parts: &[Expr],
    between: &str,
    in_parentheses: fn(&Expr) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        operand(f, part, in_parentheses(part))?;
    }
    Ok(())
}

fn operand(f: &mut Formatter<'_>, part: &Expr, in_parentheses: bool) -> fmt::Result {
    if in_parentheses { write!(f, "({part})") } else { write!(f, "{part}") }
}

fn words(f: &mut Formatter<'_>, tokens: &[Token]) -> fmt::Result {
    if tokens.iter().all(|token| matches!(token, Token::Exact(_))) {
        return exact_words(f, tokens);
    }
    if tokens == [Token::Wildcard(Pattern("*".to_owned()))] {
        return f.write_str("message:*");
    }
    for (index, token) in tokens.iter().enumerate() {
        // Any character that is not a letter, digit or wildcard separates tokens without ending the word.
        if index > 0 {
            f.write_char('/')?;
        }
        match token {
            Token::Exact(text) => f.write_str(text)?,
            Token::Wildcard(text) => pattern(f, text)?,
        }
    }
    Ok(())
}

fn exact_words(f: &mut Formatter<'_>, tokens: &[Token]) -> fmt::Result {
    let texts: Vec<&str> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Exact(text) => Some(text.as_str()),
            Token::Wildcard(_) => None,
        })
        .collect();
    match texts[..] {
        [word] if !matches!(word, "and" | "or" | "not") => f.write_str(word),
        _ => write!(f, "\"{}\"", texts.join(" ")),
    }
}

fn level(f: &mut Formatter<'_>, low: Level, high: Level) -> fmt::Result {
    match (low, high) {
        _ if low == high => write!(f, "level:{low}"),
        (_, Level::Fatal) => write!(f, "level>={low}"),
        (Level::Trace, _) => write!(f, "level<={high}"),
        _ => write!(f, "level>={low} and level<={high}"),
    }
}

fn field(f: &mut Formatter<'_>, name: &FieldName, test: &Test) -> fmt::Result {
    match test {
        Test::Equals(text) => {
            write!(f, "{}:", Text(&name.0))?;
            // Quoted if it would otherwise parse as a number or a network.
            match term::network(text) {
                Ok(None) if value::number(text).is_none() => write!(f, "{}", Text(text)),
                _ => quoted(f, text),
            }
        }
        Test::Number(text) => write!(f, "{}:{text}", Text(&name.0)),
        Test::Wildcard(text) => {
            write!(f, "{}:", Text(&name.0))?;
            pattern(f, text)
        }
        Test::Exists => write!(f, "{}:*", Text(&name.0)),
        Test::Network { address, prefix } => write!(f, "{}:{address}/{prefix}", Text(&name.0)),
        Test::Range { low, high } => range(f, &name.0, *low, *high),
    }
}

fn range(f: &mut Formatter<'_>, name: &str, low: Bound, high: Bound) -> fmt::Result {
    let name = Text(name);
    match low {
        Bound::None => {}
        Bound::Including(number) => write!(f, "{name}>={number}")?,
        Bound::Excluding(number) => write!(f, "{name}>{number}")?,
    }
    if low != Bound::None && high != Bound::None {
        f.write_str(" and ")?;
    }
    match high {
        Bound::None if low == Bound::None => write!(f, "{name}:*"),
        Bound::None => Ok(()),
        Bound::Including(number) => write!(f, "{name}<={number}"),
        Bound::Excluding(number) => write!(f, "{name}<{number}"),
    }
}

fn pattern(f: &mut Formatter<'_>, pattern: &Pattern) -> fmt::Result {
    for step in pattern.steps() {
        match step {
            Step::AnyRun => f.write_char('*')?,
            Step::AnyOne => f.write_char('?')?,
            Step::Character(character) if is_plain(character) => f.write_char(character)?,
            Step::Character(character) => write!(f, "\\{character}")?,
        }
    }
    Ok(())
}

/// A name or a value: unquoted where that is safe, else quoted.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bare = self.0.chars().all(is_plain)
            && self.0.starts_with(|first: char| first.is_alphanumeric() || first == '_');
        if bare && !matches!(self.0.to_ascii_lowercase().as_str(), "and" | "or" | "not") {
            return f.write_str(self.0);
        }
        quoted(f, self.0)
    }
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(character)?;
    }
    f.write_char('"')
}

fn is_plain(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '.' | '-' | '/' | '@')
}
