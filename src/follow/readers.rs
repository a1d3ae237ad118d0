//! Who reads one file, and when somebody did last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Who reads one file.
#[derive(Debug, Default)]
pub(in crate::follow) struct Readers {
    /// Uptime of the last read by a consumer, in milliseconds.
    last_read: AtomicU64,
    /// A screen shows it, for as long as it is followed.
    shown: AtomicBool,
}

impl Readers {
    pub fn note_read(&self, uptime: Duration) {
        let uptime = uptime.as_millis().try_into().unwrap_or(u64::MAX);
        self.last_read.store(uptime, Ordering::Relaxed);
    }

    pub fn note_shown(&self) {
        self.shown.store(true, Ordering::Relaxed);
    }

    pub fn last_read(&self) -> Duration {
        Duration::from_millis(self.last_read.load(Ordering::Relaxed))
    }

    pub fn is_shown(&self) -> bool {
        self.shown.load(Ordering::Relaxed)
    }
}
