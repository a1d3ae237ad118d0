//! Watches the threads and tasks of an engine, its parts. A part that panics is told at once, counts as down until it
//! is at work again, and is run again after a back-off where that is safe; else the engine is asked to end.
//!
//! Never repeats a panic's text unless it is a literal of ours: a text that was made may quote a log.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::bytes;
use super::restart_backoff::Streak;

/// What is done when a part panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPanic {
    /// It is run again after a back-off.
    Restart,
    /// The same, at most this often in a row; then the engine ends.
    RestartAtMost(u32),
    /// One answer or one file of many: there is nothing to run again.
    GoOn,
    /// What it held in memory cannot be made anew: the engine ends.
    End,
}

/// One panic of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub part: &'static str,
    /// Where, and what if that is a literal of ours.
    pub reason: String,
    pub next: Next,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Restart { wait: Duration, attempt: u32 },
    GoesOn,
    EngineEnds,
}

/// `the follower failed (src/follow/look.rs:12) by a fault in Logwarden; …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}) by a fault in Logwarden; ", self.part, self.reason)?;
        match self.next {
            Next::Restart { wait, attempt } => {
                let wait = bytes::duration(wait);
                write!(f, "nothing is lost; it is started again in {wait} (attempt {attempt})")
            }
            Next::GoesOn => write!(f, "everything else goes on"),
            Next::EngineEnds => write!(
                f,
                "Logwarden ends; what was not confirmed is read again at the next start; start it again, and \
                 please report this line"
            ),
        }
    }
}

/// Cheap to clone: all clones speak of the same parts.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    tell: Box<dyn Fn(&Failure) + Send + Sync>,
    records: Mutex<BTreeMap<&'static str, Record>>,
    down: watch::Sender<BTreeMap<&'static str, Failure>>,
    /// Cancelled by the failure after which the engine ends.
    ended: CancellationToken,
    fatal: OnceLock<Failure>,
    #[cfg(test)]
    to_break: watch::Sender<Vec<&'static str>>,
}

/// Of one part that failed.
struct Record {
    streak: Streak,
    /// Since the start.
    all: u64,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("down", &*self.0.down.borrow()).finish_non_exhaustive()
    }
}

impl Default for Supervisor {
    /// Failures are told by our own log alone.
    fn default() -> Self {
        Supervisor::new(|failure| tracing::error!("{failure}"))
    }
}

impl Supervisor {
    /// `tell` is called on the thread of the part that failed; it must not wait or panic.
    pub fn new(tell: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Supervisor(Arc::new(Inner {
            tell: Box::new(tell),
            records: Mutex::default(),
            down: watch::Sender::default(),
            ended: CancellationToken::new(),
            fatal: OnceLock::new(),
            #[cfg(test)]
            to_break: watch::Sender::default(),
        }))
    }

    /// Parts that failed and are not at work again, by name.
    pub fn down(&self) -> Vec<&'static str> {
        self.0.down.borrow().keys().copied().collect()
    }

    /// Tells when [`Supervisor::down`] is another.
    pub fn changes(&self) -> watch::Receiver<BTreeMap<&'static str, Failure>> {
        self.0.down.subscribe()
    }

    /// Panics of each part since the start.
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        self.records().iter().map(|(part, record)| (*part, record.all)).collect()
    }

    /// Cancelled when a part failed without which the engine cannot go on.
    pub fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// The failure after which the engine ends.
    pub fn fatal(&self) -> Option<&Failure> {
        self.0.fatal.get()
    }

    /// Runs what `make` makes until it returns; again after a panic, as `on_panic` says, until `stop` is cancelled.
    pub async fn task<F, Fut>(
        self,
        part: &'static str,
        on_panic: OnPanic,
        stop: CancellationToken,
        mut make: F,
    ) where
        F: FnMut() -> Fut,
        Fut: Future<Output = ()>,
    {
        loop {
            let running = AssertUnwindSafe(async {
                let body = make();
                self.works(part);
                self.breakable(part, body).await;
            });
            let Err(panic) = running.catch_unwind().await else { return };
            let Some(wait) = self.failed(part, on_panic, &*panic) else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Runs a piece of a thread. After a panic: how long to wait before it may be run again; `None`: it may not.
    pub fn guard<T>(
        &self,
        part: &'static str,
        on_panic: OnPanic,
        piece: impl FnOnce() -> T,
    ) -> Result<T, Option<Duration>> {
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.works(part);
            piece()
        }));
        done.map_err(|panic| self.failed(part, on_panic, &*panic))
    }

    /// Tells of a panic that was caught; how long to wait before the part is run again.
    pub fn failed(
        &self,
        part: &'static str,
        on_panic: OnPanic,
        panic: &(dyn Any + Send),
    ) -> Option<Duration> {
        let (wait, attempt) = self.count(part);
        let next = match on_panic {
            OnPanic::Restart => Next::Restart { wait, attempt },
            OnPanic::RestartAtMost(most) if attempt <= most => Next::Restart { wait, attempt },
            OnPanic::GoOn => Next::GoesOn,
            OnPanic::RestartAtMost(_) | OnPanic::End => Next::EngineEnds,
        };
        let failure = Failure { part, reason: reason(panic), next };
        if next != Next::GoesOn {
            self.0.down.send_modify(|down| drop(down.insert(part, failure.clone())));
        }
        (self.0.tell)(&failure);
        if next == Next::EngineEnds {
            let _ = self.0.fatal.set(failure);
            self.0.ended.cancel();
        }
        matches!(next, Next::Restart { .. }).then_some(wait)
    }

    /// Where a thread can be made to panic by a test; nothing else.
    #[inline]
    pub fn checkpoint(&self, part: &'static str) {
        #[cfg(test)]
        self.break_here(part);
        let _ = part;
    }

    /// It is at work (again).
    fn works(&self, part: &'static str) {
        self.0.down.send_if_modified(|down| down.remove(part).is_some());
    }

    fn count(&self, part: &'static str) -> (Duration, u32) {
        let mut records = self.records();
        let new = || Record { streak: Streak::new(part.len() as u64), all: 0 };
        let record = records.entry(part).or_insert_with(new);
        record.all += 1;
        record.streak.fail(Instant::now())
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<&'static str, Record>> {
        self.0.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(not(test))]
    async fn breakable(&self, _part: &'static str, body: impl Future<Output = ()>) {
        body.await;
    }
}

#[cfg(test)]
impl Supervisor {
    /// The part panics once, the next time that it runs.
    pub fn break_part(&self, part: &'static str) {
        self.0.to_break.send_modify(|parts| parts.push(part));
    }

    fn break_here(&self, part: &'static str) {
        let wanted = self.0.to_break.send_if_modified(|parts| {
            let found = parts.iter().position(|other| *other == part);
            found.map(|at| parts.remove(at)).is_some()
        });
        assert!(!wanted, "broken by a test");
    }

    async fn breakable(&self, part: &'static str, body: impl Future<Output = ()>) {
        let mut orders = self.0.to_break.subscribe();
        let broken = async {
            let _ = orders.wait_for(|parts| parts.contains(&part)).await;
        };
        tokio::select! {
            biased;
            () = broken => self.break_here(part),
            () = body => {}
        }
    }
}

thread_local! {
    /// Of the last panic on this thread.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For a panic hook: keeps the place for the report.
pub fn note_panic(info: &PanicHookInfo<'_>) {
    PLACE.set(info.location().map(|place| format!("{}:{}", place.file(), place.line())));
}

/// `src/follow/look.rs:12: an index is in the list`.
pub fn reason(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&'static str>().copied();
    match (PLACE.take(), literal) {
        (Some(place), Some(text)) => format!("{place}: {text}"),
        (Some(place), None) => place,
        (None, Some(text)) => text.to_owned(),
        (None, None) => "its place is in our own log".to_owned(),
    }
}

#[cfg(test)]
mod tests;
