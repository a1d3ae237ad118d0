//! Moves the event times that rules remember back when the wall clock was set back. Pure.
//!
//! A remembered time is never later than the clock was when the event was read, so a time beyond the new clock comes
//! from the clock that was ahead. If it were not moved, all new events would count as late until the clock has caught
//! up.

use std::time::Duration;

use crate::base::Timestamp;

/// The wall clock was set back by `by`, to `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockStep {
    now: Timestamp,
    by: Duration,
}

impl ClockStep {
    /// The step between two readings of the clock; `None` if it did not go back.
    pub fn between(before: Timestamp, now: Timestamp) -> Option<ClockStep> {
        (now < before).then(|| ClockStep { now, by: before.since(now) })
    }

    pub fn by(self) -> Duration {
        self.by
    }

    /// Moves a time beyond the new clock so that its age stays the same; other times are unchanged.
    pub fn moved(self, time: Timestamp) -> Timestamp {
        if time > self.now { time.minus(self.by).min(self.now) } else { time }
    }
}
