//! Publishes the status of a worker: counts, state, rate and byte accounting.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::byte_accounting::{self, ByteAccount};
use super::orders::Base;
use super::{Worker, WorkerConfig};
use crate::base::{Timestamp, bytes};
use crate::event::status::{SinkState, SinkStatus};

/// Minimum time between two reports.
const EVERY: Duration = Duration::from_millis(100);
/// The rate is measured over this time.
const WINDOW: Duration = Duration::from_secs(5);

/// Collects the counts and the last error of a worker, and publishes them at intervals.
#[derive(Debug)]
pub(super) struct Report {
    status: SinkStatus,
    sender: watch::Sender<SinkStatus>,
    account: watch::Sender<ByteAccount>,
    /// Something changed since the last report.
    touched: bool,
    published: Option<Instant>,
    /// Confirmed events at some moments of the last seconds.
    samples: VecDeque<(Instant, u64)>,
    /// The read time of the oldest unconfirmed event whose body was dropped from memory.
    oldest: Option<Timestamp>,
    pub stopped: bool,
}

impl Report {
    pub(super) fn new(
        config: &WorkerConfig,
    ) -> (Self, watch::Receiver<SinkStatus>, watch::Receiver<ByteAccount>) {
        let status = SinkStatus::new(&config.name, &config.kind);
        let (sender, receiver) = watch::channel(status.clone());
        let (account, accounts) = watch::channel(ByteAccount::default());
        let report = Report {
            status,
            sender,
            account,
            touched: true,
            published: None,
            samples: VecDeque::new(),
            oldest: None,
            stopped: false,
        };
        (report, receiver, accounts)
    }

    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    pub(super) fn confirmed(&mut self, events: u64) {
        self.status.confirmed_events += events;
    }

    pub(super) fn confirmed_events(&self) -> u64 {
        self.status.confirmed_events
    }

    /// Adds the work of another worker on events that this one left to it.
    pub(super) fn take_over(&mut self, other: &SinkStatus) {
        add_counts(&mut self.status, other);
        self.touched = true;
    }

    pub(super) fn duplicate(&mut self) {
        self.status.duplicates += 1;
    }

    pub(super) fn dropped(&mut self) {
        self.status.dropped_events += 1;
    }

    pub(super) fn filtered(&mut self, events: u64) {
        self.status.filtered_events += events;
    }

    pub(super) fn unprotected(&mut self, values: u64) {
        self.status.unprotected_values += values;
    }

    pub(super) fn dead_letters(&mut self, events: u64, reason: &str) {
        self.status.dead_letters += events;
        let events = bytes::counted(events, "event");
        self.error(format!("{events} rejected ({reason}) and kept as dead letters"));
    }

    /// Records the errors of the last attempt to read the files. `some_are_left`: some files still could not be read.
    pub(super) fn reading(&mut self, errors: &[std::io::Error], some_are_left: bool) {
        if let Some(error) = errors.first() {
            let text =
                format!("cannot read further: {error}; the cursor stays, and reading is retried");
            self.status.stuck = Some(text.clone());
            self.error(text);
        } else if !some_are_left && self.status.stuck.take().is_some() {
            self.status.last_error = None;
            self.touched = true;
        }
    }

    pub(super) fn error(&mut self, text: String) {
        self.status.last_error = Some(text);
        self.touched = true;
    }

    pub(super) fn recovered(&mut self) {
        self.status.last_error = None;
    }

    pub(super) fn success(&mut self, now: Timestamp) {
        self.status.last_success = Some(now);
        self.touched = true;
        self.oldest = None;
    }

    pub(super) fn remember_oldest(&mut self, time: Option<Timestamp>) {
        self.oldest = self.oldest.into_iter().chain(time).min();
    }

    pub(super) fn last(self) -> SinkStatus {
        self.sender.borrow().clone()
    }

    /// When the next report is due: after a change, or to let the rate fall to zero.
    pub(super) fn due(&self) -> Option<Instant> {
        let published = self.published?;
        if self.touched {
            return Some(published + EVERY);
        }
        (self.status.rate > 0.0).then(|| published + Duration::from_secs(1))
    }

    fn measure(&mut self, now: Instant) {
        self.samples.push_back((now, self.status.confirmed_events));
        while self.samples.len() > 2 && now - self.samples[1].0 >= WINDOW {
            self.samples.pop_front();
        }
        let (first, before) = self.samples[0];
        let seconds = (now - first).as_secs_f64();
        if seconds > 0.0 {
            let events = self.status.confirmed_events - before;
            self.status.rate = events as f64 / seconds;
        }
    }
}

/// Adds the counts of another worker of the sink.
fn add_counts(reported: &mut SinkStatus, other: &SinkStatus) {
    reported.confirmed_events += other.confirmed_events;
    reported.duplicates += other.duplicates;
    reported.dropped_events += other.dropped_events;
    reported.dead_letters += other.dead_letters;
    reported.unprotected_values += other.unprotected_values;
}

/// Adds the current work of a lane.
fn add_lane(reported: &mut SinkStatus, lane: &SinkStatus) {
    add_counts(reported, lane);
    reported.rate += lane.rate;
    reported.in_flight_events += lane.in_flight_events;
    reported.oldest_waiting = reported.oldest_waiting.into_iter().chain(lane.oldest_waiting).min();
    if reported.stuck.is_none() {
        reported.stuck.clone_from(&lane.stuck);
    }
    if let SinkState::Blocked { reason } = &lane.state {
        reported.blocked.get_or_insert_with(|| reason.clone());
    }
}

impl Worker {
    /// Publishes the status if it is due or `at_once`.
    pub(super) fn publish(&mut self, at_once: bool) {
        let now = Instant::now();
        let never = self.report.published.is_none();
        if !at_once && !never && self.report.due().is_none_or(|due| due > now) {
            return;
        }
        self.report.measure(now);
        let active = &self.in_flight.active;
        let flying = active.iter().map(|delivery| delivery.input).sum();
        let bytes = |account: &ByteAccount| {
            // The progress of a lane's own worker includes the bytes that were left to it earlier.
            let earlier = if self.lanes.lane_start.is_none() { account.earlier } else { 0 };
            let seen = self.progress.seen() + earlier;
            byte_accounting::byte_status(account, seen, self.progress.outstanding(), flying)
        };
        let own = bytes(self.progress.account());
        let state = self.state(own.in_flight + own.waiting);
        let mut reported = SinkStatus {
            state,
            blocked: self.in_flight.blocked().cloned(),
            in_flight_events: active.iter().map(|delivery| delivery.events).sum(),
            oldest_waiting: self.in_flight.oldest().into_iter().chain(self.report.oldest).min(),
            asked: self.inspection_answer(),
            paused_by: match &self.mode.base {
                Base::Paused { by, .. } => Some(by.clone()),
                _ => None,
            },
            round: self.mode.is_in_round() || self.mode.waits_for_ends(),
            ..self.report.status.clone()
        };
        let mut account = *self.progress.account();
        for (lane, done) in self.lanes.statuses() {
            add_lane(&mut reported, &lane);
            account.take_over(&done);
        }
        if let Some(reason) = &reported.blocked
            && matches!(reported.state, SinkState::Idle | SinkState::Shipping)
            && (self.in_flight.size_limit.nothing_passes()
                || !self.lanes.main_confirmed_since(self.report.status.confirmed_events))
        {
            reported.state = SinkState::Blocked { reason: reason.clone() };
        }
        reported.bytes = bytes(&account);
        reported.behind_bytes = reported.bytes.in_flight + reported.bytes.waiting;
        let mean = reported.bytes.confirmed as f64 / reported.confirmed_events.max(1) as f64;
        reported.behind_events =
            if mean > 0.0 { (reported.behind_bytes as f64 / mean) as u64 } else { 0 };
        account.earlier_unread = self.progress.left_from_earlier();
        self.report.account.send_replace(account);
        self.report.status.state = reported.state.clone();
        self.report.sender.send_replace(reported);
        self.report.published = Some(now);
        self.report.touched = false;
    }

    fn state(&self, behind: u64) -> SinkState {
        if self.report.stopped {
            return SinkState::Stopped;
        }
        if let Base::Paused { by, since } = &self.mode.base
            && !self.mode.is_in_round()
        {
            return SinkState::Paused { by: by.clone(), since: *since };
        }
        if let Some(reason) = &self.retry_backoff.blocked {
            return SinkState::Blocked { reason: reason.clone() };
        }
        if self.retry_backoff.attempts > 0 {
            return SinkState::BackingOff {
                next: self.retry_backoff.next,
                attempts: self.retry_backoff.attempts,
            };
        }
        match &self.mode.base {
            Base::Armed if !self.mode.is_in_round() => SinkState::Armed,
            Base::Rounds(_) if !self.mode.is_in_round() && behind > 0 => SinkState::Resting {
                next: self
                    .schedule
                    .next
                    .map(|at| self.config.clock.now().plus(at.saturating_duration_since(self.now))),
            },
            _ if !self.in_flight.active.is_empty() || self.in_flight.ready.is_some() => {
                SinkState::Shipping
            }
            _ if behind > 0 && self.is_busy() => SinkState::Shipping,
            _ => SinkState::Idle,
        }
    }
}
