//! The engine: starts and stops the log, its consumers and their supporting tasks in a fixed order. While it runs, it
//! executes commands and restarts sinks that failed.

mod alert_digest;
mod alerts;
mod background_tasks;
mod reload;
mod shutdown;
mod worker_restarts;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::alerts::Alerts;
use self::worker_restarts::FailedSinks;
use super::dead_letters::DeadLetterService;
use super::metrics::MetricsEndpoint;
use super::settings::Settings;
use super::sinks::{self, KeptOrders, RunningSink, SinkStarter};
use super::start_error::StartError;
use super::status_board::{Notices, StatusBoard, StatusSources};
use super::{directories, intake, keys};
use crate::base::{Clock, Supervisor};
use crate::event::status::EngineState;
use crate::event::{Command, Level, Status};
use crate::follow::intake::{Input, Intake};
use crate::follow::{Log, LogConfig};
use crate::state::{StateError, StateOwnership, Store};

pub use reload::ReadSettings;

/// Capacity of the command channel; when it is full, the sender waits.
const COMMANDS: usize = 16;

/// The parts that exist before the engine starts, with or without a screen.
#[derive(Debug)]
pub struct EngineSetup {
    pub log: Log,
    pub status: watch::Sender<Arc<Status>>,
    pub commands: mpsc::Sender<Command>,
    pub notices: Notices,
    /// Receives `commands`.
    orders: mpsc::Receiver<Command>,
    /// Messages about directories whose mode was corrected.
    restricted: Vec<String>,
    /// The lock of the state directory, or why it could not be taken.
    claim: Result<StateOwnership, StateError>,
    intake: Intake,
}

impl EngineSetup {
    /// Takes the lock of the state directory and opens the existing files; reads no content and waits for nothing.
    pub fn open(settings: &Settings, once: bool, clock: Arc<dyn Clock>) -> EngineSetup {
        let notices = Notices::new(clock.clone());
        let failure_notices = notices.clone();
        let supervisor = Supervisor::new(move |failure| {
            failure_notices.add_always(Level::Error, failure.to_string());
        });
        let restricted = directories::restrict(&settings.directories);
        let claim = StateOwnership::take(&settings.directories.state);
        let intake = intake::plan(settings, claim.is_ok());
        let config = LogConfig {
            sources: intake::sources(settings, &intake),
            once,
            host: super::identity::host_name(settings.host_name.as_deref()),
            key: super::identity::id_key(settings.host_id.as_deref()),
            intake: Some(intake.clone()),
        };
        let (commands, orders) = mpsc::channel(COMMANDS);
        EngineSetup {
            log: Log::open_watched(config, intake::own(settings, &intake), clock, supervisor),
            status: watch::Sender::default(),
            commands,
            notices,
            orders,
            restricted,
            claim,
            intake,
        }
    }
}

/// Whether the engine needs the lock of the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Without the lock the engine does not start.
    Required,
    /// Without the lock the screen is view only: it shows files and ships nothing.
    Optional,
}

/// A running engine.
pub struct Engine {
    settings: Settings,
    starter: SinkStarter,
    /// It holds the lock of the state directory; otherwise it is view only.
    owner: bool,
    intake: Intake,
    input: Vec<Input>,
    /// Standard input is the only source: the engine stops when it ends.
    ends_with_input: bool,
    /// All sinks have finished without a request to stop.
    has_finished: bool,
    state: watch::Sender<EngineState>,
    sinks: Vec<RunningSink>,
    failed: FailedSinks,
    /// Orders for sinks that could not be started with the current settings.
    not_started: Vec<KeptOrders>,
    alerts: Alerts,
    /// The metrics endpoint, if it is configured and could be started.
    metrics: Option<MetricsEndpoint>,
    status: watch::Receiver<Arc<Status>>,
    /// Where the status board gets the status of each sink and rule.
    status_sources: watch::Sender<StatusSources>,
    orders: mpsc::Receiver<Command>,
    /// Stops the tasks that only read: alerts, status board, control socket.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    /// Opens the state, prepares the log and starts every consumer. Call it on an async thread.
    pub async fn start(
        settings: &Settings,
        setup: EngineSetup,
        once: bool,
        ownership: Ownership,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine, StartError> {
        let EngineSetup { log, status, commands, notices, orders, restricted, claim, intake } =
            setup;
        restricted.into_iter().for_each(|text| notices.add(Level::Warning, text));
        let (store, state) = open_state(claim, ownership, &notices)?;
        let owner = state == EngineState::Running;
        let state = watch::Sender::new(state);
        prepare_log(settings, &log, &store, owner).await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let letters = Arc::new(DeadLetterService::new(settings, clock.clone()));
        let sealer = keys::sealer(settings, &store, owner)?;
        let starter = SinkStarter { once, log, store, notices, clock, letters, sealer };
        // Everything that can fail comes first: after a failure no sink runs unwatched.
        let mut prepared = Vec::new();
        for spec in if owner { sinks::specs(settings) } else { Vec::new() } {
            prepared.push(starter.prepare(settings, spec).await?);
        }
        let input = intake::take_in(settings, &starter.log)?;
        let mut sinks = Vec::new();
        for prepared in prepared {
            let no_orders = KeptOrders::none(prepared.name());
            sinks.push(starter.run(prepared, &no_orders).await);
        }
        let alerts = Alerts::start(&starter, settings, &stop, &tasks);
        // Set before the engine is reported as running, so that `s` (ship now) pressed at once reaches its sinks.
        let failed = FailedSinks::default();
        let status_sources = watch::Sender::new(collect_sources(&sinks, &failed, &alerts));
        let board = StatusBoard {
            log: starter.log.clone(),
            engine: state.subscribe(),
            sources: status_sources.subscribe(),
            notices: starter.notices.clone(),
            status: status.clone(),
        };
        background_tasks::run(&starter, board, &tasks, &stop);
        if owner {
            let directory = &settings.directories.state;
            background_tasks::listen(
                &starter,
                directory,
                status.subscribe(),
                commands,
                (&tasks, &stop),
            );
        }
        let mut engine = Engine {
            settings: settings.clone(),
            starter,
            owner,
            intake,
            input,
            ends_with_input: false,
            has_finished: false,
            state,
            sinks,
            failed,
            not_started: Vec::new(),
            alerts,
            metrics: None,
            status: status.subscribe(),
            status_sources,
            orders,
            stop,
            tasks,
        };
        engine.update_metrics_endpoint().await;
        engine.publish_consumers();
        Ok(engine)
    }

    /// Passes the current consumers to the log, the dead-letter service and the status board.
    fn publish_consumers(&self) {
        if self.owner {
            self.starter.log.set_consumers(self.settings.consumers());
        }
        let sinks = self.sinks.iter();
        let sinks = sinks.filter_map(|sink| Some((sink.name().to_owned(), sink.sink()?)));
        self.starter.letters.set_sinks(sinks.collect());
        self.status_sources.send_replace(collect_sources(&self.sinks, &self.failed, &self.alerts));
    }

    /// Starts, moves or stops the metrics endpoint as configured; retries a failed start after a reload.
    async fn update_metrics_endpoint(&mut self) {
        let wanted = self.settings.metrics;
        if let (Some(endpoint), Some(address)) = (&self.metrics, wanted)
            && endpoint.serves(address)
        {
            return;
        }
        if let Some(endpoint) = self.metrics.take() {
            endpoint.stop().await;
        }
        let Some(address) = wanted else { return };
        let (status, stop) = (self.status.clone(), self.stop.child_token());
        let supervisor = self.starter.log.supervisor();
        match MetricsEndpoint::start(address, status, supervisor, stop, &self.tasks).await {
            Ok(endpoint) => self.metrics = Some(endpoint),
            Err(error) => self.starter.notices.add(
                Level::Error,
                format!(
                    "metrics: cannot listen on {address} ({error}); the engine runs without metrics; free the \
                     address or change metrics.listen, then reload"
                ),
            ),
        }
    }

    /// Executes commands. Returns when one of them says stop, standard output is closed, a part that the engine cannot
    /// run without has failed or, with `--once`, every sink has finished.
    pub async fn run(&mut self, read_settings: &ReadSettings) {
        let changes = self.starter.log.changes();
        let part_failed = self.starter.log.supervisor().ended().clone();
        loop {
            let once = self.starter.once;
            let stdout_closed = sinks::stdout_closed(&self.sinks);
            let has_work = once || self.sinks.iter().any(RunningSink::is_at_work);
            let input_ends = self.ends_with_input && !once;
            let command = tokio::select! {
                command = self.orders.recv() => command,
                () = stdout_closed.cancelled() => {
                    self.report_closed_stdout();
                    None
                }
                () = part_failed.cancelled() => None,
                failed = sinks::next_failed(&mut self.sinks), if has_work => match failed {
                    Some((index, error)) => {
                        self.set_aside_failed(index, error);
                        continue;
                    }
                    None if once => {
                        self.has_finished = true;
                        None
                    }
                    None => continue,
                },
                () = self.failed.due() => {
                    self.restart_due().await;
                    continue;
                }
                () = shutdown::input_is_complete(&self.starter.log, &changes), if input_ends => {
                    self.finish();
                    continue;
                }
            };
            match command {
                None | Some(Command::Stop) => return,
                // A run with `--once` keeps the settings it was started with.
                Some(Command::Reload) if !once => {
                    if self.reload(read_settings).await.is_break() {
                        return;
                    }
                }
                Some(command) => self.forward(&command),
            }
        }
    }

    /// Forwards a command to the running sinks, and keeps it for sinks that are about to start.
    fn forward(&mut self, command: &Command) {
        if matches!(command, Command::ShipNow { .. } | Command::Resume { .. }) {
            self.starter.log.keep_input();
        }
        self.failed.note(command);
        self.not_started.iter_mut().for_each(|kept| kept.note(command));
        for sink in &mut self.sinks {
            if !sink.send(command) {
                let text = format!(
                    "sink {}: command dropped: its disk or server does not answer, and earlier commands are still \
                     pending; repeat the command when it answers",
                    sink.name()
                );
                self.starter.notices.add(Level::Warning, text);
            }
        }
    }
}

/// Passes the consumers and the known file positions to the log, before any file is identified.
async fn prepare_log(
    settings: &Settings,
    log: &Log,
    store: &Store,
    owner: bool,
) -> Result<(), StartError> {
    if owner {
        // Before anything is read, so that data needed by a consumer is not discarded.
        log.set_consumers(settings.consumers());
    }
    // The positions that sinks keep themselves, which survive a loss of the state.
    let kept = if owner { sinks::kept_positions(settings) } else { Vec::new() };
    let (log, store) = (log.clone(), store.clone());
    let settle = move || {
        let known = kept.into_iter().flat_map(|kept| kept.read()).collect();
        log.settle(store, known);
    };
    tokio::task::spawn_blocking(settle).await.map_err(|source| StartError::Worker { source })
}

fn collect_sources(sinks: &[RunningSink], failed: &FailedSinks, alerts: &Alerts) -> StatusSources {
    StatusSources {
        sinks: sinks.iter().map(RunningSink::status).chain(failed.statuses()).collect(),
        broken: failed.names(),
        rules: alerts.statuses.clone(),
    }
}

fn open_state(
    claim: Result<StateOwnership, StateError>,
    ownership: Ownership,
    notices: &Notices,
) -> Result<(Store, EngineState), StartError> {
    match claim.and_then(StateOwnership::open) {
        Ok((store, oddities)) => {
            for oddity in oddities {
                notices.add(Level::Warning, oddity);
            }
            Ok((store, EngineState::Running))
        }
        Err(error) if ownership == Ownership::Required => Err(error.into()),
        Err(error) => {
            let reason = format!("{error}; this screen is view only and ships nothing");
            notices.add(Level::Warning, reason.clone());
            Ok((Store::ephemeral(), EngineState::ViewOnly { reason }))
        }
    }
}

#[cfg(test)]
mod tests;
