//! Keeps track of the files whose rows have changed and are not durable yet, and of when to commit them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::event::FileId;

/// Interval between commits, unless a reader waits for one.
const COMMIT_INTERVAL: Duration = Duration::from_millis(250);
/// Delay after a failed commit.
const RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(in crate::follow) struct PendingRows {
    /// Not passed to the store yet.
    changed: BTreeSet<FileId>,
    /// Must be durable before readers may see their content.
    urgent: BTreeSet<FileId>,
    /// The first pass has finished: this is published with the next commit.
    pub publishes_first_pass: bool,
    /// Consecutive failed commits.
    pub failures: u32,
    next_commit: Duration,
}

impl PendingRows {
    pub fn change(&mut self, id: FileId) {
        self.changed.insert(id);
    }

    pub fn change_urgently(&mut self, id: FileId) {
        self.changed.insert(id);
        self.urgent.insert(id);
    }

    pub fn is_urgent(&self, id: FileId) -> bool {
        self.urgent.contains(&id)
    }

    pub fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty() || self.has_urgent() || self.publishes_first_pass
    }

    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.next_commit
    }

    /// When the next commit is due, if there is anything to commit.
    pub fn next_due(&self) -> Option<Duration> {
        self.has_changes().then_some(self.next_commit)
    }

    pub fn take_changed(&mut self) -> BTreeSet<FileId> {
        std::mem::take(&mut self.changed)
    }

    /// Records a commit; returns the files that waited for it.
    pub fn record_commit(&mut self, now: Duration) -> BTreeSet<FileId> {
        self.failures = 0;
        self.next_commit = now + COMMIT_INTERVAL;
        std::mem::take(&mut self.urgent)
    }

    pub fn record_failure(&mut self, now: Duration) {
        self.failures += 1;
        self.next_commit = now + RETRY_DELAY;
    }

    pub fn forget(&mut self, id: FileId) {
        self.changed.remove(&id);
        self.urgent.remove(&id);
    }
}
