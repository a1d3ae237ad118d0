//! Failures of one thing that come soon one after the other, and how long to wait before it is run again. Pure: the
//! time is passed in.

use std::time::{Duration, Instant};

use super::backoff::Backoff;

/// A part that ran this long resets its restart back-off.
const CALM: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
pub struct Streak {
    backoff: Backoff,
    failures: u32,
    last: Option<Instant>,
}

impl Streak {
    /// `seed` keeps two things from being run again at the same moments.
    pub fn new(seed: u64) -> Self {
        Streak { backoff: Backoff::new(seed), failures: 0, last: None }
    }

    /// One more failure: how long to wait now, and how many there were in a row.
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
    fn failures_in_a_row_are_counted_and_a_calm_time_ends_the_row() {
        let (mut streak, start) = (Streak::new(7), Instant::now());
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
