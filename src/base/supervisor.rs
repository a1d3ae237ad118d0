//! Supervises the parts of an engine, which are its threads and tasks. A part that panics is reported immediately,
//! counts as down until it runs again, and is restarted after a back-off where that is safe; otherwise the engine is
//! asked to end.
//!
//! Never repeats the text of a panic unless it is a literal in Logwarden's code: a formatted text may quote a log.

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
use super::restart_backoff::RestartBackoff;

/// The reaction to a panic of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPanic {
    /// The part is restarted after a back-off.
    Restart,
    /// As `Restart`, at most this many times in a row; then the engine ends.
    RestartAtMost(u32),
    /// The part handled one answer or one file of many: there is nothing to restart.
    Continue,
    /// The part's state was in memory only and cannot be rebuilt: the engine ends.
    End,
}

/// One panic of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub part: &'static str,
    /// Source location, and the text if it is a literal in Logwarden's code.
    pub reason: String,
    pub next: Next,
}

/// The consequence of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Restart { wait: Duration, attempt: u32 },
    KeepsRunning,
    EngineEnds,
}

/// `the follower failed (src/follow/poll.rs:12) because of a bug in Logwarden; …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}) because of a bug in Logwarden; ", self.part, self.reason)?;
        match self.next {
            Next::Restart { wait, attempt } => {
                let wait = bytes::duration(wait);
                write!(f, "nothing is lost; it restarts in {wait} (attempt {attempt})")
            }
            Next::KeepsRunning => write!(f, "everything else keeps running"),
            Next::EngineEnds => write!(
                f,
                "Logwarden ends; unconfirmed events are read again at the next start; start it again, and \
                 please report this line"
            ),
        }
    }
}

/// Cheap to clone: all clones share the same parts.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    report: Box<dyn Fn(&Failure) + Send + Sync>,
    records: Mutex<BTreeMap<&'static str, Record>>,
    down: watch::Sender<BTreeMap<&'static str, Failure>>,
    /// Cancelled by the failure after which the engine ends.
    ended: CancellationToken,
    fatal: OnceLock<Failure>,
    #[cfg(test)]
    to_break: watch::Sender<Vec<&'static str>>,
}

/// The failures of one part.
struct Record {
    streak: RestartBackoff,
    /// All failures since the start.
    all: u64,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("down", &*self.0.down.borrow()).finish_non_exhaustive()
    }
}

impl Default for Supervisor {
    /// Failures are reported in Logwarden's own log only.
    fn default() -> Self {
        Supervisor::new(|failure| tracing::error!("{failure}"))
    }
}

impl Supervisor {
    /// `report` is called on the thread of the failed part; it must not wait or panic.
    pub fn new(report: impl Fn(&Failure) + Send + Sync + 'static) -> Self {
        Supervisor(Arc::new(Inner {
            report: Box::new(report),
            records: Mutex::default(),
            down: watch::Sender::default(),
            ended: CancellationToken::new(),
            fatal: OnceLock::new(),
            #[cfg(test)]
            to_break: watch::Sender::default(),
        }))
    }

    /// Names of the parts that failed and are not running again.
    pub fn down(&self) -> Vec<&'static str> {
        self.0.down.borrow().keys().copied().collect()
    }

    /// Changes whenever [`Supervisor::down`] changes.
    pub fn changes(&self) -> watch::Receiver<BTreeMap<&'static str, Failure>> {
        self.0.down.subscribe()
    }

    /// Number of panics of each part since the start.
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        self.records().iter().map(|(part, record)| (*part, record.all)).collect()
    }

    /// Cancelled after the failure of a part that the engine cannot run without.
    pub fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// The failure that makes the engine end.
    pub fn fatal(&self) -> Option<&Failure> {
        self.0.fatal.get()
    }

    /// Runs the future from `make` until it returns. After a panic, runs a new one as `on_panic` says, unless `stop` is
    /// cancelled before or during the wait.
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
                self.mark_running(part);
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

    /// Runs one step of a thread. After a panic, the error is the wait before the step may run again; `None`: never.
    pub fn guard<T>(
        &self,
        part: &'static str,
        on_panic: OnPanic,
        step: impl FnOnce() -> T,
    ) -> Result<T, Option<Duration>> {
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.mark_running(part);
            step()
        }));
        done.map_err(|panic| self.failed(part, on_panic, &*panic))
    }

    /// Reports a caught panic; returns the wait before the part may run again; `None`: never.
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
            OnPanic::Continue => Next::KeepsRunning,
            OnPanic::RestartAtMost(_) | OnPanic::End => Next::EngineEnds,
        };
        let failure = Failure { part, reason: reason(panic), next };
        if next != Next::KeepsRunning {
            self.0.down.send_modify(|down| drop(down.insert(part, failure.clone())));
        }
        (self.0.report)(&failure);
        if next == Next::EngineEnds {
            let _ = self.0.fatal.set(failure);
            self.0.ended.cancel();
        }
        matches!(next, Next::Restart { .. }).then_some(wait)
    }

    /// A point at which a test can make a thread panic; does nothing otherwise.
    #[inline]
    pub fn checkpoint(&self, part: &'static str) {
        #[cfg(test)]
        self.break_here(part);
        let _ = part;
    }

    /// The part is running (again).
    fn mark_running(&self, part: &'static str) {
        self.0.down.send_if_modified(|down| down.remove(part).is_some());
    }

    fn count(&self, part: &'static str) -> (Duration, u32) {
        let mut records = self.records();
        let new = || Record { streak: RestartBackoff::new(part.len() as u64), all: 0 };
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
    /// Source location of the last panic on this thread.
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For a panic hook: keeps the source location for the report.
pub fn note_panic(info: &PanicHookInfo<'_>) {
    LOCATION.set(info.location().map(|at| format!("{}:{}", at.file(), at.line())));
}

/// The source location of a panic, and its text if that is a literal in Logwarden's code:
/// `src/follow/poll.rs:12: an index is in the list`.
pub fn reason(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&'static str>().copied();
    match (LOCATION.take(), literal) {
        (Some(location), Some(text)) => format!("{location}: {text}"),
        (Some(place), None) => place,
        (None, Some(text)) => text.to_owned(),
        (None, None) => "its source location is in Logwarden's own log".to_owned(),
    }
}

#[cfg(test)]
mod tests;
