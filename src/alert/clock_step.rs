//! Moves recorded times after the wall clock was set back. Pure.
//!
//! Recorded event times are never later than the clock at the time of reading, so a time beyond the new clock stems
//! from the clock that was ahead. Unmoved, it would make all new events count as late until the clock has caught up.

use std::time::Duration;

use crate::base::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockStep {
    now: Timestamp,
    by: Duration,
}

impl ClockStep {
    /// `None` if the clock did not go back.
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
