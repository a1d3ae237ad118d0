//! The kinds of sinks. All that the rest of the program asks of a kind stands in its file here: its name and its
//! settings, how it is made, checked, set up, asked and erased by tag, and what it may be used for.
//!
//! Adding a kind is one such file and one line in [`ALL`]. Nothing outside asks which kind a sink is of.

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

/// In the order in which they are named to people.
pub static ALL: [&KindEntry; 4] =
    [&archive::ENTRY, &file::ENTRY, &stdout::ENTRY, &elasticsearch::ENTRY];

/// What is known of a kind before there is a sink of it.
#[derive(Debug)]
pub struct KindEntry {
    /// As in `kind = "…"`; a sink of this name needs no such line.
    pub name: &'static str,
    /// The name of a sink of this kind in examples: `[sink.es]`.
    pub example: &'static str,
    /// The keys that only this kind has. `None` where something is wrong; it is said already.
    pub read: fn(&mut Section<'_>) -> Option<Arc<dyn SinkKind>>,
    /// [`SinkKind::set_up`] is there.
    pub has_setup: bool,
    /// [`SinkKind::alone`] is there.
    pub works_alone: bool,
}

/// Their names for a message: `elasticsearch`, `elasticsearch or kafka`.
pub fn names(which: impl Fn(&KindEntry) -> bool) -> String {
    let names: Vec<&str> = ALL.iter().filter(|kind| which(kind)).map(|kind| kind.name).collect();
    names.join(" or ")
}

/// What a sink is, with the settings that only its kind has.
pub trait SinkKind: Any + Debug + Send + Sync {
    fn entry(&self) -> &'static KindEntry;

    /// Of the same kind, with the same settings: [`same`].
    fn is_same(&self, other: &dyn SinkKind) -> bool;

    /// A sink that a worker delivers to. Blocking.
    fn make(&self, site: Site<'_>) -> anyhow::Result<Made>;

    /// For `logwarden check`: what is there, or what is wrong and what to do. Delivers nothing. Blocking.
    fn check(&self, look: Look<'_>) -> Result<String, String>;

    /// Why it can never work, which makes it a wrong setting; what may still come is no reason. Blocking.
    fn never_works(&self) -> Option<String> {
        None
    }

    /// What it writes on this machine: never followed as a log. The archive has a directory of its own.
    fn output(&self) -> Option<Output> {
        None
    }

    /// Files that its settings name may say something else by now: passwords, certificates.
    fn names_files(&self) -> bool {
        false
    }

    /// The positions that it keeps itself, as far as they can be read without a sink. Blocking.
    fn kept_positions(&self, _archive: &Path) -> Vec<Position> {
        Vec::new()
    }

    /// Single events can be sent to it beside what its worker sends: not where it keeps cursors of its own.
    fn takes_single_events(&self) -> bool {
        false
    }

    /// A sink for single events where no engine runs.
    fn alone(&self) -> Option<Arc<dyn Sink>> {
        None
    }

    /// Its target can be prepared: `logwarden setup`.
    fn set_up(&self) -> Option<&dyn SetUp> {
        None
    }

    /// Its target can be asked for tags: `logwarden find` and `logwarden erase`. The archive is asked by these
    /// themselves, whatever sinks there are.
    fn by_tag(&self) -> Option<&dyn ByTag> {
        None
    }

    /// What it wrote, and neither of them looks into.
    fn out_of_reach(&self) -> Option<String> {
        None
    }
}

/// What [`SinkKind::is_same`] says of a kind whose settings can be compared.
pub fn same<K: SinkKind + PartialEq>(one: &K, other: &dyn SinkKind) -> bool {
    (other as &dyn Any).downcast_ref() == Some(one)
}

/// Where lines are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    File(PathBuf),
    Standard,
}

/// What a sink may use of the engine that it is made for.
pub struct Site<'a> {
    /// The directory of the archive.
    pub archive: &'a Path,
    pub generations: Arc<dyn Generations>,
    pub clock: Arc<dyn Clock>,
    /// Takes what the operator should know.
    pub warn: &'a mut dyn FnMut(String),
}

pub struct Made {
    pub sink: Arc<dyn Sink>,
    /// Cancelled when nobody reads what is written any more: a reason to end.
    pub closed: Option<CancellationToken>,
}

impl Made {
    fn of(sink: impl Sink + 'static) -> Made {
        Made { sink: Arc::new(sink), closed: None }
    }
}

/// What a check may look at.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The directory of the archive.
    pub archive: &'a Path,
    /// What it is writing may look damaged.
    pub engine_runs: bool,
}

/// What a target needs before events come. Safe to repeat.
pub trait SetUp {
    /// Everything that may be sent, for a person to send.
    fn printed(&self) -> String;

    /// Says what was done, or why not.
    fn set_up(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// Events that hold one of several tags. Errors are for people.
pub trait ByTag {
    /// Where they are looked for, for messages.
    fn place(&self) -> String;

    /// How many there are, and the newest of them.
    fn find<'a>(
        &'a self,
        tags: &'a [String],
        newest: usize,
    ) -> BoxFuture<'a, Result<Tagged, String>>;

    /// Why a part of it was not searched; `None`: all of it was.
    fn passed_over(&self) -> BoxFuture<'_, Option<String>> {
        Box::pin(std::future::ready(None))
    }

    /// Removes them for good, and says how many.
    fn erase<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<u64, String>>;
}
