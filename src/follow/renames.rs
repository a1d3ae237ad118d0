//! Names change, descriptors stay: which files were renamed, and which came and went between two looks.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::discover::{Found, Sight};
use super::follower::{Follower, ScanState};
use super::identity::{self, Place, name_of};
use super::locate::COARSE;
use super::origin::Origin;
use super::rotated_names::{self, directory_of};
use super::symlinks;
use crate::base::{Timestamp, timed_fs};
use crate::event::FileId;
use crate::event::status::FileState;

/// For how long a path at which no file is any more is looked after.
const VACANT: Duration = Duration::from_secs(5);

impl Follower {
    /// Not under any path any more: renamed away, or deleted. What is open is followed on.
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
            // What is unread of it is kept at once: nobody knows how long we live.
            self.schedule.sweep_now();
        }
        tracked.links = metadata.nlink();
        if tracked.links == 0 {
            tracked.handle.update(|known| known.facts.state = FileState::Ended);
            if tracked.row.is_none() && metadata.len() == 0 {
                self.stop_following(id);
            } else {
                // Written, or truncated, between the last look and its removal, perhaps.
                self.check_file(id);
            }
        } else if let Some(path) = name_of(&file) {
            self.set_path(id, &path);
        }
    }

    /// Another host has deleted it, or its server gives it another handle: it is opened again where it is found.
    pub fn park_stale_file(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(key) = tracked.file_key() else { return };
        tracked.handle.park_stale(key);
        self.find_parked_file(id);
    }

    /// It was closed to save descriptors, and is not where it was.
    fn find_parked_file(&mut self, id: FileId) {
        let Some(parked) = self.catalog.get(id).and_then(|t| t.handle.parked()) else { return };
        // It may have been renamed since the directory was listed.
        self.listings.borrow_mut().forget(directory_of(&parked.path));
        match self.find_moved(&parked.path, parked.key) {
            Ok(Some(path)) => {
                if let Some(tracked) = self.catalog.get(id) {
                    tracked.handle.found_at(&path);
                }
                self.set_path(id, &path);
            }
            // Deleted while it was closed: its bytes are gone, unless there is a copy.
            Ok(None) => self.handle_vanished_file(id),
            Err(_) => {}
        }
    }

    /// Another file stands at a known path: there may have been more between the two.
    pub fn record_file_at_path(&mut self, id: FileId, found: &Found) {
        let Some(tracked) = self.catalog.get(id) else { return };
        let Some(place) = tracked.place() else { return };
        let until = Timestamp(tracked.birth);
        let now = (place, self.shared.clock.now());
        match self.scan_state.last_file_at.get(&found.path) {
            Some((before, _)) if *before == place => {}
            before => {
                // One that is new may have been rotated since the last scan, when it was not there.
                let is_new = before.is_none();
                let since = before.map(|(_, since)| *since).or(self.scan_state.last_scan);
                self.scan_state.last_file_at.insert(found.path.clone(), now);
                if let Some(since) = since.map(|since| since.minus(COARSE)) {
                    self.open_files_between(found.source, &found.path, (since, until), is_new);
                }
            }
        }
    }

    /// Where a file was a moment ago and none is now, another may have come and been renamed between two looks.
    pub fn check_vacated_paths(&mut self, sight: &Sight) {
        let now = self.now();
        let here: HashSet<&Path> = sight.found.iter().map(|found| &*found.path).collect();
        let ScanState { vacated, last_file_at, .. } = &mut self.scan_state;
        vacated.retain(|path, _| !here.contains(&**path) && last_file_at.contains_key(path));
        for (_, tracked) in
            self.catalog.iter().filter(|(_, tracked)| tracked.origin == Origin::Path)
        {
            let Some(path) = tracked.row.as_ref().map(|row| &row.first_path) else { continue };
            let vacant = !here.contains(&**path) && self.scan_state.last_file_at.contains_key(path);
            if vacant && !self.scan_state.vacated.contains_key(path) {
                self.scan_state.vacated.insert(path.clone(), (tracked.source, now + VACANT));
            }
        }
        let vacant = self.scan_state.vacated.iter().filter(|(_, (_, until))| now < *until);
        let vacant: Vec<_> = vacant.map(|(path, (source, _))| (*source, path.clone())).collect();
        for (source, path) in vacant {
            if let Some((_, since)) = self.scan_state.last_file_at.get(&path).copied() {
                let times = (since.minus(COARSE), Timestamp::MAX);
                self.open_files_between(source, &path, times, false);
            }
        }
    }

    /// Files beside `path` that were born after its predecessor was seen, and before itself. `is_new`: none was seen,
    /// so only a name that rotation makes says that a file was there.
    pub fn open_files_between(
        &mut self,
        source: usize,
        path: &Path,
        (since, until): (Timestamp, Timestamp),
        is_new: bool,
    ) {
        let chain = symlinks::chain(path);
        let roots: Vec<_> = chain.iter().map(|path| rotated_names::root(path)).collect();
        // While they are listed they may be renamed once more.
        for _ in 0..5 {
            let mut news = false;
            for (path, listed) in self.siblings(path) {
                if is_new && !roots.contains(&rotated_names::root(&path)) {
                    continue;
                }
                let Ok(metadata) = timed_fs::metadata(&path) else {
                    news = true;
                    continue;
                };
                let place = Place::of(&metadata);
                news |= place != listed;
                let birth = Timestamp(identity::birth(&metadata));
                let between = birth >= since && birth <= until && birth.0 > 0;
                if between && self.catalog.by_place(place).is_none() {
                    let between = Found { source, path, place };
                    news |= self.find_or_open(&between, Origin::Between).is_some();
                }
            }
            if !news {
                return;
            }
            for path in &chain {
                self.listings.borrow_mut().forget(directory_of(path));
            }
        }
    }
}
