//! Evaluates a query on one subject in memory, for filters, rules, the routes of sinks and the search in files.
//!
//! Allocates nothing. A query on level and time only never reads the text or the fields.

use super::{Bound, Expr, FieldName, Subject, Test, token, value};
use crate::event::Value;

impl Expr {
    /// Whether the query matches the subject.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        match self {
            Expr::All => true,
            Expr::And(parts) => {
                let (mut cheap, mut others) = by_cost(parts);
                cheap.all(|part| part.matches(subject)) && others.all(|part| part.matches(subject))
            }
            Expr::Or(parts) => {
                let (mut cheap, mut others) = by_cost(parts);
                cheap.any(|part| part.matches(subject)) || others.any(|part| part.matches(subject))
            }
            Expr::Not(inner) => !inner.matches(subject),
            Expr::Words(tokens) => token::contains(&subject.search_text(), tokens),
            Expr::Record(pattern) => pattern.regex.is_match(&subject.record()),
            Expr::Level { low, high } => {
                subject.level().is_some_and(|level| *low <= level && level <= *high)
            }
            Expr::AnyLevel => subject.level().is_some(),
            Expr::Time { low, high } => {
                let time = subject.time();
                low.is_none_or(|low| low <= time) && high.is_none_or(|high| time < high)
            }
            Expr::Field { name, test } => {
                let mut found = false;
                subject.leaves(&mut |path, value| {
                    found = found || (name.matches(path) && test.matches(&value));
                });
                found
            }
        }
    }

    /// Whether level and time suffice to evaluate this.
    pub fn needs_only_level_and_time(&self) -> bool {
        match self {
            Expr::All | Expr::Level { .. } | Expr::AnyLevel | Expr::Time { .. } => true,
            Expr::And(parts) | Expr::Or(parts) => parts.iter().all(Expr::needs_only_level_and_time),
            Expr::Not(inner) => inner.needs_only_level_and_time(),
            Expr::Words(_) | Expr::Record(_) | Expr::Field { .. } => false,
        }
    }
}

/// Parts that need only level and time, then the others.
fn by_cost(parts: &[Expr]) -> (impl Iterator<Item = &Expr>, impl Iterator<Item = &Expr>) {
    (
        parts.iter().filter(|part| part.needs_only_level_and_time()),
        parts.iter().filter(|part| !part.needs_only_level_and_time()),
    )
}

impl FieldName {
    /// Whether a leaf's path has this name: equal per segment in lower case, compared by letters and digits only. Also,
    /// `host` and `service` match their `.name`, and a field that was moved under `fields.` matches by its own name.
    pub fn matches(&self, path: &str) -> bool {
        let name = comparable(&self.0);
        if name.clone().eq(comparable(path)) {
            return true;
        }
        if let Some(own) = path.strip_prefix("fields.") {
            return name.eq(comparable(own));
        }
        matches!(path, "host.name" | "service.name")
            && name.eq(path.trim_end_matches(".name").chars())
    }

    /// The canonical form of the name, in which names are compared.
    pub fn canonical(&self) -> String {
        comparable(&self.0).collect()
    }
}

/// The characters of a name in canonical form.
pub fn comparable(name: &str) -> impl Iterator<Item = char> + Clone + '_ {
    name.chars()
        .filter(|character| *character == '.' || character.is_alphanumeric())
        .map(token::lower)
}

impl Test {
    /// Whether the value passes the test; an array does if one of its elements does. Null, an empty array and a value
    /// that is too long count as absent.
    pub fn matches(&self, value: &Value<'_>) -> bool {
        let mut found = false;
        value::each_text(value, &mut |text| found = found || self.matches_text(text));
        found
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Test::Equals(wanted) => token::equal_ignoring_case(wanted, text),
            Test::Number(wanted) => {
                token::equal_ignoring_case(wanted, text) || value::same_number(wanted, text)
            }
            Test::Wildcard(pattern) => pattern.matches(text.chars().map(token::lower)),
            Test::Exists => true,
            Test::Range { low, high } => value::number(text)
                .is_some_and(|number| above(number, *low) && below(number, *high)),
            Test::Network { address, prefix } => {
                let (low, high) = value::network_bounds(*address, *prefix);
                value::address(text).is_some_and(|address| low <= address && address <= high)
            }
        }
    }
}

fn above(number: f64, bound: Bound) -> bool {
    match bound {
        Bound::None => true,
        Bound::Including(low) => number >= low,
        Bound::Excluding(low) => number > low,
    }
}

fn below(number: f64, bound: Bound) -> bool {
    match bound {
        Bound::None => true,
        Bound::Including(high) => number <= high,
        Bound::Excluding(high) => number < high,
    }
}
