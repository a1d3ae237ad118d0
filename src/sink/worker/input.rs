//! Decides when a worker checks the log for changes and when it reads.

use std::time::Duration;

use tokio::time::Instant;

use super::batch_encoder::BatchEncoder;
use crate::follow::{ChangeSet, Changes, Queue};

/// While the target is down, the worker looks for new events at most this often: they only change its status.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Time during which events of a slow stream are gathered, so that not every line becomes a request.
const GATHER_TIME: Duration = Duration::from_millis(2);
/// A generation with an unfinished record, or one that could not be read, is checked again: soon, because a cut may
/// close the record, then less and less often while nothing changes.
const RECHECK_MIN: Duration = Duration::from_millis(100);
const RECHECK_MAX: Duration = Duration::from_secs(5);
/// The longest wait for a requested check of the files.
const SCAN_TIMEOUT: Duration = Duration::from_secs(2);

/// The worker's view of the log: reported changes, and when to check and to read.
pub(super) struct Input {
    changes: Changes,
    /// The log reported changes that are not applied yet.
    has_news: bool,
    /// During a back-off, changes are not checked before this.
    next_check_at: Instant,
    /// Reads and encodes events; `None` while it does so on a blocking thread.
    pub encoder: Option<BatchEncoder>,
    /// The next read is not before this.
    read_at: Instant,
    /// When generations without a complete record are checked again.
    recheck_at: Option<Instant>,
    recheck_wait: Duration,
    /// The number of a check that was requested from the log, and when the worker stops waiting for it.
    requested_scan: Option<(u64, Instant)>,
}

impl Input {
    pub(super) fn new(changes: Changes, encoder: BatchEncoder) -> Self {
        Input {
            changes,
            has_news: true,
            next_check_at: Instant::now(),
            encoder: Some(encoder),
            read_at: Instant::now(),
            recheck_at: None,
            recheck_wait: Duration::ZERO,
            requested_scan: None,
        }
    }

    /// Whether to wait for changes: none is pending, and checking is not delayed by a back-off.
    pub(super) fn wants_news(&self, is_backing_off: bool, now: Instant) -> bool {
        !self.has_news && !self.is_throttled(is_backing_off, now)
    }

    /// Returns when the log has reported changes.
    pub(super) async fn changed(&self) {
        self.changes.changed().await;
    }

    pub(super) fn note_news(&mut self) {
        self.has_news = true;
        self.next_check_at = Instant::now() + CHECK_EVERY;
        self.recheck_wait = Duration::ZERO;
    }

    /// Whether changes were reported since the last call.
    pub(super) fn take_has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// Takes the reported changes.
    pub(super) fn news(&self) -> ChangeSet {
        self.changes.take()
    }

    /// Asks the log to find everything that was written so far.
    pub(super) fn request_scan(&mut self, queue: &dyn Queue) {
        self.requested_scan = Some((queue.request_check(), Instant::now() + SCAN_TIMEOUT));
    }

    /// The requested scan is done, or takes too long, for example because a mount does not answer.
    pub(super) fn is_scan_done(&self, queue: &dyn Queue, now: Instant) -> bool {
        self.requested_scan
            .is_none_or(|(number, until)| now >= until || queue.is_check_done(number))
    }

    fn is_throttled(&self, is_backing_off: bool, now: Instant) -> bool {
        is_backing_off && self.next_check_at > now
    }

    /// The generations without a complete record are due for a check; `true` once per [`Input::plan_recheck`].
    pub(super) fn is_recheck_due(&mut self, now: Instant) -> bool {
        self.recheck_at.take_if(|at| *at <= now).is_some()
    }

    /// Plans a check of the generations without a complete record; the wait doubles while nothing changes.
    pub(super) fn plan_recheck(&mut self) {
        if self.recheck_at.is_none() {
            self.recheck_wait = (self.recheck_wait * 2).clamp(RECHECK_MIN, RECHECK_MAX);
            self.recheck_at = Some(Instant::now() + self.recheck_wait);
        }
    }

    /// Everything is read: delays the next read, so that further events can gather.
    pub(super) fn wait_for_more(&mut self) {
        self.read_at = Instant::now() + GATHER_TIME;
    }

    pub(super) fn waits_for_more(&self, now: Instant) -> bool {
        self.read_at > now
    }

    /// No read is running.
    pub(super) fn is_idle(&self) -> bool {
        self.encoder.is_some()
    }

    pub(super) fn release(&mut self) {
        if let Some(encoder) = &mut self.encoder {
            encoder.release();
        }
    }

    /// The times at which the worker must act although the log reports no change.
    pub(super) fn due_times(
        &self,
        is_backing_off: bool,
        now: Instant,
    ) -> impl Iterator<Item = Instant> {
        let next_check = self.is_throttled(is_backing_off, now).then_some(self.next_check_at);
        [Some(self.read_at), self.recheck_at, next_check].into_iter().flatten()
    }
}
