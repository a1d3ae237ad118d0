//! `logwarden [PATH]…`: runs the engine, with the screen or (`--no-ui`) without it. Other commands use the screen from
//! here.

use std::io::IsTerminal;
use std::sync::Arc;

use crate::app::console::{Console, FLUSH_WAIT, SHORT_FLUSH_WAIT};
use crate::app::engine::ReadSettings;
use crate::app::headless::{self, Ended};
use crate::app::screen::{self, ScreenError};
use crate::app::settings::Settings;
use crate::app::start_error::StartError;
use crate::base::stderr;
use crate::cli::arguments::{Global, Watch};
use crate::cli::config::ConfigErrors;
use crate::cli::exit::{self, Exit, usage_error};
use crate::cli::resolve;
use crate::state::StateError;
use crate::ui;

pub fn run(global: &Global, watch: &Watch) -> anyhow::Result<Exit> {
    let settings = resolve::watch(global, watch)?;
    check_sinks_can_work(&settings)?;
    let read_settings = read_settings(global.clone(), watch.clone());
    match watch.no_ui {
        true => Ok(without_screen(&settings, watch.once, &read_settings)),
        false => Ok(with_screen(&settings, "logwarden", &read_settings)),
    }
}

/// A sink that can never work is a configuration error.
fn check_sinks_can_work(settings: &Settings) -> anyhow::Result<()> {
    for sink in settings.sinks.iter().filter(|sink| sink.enabled) {
        if let Some(problem) = sink.kind.never_works() {
            return Err(usage_error(format!("sink {}: {problem}", sink.name)));
        }
    }
    Ok(())
}

/// For a reload: reads the configuration files again, with the same environment and arguments.
fn read_settings(global: Global, watch: Watch) -> ReadSettings {
    Arc::new(move || {
        resolve::reload(&global, &watch).map_err(|error| match error.downcast::<ConfigErrors>() {
            Ok(ConfigErrors(problems)) => problems.iter().map(ToString::to_string).collect(),
            Err(error) => vec![format!("{error:#}")],
        })
    })
}

/// Runs the engine without the screen.
fn without_screen(settings: &Settings, once: bool, read_settings: &ReadSettings) -> Exit {
    let console = Console::start();
    let ended = headless::run(settings, once, read_settings, &console);
    let wait = if matches!(ended, Ok(Ended::Immediately)) { SHORT_FLUSH_WAIT } else { FLUSH_WAIT };
    let exit = report_end(ended);
    console.finish(wait);
    exit
}

fn report_end(ended: Result<Ended, StartError>) -> Exit {
    match ended {
        Ok(Ended::Done) => Exit::Done,
        Ok(Ended::WithLosses(counts)) => {
            exit::say(format_args!("done, but {counts}"));
            Exit::Lossy
        }
        Ok(Ended::Failed(reason)) => {
            exit::say(reason);
            Exit::Failed
        }
        Ok(Ended::Immediately) => {
            exit::say(
                "stopped immediately; unconfirmed events will be sent again at the next start",
            );
            Exit::Done
        }
        Ok(Ended::InternalError(failure)) => {
            exit::say(failure);
            Exit::InternalError
        }
        Err(error) => start_error(error),
    }
}

/// Runs the screen, with the engine beside it.
pub fn with_screen(settings: &Settings, title: &str, read_settings: &ReadSettings) -> Exit {
    if let Some(reason) = no_screen_because() {
        stderr::line(format_args!(
            "logwarden: {reason}, so the screen cannot be shown; nothing was shipped.\n\
             To run without the screen: logwarden --no-ui PATH…; to search archived events: logwarden search \
             QUERY; to print parsed events: logwarden parse FILE"
        ));
        return Exit::Usage;
    }
    on_screen(settings, screen::options(settings, title), read_settings)
}

/// Checked before the search starts, because its results could not be shown.
pub fn require_screen() -> anyhow::Result<()> {
    let Some(reason) = no_screen_because() else { return Ok(()) };
    Err(exit::usage_error(format!("{reason}, so the screen cannot be shown; leave out --view")))
}

/// Runs the screen with these options; the terminal was checked before.
pub fn on_screen(settings: &Settings, options: ui::Options, read_settings: &ReadSettings) -> Exit {
    match screen::run(settings, options, read_settings) {
        Ok(()) => Exit::Done,
        Err(ScreenError::EngineFailed(failure)) => {
            exit::say(failure);
            Exit::InternalError
        }
        Err(error) => exit::report(&anyhow::Error::from(error)),
    }
}

fn no_screen_because() -> Option<&'static str> {
    if !std::io::stdout().is_terminal() {
        return Some("standard output is not a terminal");
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Some("TERM is dumb");
    }
    match std::fs::File::open("/dev/tty") {
        Ok(_) => None,
        Err(_) => Some("/dev/tty cannot be opened"),
    }
}

fn start_error(error: StartError) -> Exit {
    let owned = matches!(error, StartError::State(StateError::Owned { .. }));
    let exit = exit::report(&anyhow::Error::from(error));
    if owned { Exit::StateInUse } else { exit }
}
