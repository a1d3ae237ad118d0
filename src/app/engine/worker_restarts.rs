//! Restarts sinks whose worker failed because of a bug. The failure is reported, also by `/healthz`, and the sink
//! restarts from its cursor after 0.2 s to 30 s, however often it fails. With `--once` it is not restarted, and the
//! program exits with an error.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

use super::Engine;
use super::shutdown::reason_of;
use crate::app::sinks::{KeptOrders, SinkSpec};
use crate::base::restart_backoff::RestartBackoff;
use crate::base::{bytes, with_causes};
use crate::event::status::{SinkState, SinkStatus};
use crate::event::{Command, Level};

/// Sinks whose worker failed, until they run again.
#[derive(Default)]
pub(super) struct FailedSinks {
    waiting: Vec<FailedSink>,
    /// Per sink: consecutive failures of its worker.
    streaks: HashMap<String, RestartBackoff>,
}

struct FailedSink {
    spec: SinkSpec,
    kept: KeptOrders,
    /// Its position in the list of sinks.
    index: usize,
    /// Time of the restart; `None` with `--once`.
    due: Option<Instant>,
    status: SinkStatus,
    published: watch::Sender<SinkStatus>,
}

impl FailedSinks {
    pub(super) fn names(&self) -> Vec<String> {
        self.waiting.iter().map(|waiting| waiting.status.name.clone()).collect()
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = watch::Receiver<SinkStatus>> {
        self.waiting.iter().map(|waiting| waiting.published.subscribe())
    }

    /// Waits until a sink is due for its restart; forever if there is none.
    pub(super) async fn due(&self) {
        match self.waiting.iter().filter_map(|waiting| waiting.due).min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Makes all failed sinks due now, with their new specs; a sink without a spec is removed.
    pub(super) fn restart_now(&mut self, specs: &[SinkSpec]) {
        let update = |waiting: &mut FailedSink| {
            let is_same = |spec: &SinkSpec| spec.name() == waiting.spec.name();
            let Some(index) = specs.iter().position(is_same) else { return false };
            (waiting.spec, waiting.index) = (specs[index].clone(), index);
            waiting.due = Some(Instant::now());
            true
        };
        self.waiting.retain_mut(update);
    }

    pub(super) fn has(&self, sink: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.status.name == sink)
    }

    /// Keeps a command for the next workers of the failed sinks.
    pub(super) fn note(&mut self, command: &Command) {
        for FailedSink { kept, status, published, .. } in &mut self.waiting {
            kept.note(command);
            status.paused_by = kept.paused_by().map(str::to_owned);
            published.send_replace(status.clone());
        }
    }

    fn take_due(&mut self) -> Option<FailedSink> {
        let now = Instant::now();
        let is_due = |waiting: &FailedSink| waiting.due.is_some_and(|due| due <= now);
        self.waiting.iter().position(is_due).map(|index| self.waiting.remove(index))
    }

    /// Counts a failure; returns the delay before the restart and the number of consecutive failures.
    fn count_failure(&mut self, sink: &str) -> (Duration, u32) {
        let new = || RestartBackoff::new(sink.len() as u64);
        let streak = self.streaks.entry(sink.to_owned()).or_insert_with(new);
        streak.fail(Instant::now().into_std())
    }
}

impl Engine {
    /// Handles a worker that ended without a result.
    pub(super) fn set_aside_failed(&mut self, index: usize, error: JoinError) {
        let reason = reason_of(error);
        let (spec, mut status, kept) = self.sinks.remove(index).into_parts();
        // Events in flight are read again.
        status.bytes.waiting += std::mem::take(&mut status.bytes.in_flight);
        (status.in_flight_events, status.rate, status.state) = (0, 0.0, SinkState::Stopped);
        status.paused_by = kept.paused_by().map(str::to_owned);
        let published = watch::Sender::new(status.clone());
        let waiting = FailedSink { spec, kept, index, due: None, status, published };
        self.schedule_restart(waiting, format!("its worker failed (internal error: {reason})"));
        self.publish_consumers();
    }

    fn schedule_restart(&mut self, mut waiting: FailedSink, reason: String) {
        let status = &mut waiting.status;
        let mut text = format!("{reason}; nothing is lost");
        if self.starter.once {
            text.push_str(", undelivered events are sent at the next start");
        } else {
            let (wait, attempts) = self.failed.count_failure(&status.name);
            waiting.due = Some(Instant::now() + wait);
            let next = self.starter.clock.now().plus(wait);
            status.state = SinkState::BackingOff { next, attempts };
            text.push_str(&format!("; it restarts in {}", bytes::duration(wait)));
        }
        self.starter.notices.add_always(Level::Error, format!("sink {}: {text}", status.name));
        status.last_error = Some(text);
        waiting.published.send_replace(status.clone());
        self.failed.waiting.push(waiting);
    }

    /// Restarts the sinks that are due.
    pub(super) async fn restart_due(&mut self) {
        while let Some(waiting) = self.failed.take_due() {
            let spec = waiting.spec.clone();
            match self.starter.start(&self.settings, spec, &waiting.kept).await {
                Ok(sink) => self.sinks.insert(waiting.index.min(self.sinks.len()), sink),
                Err(error) => self.schedule_restart(waiting, with_causes(&error)),
            }
        }
        self.publish_consumers();
    }
}
