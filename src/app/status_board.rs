//! Gathers what everybody says about himself into one [`Status`]. Wakes only when somebody changed, and looks only
//! at the files that did.

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
use crate::follow::{Log, News};

/// The newest notices are kept.
const NOTICES: usize = 100;
/// Name of this part in failure messages.
pub const PART: &str = "status";
/// At most so often a new status is made, however much changes.
const INTERVAL: Duration = Duration::from_millis(100);

/// What the operator should know; the newest last. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    list: Arc<Mutex<VecDeque<Notice>>>,
    /// Where there is no screen.
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

    /// Every message from now on is a line of it.
    pub fn speak_to(&self, console: &Console) {
        let _ = self.console.set(console.clone());
    }

    /// The same text as the newest one is not repeated.
    pub fn add(&self, level: Level, text: String) {
        let repeated = self.kept().back().is_some_and(|last| last.text == text);
        if !repeated {
            self.answer(level, text);
        }
    }

    /// What somebody asked for is told each time.
    pub fn answer(&self, level: Level, text: String) {
        self.say(level, &text);
        self.list(level, text);
    }

    /// A line on standard error alone.
    pub fn say(&self, level: Level, text: &str) {
        if let Some(console) = self.console.get() {
            console.say(level, text);
        }
    }

    /// For the list of the newest alone: standard error has it in another form.
    pub fn list(&self, level: Level, text: String) {
        let mut list = self.kept();
        if list.len() == NOTICES {
            list.pop_front();
        }
        list.push_back(Notice { time: self.clock.now(), level, text });
        drop(list);
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn all(&self) -> Vec<Notice> {
        self.kept().iter().cloned().collect()
    }

    /// Also told after a panic elsewhere: the list is whole at any moment.
    fn kept(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Consumers that have something to say; others after a reload.
#[derive(Clone, Debug)]
pub struct Voices {
    pub sinks: Vec<watch::Receiver<SinkStatus>>,
    /// Names of those whose worker broke.
    pub broken: Vec<String>,
    pub rules: watch::Receiver<Vec<RuleStatus>>,
}

impl Default for Voices {
    /// Nobody.
    fn default() -> Self {
        Voices { sinks: Vec::new(), broken: Vec::new(), rules: watch::channel(Vec::new()).1 }
    }
}

/// Everybody who has something to say.
#[derive(Clone, Debug)]
pub struct Board {
    pub log: Log,
    pub engine: watch::Receiver<EngineState>,
    pub voices: watch::Receiver<Voices>,
    pub notices: Notices,
    pub status: watch::Sender<Arc<Status>>,
}

impl Board {
    pub async fn run(mut self, stop: CancellationToken) {
        let log = self.log.changes();
        let mut files = FileList::default();
        let mut notices = self.notices.changed.subscribe();
        let supervisor = self.log.supervisor();
        let mut parts = supervisor.changes();
        let mut voices = self.voices.borrow_and_update().clone();
        loop {
            // Whatever woke us: nobody is told a state that is over.
            if self.voices.has_changed().unwrap_or(false) {
                voices = self.voices.borrow_and_update().clone();
            }
            self.look(&log.take(), &mut files);
            self.publish(&files, &mut voices);
            tokio::select! {
                () = stop.cancelled() => break,
                () = log.changed() => {}
                Ok(()) = notices.changed() => {}
                Ok(()) = parts.changed() => {}
                Ok(()) = self.engine.changed() => {}
                Ok(()) = self.voices.changed() => voices = self.voices.borrow_and_update().clone(),
                Ok(()) = voices.rules.changed() => {}
                Ok(()) = any_changed(&mut voices.sinks) => {}
            }
            tokio::time::sleep(INTERVAL).await;
        }
        // Who has come or gone in the last moment.
        voices = self.voices.borrow_and_update().clone();
        self.look(&log.take(), &mut files);
        self.publish(&files, &mut voices);
    }

    fn look(&self, news: &News, files: &mut FileList) {
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

    fn publish(&mut self, files: &FileList, voices: &mut Voices) {
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
            sinks: voices.sinks.iter_mut().map(|sink| sink.borrow_and_update().clone()).collect(),
            broken: voices.broken.clone(),
            down: self.log.supervisor().down().into_iter().map(str::to_owned).collect(),
            rules: voices.rules.borrow_and_update().clone(),
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

/// Pends for ever where there are no sinks, or none of them will change again.
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
