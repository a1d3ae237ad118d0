//! Writes results: one line per event for people, one JSON event document per line, or CSV.
//!
//! Text from a log is always sanitised before it reaches a terminal (`base::sanitize`).

use std::io::{self, Write};

use crate::base::{json, sanitize};
use crate::event::{Level, Value};
use crate::privacy::Document;
use crate::query::token::runs;
use crate::query::{Expr, Token};

/// The format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line per event, for people.
    Text { colour: bool },
    /// One event document per line.
    Json,
    /// Time, level, service, path, message, id, further fields as JSON.
    Csv,
}

/// Writes results in one of the forms.
#[derive(Debug)]
pub struct Output<W> {
    out: W,
    form: Form,
    /// The output is a terminal, so JSON and CSV are sanitised too.
    on_terminal: bool,
    /// Words to highlight.
    highlighted: Vec<Token>,
    line: String,
}

const RESET: &str = "\x1b[0m";
const FAINT: &str = "\x1b[2m";
const HIGHLIGHT: &str = "\x1b[1;7m";

impl<W: Write> Output<W> {
    /// Writes the header, if the form has one. In coloured text, the words of `query` are highlighted.
    pub fn new(out: W, form: Form, query: &Expr) -> io::Result<Self> {
        let (highlighted, line) = (Vec::new(), String::new());
        let mut output = Output { out, form, on_terminal: false, highlighted, line };
        if form == (Form::Text { colour: true }) {
            collect_words(query, &mut output.highlighted);
        }
        if form == Form::Csv {
            output.out.write_all(b"time,level,service,path,message,id,fields\n")?;
        }
        Ok(output)
    }

    /// For a terminal, JSON is escaped to equivalent JSON, and a CSV cell becomes one safe line. Otherwise both are
    /// written unchanged.
    #[must_use]
    pub fn on_terminal(self, on_terminal: bool) -> Self {
        Output { on_terminal, ..self }
    }

    /// Writes one event document.
    pub fn write(&mut self, json: &str) -> io::Result<()> {
        let document = match self.form {
            Form::Json => return self.json(json),
            _ => Document::parse(json).map_err(io::Error::other)?,
        };
        self.line.clear();
        match self.form {
            Form::Csv => self.csv(&document),
            _ => self.text(&document),
        }
        self.line.push('\n');
        self.out.write_all(self.line.as_bytes())
    }

    /// Flushes everything written so far.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn json(&mut self, json: &str) -> io::Result<()> {
        match self.on_terminal {
            true => self.out.write_all(&json::harmless(json.as_bytes()))?,
            false => self.out.write_all(json.as_bytes())?,
        }
        self.out.write_all(b"\n")
    }

    fn text(&mut self, document: &Document<'_>) {
        let colour = matches!(self.form, Form::Text { colour: true });
        self.line.push_str(&sanitize::line(&document.time));
        let level = document.level.map_or("-", Level::name);
        self.line.push(' ');
        self.coloured(colour.then(|| level_colour(document.level)), &format!("{level:<7}"));
        self.line.push(' ');
        let path = sanitize::line(&document.path);
        let name = path.rsplit('/').next().unwrap_or_default();
        self.coloured(colour.then_some(FAINT), name);
        if let Some(message) = &document.message {
            self.line.push(' ');
            self.message(message);
        }
        for (name, value) in &document.fields {
            let value = match value {
                Value::Text(text) => sanitize::line(text),
                Value::Json(json) => sanitize::line(json),
            };
            self.line.push(' ');
            self.coloured(colour.then_some(FAINT), &format!("{}=", sanitize::line(name)));
            self.line.push_str(&value);
        }
    }

    fn coloured(&mut self, colour: Option<&str>, text: &str) {
        let Some(colour) = colour else { return self.line.push_str(text) };
        self.line.extend([colour, text, RESET]);
    }

    fn message(&mut self, message: &str) {
        let safe = sanitize::line(message);
        if self.highlighted.is_empty() {
            return self.line.push_str(&safe);
        }
        let mut written = 0;
        for run in runs(&safe) {
            if self.highlighted.iter().any(|token| is_match(token, &run)) {
                let end = run.at + run.text.len();
                self.line.extend([&safe[written..run.at], HIGHLIGHT, run.text, RESET]);
                written = end;
            }
        }
        self.line.push_str(&safe[written..]);
    }

    fn csv(&mut self, document: &Document<'_>) {
        let level = document.level.map_or("", Level::name);
        let fields = fields_json(document);
        let cells = [
            document.time.as_ref(),
            level,
            document.service.as_deref().unwrap_or_default(),
            document.path.as_ref(),
            document.message.as_deref().unwrap_or_default(),
            document.id.as_ref(),
            &fields,
        ];
        for (index, cell) in cells.into_iter().enumerate() {
            if index > 0 {
                self.line.push(',');
            }
            let safe = if self.on_terminal { sanitize::line(cell) } else { cell.into() };
            self.line.push_str(&sanitize::csv_cell(&safe));
        }
    }
}

fn fields_json(document: &Document<'_>) -> String {
    if document.fields.is_empty() {
        return String::new();
    }
    let mut text = vec![b'{'];
    for (index, (name, value)) in document.fields.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        json::write_string(name, &mut text);
        text.push(b':');
        match value {
            Value::Text(value) => json::write_string(value, &mut text),
            Value::Json(raw) => text.extend_from_slice(raw.as_bytes()),
        }
    }
    text.push(b'}');
    String::from_utf8_lossy(&text).into_owned()
}

fn is_match(token: &Token, run: &crate::query::token::Run<'_>) -> bool {
    match token {
        Token::Exact(text) => run.folded().eq(text.chars()),
        Token::Wildcard(pattern) => pattern.matches(run.folded()),
    }
}

/// Collects the words that matching events may contain, not the excluded ones.
fn collect_words(query: &Expr, words: &mut Vec<Token>) {
    match query {
        Expr::Words(tokens) => words.extend(tokens.iter().cloned()),
        Expr::And(parts) | Expr::Or(parts) => {
            parts.iter().for_each(|part| collect_words(part, words));
        }
        _ => {}
    }
}

fn level_colour(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Fatal) => "\x1b[1;35m",
        Some(Level::Error) => "\x1b[1;31m",
        Some(Level::Warning) => "\x1b[33m",
        Some(Level::Notice) => "\x1b[36m",
        Some(Level::Info) => "\x1b[32m",
        Some(Level::Debug | Level::Trace) | None => FAINT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_for_programs_never_controls_a_terminal() {
        let document =
            "{\"@timestamp\":\"2024-05-01T10:00:00Z\",\"message\":\"a\\u001b[2J\u{9b}b\"}";
        let written = |form, on_terminal| {
            let mut bytes = Vec::new();
            let output = Output::new(&mut bytes, form, &Expr::And(Vec::new())).unwrap();
            let mut output = output.on_terminal(on_terminal);
            output.write(document).unwrap();
            output.finish().unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert!(written(Form::Csv, true).contains("␛[2J<U+009B>b"));
        assert!(written(Form::Csv, false).contains("\u{1b}[2J\u{9b}b"));
        assert!(written(Form::Json, true).contains(r"a\u001b[2J\u009bb"));
        assert_eq!(written(Form::Json, false), format!("{document}\n"));
    }
}
