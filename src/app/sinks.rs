//! The sinks of the settings, each with its worker. A new kind of sink is one line in [`build`].

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::board::Notices;
use super::engine::StartError;
use super::settings::{Settings, ShipStart, SinkKind, SinkSettings};
use crate::archive::Archive;
use crate::base::Clock;
use crate::event::status::SinkStatus;
use crate::event::{Command, Level};
use crate::follow::Log;
use crate::privacy::Policy;
use crate::query::Expr;
use crate::sink::archive::ArchiveSink;
use crate::sink::elasticsearch::ElasticsearchSink;
use crate::sink::file::FileSink;
use crate::sink::stdout::StdoutSink;
use crate::sink::worker::{Condition, Rounds};
use crate::sink::{
    DeadLetterFolder, Filter, Mode, Order, Sink, Worker, WorkerConfig, WorkerHandle,
};
use crate::state::Store;

/// Encoded bodies of all sinks together: their part of the 32 MiB that read buffers and batches share.
const BODIES: usize = 4 << 20;
/// What nobody else may take of it.
const SMALLEST_SHARE: usize = 2 << 20;

/// One sink at work.
#[derive(Debug)]
pub struct Running {
    name: String,
    handle: WorkerHandle,
    task: Option<JoinHandle<SinkStatus>>,
    stop: CancellationToken,
    closed: Option<CancellationToken>,
}

impl Running {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn status(&self) -> watch::Receiver<SinkStatus> {
        self.handle.status.clone()
    }
}

pub async fn start(
    settings: &Settings,
    once: bool,
    log: &Log,
    store: &Store,
    notices: &Notices,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Running>, StartError> {
    let enabled: Vec<&SinkSettings> = settings.sinks.iter().filter(|sink| sink.enabled).collect();
    let budget = (BODIES / enabled.len().max(1)).max(SMALLEST_SHARE);
    let policy = Arc::new(Policy::new(&settings.privacy.seal, settings.privacy.keep_original));
    let letters = settings.directories.state.join("dead-letters");
    let letters = Arc::new(DeadLetterFolder::new(letters, clock.clone()));
    let mode = match (once, settings.ship.start) {
        (true, _) => Mode::Once,
        (false, ShipStart::Auto) => match (settings.ship.every, settings.ship.after) {
            (None, None) => Mode::Auto,
            (every, after) => Mode::Rounds(Rounds { every, after }),
        },
        (false, ShipStart::Manual) => Mode::Armed,
    };
    let mut running = Vec::new();
    for sink in enabled {
        let built = opened(settings, sink, store, notices, clock).await?;
        let config = WorkerConfig {
            name: sink.name.clone(),
            kind: sink.kind.name().to_owned(),
            sink: built.sink,
            queue: Arc::new(log.clone()),
            store: store.clone(),
            policy: policy.clone(),
            filter: Filter {
                levels: sink.levels.clone(),
                condition: sink.where_.clone().map(condition),
            },
            mode,
            budget,
            dead_letters: letters.clone(),
            clock: clock.clone(),
        };
        let (worker, handle) = Worker::new(config);
        let stop = CancellationToken::new();
        let task = Some(tokio::spawn(worker.run(stop.clone())));
        let closed = built.closed;
        running.push(Running { name: sink.name.clone(), handle, task, stop, closed });
    }
    Ok(running)
}

fn condition(where_: Expr) -> Condition {
    Arc::new(move |event| where_.matches(event))
}

/// A sink, and for standard output what is told when its reader went away.
struct Built {
    sink: Arc<dyn Sink>,
    closed: Option<CancellationToken>,
}

async fn opened(
    settings: &Settings,
    sink: &SinkSettings,
    store: &Store,
    notices: &Notices,
    clock: &Arc<dyn Clock>,
) -> Result<Built, StartError> {
    let (directory, kind) = (settings.directories.archive.clone(), sink.kind.clone());
    let (store, notices, clock) = (store.clone(), notices.clone(), clock.clone());
    let built =
        tokio::task::spawn_blocking(move || build(&kind, &directory, store, &notices, clock));
    let built = built.await.map_err(|source| StartError::Worker { source })?;
    built.map_err(|source| StartError::Sink { name: sink.name.clone(), source })
}

fn build(
    kind: &SinkKind,
    archive: &Path,
    store: Store,
    notices: &Notices,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Built> {
    let mut closed = None;
    let sink: Arc<dyn Sink> = match kind {
        SinkKind::Archive { keep } => {
            let (archive, oddities) = Archive::open_writer(archive, clock.now())?;
            for oddity in oddities {
                notices.add(Level::Warning, oddity);
            }
            Arc::new(ArchiveSink::new(archive, Arc::new(store), clock, *keep))
        }
        SinkKind::File { path } => Arc::new(FileSink::new(path.clone())),
        SinkKind::Stdout => {
            let (sink, reader_gone) = StdoutSink::new();
            closed = Some(reader_gone);
            Arc::new(sink)
        }
        SinkKind::Elasticsearch(settings) => Arc::new(ElasticsearchSink::new((**settings).clone())),
    };
    Ok(Built { sink, closed })
}

/// Passes an operator's command on to the sink it names, or to all.
pub async fn forward(sinks: &[Running], command: &Command) {
    let (wanted, order) = match command {
        Command::ShipNow { sink } => (sink, Order::ShipNow),
        Command::Pause { sink, by } => (sink, Order::Pause { by: by.clone() }),
        Command::Resume { sink } => (sink, Order::Resume),
        Command::Retry { sink } => (sink, Order::Retry),
        Command::Stop => return,
    };
    for sink in sinks.iter().filter(|sink| wanted.as_ref().is_none_or(|name| *name == sink.name)) {
        // A worker that has ended has nothing left to do.
        let _ = sink.handle.orders.send(order.clone()).await;
    }
}

/// Cancelled when the reader of our standard output has gone away; never, where nothing goes there.
pub fn closed(sinks: &[Running]) -> CancellationToken {
    sinks.iter().find_map(|sink| sink.closed.clone()).unwrap_or_default()
}

/// Pends until every worker has ended by itself.
pub async fn all_finished(sinks: &mut [Running]) {
    // One after the other: what is dropped half way must not have taken a result that is asked for again.
    for sink in sinks {
        if let Some(task) = &mut sink.task {
            let _ = task.await;
            sink.task = None;
        }
    }
}

/// Drains all of them side by side.
pub async fn stop(sinks: Vec<Running>) {
    for sink in &sinks {
        sink.stop.cancel();
    }
    join_all(sinks.into_iter().filter_map(|sink| sink.task)).await;
}
