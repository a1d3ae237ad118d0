//! The engine with a screen: the screen draws at once on the calling thread, the engine starts beside it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engine::{Desk, Engine, Ownership, Reread};
use super::settings::{Color, Settings};
use super::signals::{self, HangUp, Listener};
use super::{ENGINE, intake, keys, telemetry};
use crate::base::supervisor::Failure;
use crate::base::{Clock, OnPanic, SystemClock, with_causes};
use crate::event::Level;
use crate::ui;

#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("the screen ended")]
    Screen(#[source] ui::TerminalError),
    /// A part of the engine failed that cannot be run again.
    #[error("{0}")]
    Broken(Failure),
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
    let engine = {
        let (settings, stop, reread) = (settings.clone(), stop.clone(), reread.clone());
        let supervisor = supervisor.clone();
        let of_the_engine = supervisor.clone();
        let ends_the_screen = stop.clone().drop_guard();
        let body = move || {
            telemetry::to_file(&settings.log_level, &settings.directories.log);
            let work = work(&settings, desk, &reread, stop, clock);
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
    match supervisor.fatal() {
        None => Ok(()),
        Some(failure) => Err(ScreenError::Broken(failure.clone())),
    }
}

/// A state that cannot be used is no reason to show nothing. `false`: a second signal, not drained.
async fn work(
    settings: &Settings,
    desk: Desk,
    reread: &Reread,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
) -> bool {
    let notices = desk.notices.clone();
    let commands = desk.commands.clone();
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
                notices.add(Level::Error, with_causes(&error));
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
