//! What the worker tells others about itself.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::byte_accounting::{self, Ledger};
use super::orders::Base;
use super::{Worker, WorkerConfig};
use crate::base::Timestamp;
use crate::event::status::{SinkState, SinkStatus};

/// Not more often than this.
const EVERY: Duration = Duration::from_millis(100);
/// The rate is that of the last seconds.
const WINDOW: Duration = Duration::from_secs(5);

/// Counts, and publishes them now and then.
#[derive(Debug)]
pub(super) struct Report {
    status: SinkStatus,
    sender: watch::Sender<SinkStatus>,
    ledger: watch::Sender<Ledger>,
    /// Something changed since the last time.
    touched: bool,
    published: Option<Instant>,
    /// Confirmed events at some moments of the last seconds.
    samples: VecDeque<(Instant, u64)>,
    /// Of events whose bodies were dropped.
    oldest: Option<Timestamp>,
    pub stopped: bool,
}

impl Report {
    pub(super) fn new(
        config: &WorkerConfig,
    ) -> (Self, watch::Receiver<SinkStatus>, watch::Receiver<Ledger>) {
        let status = SinkStatus::new(&config.name, &config.kind);
        let (sender, receiver) = watch::channel(status.clone());
        let (ledger, ledgers) = watch::channel(Ledger::default());
        let report = Report {
            status,
            sender,
            ledger,
            touched: true,
            published: None,
            samples: VecDeque::new(),
            oldest: None,
            stopped: false,
        };
        (report, receiver, ledgers)
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

    /// What another worker did of what this one left to it.
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
        self.error(format!("{events} refused ({reason}) and kept as dead letters"));
    }

    /// What a pass over the files could not read.
    /// `some_are_left`: files that could not be read at the last try.
    pub(super) fn reading(&mut self, errors: &[std::io::Error], some_are_left: bool) {
        if let Some(error) = errors.first() {
            let text =
                format!("cannot read on: {error}; the cursor stays, and reading is tried again");
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

    /// When it wants to publish; also to let the rate sink to zero.
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

/// What another worker of the sink did.
fn add_counts(told: &mut SinkStatus, other: &SinkStatus) {
    told.confirmed_events += other.confirmed_events;
    told.duplicates += other.duplicates;
    told.dropped_events += other.dropped_events;
    told.dead_letters += other.dead_letters;
    told.unprotected_values += other.unprotected_values;
}

/// What a lane does beside the rest of its sink.
fn add_lane(told: &mut SinkStatus, lane: &SinkStatus) {
    add_counts(told, lane);
    told.rate += lane.rate;
    told.in_flight_events += lane.in_flight_events;
    told.oldest_waiting = told.oldest_waiting.into_iter().chain(lane.oldest_waiting).min();
    if told.stuck.is_none() {
        told.stuck.clone_from(&lane.stuck);
    }
    if let SinkState::Blocked { reason } = &lane.state {
        told.blocked.get_or_insert_with(|| reason.clone());
    }
}

impl Worker {
    /// Tells the others, if it is time or must be.
    pub(super) fn publish(&mut self, at_once: bool) {
        let now = Instant::now();
        let never = self.report.published.is_none();
        if !at_once && !never && self.report.due().is_none_or(|due| due > now) {
            return;
        }
        self.report.measure(now);
        let flights = &self.transit.flights;
        let flying = flights.iter().map(|flight| flight.input).sum();
        let bytes = |ledger: &Ledger| {
            // A lane's own tracks hold what was left to it earlier.
            let earlier = if self.lanes.birth.is_none() { ledger.earlier } else { 0 };
            let seen = self.tracks.seen() + earlier;
            byte_accounting::account(ledger, seen, self.tracks.outstanding(), flying)
        };
        let own = bytes(self.tracks.ledger());
        let state = self.state(own.in_flight + own.waiting);
        let mut told = SinkStatus {
            state,
            blocked: self.transit.blocked().cloned(),
            in_flight_events: flights.iter().map(|flight| flight.events).sum(),
            oldest_waiting: self.transit.oldest().into_iter().chain(self.report.oldest).min(),
            asked: self.asked(),
            paused_by: match &self.mode.base {
                Base::Paused { by, .. } => Some(by.clone()),
                _ => None,
            },
            round: self.mode.is_in_round() || self.mode.waits_for_ends(),
            ..self.report.status.clone()
        };
        let mut ledger = *self.tracks.ledger();
        for (lane, done) in self.lanes.told() {
            add_lane(&mut told, &lane);
            ledger.take_over(&done);
        }
        if let Some(reason) = &told.blocked
            && matches!(told.state, SinkState::Idle | SinkState::Shipping)
            && (self.transit.size_limit.nothing_passes()
                || !self.lanes.are_passed(self.report.status.confirmed_events))
        {
            told.state = SinkState::Blocked { reason: reason.clone() };
        }
        told.bytes = bytes(&ledger);
        told.behind_bytes = told.bytes.in_flight + told.bytes.waiting;
        let mean = told.bytes.confirmed as f64 / told.confirmed_events.max(1) as f64;
        told.behind_events = if mean > 0.0 { (told.behind_bytes as f64 / mean) as u64 } else { 0 };
        ledger.left = self.tracks.left_from_earlier();
        self.report.ledger.send_replace(ledger);
        self.report.status.state = told.state.clone();
        self.report.sender.send_replace(told);
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
        if let Some(reason) = &self.trouble.blocked {
            return SinkState::Blocked { reason: reason.clone() };
        }
        if self.trouble.attempts > 0 {
            return SinkState::BackingOff {
                next: self.trouble.next,
                attempts: self.trouble.attempts,
            };
        }
        match &self.mode.base {
            Base::Armed if !self.mode.is_in_round() => SinkState::Armed,
            Base::Rounds(_) if !self.mode.is_in_round() && behind > 0 => SinkState::Resting {
                next: self
                    .countdown
                    .next
                    .map(|at| self.config.clock.now().plus(at.saturating_duration_since(self.now))),
            },
            _ if !self.transit.flights.is_empty() || self.transit.ready.is_some() => {
                SinkState::Shipping
            }
            _ if behind > 0 && self.is_busy() => SinkState::Shipping,
            _ => SinkState::Idle,
        }
    }
}
