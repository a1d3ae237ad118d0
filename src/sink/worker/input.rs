//! Decides when a worker checks the log for changes and when it reads.

use std::time::Duration;

use tokio::time::Instant;

use super::batch_encoder::BatchEncoder;
use crate::follow::{ChangeSet, Changes, Queue};

/// While the target is down, growth is checked no more often than this: only the status shows it.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Time for which events of a slow stream are gathered, so that not every line becomes a request.
const GATHER_TIME: Duration = Duration::from_millis(2);
/// A generation with an unfinished record, or one that could not be read, is checked again: soon, because a cut may
/// close the record, then less and less often while nothing changes.
const RECHECK_MIN: Duration = Duration::from_millis(100);
const RECHECK_MAX: Duration = Duration::from_secs(5);
/// The longest wait for a requested scan.
const SCAN_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Input {
    changes: Changes,
    /// The log reported changes that are not applied yet.
    has_news: bool,
    /// During a back-off, changes are not checked before this.
    next_check_at: Instant,
    /// `None` while it reads on a blocking thread.
    pub encoder: Option<BatchEncoder>,
    /// The next read is not before this.
    read_at: Instant,
    /// When generations without a complete record are checked again.
    recheck_at: Option<Instant>,
    recheck_wait: Duration,
    /// A scan that the log was asked for, and how long the worker waits for it.
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

    /// The worker may wait for changes: none is pending, and no check is delayed.
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

    /// Waiting generations are due for a check; `true` once per plan.
    pub(super) fn is_recheck_due(&mut self, now: Instant) -> bool {
        self.recheck_at.take_if(|at| *at <= now).is_some()
    }

    /// Some generations wait for time to pass.
    pub(super) fn plan_recheck(&mut self) {
        if self.recheck_at.is_none() {
            self.recheck_wait = (self.recheck_wait * 2).clamp(RECHECK_MIN, RECHECK_MAX);
            self.recheck_at = Some(Instant::now() + self.recheck_wait);
        }
    }

    /// Everything is read: give further events time to gather.
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

    pub(super) fn due_times(
        &self,
        is_backing_off: bool,
        now: Instant,
    ) -> impl Iterator<Item = Instant> {
        let glance = self.is_throttled(is_backing_off, now).then_some(self.next_check_at);
        [Some(self.read_at), self.recheck_at, glance].into_iter().flatten()
    }
}
