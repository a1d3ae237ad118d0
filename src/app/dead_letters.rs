//! Dead letters at a person's order: replayed or dropped by the process that owns the state directory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::base::{Clock, SystemClock};
use crate::query::ParseContext;
use crate::sink::dead_letters::{self, Choice, DeadLetterDirectory, Removed, Replay, Replayed};
use crate::sink::{Sink, kinds};

pub use crate::sink::dead_letters::Selection;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterOrder {
    Replay(Selection),
    Drop(Selection),
}

/// What came of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LettersSorted {
    Replayed(Replayed),
    Dropped(Removed),
}

/// Obeys such orders: the store, and the sinks that are at work.
pub struct LetterDesk {
    pub directory: Arc<DeadLetterDirectory>,
    /// Those at work that take single events.
    sinks: Mutex<HashMap<String, Arc<dyn Sink>>>,
    /// What is said of a sink that is not among them.
    missing: String,
}

/// The store of these settings; touches nothing.
pub fn directory(settings: &Settings, clock: Arc<dyn Clock>) -> DeadLetterDirectory {
    let directory = settings.directories.state.join("dead-letters");
    DeadLetterDirectory::new(directory, clock, settings.dead_letters_most)
}

impl LetterDesk {
    /// Of an engine, without sinks.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let directory = Arc::new(directory(settings, clock));
        let missing = "the running engine delivers nothing to it, or it is of a kind that takes no single \
                       events; stop that engine and try again";
        LetterDesk { directory, sinks: Mutex::default(), missing: missing.to_owned() }
    }

    pub fn set_sinks(&self, sinks: HashMap<String, Arc<dyn Sink>>) {
        *self.sinks() = sinks;
    }

    fn sinks(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn Sink>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where no engine runs. Hold the state's lock as long as this is used.
    pub fn alone(settings: &Settings) -> Self {
        let mut sinks: HashMap<String, Arc<dyn Sink>> = HashMap::new();
        for sink in &settings.sinks {
            if let Some(alone) = sink.kind.alone() {
                sinks.insert(sink.name.clone(), alone);
            }
        }
        let directory = Arc::new(directory(settings, Arc::new(SystemClock::new())));
        let kinds = kinds::names(|kind| kind.works_alone);
        let missing = format!("no such sink of kind {kinds} is configured");
        LetterDesk { directory, sinks: Mutex::new(sinks), missing }
    }

    /// Blocking; not on an async thread. Errors are for people.
    pub fn obey(
        &self,
        order: &LetterOrder,
        runtime: Handle,
        stop: CancellationToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<LettersSorted, String> {
        let sorted = match order {
            LetterOrder::Replay(selection) => {
                let choice = choice(selection)?;
                let sinks = |name: &str| self.sink(name);
                let directory = &*self.directory;
                let replay =
                    Replay { directory, choice: &choice, sinks: &sinks, runtime, stop, progress };
                replay.run().map(|done| done.map(LettersSorted::Replayed))
            }
            LetterOrder::Drop(selection) => {
                dead_letters::remove(&self.directory, &choice(selection)?)
                    .map(|done| done.map(LettersSorted::Dropped))
            }
        };
        let failed = |error: io::Error| {
            format!("cannot write the dead letters ({error}); none is lost, some may be sent again")
        };
        let busy = || "another replay or removal is under way; wait for its end".to_owned();
        sorted.map_err(failed)?.ok_or_else(busy)
    }

    fn sink(&self, name: &str) -> Result<Arc<dyn Sink>, String> {
        let missing = || format!("sink {name}: its dead letters stay: {}", self.missing);
        self.sinks().get(name).cloned().ok_or_else(missing)
    }
}

/// The asker has made moments of all times, so neither clock nor zone matters.
fn choice(selection: &Selection) -> Result<Choice, String> {
    let now = SystemClock::new().now();
    let context = ParseContext { now, zone: jiff::tz::TimeZone::UTC };
    selection.choice(&context).map_err(|error| error.to_string())
}
