//! Requests to check all files immediately: when a request is done, all bytes written before it are known.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers of the requests: they are served in ascending order.
#[derive(Debug, Default)]
pub(in crate::follow) struct LookRequests {
    last: AtomicU64,
    done: AtomicU64,
}

impl LookRequests {
    /// Adds a request and returns its number.
    pub fn add(&self) -> u64 {
        self.last.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The number of the newest request: a check that starts now serves all requests up to it.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Marks all requests up to `number` as served.
    pub fn finish(&self, number: u64) {
        self.done.fetch_max(number, Ordering::AcqRel);
    }

    /// Whether the request with this number has been served.
    pub fn is_done(&self, number: u64) -> bool {
        self.done.load(Ordering::Acquire) >= number
    }
}
