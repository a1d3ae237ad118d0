//! Time as a value, and the clock that is passed to everything that needs the time.
//!
//! Only [`SystemClock`] reads the machine's clock, so that tests control the time.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment in UTC, in nanoseconds since 1970-01-01T00:00:00Z. Covers the years 1677 to 2262.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

const NANOS_PER_SECOND: i64 = 1_000_000_000;

impl Timestamp {
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// Saturates at the ends of the range.
    pub fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds.saturating_mul(NANOS_PER_SECOND))
    }

    pub fn from_millis(millis: i64) -> Self {
        Timestamp(millis.saturating_mul(1_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND)
    }

    /// Milliseconds since the epoch, rounded down.
    pub fn millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Midnight at the start of a UTC day.
    pub fn of_day(day: i32) -> Self {
        Timestamp::from_seconds(i64::from(day) * 86_400)
    }

    /// Days since the epoch, rounded down.
    pub fn day(self) -> i32 {
        self.seconds().div_euclid(86_400) as i32
    }

    pub fn plus(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_add(nanos(duration)))
    }

    pub fn minus(self, duration: Duration) -> Self {
        Timestamp(self.0.saturating_sub(nanos(duration)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(nanos(after)),
            Err(before) => Timestamp(-nanos(before.duration())),
        }
    }
}

/// A source of the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The wall clock. It may step in either direction.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary earlier moment; it never steps back.
    fn uptime(&self) -> Duration;
}

#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock for tests: it moves only when it is set.
#[derive(Debug)]
pub struct ManualClock {
    state: Mutex<(Timestamp, Duration)>,
}

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        ManualClock { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Advances both the wall clock and the uptime.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state.lock().expect("no holder of the clock panics");
        state.0 = state.0.plus(by);
        state.1 += by;
    }

    /// Sets the wall clock without changing the uptime.
    pub fn step_to(&self, now: Timestamp) {
        self.state.lock().expect("no holder of the clock panics").0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.state.lock().expect("no holder of the clock panics").0
    }

    fn uptime(&self) -> Duration {
        self.state.lock().expect("no holder of the clock panics").1
    }
}
