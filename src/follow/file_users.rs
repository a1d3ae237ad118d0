//! The use of one file: the time of its last read, whether a screen shows it, and whether a reader waits until it is
//! unpacked again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Written by the readers and the screen, read by the follower.
#[derive(Debug, Default)]
pub(in crate::follow) struct FileUsers {
    /// Uptime of the last read by a consumer, in milliseconds.
    last_read: AtomicU64,
    /// A reader has requested bytes while the unpacked copy was empty.
    unpacking_requested: AtomicBool,
    shown: Arc<Shown>,
}

/// While a screen holds one, its file counts as shown.
#[derive(Debug, Default)]
pub(in crate::follow) struct Shown;

impl FileUsers {
    pub fn note_read(&self, uptime: Duration) {
        let uptime = uptime.as_millis().try_into().unwrap_or(u64::MAX);
        self.last_read.store(uptime, Ordering::Relaxed);
    }

    pub fn last_read(&self) -> Duration {
        Duration::from_millis(self.last_read.load(Ordering::Relaxed))
    }

    pub fn request_unpacking(&self) {
        self.unpacking_requested.store(true, Ordering::Release);
    }

    pub fn is_unpacking_requested(&self) -> bool {
        self.unpacking_requested.load(Ordering::Acquire)
    }

    pub fn take_unpacking_request(&self) -> bool {
        self.unpacking_requested.swap(false, Ordering::AcqRel)
    }

    /// The file counts as shown until the returned value is dropped.
    pub fn show(&self) -> Arc<Shown> {
        self.shown.clone()
    }

    pub fn is_shown(&self) -> bool {
        Arc::strong_count(&self.shown) > 1
    }
}
