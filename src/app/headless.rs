//! Runs the engine without a screen: prints its status on standard error and returns an outcome for the exit code.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::engine::{Engine, EngineSetup, Ownership, ReadSettings};
use super::settings::Settings;
use super::signals::{self, HangUp, Listener};
use super::start_error::StartError;
use super::{report, telemetry};
use crate::base::{Clock, OnPanic, Supervisor, SystemClock, stderr};
use crate::event::Status;
use crate::follow::Log;

/// Interval at which the summary line is printed, if it has changed.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// Name of this part in failure messages.
const PART: &str = "messages on standard error";

/// How a run without a screen ended.
#[derive(Debug)]
pub enum Ended {
    Done,
    /// Done, but some events were lost or became dead letters (the text has the counts).
    WithLosses(String),
    /// No file could be read, or not everything was delivered.
    Failed(String),
    /// Stopped by a second signal: events that were read may not be delivered or committed.
    Immediately,
    /// A part of the engine failed that cannot be restarted.
    InternalError(String),
}

/// Runs until a signal; with `once` until everything is delivered; if standard input is the only source, until it has
/// ended and is delivered. Nothing here waits for standard error, which `console` writes to.
pub fn run(
    settings: &Settings,
    once: bool,
    read_settings: &ReadSettings,
    console: &Console,
) -> Result<Ended, StartError> {
    telemetry::to_stderr(&settings.log_level);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let setup = EngineSetup::open(settings, once, clock.clone());
    setup.notices.write_to(console);
    let supervisor = setup.log.supervisor();
    console.watched_by(supervisor.clone());
    let work = work(settings, setup, once, read_settings, clock);
    let ended = super::block_on(&supervisor, work, |ended| matches!(ended, Ok(Ended::Immediately)));
    ended.unwrap_or_else(|| Ok(internal_error(&supervisor)))
}

/// The outcome if a part failed that cannot be restarted.
fn internal_error(supervisor: &Supervisor) -> Ended {
    Ended::InternalError(supervisor.fatal().map(ToString::to_string).unwrap_or_default())
}

/// The asynchronous part of [`run`].
pub(super) async fn work(
    settings: &Settings,
    setup: EngineSetup,
    once: bool,
    read_settings: &ReadSettings,
    clock: Arc<dyn Clock>,
) -> Result<Ended, StartError> {
    let status = setup.status.subscribe();
    let supervisor = setup.log.supervisor();
    let finished = CancellationToken::new();
    let stop_now = CancellationToken::new();
    let listener = Listener {
        hang_up: HangUp::Reloads,
        commands: setup.commands.clone(),
        stop_now: stop_now.clone(),
        finished: finished.clone(),
        notices: setup.notices.clone(),
    };
    let log = setup.log.clone();
    let signals = signals::listen(listener, supervisor.clone());
    let reporter = StatusReporter {
        log: setup.log.clone(),
        console: setup.notices.console(),
        status: status.clone(),
        once,
        finished: finished.clone(),
    };
    // The reporter ends after its last message; if it fails after `finished`, it is not restarted.
    let reporting = move || reporter.clone().run();
    let reporting = supervisor.clone().task(PART, OnPanic::Restart, finished.clone(), reporting);
    let reporting = tokio::spawn(reporting);
    let running = async {
        let mut engine = Engine::start(settings, setup, once, Ownership::Required, clock).await?;
        if settings.takes_input() && settings.sources.is_empty() {
            engine.end_with_input();
        }
        engine.run(read_settings).await;
        let once = engine.is_once();
        engine.stop().await;
        Ok(once)
    };
    let drained: Result<Option<bool>, StartError> = tokio::select! {
        ended = running => ended.map(Some),
        () = stop_now.cancelled() => Ok(None),
    };
    finished.cancel();
    let _ = reporting.await;
    let _ = signals.await;
    let Some(once) = drained? else { return Ok(Ended::Immediately) };
    let last = status.borrow().clone();
    stderr::line(format_args!("logwarden: {}", report::summary(&last)));
    if supervisor.fatal().is_some() {
        return Ok(internal_error(&supervisor));
    }
    Ok(outcome(&last, once, !once || log.input_is_through()))
}

/// `once`: everything had to be delivered. `has_all_input`: all of standard input has been read into files.
fn outcome(last: &Status, once: bool, has_all_input: bool) -> Ended {
    if once && let Some(reason) = report::nothing_readable(last) {
        return Ended::Failed(reason);
    }
    if once && let Some(reason) = report::undelivered(last) {
        return Ended::Failed(reason);
    }
    if !has_all_input {
        let text = "standard input could not be read completely; the rest is kept in the intake directory \
                    and read at the next start";
        return Ended::Failed(text.to_owned());
    }
    match report::losses(last) {
        Some(counts) => Ended::WithLosses(counts),
        None => Ended::Done,
    }
}

/// Prints status changes and notices on standard error, and a summary or (`once`, on a terminal) a progress bar.
#[derive(Clone)]
struct StatusReporter {
    log: Log,
    /// `None` in tests.
    console: Option<Console>,
    status: watch::Receiver<Arc<Status>>,
    once: bool,
    finished: CancellationToken,
}

impl StatusReporter {
    async fn run(mut self) {
        let say = |line: String| stderr::line(format_args!("logwarden: {line}"));
        let bar = self.console.filter(|_| self.once && std::io::stderr().is_terminal());
        let (mut before, mut notices) = (Arc::new(Status::default()), Vec::new());
        let mut last_summary = String::new();
        let mut due = tokio::time::interval(SUMMARY_INTERVAL);
        loop {
            let ended = tokio::select! {
                () = self.finished.cancelled() => true,
                changed = self.status.changed() => changed.is_err(),
                _ = due.tick() => {
                    let now = report::summary(&self.status.borrow());
                    if bar.is_none() && now != last_summary {
                        say(now.clone());
                        last_summary = now;
                    }
                    false
                }
            };
            let now = self.status.borrow_and_update().clone();
            let file_notices = self.log.notices();
            report::new_notices(&notices, &file_notices).into_iter().for_each(say);
            report::changes(&before, &now).into_iter().for_each(say);
            if let Some(console) = &bar {
                let (done, all) = report::progress(&now);
                console.progress(done, all);
            }
            (before, notices) = (now, file_notices);
            if ended {
                break;
            }
        }
        if let Some(console) = bar {
            console.end_progress();
        }
    }
}
