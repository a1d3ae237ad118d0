//! The kinds of sinks. Everything that depends on the kind of a sink is in one file here: name, settings, creation,
//! check, setup, search and erasure by tag, and capabilities.
//!
//! To add a kind, add such a file and one line in [`ALL`]. No code outside asks for the kind of a sink.

mod archive;
mod elasticsearch;
mod file;
mod stdout;

use std::any::Any;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{Sink, Tagged};
use crate::archive::Generations;
use crate::base::Clock;
use crate::config::Section;
use crate::event::Position;

pub use archive::ArchiveKind;
pub use file::FileKind;

/// All kinds, in the order in which messages list them.
pub static ALL: [&KindEntry; 4] =
    [&archive::ENTRY, &file::ENTRY, &stdout::ENTRY, &elasticsearch::ENTRY];

/// The properties of a kind, without a sink of it.
#[derive(Debug)]
pub struct KindEntry {
    /// The value of `kind = "…"`; a sink with this name needs no such line.
    pub name: &'static str,
    /// The name of a sink of this kind in examples: `[sink.es]`.
    pub example: &'static str,
    /// Reads the settings of this kind. `None` if one is wrong; the finding is recorded.
    pub read: fn(&mut Section<'_>) -> Option<Arc<dyn SinkKind>>,
    /// Whether [`SinkKind::set_up`] returns `Some`.
    pub has_setup: bool,
    /// Whether [`SinkKind::alone`] returns `Some`.
    pub works_alone: bool,
}

/// Names of kinds for a message: `elasticsearch`, `elasticsearch or kafka`.
pub fn names(which: impl Fn(&KindEntry) -> bool) -> String {
    let names: Vec<&str> = ALL.iter().filter(|kind| which(kind)).map(|kind| kind.name).collect();
    names.join(" or ")
}

/// One configured sink: its kind, with the settings of that kind.
pub trait SinkKind: Any + Debug + Send + Sync {
    fn entry(&self) -> &'static KindEntry;

    /// Whether kind and settings are the same: see [`same`].
    fn is_same(&self, other: &dyn SinkKind) -> bool;

    /// Creates the sink that a worker delivers to. Blocking.
    fn make(&self, context: CreateContext<'_>) -> anyhow::Result<CreatedSink>;

    /// For `logwarden check`: the state of the target, or the problem and its solution. Delivers nothing. Blocking.
    fn check(&self, context: CheckContext<'_>) -> Result<String, String>;

    /// Why a sink with these settings can never work, which makes them an error. That something does not exist yet is
    /// not a reason. Blocking.
    fn never_works(&self) -> Option<String> {
        None
    }

    /// The file or stream on this machine to which it writes, which is never followed as a log. (The archive has a
    /// directory of its own.)
    fn output(&self) -> Option<Output> {
        None
    }

    /// Whether its settings name files whose content may have changed: passwords, certificates.
    fn names_files(&self) -> bool {
        false
    }

    /// The positions that it stores itself, as far as they can be read without a sink. Blocking.
    fn kept_positions(&self, _archive: &Path) -> Vec<Position> {
        Vec::new()
    }

    /// Whether single events can be sent to it besides those of its worker: not if it keeps its own cursors.
    fn takes_single_events(&self) -> bool {
        false
    }

    /// A sink for single events while no engine runs.
    fn alone(&self) -> Option<Arc<dyn Sink>> {
        None
    }

    /// Prepares its target, for `logwarden setup`.
    fn set_up(&self) -> Option<&dyn SetUp> {
        None
    }

    /// Searches and erases by tag in its target, for `logwarden find` and `logwarden erase`. These commands search
    /// the archive themselves, whatever sinks are configured.
    fn by_tag(&self) -> Option<&dyn ByTag> {
        None
    }

    /// A description of its output, if neither of these commands searches it.
    fn out_of_reach(&self) -> Option<String> {
        None
    }
}

/// [`SinkKind::is_same`] for a kind whose settings can be compared.
pub fn same<K: SinkKind + PartialEq>(one: &K, other: &dyn SinkKind) -> bool {
    (other as &dyn Any).downcast_ref() == Some(one)
}

/// Where lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    File(PathBuf),
    Standard,
}

/// The parts of the engine that a new sink may use.
pub struct CreateContext<'a> {
    /// The directory of the archive.
    pub archive: &'a Path,
    pub generations: Arc<dyn Generations>,
    pub clock: Arc<dyn Clock>,
    /// Takes messages for the operator.
    pub warn: &'a mut dyn FnMut(String),
}

pub struct CreatedSink {
    pub sink: Arc<dyn Sink>,
    /// Cancelled when the reader of the output (a pipe) has closed it: then the engine ends.
    pub closed: Option<CancellationToken>,
}

impl CreatedSink {
    fn of(sink: impl Sink + 'static) -> CreatedSink {
        CreatedSink { sink: Arc::new(sink), closed: None }
    }
}

/// The context of a check.
#[derive(Clone, Copy)]
pub struct CheckContext<'a> {
    /// The directory of the archive.
    pub archive: &'a Path,
    /// Files that a running engine is writing may look damaged.
    pub engine_runs: bool,
}

/// Prepares a target before the first events. Safe to repeat.
pub trait SetUp {
    /// Everything that may be sent to the target, as text for a person.
    fn printed(&self) -> String;

    /// Prepares the target; returns a summary, or the reason for a failure.
    fn set_up(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// Searches and erases events that have one of the given tags. Errors are messages for people.
pub trait ByTag {
    /// The searched indexes, for messages.
    fn place(&self) -> String;

    /// The number of these events, and the newest of them.
    fn find<'a>(
        &'a self,
        tags: &'a [String],
        newest: usize,
    ) -> BoxFuture<'a, Result<Tagged, String>>;

    /// Why a part of the target was not searched; `None`: all of it was.
    fn passed_over(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Removes these events permanently and returns how many there were.
    fn erase<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<u64, String>>;
}
