//! Stops the engine: on request, or because all input is delivered.

use std::pin::pin;
use std::time::{Duration, Instant};

use super::Engine;
use crate::app::sinks;
use crate::event::status::EngineState;
use crate::event::{Command, Level};
use crate::follow::{Changes, Log};
use crate::sink::stdout::READER_GONE;

/// Limit for draining all sinks. A sink drains for at most ten seconds and then commits; if it takes longer than this,
/// its disk or server does not answer.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// A wait for the rules that takes longer than this is reported.
const SILENT_WAIT: Duration = Duration::from_secs(2);
const WAITING_FOR_RULES: &str = "stopping: everything is delivered; waiting for the alert rules to \
    evaluate the last events, up to 30 s if files are slow to read; a signal stops immediately";

/// Poll interval for the end of the input, in case no change is signalled.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The last bytes are normally in the log within milliseconds; after this limit they are assumed to be unreadable.
const INPUT_LIMIT: Duration = Duration::from_secs(10);

/// Waits until standard input has ended and is completely in the log, or cannot be read: the directory for unpacked
/// copies is not writable, or the disk of the state is full.
pub(super) async fn input_is_complete(log: &Log, changes: &Changes) {
    let mut limit = InputLimit::default();
    while !log.input_is_through() {
        let since = Instant::now();
        tokio::select! {
            () = changes.changed() => drop(changes.take()),
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
        if !log.input_is_open() && limit.is_reached(log.input_is_unpacked(), since.elapsed()) {
            break;
        }
    }
}

/// Time without progress since standard input ended.
#[derive(Debug, Default)]
struct InputLimit(Duration);

impl InputLimit {
    /// `is_unpacking`: the input is being unpacked, which may take any time. A poll that took longer than its interval
    /// counts as one interval: the machine was busy or the process was stopped, but the input may still be readable.
    fn is_reached(&mut self, is_unpacking: bool, passed: Duration) -> bool {
        if !is_unpacking {
            self.0 += passed.min(POLL_INTERVAL);
        }
        self.0 > INPUT_LIMIT
    }
}

impl Engine {
    /// Makes the engine stop once standard input, its only source, has ended and is delivered.
    pub fn end_with_input(&mut self) {
        self.ends_with_input = true;
    }

    /// Whether the engine stops when everything is delivered: with `--once`, or after standard input has ended.
    pub fn is_once(&self) -> bool {
        self.starter.once
    }

    /// Reports that the reader of standard output has closed it, because of which the engine stops, without a failure.
    pub(super) fn report_closed_stdout(&self) {
        let text = format!("{READER_GONE}; unconfirmed events are sent at the next start");
        self.starter.notices.add(Level::Info, text);
    }

    /// Delivers the rest and stops, as with `--once`, because no more input will come.
    pub(super) fn finish(&mut self) {
        self.starter.once = true;
        let text = "standard input has ended; stopping once it is delivered";
        self.starter.notices.add(Level::Info, text.to_owned());
        for sink in &self.sinks {
            sink.finish(&self.tasks);
        }
    }

    /// Drains the sinks, commits, stops every task and waits until all have ended.
    pub async fn stop(mut self) {
        let _ = self.state.send(EngineState::Draining);
        let inputs = std::mem::take(&mut self.input);
        // Dropping an input waits until all bytes read from it are stored.
        let _ = tokio::task::spawn_blocking(move || drop(inputs)).await;
        let unfinished = sinks::stop(std::mem::take(&mut self.sinks), DRAIN_LIMIT).await;
        if !unfinished.is_empty() {
            tracing::error!(
                sinks = unfinished.join(", "),
                "these sinks did not end within {} s; unconfirmed events are sent at the next start",
                DRAIN_LIMIT.as_secs()
            );
        }
        if self.has_finished {
            self.wait_for_rules().await;
        }
        self.alerts.stop().await;
        self.commit_last().await;
        // Last, so that the final counts of the log are still reported.
        self.stop.cancel();
        let _ = self.state.send(EngineState::Stopped);
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Waits until the rules have evaluated all events, or a stop is requested.
    async fn wait_for_rules(&mut self) {
        let ended = self.starter.log.supervisor().ended().clone();
        self.alerts.finish.cancel();
        let mut silent = pin!(tokio::time::sleep(SILENT_WAIT));
        let mut is_reported = false;
        loop {
            tokio::select! {
                () = self.alerts.ended() => return,
                () = &mut silent, if !is_reported => {
                    is_reported = true;
                    self.starter.notices.add(Level::Info, WAITING_FOR_RULES.to_owned());
                }
                () = ended.cancelled() => return,
                command = self.orders.recv() => {
                    if matches!(command, None | Some(Command::Stop)) {
                        return;
                    }
                }
            }
        }
    }

    /// Stops the log and commits the state, independently: a failure of the log does not prevent the commit.
    async fn commit_last(&self) {
        let (log, store) = (self.starter.log.clone(), self.starter.store.clone());
        if let Err(error) = tokio::task::spawn_blocking(move || log.stop()).await {
            tracing::error!("following the log files did not end cleanly: {}", reason_of(error));
        }
        match tokio::task::spawn_blocking(move || store.commit()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(
                %error,
                "cannot write the last positions; some events will be read again"
            ),
            Err(error) => tracing::error!(
                "cannot write the last positions ({}); some events will be read again",
                reason_of(error)
            ),
        }
    }
}

/// Why a task failed.
pub(super) fn reason_of(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => crate::base::supervisor::reason(&*panic),
        Err(_) => "it was aborted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_being_unpacked_is_waited_for_and_an_unreadable_one_is_not() {
        let mut limit = InputLimit::default();
        assert!((0..1_000).all(|_| !limit.is_reached(true, POLL_INTERVAL)), "long unpacking");
        // The process was stopped meanwhile.
        assert!(!limit.is_reached(false, Duration::from_secs(3600)));
        assert!((0..9).all(|_| !limit.is_reached(false, POLL_INTERVAL)));
        assert!(limit.is_reached(false, POLL_INTERVAL));
    }
}
