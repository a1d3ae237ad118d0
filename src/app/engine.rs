//! One engine: the log, its consumers, and everything around them; started and stopped in order.

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
use self::worker_restarts::Broken;
use super::dead_letters::LetterDesk;
use super::metrics::Offer;
use super::settings::Settings;
use super::sinks::{self, Left, Maker, Running};
use super::start_error::StartError;
use super::status_board::{Board, Notices, Voices};
use super::{directories, intake, keys};
use crate::base::{Clock, Supervisor};
use crate::event::status::EngineState;
use crate::event::{Command, Level, Status};
use crate::follow::intake::{Input, Intake};
use crate::follow::{Log, LogConfig};
use crate::state::{Claim, StateError, Store};

pub use reload::Reread;

/// Commands wait here; a full channel makes the asker wait.
const COMMANDS: usize = 16;

/// What both faces of the program (screen, none) need before the engine has started.
#[derive(Debug)]
pub struct Desk {
    pub log: Log,
    pub status: watch::Sender<Arc<Status>>,
    pub commands: mpsc::Sender<Command>,
    pub notices: Notices,
    orders: mpsc::Receiver<Command>,
    /// Directories that others could use before.
    closed: Vec<String>,
    /// Whether the state directory is ours.
    claim: Result<Claim, StateError>,
    intake: Intake,
}

impl Desk {
    /// Claims the state and opens the files that are there; reads and waits for nothing.
    pub fn open(settings: &Settings, once: bool, clock: Arc<dyn Clock>) -> Desk {
        let notices = Notices::new(clock.clone());
        let told = notices.clone();
        let supervisor = Supervisor::new(move |failure| {
            told.answer(Level::Error, failure.to_string());
        });
        let closed = directories::close(&settings.directories);
        let claim = Claim::take(&settings.directories.state);
        let intake = intake::plan(settings, claim.is_ok());
        let config = LogConfig {
            sources: intake::sources(settings, &intake),
            once,
            host: super::identity::host_name(settings.host_name.as_deref()),
            key: super::identity::id_key(settings.host_id.as_deref()),
            intake: Some(intake.clone()),
        };
        let (commands, orders) = mpsc::channel(COMMANDS);
        Desk {
            log: Log::open_watched(config, intake::own(settings, &intake), clock, supervisor),
            status: watch::Sender::default(),
            commands,
            notices,
            orders,
            closed,
            claim,
            intake,
        }
    }
}

/// What an engine may do with the state directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Without it there is no engine.
    Required,
    /// A screen opens all the same, shows, and ships nothing.
    Wanted,
}

/// Consumers at work.
pub struct Engine {
    settings: Settings,
    maker: Maker,
    owner: bool,
    intake: Intake,
    input: Vec<Input>,
    /// Where standard input is all there is, its end is the end.
    ends_with_input: bool,
    /// Every sink is through, and nobody asked it to end.
    ended_by_itself: bool,
    state: watch::Sender<EngineState>,
    sinks: Vec<Running>,
    broken: Broken,
    /// Of sinks that could not begin with the settings of now.
    off: Vec<Left>,
    alerts: Alerts,
    /// The endpoint for figures, where there is one.
    metrics: Option<Offer>,
    status: watch::Receiver<Arc<Status>>,
    /// Whom the board listens to.
    voices: watch::Sender<Voices>,
    orders: mpsc::Receiver<Command>,
    /// Ends what only reads: alerts, board, control socket.
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Engine {
    /// Takes the state, settles identities and starts every consumer. Call it on the async threads.
    pub async fn start(
        settings: &Settings,
        desk: Desk,
        once: bool,
        ownership: Ownership,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine, StartError> {
        let Desk { log, status, commands, notices, orders, closed, claim, intake } = desk;
        closed.into_iter().for_each(|text| notices.add(Level::Warning, text));
        let (store, state) = open_state(claim, ownership, &notices)?;
        let owner = state == EngineState::Running;
        let state = watch::Sender::new(state);
        settle(settings, &log, &store, owner).await?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let letters = Arc::new(LetterDesk::new(settings, clock.clone()));
        let sealer = keys::sealer(settings, &store, owner)?;
        let maker = Maker { once, log, store, notices, clock, letters, sealer };
        // All that can fail first: where one cannot be made none is at work without anybody who watches it.
        let mut prepared = Vec::new();
        for recipe in if owner { sinks::recipes(settings) } else { Vec::new() } {
            prepared.push(maker.prepare(settings, recipe).await?);
        }
        let input = intake::take_in(settings, &maker.log)?;
        let mut sinks = Vec::new();
        for prepared in prepared {
            let nothing = Left::nothing(prepared.name());
            sinks.push(maker.run(prepared, &nothing).await);
        }
        let alerts = Alerts::start(&maker, settings, &stop, &tasks);
        // Known with the first word that the engine runs: who presses `s` then is heard.
        let broken = Broken::default();
        let voices = watch::Sender::new(voices_of(&sinks, &broken, &alerts));
        let board = Board {
            log: maker.log.clone(),
            engine: state.subscribe(),
            voices: voices.subscribe(),
            notices: maker.notices.clone(),
            status: status.clone(),
        };
        background_tasks::run(&maker, board, &tasks, &stop);
        if owner {
            let directory = &settings.directories.state;
            background_tasks::listen(
                &maker,
                directory,
                status.subscribe(),
                commands,
                (&tasks, &stop),
            );
        }
        let mut engine = Engine {
            settings: settings.clone(),
            maker,
            owner,
            intake,
            input,
            ends_with_input: false,
            ended_by_itself: false,
            state,
            sinks,
            broken,
            off: Vec::new(),
            alerts,
            metrics: None,
            status: status.subscribe(),
            voices,
            orders,
            stop,
            tasks,
        };
        engine.offer_metrics().await;
        engine.introduce();
        Ok(engine)
    }

    /// Tells the log who reads, the board who speaks, and who takes dead letters again.
    fn introduce(&self) {
        if self.owner {
            self.maker.log.set_consumers(self.settings.consumers());
        }
        let sinks = self.sinks.iter();
        let sinks = sinks.filter_map(|sink| Some((sink.name().to_owned(), sink.sink()?)));
        self.maker.letters.set_sinks(sinks.collect());
        self.voices.send_replace(voices_of(&self.sinks, &self.broken, &self.alerts));
    }

    /// Where the settings say so; after a reload at another address, or where it could not before.
    async fn offer_metrics(&mut self) {
        let wanted = self.settings.metrics;
        if let (Some(offer), Some(address)) = (&self.metrics, wanted)
            && offer.stands_at(address)
        {
            return;
        }
        if let Some(offer) = self.metrics.take() {
            offer.withdraw().await;
        }
        let Some(address) = wanted else { return };
        let (status, stop) = (self.status.clone(), self.stop.child_token());
        let supervisor = self.maker.log.supervisor();
        match Offer::begin(address, status, supervisor, stop, &self.tasks).await {
            Ok(offer) => self.metrics = Some(offer),
            Err(error) => self.maker.notices.add(
                Level::Error,
                format!("metrics: cannot listen on {address} ({error}); everything else goes on"),
            ),
        }
    }

    /// Obeys commands until one says stop, or, with `--once`, until every sink is through.
    pub async fn obey(&mut self, reread: &Reread) {
        let changes = self.maker.log.changes();
        let ended = self.maker.log.supervisor().ended().clone();
        loop {
            let once = self.maker.once;
            let closed = sinks::closed(&self.sinks);
            let working = once || self.sinks.iter().any(Running::is_at_work);
            let input_ends = self.ends_with_input && !once;
            let command = tokio::select! {
                command = self.orders.recv() => command,
                () = closed.cancelled() => {
                    self.say_that_nobody_reads();
                    None
                }
                () = ended.cancelled() => None,
                broken = sinks::next_broken(&mut self.sinks), if working => match broken {
                    Some((place, error)) => {
                        self.put_aside(place, error);
                        continue;
                    }
                    None if once => {
                        self.ended_by_itself = true;
                        None
                    }
                    None => continue,
                },
                () = self.broken.due() => {
                    self.begin_again().await;
                    continue;
                }
                () = shutdown::input_is_through(&self.maker.log, &changes), if input_ends => {
                    self.finish();
                    continue;
                }
            };
            match command {
                None | Some(Command::Stop) => return,
                // One that ends by itself ends as it was begun.
                Some(Command::Reload) if !once => {
                    if self.reload(reread).await.is_break() {
                        return;
                    }
                }
                Some(command) => self.pass_on(&command),
            }
        }
    }

    /// To the sinks at work, and to those that are about to be.
    fn pass_on(&mut self, command: &Command) {
        if matches!(command, Command::ShipNow { .. } | Command::Resume { .. }) {
            self.maker.log.keep_input();
        }
        self.broken.note(command);
        self.off.iter_mut().for_each(|left| left.note(command));
        for sink in &mut self.sinks {
            if !sink.obey(command) {
                let text = format!(
                    "{}: it has obeyed none of the last orders yet, as its disk or its server does not answer; this one \
                     is not kept, so ask again when it answers",
                    sink.name()
                );
                self.maker.notices.add(Level::Warning, text);
            }
        }
    }
}

/// The log learns who reads it, and what is known of its files.
async fn settle(
    settings: &Settings,
    log: &Log,
    store: &Store,
    owner: bool,
) -> Result<(), StartError> {
    if owner {
        // Known before anything is read: what somebody still needs is not given up.
        log.set_consumers(settings.consumers());
    }
    // Before anything is identified: what sinks know themselves, also where the state was lost.
    let kept = if owner { sinks::kept_positions(settings) } else { Vec::new() };
    let (log, store) = (log.clone(), store.clone());
    let settling = move || {
        let known = kept.into_iter().flat_map(|kept| kept.read()).collect();
        log.settle(store, known);
    };
    tokio::task::spawn_blocking(settling).await.map_err(|source| StartError::Worker { source })
}

fn voices_of(sinks: &[Running], broken: &Broken, alerts: &Alerts) -> Voices {
    Voices {
        sinks: sinks.iter().map(Running::status).chain(broken.statuses()).collect(),
        broken: broken.names(),
        rules: alerts.statuses.clone(),
    }
}

fn open_state(
    claim: Result<Claim, StateError>,
    ownership: Ownership,
    notices: &Notices,
) -> Result<(Store, EngineState), StartError> {
    match claim.and_then(Claim::open) {
        Ok((store, oddities)) => {
            for oddity in oddities {
                notices.add(Level::Warning, oddity);
            }
            Ok((store, EngineState::Running))
        }
        Err(error) if ownership == Ownership::Required => Err(error.into()),
        Err(error) => {
            let reason = format!("{error}; this screen ships nothing");
            notices.add(Level::Warning, reason.clone());
            Ok((Store::ephemeral(), EngineState::ViewOnly { reason }))
        }
    }
}

#[cfg(test)]
mod tests;
