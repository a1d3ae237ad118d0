//! When a worker may deliver: by itself, on request, in rounds, or once.

use std::time::Duration;

use super::Worker;
use crate::base::Timestamp;
use crate::event::Cursor;

/// What begins a round; whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    pub every: Option<Duration>,
    /// Events.
    pub after: Option<u64>,
}

/// How a worker starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Continuously.
    #[default]
    Auto,
    /// Nothing leaves before an order.
    Armed,
    /// Everything that was there at the start, then it ends.
    Once,
    /// From time to time; the first round at once.
    Rounds(Rounds),
}

/// What an operator may ask of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// One round: everything up to the ends as they are now.
    ShipNow,
    Pause {
        by: String,
    },
    /// Continuously from now on; with [`Mode::Once`] on to its end, with [`Mode::Rounds`] a round at once.
    Resume,
    /// Now, instead of waiting out the back-off.
    Retry,
    /// No more will come: deliver what is there, as with [`Mode::Once`], and end.
    Finish,
    /// Tell where this event is.
    Where(Cursor),
}

/// What the worker is allowed to do now.
#[derive(Debug)]
pub(super) struct Progress {
    mode: Mode,
    pub base: Base,
    round: Round,
}

/// A delivery of what was there at its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    None,
    /// Its ends are not fixed yet.
    Asked,
    /// Up to the ends kept in the tracks.
    Begun,
    /// It was the last one.
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Auto,
    Armed,
    Once,
    Rounds(Rounds),
    Paused { by: String, since: Timestamp },
}

impl Progress {
    pub(super) fn new(mode: Mode) -> Self {
        let base = match mode {
            Mode::Auto => Base::Auto,
            Mode::Armed => Base::Armed,
            Mode::Once => Base::Once,
            Mode::Rounds(rounds) => Base::Rounds(rounds),
        };
        let round = match mode {
            Mode::Once | Mode::Rounds(_) => Round::Asked,
            Mode::Auto | Mode::Armed => Round::None,
        };
        Progress { mode, base, round }
    }

    fn pause(&mut self, by: String, since: Timestamp) {
        (self.base, self.round) = (Base::Paused { by, since }, Round::None);
    }

    fn resume(&mut self) {
        *self = Progress::new(match self.mode {
            Mode::Armed => Mode::Auto,
            mode => mode,
        });
    }

    /// A pause holds until it is lifted.
    fn finish(&mut self) {
        match self.base {
            Base::Paused { .. } => (self.mode, self.round) = (Mode::Once, Round::None),
            _ => *self = Progress::new(Mode::Once),
        }
    }

    pub(super) fn may_deliver(&self) -> bool {
        // What comes before the ends are fixed need not wait for them.
        self.is_in_round() || self.delivers_all()
    }

    /// Without an order.
    fn delivers_all(&self) -> bool {
        matches!(self.base, Base::Auto | Base::Once)
    }

    pub(super) fn is_once(&self) -> bool {
        self.base == Base::Once
    }

    /// `--once` has delivered everything.
    pub(super) fn is_over(&self) -> bool {
        self.round == Round::Over
    }

    /// One round more, up to the ends as they are then.
    pub(super) fn ask(&mut self) {
        self.round = Round::Asked;
    }

    /// The ends of the round that was asked for are not fixed yet.
    pub(super) fn waits_for_ends(&self) -> bool {
        self.round == Round::Asked
    }

    pub(super) fn is_in_round(&self) -> bool {
        self.round == Round::Begun
    }

    fn begin_round(&mut self) {
        self.round = Round::Begun;
    }

    pub(super) fn end_round(&mut self) {
        self.round = if self.is_once() { Round::Over } else { Round::None };
    }
}

impl Worker {
    pub(super) fn obey(&mut self, order: Order) {
        self.lanes.obey(&order);
        match order {
            Order::ShipNow => {
                self.trouble.wait_no_longer();
                // A round that is under way goes on to the ends as they are now.
                if !self.mode.delivers_all() {
                    self.source.ask_for_look(&*self.config.queue);
                    self.mode.ask();
                }
            }
            Order::Pause { by } => {
                let since = self.config.clock.now();
                self.mode.pause(by, since);
            }
            Order::Resume => self.mode.resume(),
            Order::Finish => self.mode.finish(),
            Order::Retry => {
                self.trouble.wait_no_longer();
                self.transit.retry(self.now);
            }
            Order::Where(place) => self.look_for(place),
        }
        self.report.touch();
    }

    /// Begins the round that was asked for, when the ends are known. What is being read now was begun before they are
    /// fixed: that nothing was there says nothing of them.
    pub(super) fn begin_round(&mut self) {
        let queue = &*self.config.queue;
        if self.source.is_at_rest()
            && self.mode.waits_for_ends()
            && queue.settled()
            && self.source.has_looked(queue, self.now)
        {
            // What was found between the last look and this one belongs to it.
            self.look();
            self.tracks.fix_ends();
            self.mode.begin_round();
            self.count_anew();
        }
    }

    /// A round is over when everything up to its ends is confirmed.
    pub(super) fn end_round(&mut self) {
        if self.mode.is_in_round() && self.round_is_through() && self.commits.at.is_none() {
            self.mode.end_round();
            self.plan_round();
            self.report.touch();
        }
    }

    /// Everything of the round is delivered, but perhaps not committed.
    pub(super) fn round_is_through(&self) -> bool {
        self.has_nothing_left() && self.round_is_read()
    }

    pub(super) fn round_is_read(&self) -> bool {
        self.mode.is_in_round() && self.tracks.are_read()
    }
}
