//! Creates the configured sinks and runs each with its worker.

mod orders;

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::orders::KeptOrders;
use super::dead_letters::DeadLetterService;
use super::settings::{PrivacySettings, Settings, Ship, ShipStart, SinkSettings};
use super::start_error::StartError;
use super::status_board::Notices;
use crate::base::Clock;
use crate::event::status::SinkStatus;
use crate::event::{Command, Level, Position};
use crate::follow::Log;
use crate::privacy::Sealer;
use crate::query::Expr;
use crate::sink::kinds::{CreateContext, CreatedSink, SinkKind};
use crate::sink::worker::{Condition, Rounds};
use crate::sink::{Filter, Mode, Order, Sink, Worker, WorkerConfig, WorkerHandle};
use crate::state::Store;

/// Bytes of memory for the encoded request bodies of all sinks: a part of the 32 MiB that read buffers and batches use
/// too.
const BODIES: usize = 4 << 20;
/// Minimum per sink in bytes, even if all sinks together then exceed `BODIES`.
const MIN_BUDGET: usize = 2 << 20;

/// Everything that a running sink depends on; if any of it changes, the sink is restarted.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkSpec {
    sink: SinkSettings,
    privacy: PrivacySettings,
    ship: Ship,
    budget: usize,
}

impl SinkSpec {
    pub fn name(&self) -> &str {
        &self.sink.name
    }
}

/// One spec per enabled sink.
pub fn specs(settings: &Settings) -> Vec<SinkSpec> {
    let enabled: Vec<&SinkSettings> = settings.sinks.iter().filter(|sink| sink.enabled).collect();
    let budget = (BODIES / enabled.len().max(1)).max(MIN_BUDGET);
    let spec = |sink: &SinkSettings| SinkSpec {
        sink: sink.clone(),
        privacy: settings.privacy.clone(),
        ship: sink.ship.unwrap_or(settings.ship),
        budget,
    };
    enabled.into_iter().map(spec).collect()
}

/// A sink with its running worker.
pub struct RunningSink {
    spec: SinkSpec,
    sink: Arc<dyn Sink>,
    handle: WorkerHandle,
    task: Option<JoinHandle<SinkStatus>>,
    stop: CancellationToken,
    closed: Option<CancellationToken>,
    /// Orders that also apply to its successor.
    kept: KeptOrders,
}

impl RunningSink {
    pub fn name(&self) -> &str {
        self.spec.name()
    }

    pub fn status(&self) -> watch::Receiver<SinkStatus> {
        self.handle.status.clone()
    }

    /// The sink, if single events can be sent to it beside its worker.
    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.spec.sink.kind.takes_single_events().then(|| self.sink.clone())
    }

    /// Whether the sink can keep running with this spec.
    pub fn is_unchanged(&self, spec: &SinkSpec) -> bool {
        self.spec == *spec && !spec.sink.kind.names_files()
    }

    /// Sends a command to the worker, and keeps it for the successor if it still applies then. `false`: the worker's
    /// queue is full, for example because its disk does not answer.
    pub fn send(&mut self, command: &Command) -> bool {
        let Some(order) = orders::order_for(command, self.name()) else { return true };
        // A pending `ShipNow` of a running worker is taken from its status: see [`RunningSink::into_orders`].
        if order != Order::ShipNow || self.has_ended() {
            self.kept.keep(order.clone());
        }
        // A worker that has ended needs no order, and a question can be repeated.
        let is_question = matches!(order, Order::Where(_));
        !matches!(self.handle.orders.try_send(order), Err(TrySendError::Full(_))) || is_question
    }

    /// Tells the worker that no more events will come: it delivers the rest and ends. If its queue is full because its
    /// disk does not answer, a new task in `tasks` waits for it.
    pub fn finish(&self, tasks: &TaskTracker) {
        let (orders, stop) = (self.handle.orders.clone(), self.stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                _ = orders.send(Order::Finish) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Asks the worker to deliver and commit the events that it has read, and to end.
    pub fn stop(&mut self) {
        self.stop.cancel();
    }

    /// Keeps a command for the successor while this sink is ending.
    pub fn note(&mut self, command: &Command) {
        self.kept.note(command);
    }

    /// The orders for the successor. Call it only after the worker has ended: its files, which this closes, can then be
    /// opened again.
    pub fn into_orders(mut self) -> KeptOrders {
        if self.handle.status.borrow().round {
            self.kept.keep(Order::ShipNow);
        }
        self.kept
    }

    /// After a failure of the worker: its last status, and everything needed to restart it.
    pub fn into_parts(mut self) -> (SinkSpec, SinkStatus, KeptOrders) {
        self.stop();
        let (spec, status) = (self.spec.clone(), self.handle.status.borrow().clone());
        (spec, status, self.into_orders())
    }

    pub fn is_at_work(&self) -> bool {
        self.task.is_some()
    }

    pub fn has_ended(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    #[cfg(test)]
    pub fn break_worker(&self) {
        self.task.as_ref().expect("it is at work").abort();
    }

    #[cfg(test)]
    pub fn hang_worker(&mut self) {
        self.task = Some(tokio::spawn(std::future::pending()));
    }
}

/// Starts sinks; holds the parts of the engine that all sinks share.
#[derive(Clone)]
pub struct SinkStarter {
    pub once: bool,
    pub log: Log,
    pub store: Store,
    pub notices: Notices,
    pub clock: Arc<dyn Clock>,
    pub letters: Arc<DeadLetterService>,
    pub sealer: Arc<Sealer>,
}

/// A sink that is created but not running yet; dropping it leaves nothing behind.
pub struct PreparedSink {
    spec: SinkSpec,
    made: CreatedSink,
}

impl PreparedSink {
    pub fn name(&self) -> &str {
        self.spec.name()
    }
}

impl SinkStarter {
    /// `before`: orders kept from the previous worker of the same sink.
    pub async fn start(
        &self,
        settings: &Settings,
        spec: SinkSpec,
        before: &KeptOrders,
    ) -> Result<RunningSink, StartError> {
        let prepared = self.prepare(settings, spec).await?;
        Ok(self.run(prepared, before).await)
    }

    /// The part of a start that can fail.
    pub async fn prepare(
        &self,
        settings: &Settings,
        spec: SinkSpec,
    ) -> Result<PreparedSink, StartError> {
        let made = self.made(&settings.directories.archive, &spec.sink).await?;
        Ok(PreparedSink { spec, made })
    }

    pub async fn run(
        &self,
        PreparedSink { spec, made }: PreparedSink,
        before: &KeptOrders,
    ) -> RunningSink {
        let SinkSpec { sink, privacy, ship, budget } = spec.clone();
        let config = WorkerConfig {
            kind: sink.kind.entry().name.to_owned(),
            name: sink.name,
            sink: made.sink.clone(),
            queue: Arc::new(self.log.clone()),
            store: self.store.clone(),
            policy: Arc::new(privacy.policy().with_keys(self.sealer.clone())),
            filter: Filter { levels: sink.levels, condition: sink.where_.map(condition) },
            mode: mode(self.once, ship),
            budget,
            dead_letters: self.letters.directory.clone(),
            clock: self.clock.clone(),
        };
        let (worker, handle) = Worker::new(config);
        for order in before.orders() {
            let _ = handle.orders.send(order.clone()).await;
        }
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(worker.run(stop.clone())));
        let CreatedSink { sink, closed } = made;
        let kept = before.without_ship_now();
        RunningSink { spec, sink, handle, task, stop, closed, kept }
    }

    async fn made(&self, archive: &Path, sink: &SinkSettings) -> Result<CreatedSink, StartError> {
        let (archive, kind) = (archive.to_owned(), sink.kind.clone());
        let (store, notices, clock) =
            (self.store.clone(), self.notices.clone(), self.clock.clone());
        let make = move || {
            let mut warn = |text: String| notices.add(Level::Warning, text);
            let generations = Arc::new(store);
            kind.make(CreateContext { archive: &archive, generations, clock, warn: &mut warn })
        };
        let made = tokio::task::spawn_blocking(make).await;
        let made = made.map_err(|source| StartError::Worker { source })?;
        made.map_err(|source| StartError::Sink { name: sink.name.clone(), source })
    }
}

fn mode(once: bool, ship: Ship) -> Mode {
    match (once, ship.start) {
        (true, _) => Mode::Once,
        (false, ShipStart::Auto) => match (ship.every, ship.after) {
            (None, None) => Mode::Auto,
            (every, after) => Mode::Rounds(Rounds { every, after }),
        },
        (false, ShipStart::Manual) => Mode::Armed,
    }
}

fn condition(where_: Expr) -> Condition {
    Arc::new(move |event| where_.matches(event))
}

/// Reads the positions that a sink stores itself.
#[derive(Clone, Debug)]
pub struct KeptPositions {
    kind: Arc<dyn SinkKind>,
    archive: PathBuf,
}

impl KeptPositions {
    /// Empty if nothing is stored or it cannot be read; the sink reports that when it starts. Blocking.
    pub fn read(&self) -> Vec<Position> {
        self.kind.kept_positions(&self.archive)
    }
}

/// One [`KeptPositions`] for each configured sink, enabled or not.
pub fn kept_positions(settings: &Settings) -> Vec<KeptPositions> {
    let archive = &settings.directories.archive;
    let kept =
        |sink: &SinkSettings| KeptPositions { kind: sink.kind.clone(), archive: archive.clone() };
    settings.sinks.iter().map(kept).collect()
}

/// Cancelled when the reader of standard output closes it; never cancelled if no sink writes to standard output.
pub fn stdout_closed(sinks: &[RunningSink]) -> CancellationToken {
    sinks.iter().find_map(|sink| sink.closed.clone()).unwrap_or_default()
}

/// Waits for the next worker that fails and returns its index; `None` once all workers have ended.
pub async fn next_failed(sinks: &mut [RunningSink]) -> Option<(usize, JoinError)> {
    poll_fn(|context| {
        for (index, sink) in sinks.iter_mut().enumerate() {
            let Some(task) = &mut sink.task else { continue };
            if let Poll::Ready(ended) = Pin::new(task).poll(context) {
                sink.task = None;
                if let Err(error) = ended {
                    return Poll::Ready(Some((index, error)));
                }
            }
        }
        match sinks.iter().any(RunningSink::is_at_work) {
            true => Poll::Pending,
            false => Poll::Ready(None),
        }
    })
    .await
}

/// Waits until every worker has ended or failed.
pub async fn all_finished(sinks: &mut [RunningSink]) {
    while next_failed(sinks).await.is_some() {}
}

/// Stops all sinks concurrently; returns the names of those that have not ended within `limit`.
pub async fn stop(mut sinks: Vec<RunningSink>, limit: Duration) -> Vec<String> {
    sinks.iter_mut().for_each(RunningSink::stop);
    let all = all_finished(&mut sinks);
    let _ = tokio::time::timeout(limit, all).await;
    let unfinished = sinks.into_iter().filter(|sink| !sink.has_ended());
    unfinished.map(|sink| sink.spec.sink.name).collect()
}
