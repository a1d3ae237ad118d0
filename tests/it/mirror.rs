//! A subscriber that reads only the generations that the log reports as changed. After any changes it must know the
//! same as a pass over all generations.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use logwarden::event::status::FileStatus;
use logwarden::event::{FileId, GenerationId};
use logwarden::follow::{Changes, Log};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Mirror {
    changes: Changes,
    extents: BTreeMap<GenerationId, Option<(u64, u64)>>,
    files: BTreeMap<FileId, FileStatus>,
}

impl Mirror {
    pub fn of(log: &Log) -> Mirror {
        Mirror { changes: log.changes(), extents: BTreeMap::new(), files: BTreeMap::new() }
    }

    pub fn follow(&mut self, log: &Log) {
        let news = self.changes.take();
        if news.all {
            let extents = log.generations().into_iter().map(|id| (id, log.extent(id)));
            self.extents = extents.collect();
            self.files = walk(log);
        }
        for id in news.generations {
            self.extents.insert(id, log.extent(id));
        }
        for id in news.files {
            match log.status(id) {
                Some(status) => self.files.insert(id, status),
                None => self.files.remove(&id),
            };
        }
    }

    /// Waits until the two agree: a change is reported shortly after it.
    pub fn check(&mut self, log: &Log) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.follow(log);
            let listed = log.generations();
            let unnamed: Vec<_> =
                listed.iter().filter(|id| !self.extents.contains_key(id)).collect();
            let stale: Vec<_> =
                self.extents.iter().filter(|(id, extent)| log.extent(**id) != **extent).collect();
            let files = walk(log);
            if unnamed.is_empty() && stale.is_empty() && files == self.files {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "changed and not named: {unnamed:?}, {stale:?}, {files:#?} and not {:#?}",
                self.files
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn walk(log: &Log) -> BTreeMap<FileId, FileStatus> {
    log.statuses().into_iter().map(|status| (status.file, status)).collect()
}
