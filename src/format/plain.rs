//! The format `plain`, for lines without a known format: each line is an event, together with the indented lines and
//! the stack trace after it.

use super::multiline::{Trace, is_continuation, is_separate};
use super::text::lossy;
use super::{Context, Fit, Format, Head, Joins};
use crate::event::{Decode, Part};

#[derive(Debug)]
pub struct Plain;

impl Decode for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        each(Part::Message(lossy(text)));
    }
}

impl Format for Plain {
    fn fit(&self, _line: &[u8]) -> Fit {
        Fit::Frame
    }

    fn joins(&self) -> Joins {
        Joins::Lines
    }

    /// Certain only for a JSON object: any other unindented line may belong to a trace before it.
    fn begins(&self, line: &[u8]) -> bool {
        line.starts_with(b"{\"")
    }

    fn continues(&self, trace: &Trace, line: &[u8]) -> bool {
        trace.continues(line)
    }

    fn begins_after(&self, previous: Option<&[u8]>, line: &[u8]) -> bool {
        self.begins(line) || previous.is_some_and(|previous| is_separate(previous, line))
    }

    fn is_later(&self, line: &[u8]) -> bool {
        is_continuation(line)
    }

    fn head(&self, _text: &[u8], _context: &Context) -> Head {
        Head { fits: true, ..Head::default() }
    }
}
