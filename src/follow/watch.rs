//! Wakes the follower: `notify` as a hint that something changed; never a source of truth.
//!
//! inotify is silent on network file systems and its queue overflows, so the poll goes on without it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::types::Change;
use crate::base::{OnPanic, Supervisor, timed_fs};
use crate::event::FileId;

/// More changed paths than this at once are "everything".
const MANY: usize = 512;

/// What it is called where a failure is told.
pub(in crate::follow) const PART: &str = "file change notifications";

/// What happened since the last look.
#[derive(Debug, Default)]
pub(in crate::follow) struct Hints {
    /// These may have grown.
    pub paths: BTreeSet<PathBuf>,
    /// Names came, went or changed; or nobody knows.
    pub rescan: bool,
    /// Any file may have grown: too many did, or hints were lost.
    pub overflow: bool,
    /// Readers of these met something that the follower must judge.
    pub files: BTreeSet<FileId>,
    /// Something that was waited for has come.
    pub nudged: bool,
    /// Somebody waits for a look at everything: see [`super::look_requests`].
    pub asked: bool,
    pub sources: Option<Change>,
    pub stop: bool,
}

impl Hints {
    fn any(&self) -> bool {
        let named = !self.paths.is_empty() || !self.files.is_empty();
        self.rescan
            || self.overflow
            || self.nudged
            || self.asked
            || self.stop
            || self.sources.is_some()
            || named
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

/// Which changes in a watched directory are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Coverage {
    /// All: its file system is this kernel's own.
    All,
    /// Those that are made through this mount of it, perhaps: a network, FUSE or overlay file system.
    Some,
}

/// The directories that are watched, and those that cannot be.
pub(in crate::follow) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// By their real path; with the inode that is watched: a directory made anew is another.
    directories: BTreeMap<PathBuf, (u64, Result<Coverage, String>)>,
    broken: Option<String>,
    /// Some directories are on mounts that may hang: these are polled.
    polled: bool,
    /// The thread that told of changes has ended.
    ended: Arc<AtomicBool>,
}

impl Watch {
    pub fn new(bell: Arc<Bell>, supervisor: Supervisor) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = End { bell, supervisor, ended: ended.clone() };
        let made = notify::recommended_watcher(move |event| end.hint(event));
        let (watcher, broken) = match made {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Watch { watcher, directories: BTreeMap::new(), broken, polled: false, ended }
    }

    /// Nothing is watched: polling alone.
    pub fn none() -> Self {
        let broken = Some("switched off".into());
        Watch {
            watcher: None,
            directories: BTreeMap::new(),
            broken,
            polled: false,
            ended: Arc::default(),
        }
    }

    /// Watches exactly these directories; one that failed is tried again when it comes anew.
    pub fn follow(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        // The call would be made by the thread that tells of all changes, and may hang there.
        let (polled, wanted): (Vec<&PathBuf>, Vec<&PathBuf>) =
            wanted.iter().partition(|directory| timed_fs::is_foreign(directory));
        self.polled = !polled.is_empty();
        let inodes: BTreeMap<PathBuf, u64> = wanted
            .into_iter()
            .filter_map(|directory| {
                let real = timed_fs::canonicalize(directory).ok()?;
                let inode = timed_fs::metadata(&real).ok()?.ino();
                Some((real, inode))
            })
            .collect();
        self.directories.retain(|directory, (inode, _)| {
            let keep = inodes.get(directory) == Some(inode);
            if !keep {
                // Already gone is what was asked for.
                let _ = watcher.unwatch(directory);
            }
            keep
        });
        for (directory, inode) in inodes {
            self.directories.entry(directory).or_insert_with_key(|directory| {
                let watched = watcher.watch(directory, RecursiveMode::NonRecursive);
                (inode, watched.map(|()| coverage(directory)).map_err(|error| error.to_string()))
            });
        }
    }

    /// `None` where nothing is told of this directory.
    pub fn coverage(&self, directory: &Path) -> Option<Coverage> {
        if self.has_ended() {
            return None;
        }
        self.directories.get(directory).and_then(|(_, watched)| watched.as_ref().ok().copied())
    }

    /// Nothing can happen in any directory without a hint.
    pub fn tells_all(&self) -> bool {
        let all = |watched: &Result<Coverage, String>| *watched == Ok(Coverage::All);
        !self.has_ended()
            && self.broken.is_none()
            && !self.polled
            && self.directories.values().all(|(_, watched)| all(watched))
    }

    /// Why some or all directories are only polled.
    pub fn degraded(&self) -> Option<String> {
        let ended = || Some("the thread that tells of changes has ended".to_owned());
        let broken = self.broken.clone().or_else(|| ended().filter(|_| self.has_ended()));
        broken.or_else(|| {
            self.directories.iter().find_map(|(directory, watched)| {
                let reason = watched.1.as_ref().err()?;
                Some(format!("{}: {reason}", directory.display()))
            })
        })
    }
}

impl Watch {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// What the thread of `notify` calls; it is dropped with that thread.
struct End {
    bell: Arc<Bell>,
    supervisor: Supervisor,
    ended: Arc<AtomicBool>,
}

impl End {
    fn hint(&self, event: notify::Result<notify::Event>) {
        let told = self.supervisor.guard(PART, OnPanic::GoOn, || {
            self.supervisor.checkpoint(PART);
            hint(&self.bell, event);
        });
        if told.is_err() {
            self.lost();
        }
    }

    /// Whatever was to be told: any file may have changed.
    fn lost(&self) {
        self.bell.ring(|hints| (hints.rescan, hints.overflow) = (true, true));
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.supervisor.failed(PART, OnPanic::GoOn, &"its thread ended; files are polled");
            self.ended.store(true, Ordering::Release);
            self.lost();
        }
    }
}

/// By the type of its file system, as statfs(2) and linux/magic.h name them.
fn coverage(directory: &Path) -> Coverage {
    const EXT: u32 = 0xEF53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683E;
    const TMPFS: u32 = 0x0102_1994;
    const F2FS: u32 = 0xF2F5_2010;
    const ZFS: u32 = 0x2FC1_2FC1;
    let own = [EXT, XFS, BTRFS, TMPFS, F2FS, ZFS];
    match rustix::fs::statfs(directory) {
        // 32 bits, and of a type that differs between architectures.
        Ok(system) if own.contains(&(system.f_type as u32)) => Coverage::All,
        _ => Coverage::Some,
    }
}

fn hint(bell: &Bell, event: notify::Result<notify::Event>) {
    bell.ring(|hints| match event {
        // Our own looks are accesses too.
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
        Ok(event) => {
            hints.overflow |= event.need_rescan();
            hints.rescan |= event.need_rescan() || !is_growth(&event.kind);
            hints.paths.extend(event.paths);
            if hints.paths.len() > MANY {
                hints.paths.clear();
                (hints.rescan, hints.overflow) = (true, true);
            }
        }
        Err(_) => (hints.rescan, hints.overflow) = (true, true),
    });
}

fn is_growth(kind: &EventKind) -> bool {
    use notify::event::ModifyKind;
    matches!(kind, EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any file may have changed then, and the next change is told as before.
    #[test]
    fn a_hint_that_breaks_is_told_and_everything_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        let (bell, supervisor) = (Arc::new(Bell::default()), Supervisor::default());
        let mut watch = Watch::new(bell.clone(), supervisor.clone());
        watch.follow(&BTreeSet::from([directory.clone()]));
        supervisor.break_part(PART);
        let long = Duration::from_secs(20);
        std::fs::write(directory.join("a"), "a").unwrap();
        let hints = bell.wait(long);
        assert!(hints.overflow && hints.rescan);
        assert_eq!(supervisor.failures(), [(PART, 1)]);
        std::fs::write(directory.join("b"), "b").unwrap();
        let deadline = Instant::now() + long;
        while !bell.wait(long).paths.contains(&directory.join("b")) {
            assert!(Instant::now() < deadline, "the next change is told");
        }
        assert_eq!(watch.degraded(), None);
    }

    #[test]
    fn a_thread_of_hints_that_ends_is_told_and_files_are_polled() {
        let (bell, supervisor) = (Arc::new(Bell::default()), Supervisor::default());
        let watch = Watch::new(bell.clone(), supervisor.clone());
        let (ended, rung) = (watch.ended.clone(), bell.clone());
        let end = End { bell: rung, supervisor: supervisor.clone(), ended };
        let thread = std::thread::spawn(move || {
            let _end = end;
            panic!("broken");
        });
        assert!(thread.join().is_err());
        assert!(bell.wait(Duration::ZERO).overflow);
        assert!(!watch.tells_all() && watch.degraded().is_some());
        assert_eq!(supervisor.failures(), [(PART, 1)]);
    }
}
