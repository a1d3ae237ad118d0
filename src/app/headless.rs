//! The engine without a screen: status lines on stderr, an exit code at the end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::engine::{Desk, Engine, Ownership, Reread, StartError};
use super::settings::Settings;
use super::signals::{self, HangUp};
use super::{report, telemetry};
use crate::base::{Clock, SystemClock};
use crate::event::Status;

/// The whole in one line, so often, when it changed.
const SUMMARY: Duration = Duration::from_secs(10);

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
}

/// Runs until a signal, or with `once` until everything is delivered.
pub fn run(settings: &Settings, once: bool, reread: &Reread) -> Result<Ended, StartError> {
    telemetry::to_stderr(&settings.log_level);
    let runtime = super::runtime();
    let ended = runtime.block_on(work(settings, once, reread));
    super::end(runtime, matches!(ended, Ok(Ended::AtOnce)));
    ended
}

async fn work(settings: &Settings, once: bool, reread: &Reread) -> Result<Ended, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let desk = Desk::open(settings, once, clock.clone());
    let status = desk.status.subscribe();
    let commands = desk.commands.clone();
    let finished = CancellationToken::new();
    let at_once = CancellationToken::new();
    let signals =
        tokio::spawn(signals::run(HangUp::Reloads, commands, at_once.clone(), finished.clone()));
    let reporting = tokio::spawn(report_changes(status.clone(), once, finished.clone()));
    let running = async {
        let mut engine = Engine::start(settings, desk, once, Ownership::Required, clock).await?;
        engine.obey(once, reread).await;
        engine.stop(once).await;
        Ok(())
    };
    let drained: Result<bool, StartError> = tokio::select! {
        ended = running => ended.map(|()| true),
        () = at_once.cancelled() => Ok(false),
    };
    finished.cancel();
    let _ = reporting.await;
    let _ = signals.await;
    if !drained? {
        return Ok(Ended::AtOnce);
    }
    let last = status.borrow().clone();
    eprintln!("logwarden: {}", report::summary(&last));
    if once && let Some(reason) = report::nothing_readable(&last) {
        return Ok(Ended::Failed(reason));
    }
    if once && let Some(left) = report::undelivered(&last) {
        return Ok(Ended::Failed(left));
    }
    Ok(match report::damage(&last) {
        Some(figures) => Ended::Damaged(figures),
        None => Ended::Done,
    })
}

async fn report_changes(
    mut status: watch::Receiver<Arc<Status>>,
    once: bool,
    finished: CancellationToken,
) {
    let progress = (once && std::io::stderr().is_terminal()).then(progress_bar);
    let mut told = Arc::new(Status::default());
    let mut last_summary = String::new();
    let mut due = tokio::time::interval(SUMMARY);
    loop {
        let ended = tokio::select! {
            () = finished.cancelled() => true,
            changed = status.changed() => changed.is_err(),
            _ = due.tick() => {
                let now = report::summary(&status.borrow());
                if progress.is_none() && now != last_summary {
                    eprintln!("logwarden: {now}");
                    last_summary = now;
                }
                false
            }
        };
        let now = status.borrow_and_update().clone();
        for line in report::changes(&told, &now) {
            match &progress {
                Some(bar) => bar.suspend(|| eprintln!("logwarden: {line}")),
                None => eprintln!("logwarden: {line}"),
            }
        }
        if let Some(bar) = &progress {
            let (done, all) = report::progress(&now);
            bar.set_length(all);
            bar.set_position(done);
        }
        told = now;
        if ended {
            break;
        }
    }
    if let Some(bar) = progress {
        bar.finish_and_clear();
    }
}

fn progress_bar() -> indicatif::ProgressBar {
    let style = indicatif::ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
    )
    .expect("the template is right");
    indicatif::ProgressBar::new(0).with_style(style)
}
