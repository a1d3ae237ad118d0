//! Sink kind `stdout`: JSON lines on standard output.

use std::sync::Arc;

use super::{KindEntry, Look, Made, Output, SinkKind, Site};
use crate::config::Section;
use crate::sink::{StdoutSink, stdout};

pub static ENTRY: KindEntry =
    KindEntry { name: "stdout", example: "stdout", read, has_setup: false, works_alone: false };

#[derive(Clone, Debug, PartialEq)]
struct StdoutKind;

fn read(_: &mut Section<'_>) -> Option<Arc<dyn SinkKind>> {
    Some(Arc::new(StdoutKind))
}

impl SinkKind for StdoutKind {
    fn entry(&self) -> &'static KindEntry {
        &ENTRY
    }

    fn is_same(&self, other: &dyn SinkKind) -> bool {
        super::same(self, other)
    }

    fn make(&self, _: Site<'_>) -> anyhow::Result<Made> {
        let (sink, reader_gone) = StdoutSink::new();
        Ok(Made { closed: Some(reader_gone), ..Made::of(sink) })
    }

    fn check(&self, _: Look<'_>) -> Result<String, String> {
        stdout::check().map(|()| "JSON lines on standard output".to_owned()).map_err(str::to_owned)
    }

    fn never_works(&self) -> Option<String> {
        stdout::check().err().map(str::to_owned)
    }

    fn output(&self) -> Option<Output> {
        Some(Output::Standard)
    }

    fn takes_single_events(&self) -> bool {
        true
    }
}
