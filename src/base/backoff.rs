//! Back-off between retries: decorrelated jitter (Brooker, "Exponential Backoff And Jitter", 2015) between 0.2 s and
//! 30 s. It never gives up: the number of retries is the caller's decision.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// The waits between retries of one failing target. Call `reset` after a success.
#[derive(Clone, Debug)]
pub struct Backoff {
    last: Duration,
    random: u64,
}

impl Backoff {
    /// With different seeds, two targets do not retry at the same moments.
    pub fn new(seed: u64) -> Self {
        Backoff { last: SHORTEST, random: seed | 1 }
    }

    pub fn reset(&mut self) {
        self.last = SHORTEST;
    }

    /// The next wait: between 0.2 s and three times the previous one, at most 30 s.
    pub fn next_wait(&mut self) -> Duration {
        let highest = (self.last * 3).min(LONGEST);
        let span = (highest - SHORTEST).as_millis() as u64;
        self.last = SHORTEST + Duration::from_millis(self.draw() % (span + 1));
        self.last
    }

    // xorshift64 (Marsaglia 2003): good enough for jitter.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_in_bounds_and_grow() {
        let mut backoff = Backoff::new(7);
        let waits: Vec<Duration> = (0..1000).map(|_| backoff.next_wait()).collect();
        assert!(waits.iter().all(|wait| *wait >= SHORTEST && *wait <= LONGEST));
        assert!(waits[0] <= SHORTEST * 3);
        assert!(waits.iter().any(|wait| *wait > LONGEST / 2));
        backoff.reset();
        assert!(backoff.next_wait() <= SHORTEST * 3);
    }
}
