//! Which files and generations have changed, for each subscriber by itself: nobody has to walk all files to
//! find the few that grew.
//!
//! A change is made first, then marked, and told when everything that belongs to it is made. So a subscriber
//! that calls [`Changes::take`] and then looks at what is named misses nothing: what changes later is marked
//! again. A slow subscriber finds everything merged; one that has missed too much is told to look at all.
//! Nobody ever waits for a subscriber.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;

use crate::event::{FileId, GenerationId};

/// More than this many files or generations are "all".
const MOST: usize = 2048;

/// What has changed since a subscriber looked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Anything may have changed; the sets are empty then.
    pub all: bool,
    /// Came, went, grew, or are read otherwise.
    pub generations: BTreeSet<GenerationId>,
    /// The same of files under observation, also those without a generation.
    pub files: BTreeSet<FileId>,
}

impl News {
    pub fn everything() -> Self {
        News { all: true, ..News::default() }
    }

    pub fn of(generations: impl IntoIterator<Item = GenerationId>) -> Self {
        let mut news = News::default();
        news.merge(News { generations: generations.into_iter().collect(), ..News::default() });
        news
    }

    pub fn of_file(file: FileId, generation: Option<GenerationId>) -> Self {
        News { files: BTreeSet::from([file]), ..News::of(generation) }
    }

    fn merge(&mut self, other: News) {
        if self.all {
            return;
        }
        self.generations.extend(other.generations);
        self.files.extend(other.files);
        if other.all || self.generations.len() > MOST || self.files.len() > MOST {
            *self = News::everything();
        }
    }
}

/// Where changes are marked and told. Any thread.
#[derive(Debug, Default)]
pub struct Hub {
    inboxes: Mutex<Vec<Weak<Inbox>>>,
}

#[derive(Debug)]
struct Inbox {
    held: Mutex<Held>,
    bell: Notify,
}

#[derive(Debug)]
struct Held {
    news: News,
    told: bool,
}

impl Inbox {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder of the news panics")
    }
}

impl Hub {
    /// The first [`Changes::take`] says that everything is new.
    pub fn subscribe(&self) -> Changes {
        let held = Mutex::new(Held { news: News::everything(), told: false });
        let inbox = Arc::new(Inbox { held, bell: Notify::new() });
        self.inboxes().push(Arc::downgrade(&inbox));
        Changes { inbox }
    }

    /// Call it after the change; whoever looks from now on knows of it. Wakes nobody.
    pub fn mark(&self, news: &News) {
        self.each(|inbox| inbox.held().news.merge(news.clone()));
    }

    /// Wakes all subscribers, also where nothing was marked: notices are no files.
    pub fn tell(&self) {
        self.each(|inbox| {
            inbox.held().told = true;
            inbox.bell.notify_one();
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

/// One subscription; ends when it is dropped.
#[derive(Debug)]
pub struct Changes {
    inbox: Arc<Inbox>,
}

impl Changes {
    /// Returns when something was told since the last [`Changes::take`]. May be dropped at any moment.
    pub async fn changed(&self) {
        while !self.told() {
            self.inbox.bell.notified().await;
        }
    }

    pub fn told(&self) -> bool {
        self.inbox.held().told
    }

    /// Everything that was marked since the last call, told or not.
    pub fn take(&self) -> News {
        let mut held = self.inbox.held();
        held.told = false;
        std::mem::take(&mut held.news)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn generation(number: u64) -> News {
        News::of([GenerationId(number)])
    }

    #[test]
    fn a_slow_subscriber_finds_everything_that_was_marked_once() {
        let hub = Hub::default();
        let (fast, slow) = (hub.subscribe(), hub.subscribe());
        assert_eq!((fast.take(), slow.take()), (News::everything(), News::everything()));
        hub.mark(&generation(1));
        assert_eq!(fast.take(), generation(1));
        hub.mark(&generation(2));
        assert_eq!((fast.take(), fast.take()), (generation(2), News::default()));
        let both = News::of([GenerationId(1), GenerationId(2)]);
        assert_eq!((slow.take(), slow.take()), (both, News::default()));
    }

    #[test]
    fn who_has_missed_too_much_is_told_to_look_at_all() {
        let hub = Hub::default();
        let changes = hub.subscribe();
        changes.take();
        for number in 0..=MOST as u64 {
            hub.mark(&generation(number));
        }
        hub.mark(&generation(0));
        assert_eq!(changes.take(), News::everything());
        hub.mark(&generation(0));
        assert_eq!(changes.take(), generation(0), "and named what comes after it");
    }

    #[test]
    fn what_is_told_wakes_once_and_what_is_marked_alone_does_not() {
        let hub = Hub::default();
        let changes = hub.subscribe();
        changes.take();
        hub.mark(&generation(1));
        assert!(changes.changed().now_or_never().is_none());
        hub.tell();
        // A wait that was given up takes nothing away.
        assert!(changes.changed().now_or_never().is_some());
        assert!(changes.changed().now_or_never().is_some());
        assert_eq!(changes.take(), generation(1));
        assert!(changes.changed().now_or_never().is_none());
        hub.tell();
        assert!(changes.changed().now_or_never().is_some());
        assert_eq!(changes.take(), News::default());
    }

    #[tokio::test]
    async fn one_that_waits_is_woken() {
        let hub = Arc::new(Hub::default());
        let changes = hub.subscribe();
        changes.take();
        let teller = hub.clone();
        let told = tokio::task::spawn_blocking(move || {
            teller.mark(&generation(1));
            teller.tell();
        });
        changes.changed().await;
        assert_eq!(changes.take(), generation(1));
        told.await.unwrap();
    }

    #[test]
    fn a_subscriber_that_is_gone_costs_nothing() {
        let hub = Hub::default();
        let changes = hub.subscribe();
        drop(hub.subscribe());
        hub.tell();
        assert_eq!(hub.inboxes().len(), 1);
        drop(changes);
        hub.mark(&generation(1));
        assert_eq!(hub.inboxes().len(), 0);
    }
}
