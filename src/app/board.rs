//! Gathers what everybody says about himself into one [`Status`]. Wakes only when somebody changed, and looks only
//! at the files that did.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::select_all;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::Clock;
use crate::event::status::{EngineState, Notice, RuleStatus, SinkStatus};
use crate::event::{FileList, Level, Status};
use crate::follow::{Log, News};

/// The newest notices are kept.
const NOTICES: usize = 50;
/// At most so often a new status is made, however much changes.
const INTERVAL: Duration = Duration::from_millis(100);

/// What the operator should know; the newest last. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    list: Arc<Mutex<Vec<Notice>>>,
    changed: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
}

impl Notices {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Notices { list: Arc::default(), changed: watch::Sender::new(0), clock }
    }

    /// The same text as the newest one is not repeated.
    pub fn add(&self, level: Level, text: String) {
        if self.all().last().is_none_or(|last| last.text != text) {
            self.answer(level, text);
        }
    }

    /// What somebody asked for is told each time.
    pub fn answer(&self, level: Level, text: String) {
        let mut list = self.list.lock().expect("no holder of the notices panics");
        if list.len() == NOTICES {
            list.remove(0);
        }
        list.push(Notice { time: self.clock.now(), level, text });
        drop(list);
        self.changed.send_modify(|count| *count += 1);
    }

    fn all(&self) -> Vec<Notice> {
        self.list.lock().expect("no holder of the notices panics").clone()
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
#[derive(Debug)]
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
        let status = Status {
            engine: self.engine.borrow_and_update().clone(),
            files: files.clone(),
            unopened: self.log.unopened() as u64,
            lost: self.log.lost(),
            sinks: voices.sinks.iter_mut().map(|sink| sink.borrow_and_update().clone()).collect(),
            broken: voices.broken.clone(),
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
