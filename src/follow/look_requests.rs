//! Looks at everything that somebody asked for, and waits for: what was written before is known when one is done.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(in crate::follow) struct Asked {
    last: AtomicU64,
    done: AtomicU64,
}

impl Asked {
    /// The number of a new one.
    pub fn ask(&self) -> u64 {
        self.last.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the newest one: a look that begins now serves all up to it.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    pub fn finish(&self, number: u64) {
        self.done.fetch_max(number, Ordering::AcqRel);
    }

    pub fn is_done(&self, number: u64) -> bool {
        self.done.load(Ordering::Acquire) >= number
    }
}
