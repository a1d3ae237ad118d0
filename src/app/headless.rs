//! The engine without a screen: status lines on stderr, an exit code at the end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::engine::{Desk, Engine, Ownership, Reread};
use super::settings::Settings;
use super::signals::{self, HangUp, Listener};
use super::start_error::StartError;
use super::{report, telemetry};
use crate::base::{Clock, OnPanic, Supervisor, SystemClock, stderr};
use crate::event::Status;
use crate::follow::Log;

/// The whole in one line, so often, when it changed.
const SUMMARY: Duration = Duration::from_secs(10);

/// Name of this part in failure messages.
const PART: &str = "messages on standard error";

/// How a run without a screen ended.
#[derive(Debug)]
pub enum Ended {
    Done,
    /// Done, but these figures were lost or put aside.
    Damaged(String),
    /// Nothing of what was named could be read, or not all of it delivered.
    Failed(String),
    /// A second signal: not drained.
    AtOnce,
    /// A part of the engine failed that cannot be run again.
    Broken(String),
}

/// Runs until a signal, or with `once` until everything is delivered; where standard input is all there is, until that
/// has ended and is delivered. Nothing of it waits for standard error, which `console` writes to.
pub fn run(
    settings: &Settings,
    once: bool,
    reread: &Reread,
    console: &Console,
) -> Result<Ended, StartError> {
    telemetry::to_stderr(&settings.log_level);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let desk = Desk::open(settings, once, clock.clone());
    desk.notices.speak_to(console);
    let supervisor = desk.log.supervisor();
    console.watched_by(supervisor.clone());
    let work = work(settings, desk, once, reread, clock);
    let ended = super::block_on(&supervisor, work, |ended| matches!(ended, Ok(Ended::AtOnce)));
    ended.unwrap_or_else(|| Ok(broken(&supervisor)))
}

/// A part failed, after which the engine ends.
fn broken(supervisor: &Supervisor) -> Ended {
    Ended::Broken(supervisor.fatal().map(ToString::to_string).unwrap_or_default())
}

pub(super) async fn work(
    settings: &Settings,
    desk: Desk,
    once: bool,
    reread: &Reread,
    clock: Arc<dyn Clock>,
) -> Result<Ended, StartError> {
    let status = desk.status.subscribe();
    let supervisor = desk.log.supervisor();
    let finished = CancellationToken::new();
    let at_once = CancellationToken::new();
    let listener = Listener {
        hang_up: HangUp::Reloads,
        commands: desk.commands.clone(),
        at_once: at_once.clone(),
        finished: finished.clone(),
        notices: desk.notices.clone(),
    };
    let log = desk.log.clone();
    let signals = signals::listen(listener, supervisor.clone());
    let talk = Talk {
        log: desk.log.clone(),
        console: desk.notices.console(),
        status: status.clone(),
        once,
        finished: finished.clone(),
    };
    // It ends by itself once all is said, also what is said at the end; one that fails then is not run again.
    let talking = move || talk.clone().run();
    let talking = supervisor.clone().task(PART, OnPanic::Restart, finished.clone(), talking);
    let talking = tokio::spawn(talking);
    let running = async {
        let mut engine = Engine::start(settings, desk, once, Ownership::Required, clock).await?;
        if settings.takes_input() && settings.sources.is_empty() {
            engine.end_with_input();
        }
        engine.obey(reread).await;
        let once = engine.is_once();
        engine.stop().await;
        Ok(once)
    };
    let drained: Result<Option<bool>, StartError> = tokio::select! {
        ended = running => ended.map(Some),
        () = at_once.cancelled() => Ok(None),
    };
    finished.cancel();
    let _ = talking.await;
    let _ = signals.await;
    let Some(once) = drained? else { return Ok(Ended::AtOnce) };
    let last = status.borrow().clone();
    stderr::line(format_args!("logwarden: {}", report::summary(&last)));
    if supervisor.fatal().is_some() {
        return Ok(broken(&supervisor));
    }
    Ok(outcome(&last, once, !once || log.input_is_through()))
}

/// `once`: everything was to be delivered. `through`: all of standard input is in files whose ends are known.
fn outcome(last: &Status, once: bool, through: bool) -> Ended {
    if once && let Some(reason) = report::nothing_readable(last) {
        return Ended::Failed(reason);
    }
    if once && let Some(left) = report::undelivered(last) {
        return Ended::Failed(left);
    }
    if !through {
        let text = "not all of standard input could be read; it stays in the intake directory and comes at the next start";
        return Ended::Failed(text.to_owned());
    }
    match report::damage(last) {
        Some(figures) => Ended::Damaged(figures),
        None => Ended::Done,
    }
}

/// Says on standard error what happens.
#[derive(Clone)]
struct Talk {
    log: Log,
    /// Where there is one.
    console: Option<Console>,
    status: watch::Receiver<Arc<Status>>,
    once: bool,
    finished: CancellationToken,
}

impl Talk {
    async fn run(mut self) {
        let say = |line: String| stderr::line(format_args!("logwarden: {line}"));
        let bar = self.console.filter(|_| self.once && std::io::stderr().is_terminal());
        let (mut told, mut notices) = (Arc::new(Status::default()), Vec::new());
        let mut last_summary = String::new();
        let mut due = tokio::time::interval(SUMMARY);
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
            let of_files = self.log.notices();
            report::new_notices(&notices, &of_files).into_iter().for_each(say);
            report::changes(&told, &now).into_iter().for_each(say);
            if let Some(console) = &bar {
                let (done, all) = report::progress(&now);
                console.progress(done, all);
            }
            (told, notices) = (now, of_files);
            if ended {
                break;
            }
        }
        if let Some(console) = bar {
            console.end_progress();
        }
    }
}
