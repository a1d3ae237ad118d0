//! The format `generic`: `YYYY-MM-DD HH:MM:SS [LEVEL] message` and similar layouts of log4j, logback, Spring, .NET, Go,
//! glog and klog, Rust's `env_logger` and `tracing`, Android, and others with a time at the beginning of the line.
//!
//! A line without a time belongs to the record before it.

use super::header::{self, Span};
use super::text::lossy;
use super::{Context, Fit, Format, Head, Joins};
use crate::event::{Decode, Part, Value};

#[derive(Debug)]
pub struct Generic;

impl Decode for Generic {
    fn name(&self) -> &'static str {
        "generic"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        let Some(header) = header::read(text) else { return each(Part::Message(lossy(text))) };
        let mut field = |name: &'static str, span: Option<Span>| {
            if let Some((from, to)) = span {
                let value = Value::Text(lossy(text[from..to].trim_ascii()));
                each(Part::Field(name.into(), value));
            }
        };
        field("process", header.process);
        field("thread", header.thread);
        field("logger", header.logger);
        each(Part::Message(lossy(&text[header.message..])));
    }
}

impl Format for Generic {
    fn fit(&self, line: &[u8]) -> Fit {
        if header::begins(line) { Fit::Exact } else { Fit::No }
    }

    fn joins(&self) -> Joins {
        Joins::Lines
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        head(header::read(text), context)
    }
}

/// The time and level in a header, as the head of a record.
pub fn head(header: Option<header::Header>, context: &Context) -> Head {
    let Some(header) = header else { return Head::default() };
    Head {
        time: header.stamp.and_then(|stamp| stamp.resolve(context)),
        precision: header.stamp.map_or(0, |stamp| stamp.precision),
        level: header.level,
        quiet: false,
        fits: true,
    }
}

#[cfg(test)]
mod tests;
