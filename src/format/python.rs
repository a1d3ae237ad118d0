//! Parses lines of Python's `logging` in common layouts: `asctime - [LEVEL] - message`,
//! `asctime - name - LEVEL - message`, `LEVEL:name:message`, and the layouts of gunicorn and celery.
//!
//! A line that begins with none of these belongs to the record before it.

use super::header::{self, Header, LevelStyle};
use super::text::{first_line, lossy};
use super::{Context, Fit, Format, Head, Joins, generic, level};
use crate::event::{Decode, Level, Part, Value};

/// The format `python`.
#[derive(Debug)]
pub struct Python;

impl Decode for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        if let Some(short) = Short::read(text) {
            if !short.name.is_empty() {
                each(Part::Field("logger".into(), Value::Text(lossy(short.name))));
            }
            return each(Part::Message(lossy(short.message)));
        }
        generic::Generic.parts(text, each);
    }
}

impl Format for Python {
    fn fit(&self, line: &[u8]) -> Fit {
        if Short::read(line).is_some_and(|short| !short.name.is_empty()) {
            return Fit::Exact;
        }
        match header::read(line) {
            Some(header) if is_python(line, &header) => Fit::Exact,
            _ => Fit::No,
        }
    }

    fn joins(&self) -> Joins {
        Joins::Lines
    }

    fn begins(&self, line: &[u8]) -> bool {
        header::begins(line) || Short::read(line).is_some()
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        match Short::read(text) {
            Some(short) => Head { level: Some(short.level), fits: true, ..Head::default() },
            None => generic::head(header::read(text), context),
        }
    }
}

/// The line has a layout of `logging.Formatter`, gunicorn or celery that log4j does not write.
fn is_python(line: &[u8], header: &Header) -> bool {
    let Some(level) = header.level else { return false };
    let fits =
        matches!(level, Level::Debug | Level::Info | Level::Warning | Level::Error | Level::Fatal);
    let dashes = header.dashed && line[..header.message].ends_with(b" - ");
    let gunicorn = header.level_style == LevelStyle::Bracketed
        && line.starts_with(b"[")
        && line.get(20..22).is_some_and(|zone| zone == b" +" || zone == b" -");
    let celery =
        line.starts_with(b"[") && line.get(20) == Some(&b',') && line.get(24) == Some(&b':');
    fits && ((header.comma && dashes && header.thread.is_none()) || gunicorn || celery)
}

/// `LEVEL:name:message` (the default layout) and `INFO:     message` (uvicorn).
struct Short<'a> {
    level: Level,
    name: &'a [u8],
    message: &'a [u8],
}

impl<'a> Short<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let length = text.iter().take(9).take_while(|byte| byte.is_ascii_uppercase()).count();
        if text.get(length) != Some(&b':') {
            return None;
        }
        let word = &text[..length];
        if !matches!(word, b"DEBUG" | b"INFO" | b"WARNING" | b"ERROR" | b"CRITICAL") {
            return None;
        }
        let level = level::word(word)?;
        let rest = &text[length + 1..];
        let line = first_line(rest);
        let colon = line.iter().take(120).position(|byte| matches!(byte, b':' | b' '));
        match colon {
            Some(at) if at > 0 && line[at] == b':' => {
                Some(Short { level, name: &rest[..at], message: &rest[at + 1..] })
            }
            _ if line.starts_with(b"  ") => {
                Some(Short { level, name: b"", message: rest.trim_ascii_start() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
