//! How far keys and rules have come in event time, and when a key counts as quiet. Pure.

use std::time::Duration;

use super::clock_step::Step;
use crate::base::Timestamp;

/// A jump of event time counts for at most this part of a window.
const LONGEST_JUMP: u32 = 4;

/// How far a key has come in its own time, and when that was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub newest: Timestamp,
    pub heard: Timestamp,
    /// Its last event stood in its file at the first look: its own time says how long ago it was.
    pub old: bool,
}

/// When an event was read, and whether it stood in its file at the first look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub now: Timestamp,
    pub old: bool,
}

impl Pace {
    pub const NEVER: Pace = Pace { newest: Timestamp::MIN, heard: Timestamp::MIN, old: false };

    pub fn hear(&mut self, time: Timestamp, heard: Heard) {
        self.newest = self.newest.max(time);
        self.heard = heard.now;
        self.old = heard.old;
    }

    pub fn step_back(&mut self, step: Step) {
        self.newest = step.moved(self.newest);
        self.heard = step.moved(self.heard);
    }

    /// Where its window ends for somebody who looks now.
    pub fn shown(&self, now: Timestamp) -> Timestamp {
        match self.old {
            true => self.newest.max(now),
            false => self.newest.plus(now.since(self.heard)),
        }
    }
}

/// How much time has passed for a rule since it began: event time, whatever the clock says, as old logs are read faster
/// than they were written. It never goes back, and a jump counts for little, so that a source whose times are ahead
/// makes the keys of no other source quiet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    newest: Timestamp,
    passed: Duration,
}

impl Passage {
    pub const NONE: Passage = Passage { newest: Timestamp::MIN, passed: Duration::ZERO };

    pub fn advance(&mut self, time: Timestamp, window: Duration) {
        self.passed += time.since(self.newest).min(window / LONGEST_JUMP);
        self.newest = self.newest.max(time);
    }

    pub fn step_back(&mut self, step: Step) {
        self.newest = step.moved(self.newest);
    }

    pub fn passed(&self) -> Duration {
        self.passed
    }
}
