//! Wakes the follower: `notify` as a hint that something changed; never a source of truth.
//!
//! inotify is silent on network file systems and its queue overflows, so the poll goes on without it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::types::Change;
use crate::event::FileId;

/// More changed paths than this at once are "everything".
const MANY: usize = 512;

/// What happened since the last look.
#[derive(Debug, Default)]
pub(in crate::follow) struct Hints {
    /// These may have grown.
    pub paths: BTreeSet<PathBuf>,
    /// Names came, went or changed; or nobody knows.
    pub rescan: bool,
    /// Readers of these met something that the follower must judge.
    pub files: BTreeSet<FileId>,
    /// Something that was waited for has come.
    pub nudged: bool,
    pub sources: Option<Change>,
    pub stop: bool,
}

impl Hints {
    fn any(&self) -> bool {
        let named = !self.paths.is_empty() || !self.files.is_empty();
        self.rescan || self.nudged || self.stop || self.sources.is_some() || named
    }
}

/// Collected hints, and the follower that may sleep on them.
#[derive(Debug, Default)]
pub(in crate::follow) struct Bell {
    hints: Mutex<Hints>,
    rung: Condvar,
}

impl Bell {
    pub fn ring(&self, change: impl FnOnce(&mut Hints)) {
        change(&mut self.hints.lock().expect("no holder of the hints panics"));
        self.rung.notify_one();
    }

    /// Waits for a hint, at most this long. A stop stays.
    pub fn wait(&self, longest: Duration) -> Hints {
        let deadline = Instant::now() + longest;
        let mut hints = self.hints.lock().expect("no holder of the hints panics");
        while !hints.any() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            hints = self.rung.wait_timeout(hints, left).expect("no holder of the hints panics").0;
        }
        let stop = hints.stop;
        std::mem::replace(&mut *hints, Hints { stop, ..Hints::default() })
    }
}

/// The folders that are watched, and those that cannot be.
pub(in crate::follow) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// By their real path; with the inode that is watched: a folder made anew is another.
    folders: BTreeMap<PathBuf, (u64, Result<(), String>)>,
    broken: Option<String>,
}

impl Watch {
    pub fn new(bell: Arc<Bell>) -> Self {
        let made = notify::recommended_watcher(move |event| hint(&bell, event));
        let (watcher, broken) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Watch { watcher, folders: BTreeMap::new(), broken }
    }

    /// Nothing is watched: polling alone.
    pub fn none() -> Self {
        Watch { watcher: None, folders: BTreeMap::new(), broken: Some("switched off".into()) }
    }

    /// Watches exactly these folders; one that failed is tried again when it comes anew.
    pub fn follow(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        let inodes: BTreeMap<PathBuf, u64> = wanted
            .iter()
            .filter_map(|folder| {
                let real = folder.canonicalize().ok()?;
                let inode = real.metadata().ok()?.ino();
                Some((real, inode))
            })
            .collect();
        self.folders.retain(|folder, (inode, _)| {
            let keep = inodes.get(folder) == Some(inode);
            if !keep {
                // Already gone is what was asked for.
                let _ = watcher.unwatch(folder);
            }
            keep
        });
        for (folder, inode) in inodes {
            self.folders.entry(folder).or_insert_with_key(|folder| {
                let watched = watcher.watch(folder, RecursiveMode::NonRecursive);
                (inode, watched.map_err(|error| error.to_string()))
            });
        }
    }

    /// A change in this folder would be told.
    pub fn covers(&self, folder: &Path) -> bool {
        matches!(self.folders.get(folder), Some((_, Ok(()))))
    }

    /// Why some or all folders are only polled.
    pub fn degraded(&self) -> Option<String> {
        self.broken.clone().or_else(|| {
            self.folders.iter().find_map(|(folder, watched)| {
                let reason = watched.1.as_ref().err()?;
                Some(format!("{}: {reason}", folder.display()))
            })
        })
    }
}

fn hint(bell: &Bell, event: notify::Result<notify::Event>) {
    bell.ring(|hints| match event {
        // Our own looks are accesses too.
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
        Ok(event) => {
            hints.rescan |= event.need_rescan() || !is_growth(&event.kind);
            hints.paths.extend(event.paths);
            if hints.paths.len() > MANY {
                hints.paths.clear();
                hints.rescan = true;
            }
        }
        Err(_) => hints.rescan = true,
    });
}

fn is_growth(kind: &EventKind) -> bool {
    use notify::event::ModifyKind;
    matches!(kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)))
}
