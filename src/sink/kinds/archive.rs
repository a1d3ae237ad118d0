//! Sink kind `archive`: stores events in the embedded archive.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{CheckContext, CreateContext, CreatedSink, KindEntry, SinkKind};
use crate::archive::{Archive, ArchiveError, Reader};
use crate::base::bytes::{self, parse_duration};
use crate::base::with_causes;
use crate::config::Section;
use crate::event::Position;
use crate::sink::archive::ArchiveSink;
use crate::state::private_directory;

pub static ENTRY: KindEntry =
    KindEntry { name: "archive", example: "archive", read, has_setup: false, works_alone: false };

const DEFAULT_KEEP: Duration = Duration::from_secs(30 * 86_400);

#[derive(Clone, Debug, PartialEq)]
pub struct ArchiveKind {
    /// How long an event stays after it was archived; `None`: forever.
    keep: Option<Duration>,
}

/// Default: 30 days.
impl Default for ArchiveKind {
    fn default() -> Self {
        ArchiveKind { keep: Some(DEFAULT_KEEP) }
    }
}

fn read(section: &mut Section<'_>) -> Option<Arc<dyn SinkKind>> {
    let keep = section.parsed("keep", read_keep);
    Some(Arc::new(keep.map_or_else(ArchiveKind::default, |keep| ArchiveKind { keep })))
}

fn read_keep(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "forever" => Ok(None),
        _ => parse_duration(text).map(Some).map_err(|problem| format!("{problem}, or `forever`")),
    }
}

impl SinkKind for ArchiveKind {
    fn entry(&self) -> &'static KindEntry {
        &ENTRY
    }

    fn is_same(&self, other: &dyn SinkKind) -> bool {
        super::same(self, other)
    }

    fn make(&self, site: CreateContext<'_>) -> anyhow::Result<CreatedSink> {
        if site.archive.join("meta.json").exists()
            && let Some(closed) = private_directory::close_directory(site.archive)
        {
            (site.warn)(closed);
        }
        let (archive, oddities) = Archive::open_writer(site.archive, site.clock.now())?;
        oddities.into_iter().for_each(site.warn);
        Ok(CreatedSink::of(ArchiveSink::new(archive, site.generations, site.clock, self.keep)))
    }

    /// Also reads documents: an index can be opened even if some of its blocks are damaged.
    fn check(
        &self,
        CheckContext { archive: directory, engine_runs }: CheckContext<'_>,
    ) -> Result<String, String> {
        let chain = |error: ArchiveError| with_causes(&error);
        // While an engine runs, its writer has this directory open.
        if !engine_runs && let Some(reason) = Reader::damage(directory).map_err(chain)? {
            return Err(set_aside(directory, &reason));
        }
        let opened = Reader::open(directory).and_then(|reader| reader.snapshot());
        let snapshot = match opened {
            Ok(snapshot) => snapshot,
            Err(missing @ ArchiveError::Missing { .. }) => return Ok(missing.to_string()),
            Err(error) => return Err(chain(error)),
        };
        // Blocks are compressed: a panic while a damaged one is read is a finding like any other.
        match catch_unwind(AssertUnwindSafe(|| snapshot.probe())) {
            Ok(Ok(())) => {
                let events = bytes::counted(snapshot.events(), "event");
                Ok(format!("{events} in {}", directory.display()))
            }
            Ok(Err(error)) => Err(moved_away(&chain(error))),
            Err(_) => {
                Err(moved_away(&format!("cannot read the archive in {}", directory.display())))
            }
        }
    }

    fn kept_positions(&self, archive: &Path) -> Vec<Position> {
        let positions = Reader::open(archive).and_then(|reader| reader.positions());
        positions.map(|positions| positions.known()).unwrap_or_default()
    }
}

/// For damage that the engine finds at its start.
fn set_aside(directory: &Path, reason: &str) -> String {
    format!(
        "cannot read the archive in {}: it is damaged ({reason}); the next start of the engine sets it \
         aside and fills a new one from the remaining logs",
        directory.display()
    )
}

/// For damage that the engine does not find at its start: it checks only the parts that it opens, not every document.
fn moved_away(problem: &str) -> String {
    format!(
        "{problem}; if this persists, stop the engine and move the directory away: a new archive is filled \
         from the remaining logs"
    )
}
