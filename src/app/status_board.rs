//! Combines the statuses of files, sinks and rules and the notices into one [`Status`]. Wakes up only after a change,
//! and updates only the files that changed. Also keeps the list of notices.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use crate::base::Clock;
use crate::event::status::{EngineState, Notice, RuleStatus, SinkStatus};
use crate::event::{FileList, Level, Status};
use crate::follow::{ChangeSet, Log};

/// Maximum number of notices kept; older ones are dropped.
const MAX_NOTICES: usize = 100;
/// Name of this part in failure messages.
pub const PART: &str = "status";
/// Shortest time between two published statuses.
const INTERVAL: Duration = Duration::from_millis(100);

/// The notices for the operator, oldest first. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    list: Arc<Mutex<VecDeque<Notice>>>,
    /// Set only without a screen.
    console: Arc<OnceLock<Console>>,
    changed: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl Notices {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let changed = watch::Sender::new(0);
        Notices { list: Arc::default(), console: Arc::default(), changed, clock }
    }

    pub fn console(&self) -> Option<Console> {
        self.console.get().cloned()
    }

    /// From now on every notice is also written to the console.
    pub fn write_to(&self, console: &Console) {
        let _ = self.console.set(console.clone());
    }

    /// Adds a notice unless its text equals that of the newest one.
    pub fn add(&self, level: Level, text: String) {
        let is_repeated = self.lock().back().is_some_and(|last| last.text == text);
        if !is_repeated {
            self.add_always(level, text);
        }
    }

    /// Adds a notice even if it repeats the newest one, as for the reply to a command.
    pub fn add_always(&self, level: Level, text: String) {
        self.say(level, &text);
        self.list(level, text);
    }

    /// Writes a line to the console (standard error) only; does nothing if there is a screen.
    pub fn say(&self, level: Level, text: &str) {
        if let Some(console) = self.console.get() {
            console.say(level, text);
        }
    }

    /// Adds a notice to the list only, for one that standard error shows in another form.
    pub fn list(&self, level: Level, text: String) {
        let mut list = self.lock();
        if list.len() == MAX_NOTICES {
            list.pop_front();
        }
        list.push_back(Notice { time: self.clock.now(), level, text });
        drop(list);
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn all(&self) -> Vec<Notice> {
        self.lock().iter().cloned().collect()
    }

    /// Can be locked even after a panic elsewhere: the list is consistent at any moment.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channels that deliver the statuses of sinks and rules; replaced after a reload.
#[derive(Clone, Debug)]
pub struct StatusSources {
    pub sinks: Vec<watch::Receiver<SinkStatus>>,
    /// Names of sinks whose worker failed.
    pub broken: Vec<String>,
    pub rules: watch::Receiver<Vec<RuleStatus>>,
}

impl Default for StatusSources {
    /// No sinks, no rules.
    fn default() -> Self {
        StatusSources { sinks: Vec::new(), broken: Vec::new(), rules: watch::channel(Vec::new()).1 }
    }
}

/// Collects all statuses and publishes the combined one.
#[derive(Clone, Debug)]
pub struct StatusBoard {
    pub log: Log,
    pub engine: watch::Receiver<EngineState>,
    pub sources: watch::Receiver<StatusSources>,
    pub notices: Notices,
    pub status: watch::Sender<Arc<Status>>,
}

impl StatusBoard {
    pub async fn run(mut self, stop: CancellationToken) {
        let log = self.log.changes();
        let mut files = FileList::default();
        let mut notices = self.notices.changed.subscribe();
        let supervisor = self.log.supervisor();
        let mut parts = supervisor.changes();
        let mut sources = self.sources.borrow_and_update().clone();
        loop {
            // Checked after every wake-up, so that no outdated set of sinks and rules is published.
            if self.sources.has_changed().unwrap_or(false) {
                sources = self.sources.borrow_and_update().clone();
            }
            self.update_files(&log.take(), &mut files);
            self.publish(&files, &mut sources);
            tokio::select! {
                () = stop.cancelled() => break,
                () = log.changed() => {}
                Ok(()) = notices.changed() => {}
                Ok(()) = parts.changed() => {}
                Ok(()) = self.engine.changed() => {}
                Ok(()) = self.sources.changed() => sources = self.sources.borrow_and_update().clone(),
                Ok(()) = sources.rules.changed() => {}
                Ok(()) = any_changed(&mut sources.sinks) => {}
            }
            tokio::time::sleep(INTERVAL).await;
        }
        // Includes changes of the last moment.
        sources = self.sources.borrow_and_update().clone();
        self.update_files(&log.take(), &mut files);
        self.publish(&files, &mut sources);
    }

    fn update_files(&self, news: &ChangeSet, files: &mut FileList) {
        if news.all {
            return files.set(self.log.statuses());
        }
        for id in &news.files {
            match self.log.status(*id) {
                Some(status) => files.put(status),
                None => files.remove(*id),
            }
        }
    }

    fn all_notices(&self) -> Vec<Notice> {
        let mut all = self.log.notices();
        all.extend(self.notices.all());
        all.sort_by_key(|notice| notice.time);
        all
    }

    fn publish(&mut self, files: &FileList, sources: &mut StatusSources) {
        let notices = self.all_notices();
        let input = self.log.input_loss();
        let status = Status {
            engine: self.engine.borrow_and_update().clone(),
            files: files.clone(),
            unopened: self.log.unopened() as u64,
            torn: self.log.torn() as u64,
            lost: self.log.lost(),
            unread_input: input.unread,
            cut_inputs: input.cut,
            sinks: sources.sinks.iter_mut().map(|sink| sink.borrow_and_update().clone()).collect(),
            broken: sources.broken.clone(),
            down: self.log.supervisor().down().into_iter().map(str::to_owned).collect(),
            rules: sources.rules.borrow_and_update().clone(),
            notices,
        };
        self.status.send_if_modified(|old| {
            let changed = **old != status;
            if changed {
                *old = Arc::new(status);
            }
            changed
        });
    }
}

/// Waits until the status of a sink has changed. Never returns if there are no sinks, or all of them have ended.
async fn any_changed(
    sinks: &mut [watch::Receiver<SinkStatus>],
) -> Result<(), watch::error::RecvError> {
    let live: Vec<_> = sinks
        .iter_mut()
        .filter(|sink| sink.has_changed().is_ok())
        .map(|sink| Box::pin(sink.changed()))
        .collect();
    match live.is_empty() {
        true => std::future::pending().await,
        false => {
            let _ = select_all(live).await;
            Ok(())
        }
    }
}
