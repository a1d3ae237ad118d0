//! Decides when a worker may deliver: continuously, on request, in rounds, or once. Orders from the operator change
//! this.

use std::time::Duration;

use super::Worker;
use crate::base::Timestamp;
use crate::event::Cursor;

/// The conditions that start a round; the first one that is met counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    pub every: Option<Duration>,
    /// Pending events.
    pub after: Option<u64>,
}

/// The mode in which a worker starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Delivers continuously.
    #[default]
    Auto,
    /// Sends nothing before an order.
    Armed,
    /// Delivers everything that existed at the start, then ends.
    Once,
    /// Delivers in rounds; the first one at once.
    Rounds(Rounds),
}

/// Orders to one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One round: everything up to the current ends.
    ShipNow,
    Pause {
        by: String,
    },
    /// Ends a pause, and the wait of [`Mode::Armed`], which then delivers continuously. The other modes continue;
    /// [`Mode::Rounds`] with a round at once.
    Resume,
    /// Send failed events again now, instead of after the back-off.
    Retry,
    /// Nothing more will be written: deliver everything as with [`Mode::Once`], and end.
    Finish,
    /// Report the outcome so far of the event at this offset.
    Where(Cursor),
}

/// The mode of the worker, and its current round.
#[derive(Debug)]
pub(super) struct ModeState {
    /// The mode that is resumed after a pause.
    mode: Mode,
    pub base: Base,
    round: Round,
}

/// The state of the current round, a delivery of everything that existed when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    None,
    /// Its ends are not fixed yet.
    Requested,
    /// It delivers up to the ends kept in `Progress`.
    Running,
    /// The last round is done.
    Over,
}

/// The mode that applies now: that of the start, or a pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Auto,
    Armed,
    Once,
    Rounds(Rounds),
    Paused { by: String, since: Timestamp },
}

impl ModeState {
    pub(super) fn new(mode: Mode) -> Self {
        let base = match mode {
            Mode::Auto => Base::Auto,
            Mode::Armed => Base::Armed,
            Mode::Once => Base::Once,
            Mode::Rounds(rounds) => Base::Rounds(rounds),
        };
        let round = match mode {
            Mode::Once | Mode::Rounds(_) => Round::Requested,
            Mode::Auto | Mode::Armed => Round::None,
        };
        ModeState { mode, base, round }
    }

    fn pause(&mut self, by: String, since: Timestamp) {
        (self.base, self.round) = (Base::Paused { by, since }, Round::None);
    }

    fn resume(&mut self) {
        *self = ModeState::new(match self.mode {
            Mode::Armed => Mode::Auto,
            mode => mode,
        });
    }

    /// Changes the mode to [`Mode::Once`]. A pause stays in force until it is lifted.
    fn finish(&mut self) {
        match self.base {
            Base::Paused { .. } => (self.mode, self.round) = (Mode::Once, Round::None),
            _ => *self = ModeState::new(Mode::Once),
        }
    }

    pub(super) fn may_deliver(&self) -> bool {
        // Events before the ends can be sent before the ends are fixed.
        self.is_in_round() || self.delivers_all()
    }

    /// Whether it delivers everything, without an order.
    fn delivers_all(&self) -> bool {
        matches!(self.base, Base::Auto | Base::Once)
    }

    pub(super) fn is_once(&self) -> bool {
        self.base == Base::Once
    }

    /// Whether the last round is done: `--once` has delivered everything.
    pub(super) fn is_over(&self) -> bool {
        self.round == Round::Over
    }

    /// Starts one more round, up to the ends at that time.
    pub(super) fn request_round(&mut self) {
        self.round = Round::Requested;
    }

    /// Whether a round was requested whose ends are not fixed yet.
    pub(super) fn waits_for_ends(&self) -> bool {
        self.round == Round::Requested
    }

    pub(super) fn is_in_round(&self) -> bool {
        self.round == Round::Running
    }

    fn begin_round(&mut self) {
        self.round = Round::Running;
    }

    pub(super) fn end_round(&mut self) {
        self.round = if self.is_once() { Round::Over } else { Round::None };
    }
}

impl Worker {
    pub(super) fn obey(&mut self, order: Order) {
        self.lanes.forward(&order);
        match order {
            Order::ShipNow => {
                self.retry_backoff.end_wait();
                // A running round is extended to the current ends.
                if !self.mode.delivers_all() {
                    self.input.request_scan(&*self.config.queue);
                    self.mode.request_round();
                }
            }
            Order::Pause { by } => {
                let since = self.config.clock.now();
                self.mode.pause(by, since);
            }
            Order::Resume => self.mode.resume(),
            Order::Finish => self.mode.finish(),
            Order::Retry => {
                self.retry_backoff.end_wait();
                self.in_flight.retry_now(self.now);
            }
            Order::Where(place) => self.start_inspection(place),
        }
        self.report.touch();
    }

    /// Starts the requested round when the ends are known. No read may be running: if it started before the ends were
    /// fixed and finds nothing, there may still be events before them.
    pub(super) fn begin_round(&mut self) {
        let queue = &*self.config.queue;
        if self.input.is_idle()
            && self.mode.waits_for_ends()
            && queue.settled()
            && self.input.is_scan_done(queue, self.now)
        {
            // Changes since the last check belong to the round.
            self.apply_news();
            self.progress.fix_ends();
            self.mode.begin_round();
            self.restart_count();
        }
    }

    /// Ends the round if everything up to its ends is confirmed and committed.
    pub(super) fn end_round(&mut self) {
        if self.mode.is_in_round() && self.is_round_delivered() && self.commits.at.is_none() {
            self.mode.end_round();
            self.plan_round();
            self.report.touch();
        }
    }

    /// Whether everything of the round is delivered, but perhaps not committed.
    pub(super) fn is_round_delivered(&self) -> bool {
        self.has_nothing_unconfirmed() && self.is_round_read()
    }

    pub(super) fn is_round_read(&self) -> bool {
        self.mode.is_in_round() && self.progress.is_read()
    }
}
