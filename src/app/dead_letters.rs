//! Replays and deletes dead letters on request, in the process that holds the state directory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::settings::Settings;
use crate::base::{Clock, SystemClock};
use crate::query::ParseContext;
use crate::sink::dead_letters::{
    self, DeadLetterDirectory, LetterFilter, Removed, Replay, Replayed,
};
use crate::sink::{Sink, kinds};

pub use crate::sink::dead_letters::Selection;

/// A request to replay or delete the selected dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterOrder {
    Replay(Selection),
    Drop(Selection),
}

/// The result of a [`DeadLetterOrder`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterResult {
    Replayed(Replayed),
    Dropped(Removed),
}

/// Carries out [`DeadLetterOrder`]s: has the directory of the dead letters and the sinks to which they are replayed.
pub struct DeadLetterService {
    pub directory: Arc<DeadLetterDirectory>,
    /// The sinks that accept single events, by name.
    sinks: Mutex<HashMap<String, Arc<dyn Sink>>>,
    /// Why a sink may be missing in `sinks`; the end of an error message.
    missing: String,
}

/// The directory of the dead letters with these settings; opens nothing.
pub fn directory(settings: &Settings, clock: Arc<dyn Clock>) -> DeadLetterDirectory {
    let directory = settings.directories.state.join("dead-letters");
    DeadLetterDirectory::new(directory, clock, settings.dead_letters_max_bytes)
}

impl DeadLetterService {
    /// For a running engine; the sinks are set later.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let directory = Arc::new(directory(settings, clock));
        let missing = "the running engine does not deliver to it, or its kind does not accept single events; \
                       stop the engine and try again";
        DeadLetterService { directory, sinks: Mutex::default(), missing: missing.to_owned() }
    }

    pub fn set_sinks(&self, sinks: HashMap<String, Arc<dyn Sink>>) {
        *self.sinks() = sinks;
    }

    fn sinks(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn Sink>>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a command without a running engine. Hold the state's lock while this is used.
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
        DeadLetterService { directory, sinks: Mutex::new(sinks), missing }
    }

    /// Blocking; not for async threads. `progress` is called with the bytes of the finished files and of all files.
    /// Errors are messages for people.
    pub fn execute(
        &self,
        order: &DeadLetterOrder,
        runtime: Handle,
        stop: CancellationToken,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<DeadLetterResult, String> {
        let result = match order {
            DeadLetterOrder::Replay(selection) => {
                let choice = choice(selection)?;
                let sinks = |name: &str| self.sink(name);
                let directory = &*self.directory;
                let replay =
                    Replay { directory, choice: &choice, sinks: &sinks, runtime, stop, progress };
                replay.run().map(|done| done.map(DeadLetterResult::Replayed))
            }
            DeadLetterOrder::Drop(selection) => {
                dead_letters::remove(&self.directory, &choice(selection)?)
                    .map(|done| done.map(DeadLetterResult::Dropped))
            }
        };
        let failed = |error: io::Error| {
            format!("cannot write the dead letters ({error}); none is lost, some may be sent again")
        };
        let busy =
            || "another replay or removal is in progress; wait until it has ended".to_owned();
        result.map_err(failed)?.ok_or_else(busy)
    }

    fn sink(&self, name: &str) -> Result<Arc<dyn Sink>, String> {
        let missing = || format!("sink {name}: its dead letters were not sent: {}", self.missing);
        self.sinks().get(name).cloned().ok_or_else(missing)
    }
}

/// Converts the selection to a filter. The client has resolved all times to timestamps, so clock and zone are not used.
fn choice(selection: &Selection) -> Result<LetterFilter, String> {
    let now = SystemClock::new().now();
    let context = ParseContext { now, zone: jiff::tz::TimeZone::UTC };
    selection.choice(&context).map_err(|error| error.to_string())
}
