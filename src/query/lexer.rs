//! Splits a query into words (with quotes and escapes), keywords and comparison signs.

use super::QueryError;
use super::pattern::Step;

/// The characters of a query, and the current position.
pub(super) struct Scanner {
    characters: Vec<char>,
    at: usize,
}

/// The comparison sign between a field and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Is,
    AtLeast,
    Above,
    AtMost,
    Below,
}

impl Comparison {
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Is => ":",
            Comparison::AtLeast => ">=",
            Comparison::Above => ">",
            Comparison::AtMost => "<=",
            Comparison::Below => "<",
        }
    }
}

/// A word or a quoted phrase.
pub(super) struct Word {
    /// Its position in the query: 0-based, in characters.
    pub at: usize,
    pub quoted: bool,
    /// Wildcards only for characters that were not quoted or escaped.
    pub steps: Vec<Step>,
}

impl Word {
    /// The text without quotes and escapes; wildcards as typed.
    pub fn text(&self) -> String {
        self.steps
            .iter()
            .map(|step| match step {
                Step::AnyRun => '*',
                Step::AnyOne => '?',
                Step::Character(character) => *character,
            })
            .collect()
    }

    pub fn has_wildcards(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Character(_)))
    }

    /// Whether it consists only of `*`.
    pub fn is_anything(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| *step == Step::AnyRun)
    }

    pub fn error(&self, problem: impl Into<String>) -> QueryError {
        QueryError { column: self.at + 1, problem: problem.into() }
    }
}

impl Scanner {
    pub fn new(text: &str) -> Self {
        Scanner { characters: text.chars().collect(), at: 0 }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    pub fn peek_at(&self, distance: usize) -> Option<char> {
        self.characters.get(self.at + distance).copied()
    }

    pub fn skip(&mut self, count: usize) {
        self.at += count;
    }

    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    pub fn error(&self, problem: impl Into<String>) -> QueryError {
        QueryError { column: self.at + 1, problem: problem.into() }
    }

    /// Whether this keyword (`and`, `or`, `not`) is next: in any case, as a whole word that is not a field name.
    pub fn at_keyword(&self, keyword: &str) -> bool {
        let matches = keyword.chars().enumerate().all(|(index, wanted)| {
            self.peek_at(index).is_some_and(|found| found.eq_ignore_ascii_case(&wanted))
        });
        let mut after = self.at + keyword.len();
        if !matches || self.characters.get(after).is_some_and(|next| !ends_keyword(*next)) {
            return false;
        }
        while self.characters.get(after).is_some_and(|next| next.is_whitespace()) {
            after += 1;
        }
        !matches!(self.characters.get(after), Some(':' | '<' | '>'))
    }

    /// Skips this keyword if it is next.
    pub fn take_keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let found = self.at_keyword(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    /// `:`, `>=`, `:>=` …, with or without space before it.
    pub fn take_comparison(&mut self) -> Option<Comparison> {
        let before = self.at;
        self.skip_space();
        let colon = self.peek() == Some(':');
        if colon {
            self.skip(1);
            self.skip_space();
        }
        let found = match (self.peek(), self.peek_at(1)) {
            (Some('>'), Some('=')) => Some((Comparison::AtLeast, 2)),
            (Some('>'), _) => Some((Comparison::Above, 1)),
            (Some('<'), Some('=')) => Some((Comparison::AtMost, 2)),
            (Some('<'), _) => Some((Comparison::Below, 1)),
            _ if colon => Some((Comparison::Is, 0)),
            _ => None,
        };
        match found {
            Some((_, length)) => self.skip(length),
            None => self.at = before,
        }
        found.map(|(comparison, _)| comparison)
    }

    /// Reads a quoted phrase or a word. `name`: it may be a field name, so a comparison sign ends it too.
    pub fn word(&mut self, name: bool) -> Result<Word, QueryError> {
        match self.peek() {
            Some('"') => self.phrase(),
            Some('!') if name => {
                Err(self.error("`!` is not an operator; write `not` or `-`, or quote the word"))
            }
            _ => self.bare_word(name),
        }
    }

    fn bare_word(&mut self, name: bool) -> Result<Word, QueryError> {
        let at = self.at;
        let mut steps = Vec::new();
        while let Some(character) = self.peek() {
            match character {
                '(' | ')' => break,
                ':' | '<' | '>' if name => break,
                '"' => {
                    let problem = "a quote within a word; put a space before it, or write \\\"";
                    return Err(self.error(problem));
                }
                '\\' => {
                    let Some(escaped) = self.peek_at(1) else {
                        return Err(self.error("expected a character after `\\`, found the end"));
                    };
                    steps.push(Step::Character(escaped));
                    self.skip(1);
                }
                '*' => steps.push(Step::AnyRun),
                '?' => steps.push(Step::AnyOne),
                _ if character.is_whitespace() => break,
                _ => steps.push(Step::Character(character)),
            }
            self.skip(1);
        }
        if steps.is_empty() {
            let found = self.peek().map_or("the end".to_owned(), |found| format!("`{found}`"));
            let expected = if name { "a word or a field" } else { "a value" };
            return Err(self.error(format!("expected {expected}, found {found}")));
        }
        Ok(Word { at, quoted: false, steps })
    }

    /// Inside quotes only `\"` and `\\` are escapes, so that Windows paths need none.
    fn phrase(&mut self) -> Result<Word, QueryError> {
        let at = self.at;
        let mut steps = Vec::new();
        self.skip(1);
        loop {
            match (self.peek(), self.peek_at(1)) {
                (None, _) => {
                    let problem =
                        format!("expected a closing `\"` for the one in column {}", at + 1);
                    return Err(self.error(problem));
                }
                (Some('"'), _) => break,
                (Some('\\'), Some(escaped @ ('"' | '\\'))) => {
                    steps.push(Step::Character(escaped));
                    self.skip(2);
                }
                (Some(character), _) => {
                    steps.push(Step::Character(character));
                    self.skip(1);
                }
            }
        }
        self.skip(1);
        match self.peek() {
            Some(next) if !ends_phrase(next) => Err(self.error("expected a space after the quote")),
            _ => Ok(Word { at, quoted: true, steps }),
        }
    }
}

fn ends_keyword(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | '"' | '-')
}

fn ends_phrase(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | ':' | '<' | '>')
}
