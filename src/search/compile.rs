//! Compiles a query to a plan for the archive's index.
//!
//! A plan matches exactly the events that the query matches when it is evaluated in memory (module `query`); tests
//! compare the two.

use std::sync::Arc;

use tantivy::Term;
use tantivy::schema::Field;

use crate::archive::schema::{LEAF, LEVEL, WORDS};
use crate::archive::term::{self, Kind};
use crate::base::Timestamp;
use crate::event::Level;
use crate::query::pattern::Step;
use crate::query::value::{network_bounds, number, same_number};
use crate::query::{Expr, FieldName, Pattern, Test, Token};

/// A query plan, evaluated per segment.
#[derive(Debug)]
pub(super) enum Plan {
    All,
    Term(Term),
    Terms(Range),
    Phrase(Vec<Term>),
    /// Low inclusive, high exclusive.
    Time {
        low: Option<Timestamp>,
        high: Option<Timestamp>,
    },
    And(Vec<Plan>),
    Or(Vec<Plan>),
    Not(Box<Plan>),
    /// The candidates whose documents match, checked one by one.
    Verified {
        candidates: Box<Plan>,
        query: Expr,
    },
}

/// All terms in a range of the dictionary of an index field, optionally filtered.
pub(super) struct Range {
    pub field: Field,
    pub first: Vec<u8>,
    /// Excluded.
    pub end: Vec<u8>,
    pub filter: Option<TermFilter>,
}

pub(super) type TermFilter = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

impl std::fmt::Debug for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let filtered = if self.filter.is_some() { ", filtered" } else { "" };
        write!(f, "{}..{}{filtered}", self.first.escape_ascii(), self.end.escape_ascii())
    }
}

impl Plan {
    /// Relative cost. The cheaper parts of an *and* are evaluated first: they reduce the documents that the others must
    /// check.
    pub fn cost(&self) -> u32 {
        match self {
            Plan::All | Plan::Term(_) => 0,
            Plan::And(parts) | Plan::Or(parts) => {
                1 + parts.iter().map(Plan::cost).max().unwrap_or(0)
            }
            Plan::Not(inner) => inner.cost(),
            Plan::Phrase(_) => 10,
            Plan::Terms(_) | Plan::Time { .. } => 20,
            Plan::Verified { .. } => 1000,
        }
    }
}

pub(super) fn compile(query: &Expr) -> Plan {
    match query {
        Expr::All => Plan::All,
        Expr::And(parts) => {
            let mut parts: Vec<Plan> = parts.iter().map(compile).collect();
            parts.sort_by_key(Plan::cost);
            Plan::And(parts)
        }
        Expr::Or(parts) => Plan::Or(parts.iter().map(compile).collect()),
        Expr::Not(inner) => Plan::Not(Box::new(compile(inner))),
        Expr::Words(tokens) => words(tokens),
        Expr::Record(_) => Plan::Verified { candidates: Box::new(Plan::All), query: query.clone() },
        Expr::Level { low, high } => levels(*low, *high),
        Expr::AnyLevel => levels(Level::Trace, Level::Fatal),
        Expr::Time { low, high } => Plan::Time { low: *low, high: *high },
        Expr::Field { name, test } => field(name, test),
    }
}

fn levels(low: Level, high: Level) -> Plan {
    let levels = Level::ALL.into_iter().filter(|level| low <= *level && *level <= high);
    let term = |level: Level| Plan::Term(Term::from_field_u64(LEVEL, level as u64));
    Plan::Or(levels.map(term).collect())
}

fn words(tokens: &[Token]) -> Plan {
    if tokens.iter().all(|token| matches!(token, Token::Exact(_))) {
        let terms: Vec<Term> = tokens.iter().filter_map(exact).collect();
        return match terms.len() {
            0 => Plan::All,
            1 => word(&tokens[0]),
            _ => Plan::Phrase(terms),
        };
    }
    let mut parts: Vec<Plan> = tokens.iter().map(word).collect();
    if parts.len() == 1 {
        return parts.remove(0);
    }
    // The index finds events with all of these words; whether they are adjacent is checked in the events.
    let candidates = Box::new(Plan::And(parts));
    Plan::Verified { candidates, query: Expr::Words(tokens.to_vec()) }
}

fn exact(token: &Token) -> Option<Term> {
    match token {
        Token::Exact(text) => Some(Term::from_field_text(WORDS, text)),
        Token::Wildcard(_) => None,
    }
}

fn word(token: &Token) -> Plan {
    match token {
        Token::Exact(text) => Plan::Term(Term::from_field_text(WORDS, text)),
        Token::Wildcard(pattern) => {
            let (first, end) = prefix_range(&[], pattern);
            let wanted = pattern.clone();
            let filter: TermFilter = Arc::new(move |term| text_matches(&wanted, term));
            Plan::Terms(Range { field: WORDS, first, end, filter: Some(filter) })
        }
    }
}

fn text_matches(pattern: &Pattern, text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| pattern.matches(text.chars()))
}

/// The range of terms that start with `prefix` and the literal beginning of the pattern.
fn prefix_range(prefix: &[u8], pattern: &Pattern) -> (Vec<u8>, Vec<u8>) {
    let mut first = prefix.to_vec();
    let letters = pattern.steps().map_while(|step| match step {
        Step::Character(character) => Some(character),
        Step::AnyRun | Step::AnyOne => None,
    });
    for letter in letters {
        first.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
    let end = prefix_end(&first);
    (first, end)
}

/// The first bytes after all terms that start with `prefix`.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // After all terms: they are text or start with a name, and text never contains this byte.
    vec![u8::MAX]
}

fn field(name: &FieldName, test: &Test) -> Plan {
    match test {
        Test::Equals(text) => Plan::Or(equal_texts(name, text)),
        Test::Number(text) => equal_numbers(name, text),
        Test::Wildcard(pattern) => wildcard(name, pattern),
        Test::Exists => {
            // Every value is indexed under one of the two kinds.
            let first = term::prefix_of(name, Kind::Whole);
            leaves(first, prefix_end(&term::prefix_of(name, Kind::Text)))
        }
        Test::Range { low, high } => {
            let kinds = [Kind::Whole, Kind::Other];
            let ranges = kinds.map(|kind| term::number_range(name, kind, *low, *high));
            Plan::Or(ranges.map(|(first, end)| leaves(first, end)).into())
        }
        Test::Network { address, prefix } => {
            let (low, high) = network_bounds(*address, *prefix);
            let prefix = term::prefix_of(name, Kind::Address);
            let first = [prefix.as_slice(), &low.to_be_bytes()].concat();
            leaves(first, [prefix.as_slice(), &high.to_be_bytes(), &[0]].concat())
        }
    }
}

fn leaves(first: Vec<u8>, end: Vec<u8>) -> Plan {
    Plan::Terms(Range { field: LEAF, first, end, filter: None })
}

/// Matches values with this text, also if they are indexed as a number with this spelling.
fn equal_texts(name: &FieldName, text: &str) -> Vec<Plan> {
    let mut parts = vec![leaf(term::of_text(name, text))];
    let whole = number(text).filter(|_| term::is_whole(text));
    parts.extend(whole.map(|number| number_leaf(name, Kind::Whole, number)));
    parts
}

/// Matches values with this text or with an equal number in another spelling. Numbers are indexed as f64, which only
/// gives candidates, so each document with another spelling is read and compared.
fn equal_numbers(name: &FieldName, text: &str) -> Plan {
    let mut parts = equal_texts(name, text);
    if let Some(number) = number(text) {
        if !term::is_whole(text) && same_number(&term::whole_text(number), text) {
            parts.push(number_leaf(name, Kind::Whole, number));
        }
        let other_spelling = Plan::Not(Box::new(leaf(term::of_text(name, text))));
        let of_others = number_leaf(name, Kind::Other, number);
        let candidates = Box::new(Plan::And(vec![of_others, other_spelling]));
        let test = Test::Number(text.to_owned());
        let query = Expr::Field { name: name.clone(), test };
        parts.push(Plan::Verified { candidates, query });
    }
    Plan::Or(parts)
}

fn number_leaf(name: &FieldName, kind: Kind, number: f64) -> Plan {
    leaf([term::prefix_of(name, kind).as_slice(), &term::number_bytes(number)].concat())
}

fn leaf(bytes: Vec<u8>) -> Plan {
    Plan::Term(Term::from_field_bytes(LEAF, &bytes))
}

fn wildcard(name: &FieldName, pattern: &Pattern) -> Plan {
    let prefix = term::prefix_of(name, Kind::Text);
    let skipped = prefix.len();
    let (first, end) = prefix_range(&prefix, pattern);
    let wanted = pattern.clone();
    let text: TermFilter = Arc::new(move |term| text_matches(&wanted, &term[skipped..]));
    let wanted = pattern.clone();
    let number: TermFilter = Arc::new(move |term| {
        term::number_of(&term[skipped..])
            .is_some_and(|number| wanted.matches(term::whole_text(number).chars()))
    });
    let numbers = term::prefix_of(name, Kind::Whole);
    let numbers_end = prefix_end(&numbers);
    Plan::Or(vec![
        Plan::Terms(Range { field: LEAF, first, end, filter: Some(text) }),
        Plan::Terms(Range { field: LEAF, first: numbers, end: numbers_end, filter: Some(number) }),
    ])
}
