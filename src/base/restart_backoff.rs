//! Counts consecutive failures of one part and sets the wait before its next restart. Pure: the time is passed in.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// A part that ran this long without failing resets its restart back-off.
const CALM: Duration = Duration::from_secs(5 * 60);

/// The consecutive failures of one part, and its restart back-off.
#[derive(Debug)]
pub struct RestartBackoff {
    backoff: Backoff,
    failures: u32,
    last: Option<Instant>,
}

impl RestartBackoff {
    /// `seed` keeps two parts from restarting at the same moments.
    pub fn new(seed: u64) -> Self {
        RestartBackoff { backoff: Backoff::new(seed), failures: 0, last: None }
    }

    /// Counts one more failure; returns the wait before the restart, and the number of consecutive failures.
    pub fn fail(&mut self, now: Instant) -> (Duration, u32) {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= CALM) {
            self.backoff.reset();
            self.failures = 0;
        }
        self.last = Some(now);
        self.failures += 1;
        (self.backoff.next_wait(), self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_failures_are_counted_until_a_long_run_without_failure() {
        let (mut streak, start) = (RestartBackoff::new(7), Instant::now());
        let waits: Vec<_> = (0..20).map(|n| streak.fail(start + CALM / 2 * n)).collect();
        assert_eq!(
            waits.iter().map(|(_, count)| *count).collect::<Vec<_>>(),
            Vec::from_iter(1..=20)
        );
        assert!(waits.iter().any(|(wait, _)| *wait > Duration::from_secs(5)));
        let (wait, count) = streak.fail(start + CALM / 2 * 19 + CALM);
        assert!(count == 1 && wait <= Duration::from_millis(600), "{wait:?}");
    }
}
