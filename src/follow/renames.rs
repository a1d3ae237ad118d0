//! Follows renames of open files, and finds files that were created and renamed between two scans.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::discover::{FoundFile, ScanResult};
use super::follower::{Follower, ScanState};
use super::identity::{self, DeviceInode, name_of};
use super::locate::BIRTH_TIME_RESOLUTION;
use super::origin::Origin;
use super::rotated_names::{self, directory_of};
use super::symlinks;
use crate::base::{Timestamp, timed_fs};
use crate::event::FileId;
use crate::event::status::FileState;

/// How long a path is checked for files between two scans after its own file was renamed or deleted.
const VACATED_CHECK_TIME: Duration = Duration::from_secs(5);

impl Follower {
    /// Updates files that no path leads to any more: renamed away or deleted. Open files are still followed.
    pub fn update_unlisted_files(&mut self, present: &HashSet<FileId>) {
        let absent: Vec<FileId> = self
            .catalog
            .iter()
            .filter(|(id, tracked)| !present.contains(id) && tracked.place().is_some())
            .map(|(id, _)| id)
            .collect();
        for id in &absent {
            self.update_unlisted_file(*id);
        }
        self.scan_state.unlisted = absent;
    }

    pub fn update_unlisted_file(&mut self, id: FileId) {
        if self.catalog.get(id).is_some_and(|tracked| tracked.handle.parked().is_some()) {
            return self.find_parked_file(id);
        }
        let Some(tracked) = self.catalog.get_mut(id) else { return };
        if tracked.place().is_none() {
            return;
        }
        let Some(file) = tracked.named_file() else { return };
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                if timed_fs::is_stale(&error) && tracked.compressed.is_none() {
                    self.park_stale_file(id);
                }
                return;
            }
        };
        if metadata.nlink() == 0 && tracked.links > 0 {
            // Save the unread bytes now: the process may end at any time.
            self.schedule.sweep_now();
        }
        tracked.links = metadata.nlink();
        if tracked.links == 0 {
            tracked.handle.update(|known| known.facts.state = FileState::Ended);
            if tracked.row.is_none() && metadata.len() == 0 {
                self.stop_following(id);
            } else {
                // It may have been written or truncated between the last check and its removal.
                self.check_file(id);
            }
        } else if let Some(path) = name_of(&file) {
            self.set_path(id, &path);
        }
    }

    /// Closes a file whose NFS handle is stale, because another host has deleted the file or the server uses another
    /// handle. It is reopened where it is found.
    pub fn park_stale_file(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(key) = tracked.file_key() else { return };
        tracked.handle.park_stale(key);
        self.find_parked_file(id);
    }

    /// Finds a file that was closed to save descriptors and is no longer at its path.
    fn find_parked_file(&mut self, id: FileId) {
        let Some(parked) = self.catalog.get(id).and_then(|t| t.handle.parked()) else { return };
        // It may have been renamed since the directory was listed.
        self.listings.borrow_mut().invalidate(directory_of(&parked.path));
        match self.find_moved(&parked.path, parked.key) {
            Ok(Some(path)) => {
                if let Some(tracked) = self.catalog.get(id) {
                    tracked.handle.found_at(&path);
                }
                self.set_path(id, &path);
            }
            // Deleted while it was closed: its bytes are lost, unless there is a copy.
            Ok(None) => self.handle_vanished_file(id),
            Err(_) => {}
        }
    }

    /// Records the file at a path. If it replaces another file, there may have been more files between the two.
    pub fn record_file_at_path(&mut self, id: FileId, found: &FoundFile) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(place) = tracked.place() else { return };
        let until = Timestamp(tracked.birth);
        let now = (place, self.shared.clock.now());
        match self.scan_state.last_file_at.get(&found.path) {
            Some((before, _)) if *before == place => {}
            before => {
                // A file that is seen here for the first time may have been created and rotated since the last scan.
                let is_new = before.is_none();
                let since = before.map(|(_, since)| *since).or(self.scan_state.last_scan);
                self.scan_state.last_file_at.insert(found.path.clone(), now);
                if let Some(since) = since.map(|since| since.minus(BIRTH_TIME_RESOLUTION)) {
                    self.open_files_between(found.source, &found.path, (since, until), is_new);
                }
            }
        }
    }

    /// Opens files that were created and renamed between two scans at paths that have lost their file a moment ago.
    pub fn check_vacated_paths(&mut self, result: &ScanResult) {
        let now = self.now();
        let here: HashSet<&Path> = result.found.iter().map(|found| &*found.path).collect();
        let ScanState { vacated, last_file_at, .. } = &mut self.scan_state;
        vacated.retain(|path, _| !here.contains(&**path) && last_file_at.contains_key(path));
        for (_, tracked) in
            self.catalog.iter().filter(|(_, tracked)| tracked.origin == Origin::Path)
        {
            let Some(path) = tracked.row.as_ref().map(|row| &row.first_path) else { continue };
            let vacant = !here.contains(&**path) && self.scan_state.last_file_at.contains_key(path);
            if vacant && !self.scan_state.vacated.contains_key(path) {
                self.scan_state
                    .vacated
                    .insert(path.clone(), (tracked.source, now + VACATED_CHECK_TIME));
            }
        }
        let vacant = self.scan_state.vacated.iter().filter(|(_, (_, until))| now < *until);
        let vacant: Vec<_> = vacant.map(|(path, (source, _))| (*source, path.clone())).collect();
        for (source, path) in vacant {
            if let Some((_, since)) = self.scan_state.last_file_at.get(&path).copied() {
                let times = (since.minus(BIRTH_TIME_RESOLUTION), Timestamp::MAX);
                self.open_files_between(source, &path, times, false);
            }
        }
    }

    /// Opens files beside `path` that were created after its previous file was last seen and before the present one.
    /// `is_new`: no file was seen at the path, so only files with rotated names count.
    pub fn open_files_between(
        &mut self,
        source: usize,
        path: &Path,
        (since, until): (Timestamp, Timestamp),
        is_new: bool,
    ) {
        let chain = symlinks::chain(path);
        let roots: Vec<_> = chain.iter().map(|path| rotated_names::root(path)).collect();
        // Files may be renamed again while they are listed.
        for _ in 0..5 {
            let mut changed = false;
            for (path, listed) in self.siblings(path) {
                if is_new && !roots.contains(&rotated_names::root(&path)) {
                    continue;
                }
                let Ok(metadata) = timed_fs::metadata(&path) else {
                    changed = true;
                    continue;
                };
                let place = DeviceInode::of(&metadata);
                changed |= place != listed;
                let birth = Timestamp(identity::birth(&metadata));
                let between = birth >= since && birth <= until && birth.0 > 0;
                if between && self.catalog.by_place(place).is_none() {
                    let between = FoundFile { source, path, place };
                    changed |= self.find_or_open(&between, Origin::RotatedMeanwhile).is_some();
                }
            }
            if !changed {
                return;
            }
            for path in &chain {
                self.listings.borrow_mut().invalidate(directory_of(path));
            }
        }
    }
}
