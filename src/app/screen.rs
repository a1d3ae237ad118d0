//! The engine with a screen: the screen draws at once on the calling thread, the engine starts beside it.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine::{Desk, Engine, Ownership, Reread};
use super::settings::{Color, Settings};
use super::signals::{self, HangUp, Listener};
use super::status_board::Notices;
use super::{ENGINE, intake, keys, telemetry};
use crate::base::supervisor::Failure;
use crate::base::{Clock, OnPanic, SystemClock, with_causes};
use crate::event::status::EngineState;
use crate::event::{Level, Status};
use crate::ui;

#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("the screen ended")]
    Screen(#[source] ui::TerminalError),
    /// A part of the engine failed that cannot be run again.
    #[error("{0}")]
    Broken(Failure),
    /// The screen showed files, and no engine was beside it; why.
    #[error("nothing was shipped, and no rule was judged: {0}")]
    NotStarted(String),
}

/// How the screen looks: as the environment says, and the settings after it.
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

/// Runs until the operator leaves, a signal says stop, or the terminal is gone.
pub fn run(settings: &Settings, options: ui::Options, reread: &Reread) -> Result<(), ScreenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let desk = Desk::open(settings, false, clock.clone());
    let stop = CancellationToken::new();
    let supervisor = desk.log.supervisor();
    let screen = ui::Ui {
        log: desk.log.clone(),
        status: desk.status.subscribe(),
        commands: desk.commands.clone(),
        options,
        stop: stop.clone(),
    };
    let not_started = Arc::new(OnceLock::new());
    let engine = {
        let not_started = not_started.clone();
        let (settings, stop, reread) = (settings.clone(), stop.clone(), reread.clone());
        let supervisor = supervisor.clone();
        let of_the_engine = supervisor.clone();
        let ends_the_screen = stop.clone().drop_guard();
        let body = move || {
            telemetry::to_file(&settings.log_level, &settings.directories.log);
            let work = work(&settings, desk, &reread, &not_started, stop, clock);
            super::block_on(&of_the_engine, work, |drained| !drained);
        };
        let watched = move || {
            let _ = supervisor.guard(ENGINE, OnPanic::End, body);
            // A screen without an engine would show what is over.
            if supervisor.fatal().is_some() {
                drop(ends_the_screen);
            } else {
                ends_the_screen.disarm();
            }
        };
        let engine = std::thread::Builder::new().name("engine".to_owned());
        engine.spawn(watched).expect("a thread can be started")
    };
    let drawn = ui::run(screen);
    stop.cancel();
    let _ = engine.join();
    intake::remove_what_was_shown(settings);
    drawn.map_err(ScreenError::Screen)?;
    match (supervisor.fatal(), not_started.get()) {
        (Some(failure), _) => Err(ScreenError::Broken(failure.clone())),
        (None, Some(reason)) => Err(ScreenError::NotStarted(reason.clone())),
        (None, None) => Ok(()),
    }
}

/// An engine that cannot start is no reason to show nothing: it says so in `not_started`. `false`: a second signal, not
/// drained.
async fn work(
    settings: &Settings,
    desk: Desk,
    reread: &Reread,
    not_started: &OnceLock<String>,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) -> bool {
    let notices = desk.notices.clone();
    let (commands, status) = (desk.commands.clone(), desk.status.clone());
    let at_once = CancellationToken::new();
    let finished = CancellationToken::new();
    let listener = Listener {
        hang_up: HangUp::Stops,
        commands,
        at_once: at_once.clone(),
        finished: finished.clone(),
        notices: notices.clone(),
    };
    let signals = signals::listen(listener, desk.log.supervisor());
    let running = async {
        let mut engine = match Engine::start(settings, desk, false, Ownership::Wanted, clock).await
        {
            Ok(engine) => engine,
            Err(error) => {
                let reason = not_started.get_or_init(|| with_causes(&error));
                let told = "nothing is shipped, and no rule is judged; correct it and start again";
                notices.add(Level::Error, format!("{reason}; {told}"));
                show_that_it_only_looks_on(&status, reason, &notices);
                stop.cancelled().await;
                return;
            }
        };
        tokio::select! {
            () = engine.obey(reread) => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
        engine.stop().await;
    };
    let drained = tokio::select! {
        () = running => true,
        () = at_once.cancelled() => {
            stop.cancel();
            false
        }
    };
    finished.cancel();
    let _ = signals.await;
    drained
}

/// No board publishes what there is to tell where no engine runs.
fn show_that_it_only_looks_on(
    status: &watch::Sender<Arc<Status>>,
    reason: &str,
    notices: &Notices,
) {
    let engine = EngineState::ViewOnly { reason: reason.to_owned() };
    let status_of = |old: &Status| Status { engine, notices: notices.all(), ..old.clone() };
    status.send_modify(|status| *status = Arc::new(status_of(status)));
}
