//! Change notifications: tells each subscriber which files and generations have changed, so that none has to walk all
//! files to find the few that grew.
//!
//! A change is first made, then marked, and subscribers are woken when all related changes are made. So a subscriber
//! that calls [`Changes::take`] and then reads the named files misses nothing: later changes are marked again. A slow
//! subscriber gets all changes merged; after too many it is notified that anything may have changed ([`ChangeSet::all`]).
//! Marking never waits for a subscriber.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;

use crate::event::{FileId, GenerationId};

/// More changed files or generations than this are reported as "all".
const MOST: usize = 2048;

/// The changes since a subscriber's last [`Changes::take`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Anything may have changed; the sets are empty then.
    pub all: bool,
    /// Generations that appeared, disappeared, grew or are decoded differently.
    pub generations: BTreeSet<GenerationId>,
    /// The same for followed files, including those without a generation.
    pub files: BTreeSet<FileId>,
}

impl ChangeSet {
    pub fn everything() -> Self {
        ChangeSet { all: true, ..ChangeSet::default() }
    }

    pub fn of(generations: impl IntoIterator<Item = GenerationId>) -> Self {
        let mut news = ChangeSet::default();
        news.merge(ChangeSet {
            generations: generations.into_iter().collect(),
            ..ChangeSet::default()
        });
        news
    }

    pub fn of_file(file: FileId, generation: Option<GenerationId>) -> Self {
        ChangeSet { files: BTreeSet::from([file]), ..ChangeSet::of(generation) }
    }

    fn merge(&mut self, other: ChangeSet) {
        if self.all {
            return;
        }
        self.generations.extend(other.generations);
        self.files.extend(other.files);
        if other.all || self.generations.len() > MOST || self.files.len() > MOST {
            *self = ChangeSet::everything();
        }
    }
}

/// Distributes changes to all subscribers. May be used from any thread.
#[derive(Debug, Default)]
pub struct ChangeHub {
    inboxes: Mutex<Vec<Weak<Inbox>>>,
}

/// The pending changes of one subscriber.
#[derive(Debug)]
struct Inbox {
    pending: Mutex<Pending>,
    waker: Notify,
}

#[derive(Debug)]
struct Pending {
    news: ChangeSet,
    is_notified: bool,
}

impl Inbox {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no holder of the news panics")
    }
}

impl ChangeHub {
    /// Adds a subscriber. Its first [`Changes::take`] says that anything may have changed.
    pub fn subscribe(&self) -> Changes {
        let pending = Mutex::new(Pending { news: ChangeSet::everything(), is_notified: false });
        let inbox = Arc::new(Inbox { pending, waker: Notify::new() });
        self.inboxes().push(Arc::downgrade(&inbox));
        Changes { inbox }
    }

    /// Adds a change to the pending ones of each subscriber, without waking any. Call it after the change is made.
    pub fn mark(&self, news: &ChangeSet) {
        self.each(|inbox| inbox.pending().news.merge(news.clone()));
    }

    /// Wakes all subscribers, even if nothing was marked: a changed notice marks no file.
    pub fn notify(&self) {
        self.each(|inbox| {
            inbox.pending().is_notified = true;
            inbox.waker.notify_one();
        });
    }

    fn each(&self, change: impl Fn(&Inbox)) {
        self.inboxes().retain(|inbox| {
            let inbox = inbox.upgrade();
            inbox.as_deref().map(&change).is_some()
        });
    }

    fn inboxes(&self) -> MutexGuard<'_, Vec<Weak<Inbox>>> {
        self.inboxes.lock().expect("no holder of the inboxes panics")
    }
}

/// A subscription to changes; ends when it is dropped.
#[derive(Debug)]
pub struct Changes {
    inbox: Arc<Inbox>,
}

impl Changes {
    /// Waits until there has been a notification since the last [`Changes::take`]. The future may be dropped at any
    /// moment: no notification is lost.
    pub async fn changed(&self) {
        while !self.is_notified() {
            self.inbox.waker.notified().await;
        }
    }

    pub fn is_notified(&self) -> bool {
        self.inbox.pending().is_notified
    }

    /// All changes marked since the last call, whether there was a notification or not.
    pub fn take(&self) -> ChangeSet {
        let mut pending = self.inbox.pending();
        pending.is_notified = false;
        std::mem::take(&mut pending.news)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn generation(number: u64) -> ChangeSet {
        ChangeSet::of([GenerationId(number)])
    }

    #[test]
    fn a_slow_subscriber_finds_everything_that_was_marked_once() {
        let hub = ChangeHub::default();
        let (fast, slow) = (hub.subscribe(), hub.subscribe());
        assert_eq!((fast.take(), slow.take()), (ChangeSet::everything(), ChangeSet::everything()));
        hub.mark(&generation(1));
        assert_eq!(fast.take(), generation(1));
        hub.mark(&generation(2));
        assert_eq!((fast.take(), fast.take()), (generation(2), ChangeSet::default()));
        let both = ChangeSet::of([GenerationId(1), GenerationId(2)]);
        assert_eq!((slow.take(), slow.take()), (both, ChangeSet::default()));
    }

    #[test]
    fn a_subscriber_with_too_many_pending_changes_is_told_that_all_changed() {
        let hub = ChangeHub::default();
        let changes = hub.subscribe();
        changes.take();
        for number in 0..=MOST as u64 {
            hub.mark(&generation(number));
        }
        hub.mark(&generation(0));
        assert_eq!(changes.take(), ChangeSet::everything());
        hub.mark(&generation(0));
        assert_eq!(changes.take(), generation(0), "later changes are named again");
    }

    #[test]
    fn a_notification_wakes_once_and_a_mark_alone_does_not() {
        let hub = ChangeHub::default();
        let changes = hub.subscribe();
        changes.take();
        hub.mark(&generation(1));
        assert!(changes.changed().now_or_never().is_none());
        hub.notify();
        // A dropped wait does not consume the notification.
        assert!(changes.changed().now_or_never().is_some());
        assert!(changes.changed().now_or_never().is_some());
        assert_eq!(changes.take(), generation(1));
        assert!(changes.changed().now_or_never().is_none());
        hub.notify();
        assert!(changes.changed().now_or_never().is_some());
        assert_eq!(changes.take(), ChangeSet::default());
    }

    #[tokio::test]
    async fn a_waiting_subscriber_is_woken() {
        let hub = Arc::new(ChangeHub::default());
        let changes = hub.subscribe();
        changes.take();
        let sender = hub.clone();
        let task = tokio::task::spawn_blocking(move || {
            sender.mark(&generation(1));
            sender.notify();
        });
        changes.changed().await;
        assert_eq!(changes.take(), generation(1));
        task.await.unwrap();
    }

    #[test]
    fn a_dropped_subscription_is_removed() {
        let hub = ChangeHub::default();
        let changes = hub.subscribe();
        drop(hub.subscribe());
        hub.notify();
        assert_eq!(hub.inboxes().len(), 1);
        drop(changes);
        hub.mark(&generation(1));
        assert_eq!(hub.inboxes().len(), 0);
    }
}
