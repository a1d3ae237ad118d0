//! The sink kind `file`, which writes JSON lines to a file: reads its settings, checks them and creates the sink.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CheckContext, CreateContext, CreatedSink, KindEntry, Output, SinkKind};
use crate::config::{Section, tilde};
use crate::event::Position;
use crate::sink::FileSink;

pub static ENTRY: KindEntry =
    KindEntry { name: "file", example: "out", read, has_setup: false, works_alone: false };

#[derive(Clone, Debug, PartialEq)]
pub struct FileKind {
    pub path: PathBuf,
}

fn read(section: &mut Section<'_>) -> Option<Arc<dyn SinkKind>> {
    let path = tilde::expand(&section.required_text("path")?);
    Some(Arc::new(FileKind { path }))
}

impl SinkKind for FileKind {
    fn entry(&self) -> &'static KindEntry {
        &ENTRY
    }

    fn is_same(&self, other: &dyn SinkKind) -> bool {
        super::same(self, other)
    }

    fn make(&self, site: CreateContext<'_>) -> anyhow::Result<CreatedSink> {
        Ok(CreatedSink::of(FileSink::new(self.path.clone(), site.generations, site.clock)))
    }

    fn check(&self, _: CheckContext<'_>) -> Result<String, String> {
        FileSink::check(&self.path).map(|()| format!("JSON lines into {}", self.path.display()))
    }

    /// The path is something other than a file. A directory that does not exist yet is no problem: it may be created
    /// later.
    fn never_works(&self) -> Option<String> {
        let is_other = self.path.metadata().is_ok_and(|found| !found.is_file());
        if is_other { FileSink::check(&self.path).err() } else { None }
    }

    fn output(&self) -> Option<Output> {
        Some(Output::File(self.path.clone()))
    }

    fn kept_positions(&self, _archive: &Path) -> Vec<Position> {
        FileSink::kept_positions(&self.path)
    }

    fn out_of_reach(&self) -> Option<String> {
        Some(self.path.display().to_string())
    }
}
