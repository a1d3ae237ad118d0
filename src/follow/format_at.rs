//! Selects the format in force at an offset of a file. With `multiline = false`, it makes every line a record.

use std::sync::Arc;

use crate::event::{Decode, FormatEntry, Part};
use crate::format::{self, Context, Fit, Format, Head, Joins};

/// The format of the last entry at or before `offset`; plain text while there is no entry.
pub(in crate::follow) fn format_at(
    entries: &[FormatEntry],
    offset: u64,
    multiline: bool,
) -> Arc<dyn Format> {
    let entry = entries.iter().rev().find(|entry| entry.offset <= offset).or(entries.first());
    let format = entry.map_or_else(format::detection::plain, format::from_entry);
    if multiline || format.joins() == Joins::Never { format } else { Arc::new(Single(format)) }
}

/// Wraps a format so that every line is a record.
#[derive(Debug)]
struct Single(Arc<dyn Format>);

impl Decode for Single {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        self.0.parts(text, each);
    }
}

impl Format for Single {
    fn fit(&self, line: &[u8]) -> Fit {
        self.0.fit(line)
    }

    fn joins(&self) -> Joins {
        Joins::Never
    }

    fn begins(&self, line: &[u8]) -> bool {
        self.0.begins(line)
    }

    fn is_later(&self, line: &[u8]) -> bool {
        self.0.is_later(line)
    }

    fn head(&self, text: &[u8], context: &Context) -> Head {
        // Lines that do not fit a format would be joined with each other.
        Head { fits: true, ..self.0.head(text, context) }
    }
}
