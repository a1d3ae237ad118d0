//! Detects whether names in directories have changed since their entries were read, by the times of the directories.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::identity::DeviceInode;
use crate::base::{Timestamp, timed_fs};

/// The coarsest file times in use are those of FAT, 2 s: a second change within that time would not show.
const FILE_TIME_RESOLUTION_NS: i64 = 2_000_000_000;

/// Times of directories at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct DirectoryTimes {
    directories: BTreeMap<PathBuf, Option<Times>>,
    /// All directories could be read, and none had changed shortly before.
    all_old: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Times {
    place: DeviceInode,
    modified: i64,
    changed: i64,
}

impl DirectoryTimes {
    /// The times of these directories now.
    pub fn take<'a>(
        directories: impl IntoIterator<Item = &'a PathBuf>,
        now: Timestamp,
    ) -> DirectoryTimes {
        let before = now.0.saturating_sub(FILE_TIME_RESOLUTION_NS);
        let directories: BTreeMap<PathBuf, Option<Times>> = directories
            .into_iter()
            .map(|directory| (directory.clone(), times_of(directory)))
            .collect();
        let old = |times: &Times| times.modified < before && times.changed < before;
        // Nothing is known about a directory that cannot be read.
        let all_old = directories.values().all(|times| times.as_ref().is_some_and(old));
        DirectoryTimes { directories, all_old }
    }

    /// The times of the same directories now.
    pub fn retake(&self, now: Timestamp) -> DirectoryTimes {
        DirectoryTimes::take(self.directories.keys(), now)
    }

    /// `true`: certainly no name has changed since `before` was taken, just before the entries were read. `false`:
    /// unknown.
    pub fn prove_nothing_changed_since(&self, before: &DirectoryTimes) -> bool {
        self.all_old && *self == *before
    }

    /// Whether these are the times of exactly these directories.
    pub fn cover(&self, directories: &BTreeSet<PathBuf>) -> bool {
        self.directories.keys().eq(directories)
    }
}

fn times_of(directory: &Path) -> Option<Times> {
    let metadata = timed_fs::metadata(directory).ok()?;
    let time = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Some(Times {
        place: DeviceInode::of(&metadata),
        modified: time(metadata.mtime(), metadata.mtime_nsec()),
        changed: time(metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn later(seconds: i64) -> Timestamp {
        let now = std::time::SystemTime::now();
        Timestamp(Timestamp::from(now).0 + seconds * 1_000_000_000)
    }

    #[test]
    fn a_new_name_changes_the_times_and_growth_does_not() {
        let scratch = tempfile::tempdir().unwrap();
        let directories = BTreeSet::from([scratch.path().to_owned()]);
        fs::write(scratch.path().join("a"), "1").unwrap();
        let before = DirectoryTimes::take(&directories, later(10));
        fs::write(scratch.path().join("a"), "12").unwrap();
        assert!(before.cover(&directories));
        assert!(before.retake(later(10)).prove_nothing_changed_since(&before));
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::rename(scratch.path().join("a"), scratch.path().join("b")).unwrap();
        assert!(!before.retake(later(10)).prove_nothing_changed_since(&before));
    }

    #[test]
    fn a_directory_that_changed_recently_or_is_missing_proves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let here = BTreeSet::from([scratch.path().to_owned()]);
        let before = DirectoryTimes::take(&here, later(0));
        assert!(!before.retake(later(0)).prove_nothing_changed_since(&before));
        let nowhere = BTreeSet::from([scratch.path().join("nowhere")]);
        let before = DirectoryTimes::take(&nowhere, later(10));
        assert!(!before.retake(later(10)).prove_nothing_changed_since(&before));
    }
}
