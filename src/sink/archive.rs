//! The embedded archive as a sink: its cursors are the payload of its own commits, so that events and cursors
//! become durable together, and every event is in it once.
//!
//! Everything that touches the disk runs off the async threads.

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

/// How often retention looks for days that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

pub struct ArchiveSink {
    shared: Arc<Shared>,
}

struct Shared {
    archive: Mutex<Archive>,
    generations: Arc<dyn Generations>,
    clock: Arc<dyn Clock>,
    /// `None`: for ever.
    keep: Option<Duration>,
    /// When retention looked last, by [`Clock::uptime`].
    swept: Mutex<Option<Duration>>,
}

impl ArchiveSink {
    /// `generations` tells the identity of each generation (the state does), to be kept beside the cursors.
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
    /// A panic of an earlier call leaves an archive that [`Archive::resume`] puts right.
    fn archive(&self) -> MutexGuard<'_, Archive> {
        self.archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Only directly after a commit: nothing is under way then.
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

/// What a person can mend is said as such; everything else passes or is tried again.
fn sink_error(error: &ArchiveError) -> SinkError {
    let text = with_causes(error);
    match error {
        ArchiveError::Busy { .. } | ArchiveError::Newer { .. } => SinkError::Misconfigured(text),
        _ => SinkError::Unavailable(text),
    }
}

impl Sink for ArchiveSink {
    /// One delivery at a time: events of one generation are added in their order.
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

/// What is there already may only be added, not yet committed: it is done with the next commit either way.
fn outcome(is_new: bool) -> Outcome {
    if is_new { Outcome::Accepted } else { Outcome::Duplicate }
}

impl std::fmt::Debug for ArchiveSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveSink").finish_non_exhaustive()
    }
}
