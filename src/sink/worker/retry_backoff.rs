//! What stands between a worker and its target now: how often it failed, and when it tries again.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::Timestamp;
use crate::base::backoff::Backoff;

/// Bodies are dropped while a wait is longer: they are read again.
const LONG: Duration = Duration::from_secs(1);
/// After "too many requests", one at a time for so long.
const SLOW: Duration = Duration::from_secs(60);

/// After so many failures in a row `--once` gives up: some minutes, with the waits between them.
const TRIES: u32 = 20;
/// Where a person is needed.
const TRIES_BLOCKED: u32 = 4;

/// Enough tries for one that is asked to deliver once and end.
pub(super) fn is_hopeless(attempts: u32, blocked: bool) -> bool {
    attempts >= if blocked { TRIES_BLOCKED } else { TRIES }
}

#[derive(Debug)]
pub(super) struct Trouble {
    backoff: Backoff,
    until: Option<Instant>,
    long: bool,
    slow_until: Option<Instant>,
    /// For people: when it tries again.
    pub next: Timestamp,
    /// Failures in a row.
    pub attempts: u32,
    /// A person is needed, for this reason. It goes on trying all the same.
    pub blocked: Option<String>,
    /// The last delivery that set out before the last failure was known.
    ticket: u64,
}

impl Trouble {
    pub(super) fn new(seed: u64) -> Self {
        Trouble {
            backoff: Backoff::new(seed),
            until: None,
            long: false,
            slow_until: None,
            next: Timestamp::default(),
            attempts: 0,
            blocked: None,
            ticket: 0,
        }
    }

    /// One more failure. `after`: the target named a time itself.
    /// Returns the wait.
    pub(super) fn strike(
        &mut self,
        after: Option<Duration>,
        blocked: Option<String>,
        now: Timestamp,
        ticket: u64,
    ) -> Duration {
        let wait = self.backoff.next_wait().max(after.unwrap_or_default());
        self.until = Some(Instant::now() + wait);
        self.long = wait > LONG;
        self.next = now.plus(wait);
        self.attempts += 1;
        self.blocked = blocked;
        self.ticket = ticket;
        wait
    }

    /// The target asked for less.
    pub(super) fn slow_down(&mut self) {
        self.slow_until = Some(Instant::now() + SLOW);
    }

    /// The same of this delivery: what set out before the last failure proves nothing.
    pub(super) fn clear_by(&mut self, ticket: u64) -> bool {
        ticket > self.ticket && self.clear()
    }

    /// Something went through; `true` where that is news.
    pub(super) fn clear(&mut self) -> bool {
        let news = self.attempts > 0;
        self.backoff.reset();
        (self.until, self.long, self.attempts, self.blocked) = (None, false, 0, None);
        news
    }

    pub(super) fn is_hopeless(&self) -> bool {
        is_hopeless(self.attempts, self.blocked.is_some())
    }

    pub(super) fn wait_no_longer(&mut self) {
        self.until = None;
        self.backoff.reset();
    }

    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }

    pub(super) fn is_long(&self, now: Instant) -> bool {
        self.long && self.is_on(now)
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// How many deliveries may be under way; one while nobody knows whether it works.
    pub(super) fn requests(&self, limit: usize, now: Instant) -> usize {
        let slow = self.slow_until.is_some_and(|until| until > now);
        if slow || self.attempts > 0 { 1 } else { limit.max(1) }
    }
}
