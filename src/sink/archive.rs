//! Delivers events to the embedded archive. Its cursors are the payload of the archive's own commits: events and
//! cursors become durable together, and every event is archived once.
//!
//! All disk access runs on blocking threads.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::{Cursors, Delivery, Items, Limits, Outcome, Sink, SinkError};
use crate::archive::{self, Archive, ArchiveError, Generations};
use crate::base::{Clock, Timestamp, with_causes};
use crate::event::{GenerationId, Position};
use crate::privacy::Outgoing;

/// How often retention checks for expired days.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

pub struct ArchiveSink {
    shared: Arc<Shared>,
}

struct Shared {
    archive: Mutex<Archive>,
    generations: Arc<dyn Generations>,
    clock: Arc<dyn Clock>,
    /// How long events are kept; `None`: forever.
    keep: Option<Duration>,
    /// When retention last ran, by [`Clock::uptime`].
    swept: Mutex<Option<Duration>>,
}

impl ArchiveSink {
    /// `generations` provides the identity of each generation, which is stored beside the cursors.
    pub fn new(
        archive: Archive,
        generations: Arc<dyn Generations>,
        clock: Arc<dyn Clock>,
        keep: Option<Duration>,
    ) -> Self {
        let archive = Mutex::new(archive);
        let swept = Mutex::default();
        ArchiveSink { shared: Arc::new(Shared { archive, generations, clock, keep, swept }) }
    }

    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, ArchiveError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, SinkError>> {
        let shared = self.shared.clone();
        async move {
            match tokio::task::spawn_blocking(move || work(&shared)).await {
                Ok(result) => result.map_err(|error| sink_error(&error)),
                Err(panic) => Err(SinkError::Unavailable(format!("the archive failed: {panic}"))),
            }
        }
        .boxed()
    }
}

impl Shared {
    /// After a panic, [`Archive::resume`] restores the archive.
    fn archive(&self) -> MutexGuard<'_, Archive> {
        self.archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets retention delete expired days, at most once per hour. Call it only directly after a commit, when nothing is
    /// in flight.
    fn sweep_when_due(&self, archive: &mut Archive, now: Timestamp) -> Result<(), ArchiveError> {
        let Some(keep) = self.keep else { return Ok(()) };
        let uptime = self.clock.uptime();
        let mut swept = self.swept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if swept.is_some_and(|last| uptime.saturating_sub(last) < SWEEP_EVERY) {
            return Ok(());
        }
        let passed = swept.map_or(Duration::ZERO, |last| uptime.saturating_sub(last));
        *swept = Some(uptime);
        archive.sweep(keep, now, passed)
    }
}

/// Problems that only a person can solve are `Misconfigured`; everything else is `Unavailable` and retried.
fn sink_error(error: &ArchiveError) -> SinkError {
    let text = with_causes(error);
    match error {
        ArchiveError::Busy { .. } | ArchiveError::Newer { .. } => SinkError::Misconfigured(text),
        _ => SinkError::Unavailable(text),
    }
}

impl Sink for ArchiveSink {
    /// One delivery at a time: events of one generation are added in order.
    fn limits(&self) -> Limits {
        Limits { requests: 1, ..Limits::default() }
    }

    fn encode(&self, event: &Outgoing<'_>, body: &mut Vec<u8>) {
        archive::encode(event, body);
    }

    fn document<'a>(&self, item: &'a [u8]) -> Cow<'a, str> {
        String::from_utf8_lossy(archive::document(item))
    }

    fn resume(&self) -> BoxFuture<'_, Result<Option<Vec<Position>>, SinkError>> {
        self.blocking(|shared| Ok(Some(shared.archive().resume()?.known())))
    }

    fn forget(&self, generations: Vec<GenerationId>) -> BoxFuture<'_, Result<(), SinkError>> {
        self.blocking(move |shared| {
            shared.archive().forget(&generations);
            Ok(())
        })
    }

    fn deliver(&self, items: Items) -> BoxFuture<'_, (Items, Delivery)> {
        let items = items.lend();
        let lent = items.clone();
        let body = Bytes::from_owner(items.clone());
        self.blocking(move |shared| shared.archive().add(body, &lent.ends))
            .map(|added| {
                let delivery = match added {
                    Ok(new) if new.iter().all(|new| *new) => Delivery::All(Outcome::Accepted),
                    Ok(new) => Delivery::Each(new.into_iter().map(outcome).collect()),
                    Err(error) => Delivery::Down(error),
                };
                (items.take_back(), delivery)
            })
            .boxed()
    }

    fn commit<'a>(&'a self, upto: &'a Cursors) -> BoxFuture<'a, Result<(), SinkError>> {
        let upto = upto.clone();
        self.blocking(move |shared| {
            let now = shared.clock.now();
            let mut archive = shared.archive();
            archive.commit(&upto, &*shared.generations, now)?;
            shared.sweep_when_due(&mut archive, now)
        })
    }
}

/// A duplicate may be in the archive but not committed yet: the next commit makes it durable in either case.
fn outcome(is_new: bool) -> Outcome {
    if is_new { Outcome::Accepted } else { Outcome::Duplicate }
}

impl std::fmt::Debug for ArchiveSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveSink").finish_non_exhaustive()
    }
}
