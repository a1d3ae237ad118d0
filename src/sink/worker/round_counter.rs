//! Counts what a round waits for.

use super::batch_encoder::LONGEST_PASS;
use crate::follow::{Pull, Pulled, Queue, Reading};

/// Events behind the last round, counted as they come. On a blocking thread while it counts.
#[derive(Debug)]
pub(super) struct Counter {
    pull: Pull,
    events: u64,
    begun: bool,
}

impl Counter {
    pub(super) fn new() -> Self {
        Counter { pull: Pull::fair(), events: 0, begun: false }
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// There may be more to count.
    pub(super) fn is_due(&self) -> bool {
        !self.begun || self.pull.is_due()
    }

    /// `from`: of what the worker has not read, how far it goes.
    pub(super) fn count(&mut self, queue: &dyn Queue, from: Vec<Reading>) {
        self.begun = true;
        for reading in from {
            self.pull.hear(reading.cursor(), reading.end);
        }
        let mut looked_through = 0;
        while looked_through < LONGEST_PASS
            && let Some((_, pulled)) = self.pull.next(queue)
        {
            looked_through += pulled.bytes();
            // What cannot be read now is counted when it can.
            if let Pulled::Events { records, .. } = pulled {
                self.events += records.len() as u64;
            }
        }
    }
}
