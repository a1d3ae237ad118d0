//! Retry back-off of a worker: how often its target failed in a row, and when it retries.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::Timestamp;
use crate::base::backoff::Backoff;

/// During longer waits, encoded events are dropped from memory and read again later.
const LONG_WAIT: Duration = Duration::from_secs(1);
/// After "too many requests", one request at a time for this long.
const SINGLE_REQUEST_TIME: Duration = Duration::from_secs(60);

/// After this many failures in a row `--once` gives up: some minutes, including the waits.
const MAX_TRIES: u32 = 20;
/// The same while a person is needed.
const MAX_TRIES_BLOCKED: u32 = 4;

/// With `--once`: whether to stop retrying.
pub(super) fn has_failed_too_often(attempts: u32, blocked: bool) -> bool {
    attempts >= if blocked { MAX_TRIES_BLOCKED } else { MAX_TRIES }
}

#[derive(Debug)]
pub(super) struct RetryBackoff {
    backoff: Backoff,
    until: Option<Instant>,
    long: bool,
    single_until: Option<Instant>,
    /// Wall-clock time of the next retry, for the status.
    pub next: Timestamp,
    /// Failures in a row.
    pub attempts: u32,
    /// A person is needed, for this reason. Retries continue all the same.
    pub blocked: Option<String>,
    /// The newest delivery that was sent before the last failure was known.
    delivery_number: u64,
}

impl RetryBackoff {
    pub(super) fn new(seed: u64) -> Self {
        RetryBackoff {
            backoff: Backoff::new(seed),
            until: None,
            long: false,
            single_until: None,
            next: Timestamp::default(),
            attempts: 0,
            blocked: None,
            delivery_number: 0,
        }
    }

    /// Records one more failure and returns the wait. `after`: the wait that the target asked for.
    pub(super) fn record_failure(
        &mut self,
        after: Option<Duration>,
        blocked: Option<String>,
        now: Timestamp,
        delivery_number: u64,
    ) -> Duration {
        let wait = self.backoff.next_wait().max(after.unwrap_or_default());
        self.until = Some(Instant::now() + wait);
        self.long = wait > LONG_WAIT;
        self.next = now.plus(wait);
        self.attempts += 1;
        self.blocked = blocked;
        self.delivery_number = delivery_number;
        wait
    }

    /// The target asked for fewer requests.
    pub(super) fn limit_requests(&mut self) {
        self.single_until = Some(Instant::now() + SINGLE_REQUEST_TIME);
    }

    /// As [`RetryBackoff::clear`], but only if the delivery was sent after the last failure was known: earlier ones
    /// prove nothing.
    pub(super) fn clear_if_newer(&mut self, delivery_number: u64) -> bool {
        delivery_number > self.delivery_number && self.clear()
    }

    /// A delivery succeeded; `true` if this ends a series of failures.
    pub(super) fn clear(&mut self) -> bool {
        let news = self.attempts > 0;
        self.backoff.reset();
        (self.until, self.long, self.attempts, self.blocked) = (None, false, 0, None);
        news
    }

    pub(super) fn has_failed_too_often(&self) -> bool {
        has_failed_too_often(self.attempts, self.blocked.is_some())
    }

    pub(super) fn end_wait(&mut self) {
        self.until = None;
        self.backoff.reset();
    }

    pub(super) fn is_waiting(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    pub(super) fn is_waiting_long(&self, now: Instant) -> bool {
        self.long && self.is_waiting(now)
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How many deliveries may run at once: one while it is not known whether the target works.
    pub(super) fn requests(&self, limit: usize, now: Instant) -> usize {
        let single = self.single_until.is_some_and(|until| until > now);
        if single || self.attempts > 0 { 1 } else { limit.max(1) }
    }
}
