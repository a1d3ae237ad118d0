//! The sinks of the settings, each with its worker.

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

pub use self::orders::Left;
use super::dead_letters::LetterDesk;
use super::settings::{PrivacySettings, Settings, Ship, ShipStart, SinkSettings};
use super::start_error::StartError;
use super::status_board::Notices;
use crate::base::Clock;
use crate::event::status::SinkStatus;
use crate::event::{Command, Level, Position};
use crate::follow::Log;
use crate::privacy::Sealer;
use crate::query::Expr;
use crate::sink::kinds::{Made, SinkKind, Site};
use crate::sink::worker::{Condition, Rounds};
use crate::sink::{Filter, Mode, Order, Sink, Worker, WorkerConfig, WorkerHandle};
use crate::state::Store;

/// Encoded bodies of all sinks together: their part of the 32 MiB that read buffers and batches share.
const BODIES: usize = 4 << 20;
/// What nobody else may take of it.
const SMALLEST_SHARE: usize = 2 << 20;

/// All that a sink at work depends on: where one of these is different, it begins again.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    sink: SinkSettings,
    privacy: PrivacySettings,
    ship: Ship,
    budget: usize,
}

impl Recipe {
    pub fn name(&self) -> &str {
        &self.sink.name
    }
}

/// One for each sink that is enabled.
pub fn recipes(settings: &Settings) -> Vec<Recipe> {
    let enabled: Vec<&SinkSettings> = settings.sinks.iter().filter(|sink| sink.enabled).collect();
    let budget = (BODIES / enabled.len().max(1)).max(SMALLEST_SHARE);
    let recipe = |sink: &SinkSettings| Recipe {
        sink: sink.clone(),
        privacy: settings.privacy.clone(),
        ship: sink.ship.unwrap_or(settings.ship),
        budget,
    };
    enabled.into_iter().map(recipe).collect()
}

/// One sink at work.
pub struct Running {
    recipe: Recipe,
    sink: Arc<dyn Sink>,
    handle: WorkerHandle,
    task: Option<JoinHandle<SinkStatus>>,
    stop: CancellationToken,
    closed: Option<CancellationToken>,
    /// What holds on behind its end.
    left: Left,
}

impl Running {
    pub fn name(&self) -> &str {
        self.recipe.name()
    }

    pub fn status(&self) -> watch::Receiver<SinkStatus> {
        self.handle.status.clone()
    }

    /// What events can be sent to beside its worker.
    pub fn sink(&self) -> Option<Arc<dyn Sink>> {
        self.recipe.sink.kind.takes_single_events().then(|| self.sink.clone())
    }

    /// By this recipe it would be the same.
    pub fn stays(&self, recipe: &Recipe) -> bool {
        self.recipe == *recipe && !recipe.sink.kind.names_files()
    }

    /// Passes on what is asked of it, and keeps it for its successor. `false`: so many orders wait that it takes no
    /// more, as where its disk hangs.
    pub fn obey(&mut self, command: &Command) -> bool {
        let Some(order) = orders::of(command, self.name()) else { return true };
        // A round that is under way is told by the worker: see [`Running::leave`].
        if order != Order::ShipNow || self.has_ended() {
            self.left.keep(order.clone());
        }
        // A worker that has ended has nothing left to do, and a question can be asked again.
        let is_question = matches!(order, Order::Where(_));
        !matches!(self.handle.orders.try_send(order), Err(TrySendError::Full(_))) || is_question
    }

    /// No more will come: it delivers what is there, and ends. Where it takes no order now, as its disk hangs, one of
    /// the `tasks` waits for it.
    pub fn finish(&self, tasks: &TaskTracker) {
        let (orders, stop) = (self.handle.orders.clone(), self.stop.clone());
        tasks.spawn(async move {
            tokio::select! {
                _ = orders.send(Order::Finish) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// It drains, and ends.
    pub fn stop(&mut self) {
        self.stop.cancel();
    }

    /// What is asked of it while it ends, for who comes behind it.
    pub fn note(&mut self, command: &Command) {
        self.left.note(command);
    }

    /// Once it has ended: what it holds open can be opened again.
    pub fn leave(mut self) -> Left {
        if self.handle.status.borrow().round {
            self.left.keep(Order::ShipNow);
        }
        self.left
    }

    /// Its worker broke: what it told last, and what is needed to begin again.
    pub fn put_aside(mut self) -> (Recipe, SinkStatus, Left) {
        self.stop();
        let (recipe, status) = (self.recipe.clone(), self.handle.status.borrow().clone());
        (recipe, status, self.leave())
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

/// What sinks have in common as long as an engine runs.
#[derive(Clone)]
pub struct Maker {
    pub once: bool,
    pub log: Log,
    pub store: Store,
    pub notices: Notices,
    pub clock: Arc<dyn Clock>,
    pub letters: Arc<LetterDesk>,
    pub sealer: Arc<Sealer>,
}

/// One sink that is made, and not at work yet: nothing of it is left where it is dropped.
pub struct Prepared {
    recipe: Recipe,
    made: Made,
}

impl Prepared {
    pub fn name(&self) -> &str {
        self.recipe.name()
    }
}

impl Maker {
    /// `before`: what was asked of the same sink until now.
    pub async fn start(
        &self,
        settings: &Settings,
        recipe: Recipe,
        before: &Left,
    ) -> Result<Running, StartError> {
        let prepared = self.prepare(settings, recipe).await?;
        Ok(self.run(prepared, before).await)
    }

    /// All of a start that can fail.
    pub async fn prepare(
        &self,
        settings: &Settings,
        recipe: Recipe,
    ) -> Result<Prepared, StartError> {
        let made = self.made(&settings.directories.archive, &recipe.sink).await?;
        Ok(Prepared { recipe, made })
    }

    pub async fn run(&self, Prepared { recipe, made }: Prepared, before: &Left) -> Running {
        let Recipe { sink, privacy, ship, budget } = recipe.clone();
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
        let Made { sink, closed } = made;
        let left = before.without_rounds();
        Running { recipe, sink, handle, task, stop, closed, left }
    }

    async fn made(&self, archive: &Path, sink: &SinkSettings) -> Result<Made, StartError> {
        let (archive, kind) = (archive.to_owned(), sink.kind.clone());
        let (store, notices, clock) =
            (self.store.clone(), self.notices.clone(), self.clock.clone());
        let make = move || {
            let mut warn = |text: String| notices.add(Level::Warning, text);
            let generations = Arc::new(store);
            kind.make(Site { archive: &archive, generations, clock, warn: &mut warn })
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

/// Where a sink keeps its own positions.
#[derive(Clone, Debug)]
pub struct KeptPositions {
    kind: Arc<dyn SinkKind>,
    archive: PathBuf,
}

impl KeptPositions {
    /// None where nothing was kept, or it cannot be read: the sink itself says so when it starts. Blocking.
    pub fn read(&self) -> Vec<Position> {
        self.kind.kept_positions(&self.archive)
    }
}

/// Of every sink that is configured.
pub fn kept_positions(settings: &Settings) -> Vec<KeptPositions> {
    let archive = &settings.directories.archive;
    let kept =
        |sink: &SinkSettings| KeptPositions { kind: sink.kind.clone(), archive: archive.clone() };
    settings.sinks.iter().map(kept).collect()
}

/// Cancelled when the reader of our standard output has gone away; never, where nothing goes there.
pub fn closed(sinks: &[Running]) -> CancellationToken {
    sinks.iter().find_map(|sink| sink.closed.clone()).unwrap_or_default()
}

/// The next worker that breaks, by its place; `None` once all of them have ended.
pub async fn next_broken(sinks: &mut [Running]) -> Option<(usize, JoinError)> {
    poll_fn(|context| {
        for (place, sink) in sinks.iter_mut().enumerate() {
            let Some(task) = &mut sink.task else { continue };
            if let Poll::Ready(ended) = Pin::new(task).poll(context) {
                sink.task = None;
                if let Err(error) = ended {
                    return Poll::Ready(Some((place, error)));
                }
            }
        }
        match sinks.iter().any(Running::is_at_work) {
            true => Poll::Pending,
            false => Poll::Ready(None),
        }
    })
    .await
}

/// Pends until every worker has ended, in whatever way.
pub async fn all_finished(sinks: &mut [Running]) {
    while next_broken(sinks).await.is_some() {}
}

/// Drains all of them side by side; which have not ended in that time.
pub async fn stop(mut sinks: Vec<Running>, longest: Duration) -> Vec<String> {
    sinks.iter_mut().for_each(Running::stop);
    let all = all_finished(&mut sinks);
    let _ = tokio::time::timeout(longest, all).await;
    let open = sinks.into_iter().filter(|sink| !sink.has_ended());
    open.map(|sink| sink.recipe.sink.name).collect()
}
