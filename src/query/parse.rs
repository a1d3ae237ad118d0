//! Parses a query into an expression tree: recursive descent over characters, bounded in length and depth.
//!
//! Precedence: `or` < `and` < `not`/`-`; adjacent words are *and*; `field:(a b)` is *or*.

use super::lexer::{Comparison, Scanner, Word};
use super::{Expr, FieldName, ParseContext, QueryError, term};

/// Maximum length of a query, in characters.
pub const LONGEST_QUERY: usize = 4096;
/// Maximum depth of nested parentheses and `not`.
pub const DEEPEST_QUERY: usize = 50;

const OPERAND: &str = "a word, a \"phrase\", field:value or (";

/// Parses a query. An empty query is [`Expr::All`].
pub fn parse(text: &str, context: &ParseContext) -> Result<Expr, QueryError> {
    if text.chars().nth(LONGEST_QUERY).is_some() {
        let problem = format!("longer than {LONGEST_QUERY} characters; write a shorter query");
        return Err(QueryError { column: LONGEST_QUERY + 1, problem });
    }
    let mut parser = Parser { scanner: Scanner::new(text), depth: 0, context };
    parser.scanner.skip_space();
    if parser.scanner.peek().is_none() {
        return Ok(Expr::All);
    }
    let tree = parser.disjunction()?;
    match parser.scanner.peek() {
        None => Ok(tree),
        Some(_) => Err(parser.scanner.error("`)` without a `(` before it; expected the end")),
    }
}

struct Parser<'a> {
    scanner: Scanner,
    depth: usize,
    context: &'a ParseContext,
}

impl Parser<'_> {
    fn disjunction(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.conjunction()?];
        while self.scanner.take_keyword("or") {
            parts.push(self.conjunction()?);
        }
        Ok(single_or(parts, Expr::Or))
    }

    fn conjunction(&mut self) -> Result<Expr, QueryError> {
        let mut parts = vec![self.negated()?];
        loop {
            self.scanner.skip_space();
            if matches!(self.scanner.peek(), None | Some(')')) || self.scanner.at_keyword("or") {
                return Ok(single_or(parts, Expr::And));
            }
            self.scanner.take_keyword("and");
            parts.push(self.negated()?);
        }
    }

    fn negated(&mut self) -> Result<Expr, QueryError> {
        self.scanner.skip_space();
        if self.scanner.take_keyword("not") {
            return self.deeper(Self::negated).map(negation);
        }
        if self.scanner.peek() == Some('-') {
            let next = self.scanner.peek_at(1);
            if next.is_none_or(char::is_whitespace) {
                let problem =
                    "`-` must be directly before the term it excludes; quote it to search for it";
                return Err(self.scanner.error(problem));
            }
            self.scanner.skip(1);
            return self.deeper(Self::negated).map(negation);
        }
        self.operand()
    }

    fn operand(&mut self) -> Result<Expr, QueryError> {
        for keyword in ["and", "or"] {
            if self.scanner.at_keyword(keyword) {
                let problem = format!(
                    "expected {OPERAND} before `{keyword}`; quote it to search for the word"
                );
                return Err(self.scanner.error(problem));
            }
        }
        match self.scanner.peek() {
            None => Err(self.scanner.error(format!("expected {OPERAND}, found the end"))),
            Some(')') => Err(self.scanner.error(format!("expected {OPERAND}, found `)`"))),
            Some('(') => {
                let opened = self.scanner.position();
                self.scanner.skip(1);
                let inner = self.deeper(Self::disjunction)?;
                self.close(opened)?;
                Ok(inner)
            }
            Some(_) => self.term(),
        }
    }

    fn term(&mut self) -> Result<Expr, QueryError> {
        let word = self.scanner.word(true)?;
        match self.scanner.take_comparison() {
            None => term::words(&word),
            Some(comparison) => {
                let name = term::field_name(&word)?;
                self.field(&name, comparison)
            }
        }
    }

    fn field(&mut self, name: &FieldName, comparison: Comparison) -> Result<Expr, QueryError> {
        self.scanner.skip_space();
        match self.scanner.peek() {
            None | Some(')') => Err(self.scanner.error(format!(
                "expected a value after `{}{}`",
                name.0,
                comparison.sign()
            ))),
            Some('(') if comparison == Comparison::Is => {
                let opened = self.scanner.position();
                self.scanner.skip(1);
                let values = self.deeper(|parser| parser.values(name))?;
                self.close(opened)?;
                Ok(values)
            }
            Some(_) => {
                let value = self.scanner.word(false)?;
                term::field(name, comparison, &value, self.context)
            }
        }
    }

    /// `(a b)` and `(a or b)` after a field: any of the values.
    fn values(&mut self, name: &FieldName) -> Result<Expr, QueryError> {
        let mut parts = Vec::new();
        loop {
            self.scanner.skip_space();
            for keyword in ["and", "not"] {
                if self.scanner.at_keyword(keyword) {
                    let problem = format!(
                        "`{keyword}` is not allowed in a list of values, which means any of them; \
                         write {0}:… {keyword} {0}:…, or quote the word",
                        name.0
                    );
                    return Err(self.scanner.error(problem));
                }
            }
            match self.scanner.peek() {
                None | Some(')' | '(') if parts.is_empty() => {
                    return Err(self.scanner.error("expected a value"));
                }
                None | Some(')' | '(') => return Ok(single_or(parts, Expr::Or)),
                Some(_) => {}
            }
            let value: Word = self.scanner.word(false)?;
            parts.push(term::field(name, Comparison::Is, &value, self.context)?);
            self.scanner.take_keyword("or");
        }
    }

    fn close(&mut self, opened: usize) -> Result<(), QueryError> {
        self.scanner.skip_space();
        if self.scanner.peek() == Some(')') {
            self.scanner.skip(1);
            return Ok(());
        }
        let problem = format!("expected `)` for the `(` in column {}", opened + 1);
        Err(self.scanner.error(problem))
    }

    /// Reads one level deeper; an error at the maximum depth.
    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        if self.depth == DEEPEST_QUERY {
            let problem = format!("nested deeper than {DEEPEST_QUERY}; write a flatter query");
            return Err(self.scanner.error(problem));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

fn negation(inner: Expr) -> Expr {
    Expr::Not(Box::new(inner))
}

fn single_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}
