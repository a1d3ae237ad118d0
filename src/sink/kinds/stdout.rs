//! Sink kind `stdout`: JSON lines on standard output.

use std::sync::Arc;

use super::{CheckContext, CreateContext, CreatedSink, KindEntry, Output, SinkKind};
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

    fn make(&self, _: CreateContext<'_>) -> anyhow::Result<CreatedSink> {
        let (sink, reader_gone) = StdoutSink::new();
        Ok(CreatedSink { closed: Some(reader_gone), ..CreatedSink::of(sink) })
    }

    fn check(&self, _: CheckContext<'_>) -> Result<String, String> {
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
