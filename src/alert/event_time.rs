//! Tracks the newest event time per key, and the event time that has passed per rule, to decide when a key is quiet.
//! Pure.

use std::time::Duration;

use super::clock_step::ClockStep;
use crate::base::Timestamp;

/// A jump of event time counts for at most this fraction of the window.
const MAX_JUMP_FRACTION: u32 = 4;

/// The newest event time of a key, and when its last event was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyTime {
    pub newest: Timestamp,
    pub last_read: Timestamp,
    /// The last event was in its file before the file was first read, so its own time tells its age.
    pub is_history: bool,
}

/// When an event was read, and whether it is history (in its file before the file was first read).
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub now: Timestamp,
    pub is_history: bool,
}

impl KeyTime {
    pub const NEVER: KeyTime =
        KeyTime { newest: Timestamp::MIN, last_read: Timestamp::MIN, is_history: false };

    pub fn advance(&mut self, time: Timestamp, read: Arrival) {
        self.newest = self.newest.max(time);
        self.last_read = read.now;
        self.is_history = read.is_history;
    }

    pub fn step_back(&mut self, step: ClockStep) {
        self.newest = step.moved(self.newest);
        self.last_read = step.moved(self.last_read);
    }

    /// The time at which the key's window ends in a status shown at `now`.
    pub fn shown(&self, now: Timestamp) -> Timestamp {
        match self.is_history {
            true => self.newest.max(now),
            false => self.newest.plus(now.since(self.last_read)),
        }
    }
}

/// Event time that has passed for a rule since it started, independent of the clock: old logs are read faster than
/// they were written. It never goes back, and a jump is capped, so that a source with timestamps ahead of the others
/// does not make their keys quiet.
#[derive(Clone, Copy, Debug)]
pub(super) struct PassedTime {
    newest: Timestamp,
    passed: Duration,
}

impl PassedTime {
    pub const NONE: PassedTime = PassedTime { newest: Timestamp::MIN, passed: Duration::ZERO };

    pub fn advance(&mut self, time: Timestamp, window: Duration) {
        self.passed += time.since(self.newest).min(window / MAX_JUMP_FRACTION);
        self.newest = self.newest.max(time);
    }

    pub fn step_back(&mut self, step: ClockStep) {
        self.newest = step.moved(self.newest);
    }

    pub fn passed(&self) -> Duration {
        self.passed
    }
}
