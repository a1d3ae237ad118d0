//! The wall clock was ahead and has been set back: times that were taken from it are moved with it. Pure.
//!
//! An event's time is never later than the clock was when the event was read, so a time beyond the clock was taken from
//! the clock that was ahead. Left there it would make everything that comes now count as late, until the clock has
//! caught up with it.

use std::time::Duration;

use crate::base::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    now: Timestamp,
    by: Duration,
}

impl Step {
    /// `None` where the clock did not go back.
    pub fn between(before: Timestamp, now: Timestamp) -> Option<Step> {
        (now < before).then(|| Step { now, by: before.since(now) })
    }

    pub fn by(self) -> Duration {
        self.by
    }

    /// As old by the new clock as it was by the one before; what is not beyond the new clock stays.
    pub fn moved(self, time: Timestamp) -> Timestamp {
        if time > self.now { time.minus(self.by).min(self.now) } else { time }
    }
}
