//! Counts the pending events: when there are as many as `ship.after`, the next round of delivery starts.

use super::batch_encoder::MAX_PASS_BYTES;
use crate::follow::{Pull, Pulled, Queue, Reading};

/// Number of events since the last round, counted as they are written. Moved to a blocking thread while it counts.
#[derive(Debug)]
pub(super) struct Counter {
    pull: Pull,
    events: u64,
    has_started: bool,
}

impl Counter {
    pub(super) fn new() -> Self {
        Counter { pull: Pull::fair(), events: 0, has_started: false }
    }

    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Whether there may be more to count.
    pub(super) fn is_due(&self) -> bool {
        !self.has_started || self.pull.is_due()
    }

    /// Continues to count, up to a maximum of bytes per call. `from`: the unread part of each generation.
    pub(super) fn count(&mut self, queue: &dyn Queue, from: Vec<Reading>) {
        self.has_started = true;
        for reading in from {
            self.pull.hear(reading.cursor(), reading.end);
        }
        let mut looked_through = 0;
        while looked_through < MAX_PASS_BYTES
            && let Some((_, pulled)) = self.pull.next(queue)
        {
            looked_through += pulled.bytes();
            // Events that cannot be read now are counted once they can.
            if let Pulled::Events { records, .. } = pulled {
                self.events += records.len() as u64;
            }
        }
    }
}
