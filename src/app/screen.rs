//! The engine with a screen: the screen draws at once on the calling thread, the engine starts beside it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::engine::{Desk, Engine, Ownership, Reread};
use super::settings::{Color, Settings};
use super::signals::{self, HangUp};
use super::{intake, keys, telemetry};
use crate::base::{Clock, SystemClock, with_causes};
use crate::event::Level;
use crate::ui;

#[derive(Debug, thiserror::Error)]
pub enum ScreenError {
    #[error("the screen ended")]
    Screen(#[source] ui::TerminalError),
    #[error(
        "a thread of the engine panicked; what was not confirmed is read again at the next start"
    )]
    EnginePanicked,
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
    let screen = ui::Ui {
        log: desk.log.clone(),
        status: desk.status.subscribe(),
        commands: desk.commands.clone(),
        options,
        stop: stop.clone(),
    };
    let engine = {
        let (settings, stop, reread) = (settings.clone(), stop.clone(), reread.clone());
        std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || {
                telemetry::to_file(&settings.log_level, &settings.directories.log);
                let runtime = super::runtime();
                let drained = runtime.block_on(work(&settings, desk, &reread, stop, clock));
                super::end(runtime, !drained);
            })
            .expect("a thread can be started")
    };
    let drawn = ui::run(screen);
    stop.cancel();
    let engine = engine.join();
    intake::remove_what_was_shown(settings);
    drawn.map_err(ScreenError::Screen)?;
    match engine {
        Ok(()) => Ok(()),
        Err(_) => Err(ScreenError::EnginePanicked),
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
    let signals =
        tokio::spawn(signals::run(HangUp::Stops, commands, at_once.clone(), finished.clone()));
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
            () = engine.obey(false, reread) => {}
            () = stop.cancelled() => {}
        }
        stop.cancel();
        engine.stop(false).await;
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
