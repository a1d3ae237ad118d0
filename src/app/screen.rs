//! Runs the engine with a screen: the screen draws at once on the calling thread, while the engine starts on its own
//! thread.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, EngineSetup, Ownership, ReadSettings};
use super::settings::{Color, Settings};
use super::signals::{self, HangUp, Listener};
use super::status_board::Notices;
use super::{ENGINE, intake, keys, telemetry};
use crate::base::supervisor::Failure;
use crate::base::{Clock, OnPanic, SystemClock, with_causes};
use crate::event::status::EngineState;
use crate::event::{Level, Status};
use crate::ui;

/// The consequence and the remedy, in the notice that the engine could not start.
const NOT_STARTED: &str =
    "nothing is shipped and no alert rule is evaluated; correct this and start again";

#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("the screen failed")]
    Screen(#[source] ui::TerminalError),
    /// A part of the engine failed that cannot be restarted.
    #[error("{0}")]
    EngineFailed(Failure),
    /// The engine could not start, for this reason; the screen only showed files.
    #[error("nothing was shipped and no alert rule was evaluated: {0}")]
    NotStarted(String),
}

/// Screen options from the environment and the settings.
pub fn options(settings: &Settings, title: &str) -> ui::Options {
    let mut options = ui::Options::from_environment();
    options.title = title.to_owned();
    options.mask = ui::Mask::new(Arc::new(settings.privacy.policy()), settings.masked);
    options.disclosure = Some(Arc::new(keys::disclosure(settings)));
    if settings.color == Color::Never {
        options.palette = ui::Palette::Monochrome;
    } else if settings.color == Color::Always {
        options.palette = ui::Palette::Dark;
    }
    options
}

/// Runs until the operator quits, a signal requests a stop, the terminal is gone, or the engine has failed.
pub fn run(
    settings: &Settings,
    options: ui::Options,
    read_settings: &ReadSettings,
) -> Result<(), ScreenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let setup = EngineSetup::open(settings, false, clock.clone());
    let stop = CancellationToken::new();
    let supervisor = setup.log.supervisor();
    let screen = ui::Ui {
        log: setup.log.clone(),
        status: setup.status.subscribe(),
        commands: setup.commands.clone(),
        options,
        stop: stop.clone(),
    };
    let not_started = Arc::new(OnceLock::new());
    let engine = {
        let not_started = not_started.clone();
        let (settings, stop, read_settings) =
            (settings.clone(), stop.clone(), read_settings.clone());
        let supervisor = supervisor.clone();
        let engine_supervisor = supervisor.clone();
        let stop_screen = stop.clone().drop_guard();
        let body = move || {
            telemetry::to_file(&settings.log_level, &settings.directories.log);
            let work = work(&settings, setup, &read_settings, &not_started, stop, clock);
            super::block_on(&engine_supervisor, work, |drained| !drained);
        };
        let watched = move || {
            let _ = supervisor.guard(ENGINE, OnPanic::End, body);
            // Without its engine the screen would show an outdated status.
            if supervisor.fatal().is_some() {
                drop(stop_screen);
            } else {
                stop_screen.disarm();
            }
        };
        let engine = std::thread::Builder::new().name("engine".to_owned());
        engine.spawn(watched).expect("a thread can be started")
    };
    let drawn = ui::run(screen);
    stop.cancel();
    let _ = engine.join();
    intake::remove_viewed_input(settings);
    drawn.map_err(ScreenError::Screen)?;
    match (supervisor.fatal(), not_started.get()) {
        (Some(failure), _) => Err(ScreenError::EngineFailed(failure.clone())),
        (None, Some(reason)) => Err(ScreenError::NotStarted(reason.clone())),
        (None, None) => Ok(()),
    }
}

/// Runs the engine until it is stopped. If it cannot start, the screen still shows the files, and the reason is stored
/// in `not_started`. Returns `false` if a second signal ended it before the sinks were drained.
async fn work(
    settings: &Settings,
    setup: EngineSetup,
    read_settings: &ReadSettings,
    not_started: &OnceLock<String>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) -> bool {
    let notices = setup.notices.clone();
    let (commands, status) = (setup.commands.clone(), setup.status.clone());
    let stop_now = CancellationToken::new();
    let finished = CancellationToken::new();
    let listener = Listener {
        hang_up: HangUp::Stops,
        commands,
        stop_now: stop_now.clone(),
        finished: finished.clone(),
        notices: notices.clone(),
    };
    let signals = signals::listen(listener, setup.log.supervisor());
    let running = async {
        let mut engine =
            match Engine::start(settings, setup, false, Ownership::Optional, clock).await {
                Ok(engine) => engine,
                Err(error) => {
                    let reason = not_started.get_or_init(|| with_causes(&error));
                    notices.add(Level::Error, format!("{reason}; {NOT_STARTED}"));
                    publish_view_only(&status, reason, &notices);
                    stop.cancelled().await;
                    return;
                }
            };
        tokio::select! {
            () = engine.run(read_settings) => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
        engine.stop().await;
    };
    let drained = tokio::select! {
        () = running => true,
        () = stop_now.cancelled() => {
            stop.cancel();
            false
        }
    };
    finished.cancel();
    let _ = signals.await;
    drained
}

/// Publishes the status if the engine, and therefore the status board, is not running.
fn publish_view_only(status: &watch::Sender<Arc<Status>>, reason: &str, notices: &Notices) {
    let engine = EngineState::ViewOnly { reason: reason.to_owned() };
    let status_of = |old: &Status| Status { engine, notices: notices.all(), ..old.clone() };
    status.send_modify(|status| *status = Arc::new(status_of(status)));
}
