//! Wakes the follower when files change. Notifications (`notify`) are hints only, never a source of truth.
//!
//! inotify reports nothing on network file systems and its queue may overflow, so files are polled as well.

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

/// If more paths than this have changed, all files are checked.
const MANY: usize = 512;

/// Name of this part in failure messages.
pub(in crate::follow) const PART: &str = "file change notifications";

/// Requests and possible changes since the follower's last turn.
#[derive(Debug, Default)]
pub(in crate::follow) struct Hints {
    /// Files that may have grown.
    pub paths: BTreeSet<PathBuf>,
    /// Files may have appeared, disappeared or been renamed.
    pub rescan: bool,
    /// Any file may have grown: too many did, or hints were lost.
    pub overflow: bool,
    /// Files that the follower must check because of a reader's findings.
    pub files: BTreeSet<FileId>,
    /// Something that the follower waits for is available.
    pub nudged: bool,
    /// A check of all files is requested: see [`super::look_requests`].
    pub look_requested: bool,
    pub sources: Option<Change>,
    pub stop: bool,
}

impl Hints {
    fn any(&self) -> bool {
        let named = !self.paths.is_empty() || !self.files.is_empty();
        self.rescan
            || self.overflow
            || self.nudged
            || self.look_requested
            || self.stop
            || self.sources.is_some()
            || named
    }
}

/// Collects hints and wakes the follower, which sleeps until there are any.
#[derive(Debug, Default)]
pub(in crate::follow) struct Waker {
    hints: Mutex<Hints>,
    woken: Condvar,
}

impl Waker {
    pub fn wake(&self, change: impl FnOnce(&mut Hints)) {
        change(&mut self.hints.lock().expect("no holder of the hints panics"));
        self.woken.notify_one();
    }

    /// Waits for hints, at most this long, and takes them. A stop request is kept.
    pub fn wait(&self, longest: Duration) -> Hints {
        let deadline = Instant::now() + longest;
        let mut hints = self.hints.lock().expect("no holder of the hints panics");
        while !hints.any() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            hints = self.woken.wait_timeout(hints, left).expect("no holder of the hints panics").0;
        }
        let stop = hints.stop;
        std::mem::replace(&mut *hints, Hints { stop, ..Hints::default() })
    }
}

/// Which changes in a watched directory are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Coverage {
    /// All changes: a local file system.
    All,
    /// At most the changes made through this mount: a network, FUSE or overlay file system.
    Some,
}

/// The watched directories, and those that cannot be watched.
pub(in crate::follow) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// By real path, with the watched inode, so that a directory created again is watched again.
    directories: BTreeMap<PathBuf, (u64, Result<Coverage, String>)>,
    broken: Option<String>,
    /// Whether some directories are on mounts that may hang, and are only polled.
    polled: bool,
    /// The notification thread has ended.
    ended: Arc<AtomicBool>,
}

impl Watch {
    pub fn new(waker: Arc<Waker>, supervisor: Supervisor) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let callback = Callback { waker, supervisor, ended: ended.clone() };
        let created = notify::recommended_watcher(move |event| callback.hint(event));
        let (watcher, broken) = match created {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Watch { watcher, directories: BTreeMap::new(), broken, polled: false, ended }
    }

    /// Watches nothing: files are only polled.
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

    /// Watches exactly these directories. One that cannot be watched is tried again only after it was created again.
    pub fn follow(&mut self, wanted: &BTreeSet<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        // The call would be made on the notification thread, and may hang there.
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
                // Fails if the directory no longer exists, which is as good.
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

    /// `None` if changes in this directory are not reported.
    pub fn coverage(&self, directory: &Path) -> Option<Coverage> {
        if self.has_ended() {
            return None;
        }
        self.directories.get(directory).and_then(|(_, watched)| watched.as_ref().ok().copied())
    }

    /// Whether every change in any of the directories is reported.
    pub fn reports_all_changes(&self) -> bool {
        let all = |watched: &Result<Coverage, String>| *watched == Ok(Coverage::All);
        !self.has_ended()
            && self.broken.is_none()
            && !self.polled
            && self.directories.values().all(|(_, watched)| all(watched))
    }

    /// The reason why some or all directories are only polled.
    pub fn degraded(&self) -> Option<String> {
        let ended = || Some("the notification thread has ended".to_owned());
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

/// The callback of the notification thread; dropped when that thread ends.
struct Callback {
    waker: Arc<Waker>,
    supervisor: Supervisor,
    ended: Arc<AtomicBool>,
}

impl Callback {
    fn hint(&self, event: notify::Result<notify::Event>) {
        let result = self.supervisor.guard(PART, OnPanic::Continue, || {
            self.supervisor.checkpoint(PART);
            hint(&self.waker, event);
        });
        if result.is_err() {
            self.lost();
        }
    }

    /// A notification is lost: any file may have changed.
    fn lost(&self) {
        self.waker.wake(|hints| (hints.rescan, hints.overflow) = (true, true));
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.supervisor.failed(
                PART,
                OnPanic::Continue,
                &"its thread has ended; files are only polled from now on",
            );
            self.ended.store(true, Ordering::Release);
            self.lost();
        }
    }
}

/// The coverage by file system type; the numbers are those of statfs(2) and linux/magic.h.
fn coverage(directory: &Path) -> Coverage {
    const EXT: u32 = 0xEF53;
    const XFS: u32 = 0x5846_5342;
    const BTRFS: u32 = 0x9123_683E;
    const TMPFS: u32 = 0x0102_1994;
    const F2FS: u32 = 0xF2F5_2010;
    const ZFS: u32 = 0x2FC1_2FC1;
    let own = [EXT, XFS, BTRFS, TMPFS, F2FS, ZFS];
    match rustix::fs::statfs(directory) {
        // The value has 32 bits; its type differs between architectures.
        Ok(system) if own.contains(&(system.f_type as u32)) => Coverage::All,
        _ => Coverage::Some,
    }
}

fn hint(waker: &Waker, event: notify::Result<notify::Event>) {
    waker.wake(|hints| match event {
        // Logwarden's own reads are reported as accesses, too.
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

    /// Any file may have changed then; the next change is reported as usual.
    #[test]
    fn a_panic_in_a_notification_is_reported_and_all_files_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        let (waker, supervisor) = (Arc::new(Waker::default()), Supervisor::default());
        let mut watch = Watch::new(waker.clone(), supervisor.clone());
        watch.follow(&BTreeSet::from([directory.clone()]));
        supervisor.break_part(PART);
        let long = Duration::from_secs(20);
        std::fs::write(directory.join("a"), "a").unwrap();
        let hints = waker.wait(long);
        assert!(hints.overflow && hints.rescan);
        assert_eq!(supervisor.failures(), [(PART, 1)]);
        std::fs::write(directory.join("b"), "b").unwrap();
        let deadline = Instant::now() + long;
        while !waker.wait(long).paths.contains(&directory.join("b")) {
            assert!(Instant::now() < deadline, "the next change is reported");
        }
        assert_eq!(watch.degraded(), None);
    }

    #[test]
    fn the_end_of_the_notification_thread_is_reported_and_files_are_polled() {
        let (waker, supervisor) = (Arc::new(Waker::default()), Supervisor::default());
        let watch = Watch::new(waker.clone(), supervisor.clone());
        let ended = watch.ended.clone();
        let callback = Callback { waker: waker.clone(), supervisor: supervisor.clone(), ended };
        let thread = std::thread::spawn(move || {
            let _callback = callback;
            panic!("broken");
        });
        assert!(thread.join().is_err());
        assert!(waker.wait(Duration::ZERO).overflow);
        assert!(!watch.reports_all_changes() && watch.degraded().is_some());
        assert_eq!(supervisor.failures(), [(PART, 1)]);
    }
}
