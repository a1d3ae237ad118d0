//! Scans the configured paths: opens new files and updates the names of known ones.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::Tracked;
use super::directory_check::home_of;
use super::directory_times::DirectoryTimes;
use super::discover::{self, FoundFile, Problem, ScanResult};
use super::file::{FileFacts, FileHandle};
use super::follower::{Follower, Phase};
use super::identity::{self, DeviceInode};
use super::notices::{self, Topic};
use super::origin::Origin;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::status::FileState;
use crate::event::{FileId, Level};

impl Follower {
    /// Scans all paths, unless the times of all directories prove that no name has changed.
    pub fn scan_if_changed(&mut self) {
        let began = self.now();
        let time = self.shared.clock.now();
        let times = self.scan_state.directory_times.retake(time);
        let can_skip = self.scan_state.is_complete
            && !self.scan_state.has_links
            && self.scan_state.unopened.is_empty();
        let is_unchanged = times.prove_nothing_changed_since(&self.scan_state.directory_times);
        if !can_skip || !is_unchanged || self.schedule.scan_must_be_complete(began) {
            return self.scan_with(times);
        }
        self.scan_state.last_scan = Some(time);
        for id in self.scan_state.unlisted.clone() {
            self.update_unlisted_file(id);
        }
        self.schedule.record_scan(began, self.now(), self.watch.degraded().is_some());
    }

    /// Scans all paths.
    pub fn scan(&mut self) {
        self.scan_with(self.scan_state.directory_times.retake(self.shared.clock.now()));
    }

    /// `times`: the directory times just before this scan.
    fn scan_with(&mut self, times: DirectoryTimes) {
        let (began, time) = (self.now(), self.shared.clock.now());
        let own = self.shared.own();
        let mut result = discover::scan(&self.sources, &own, &self.scan_state.own_files);
        for id in
            result.own.files().filter_map(|place| self.catalog.by_place(place)).collect::<Vec<_>>()
        {
            // It has become an output since it was found.
            self.release_file(id);
        }
        self.scan_state.own_files = std::mem::take(&mut result.own);
        // Renames from before this point must show in the next listing.
        self.listings.borrow_mut().clear();
        if let Some(intake) = &self.shared.config.intake {
            // No standard input has arrived yet.
            let pattern = intake.pattern();
            result.problems.retain(|problem| problem.path() != pattern);
        }
        self.report_problems(&result);
        (self.scan_state.is_complete, self.scan_state.has_links) =
            (result.is_complete(), result.has_links);
        let mut present = HashSet::with_capacity(result.found.len());
        self.scan_state.unopened.clear();
        for found in &result.found {
            let Some(id) = self.find_or_open(found, Origin::Path) else { continue };
            present.insert(id);
            self.set_origin_to_path(id);
            self.set_path(id, &found.path);
            self.record_file_at_path(id, found);
        }
        // Files on a mount that does not respond are opened later, but a `--once` run cannot wait for them.
        let stuck = result.problems.iter().filter(|problem| problem.is_stuck()).count();
        let stuck = if self.shared.once() { stuck } else { 0 };
        self.shared.unopened.store(self.scan_state.unopened.len() + stuck, Ordering::Relaxed);
        if result.is_complete_except_mounts() {
            // Forget paths that no source matches any more.
            if self.scan_state.is_complete
                && self.scan_state.last_file_at.len() > 2 * result.found.len() + 1000
            {
                let paths: HashSet<&Path> = result.found.iter().map(|found| &*found.path).collect();
                self.scan_state.last_file_at.retain(|path, _| paths.contains(&**path));
            }
            if self.scan_state.is_complete && !self.scan_state.closed_compressed.is_empty() {
                let found: HashSet<DeviceInode> =
                    result.found.iter().map(|found| found.place).collect();
                self.scan_state.closed_compressed.retain(|place, _| found.contains(place));
            }
            self.update_unlisted_files(&present);
            self.check_vacated_paths(&result);
        }
        if self.shared.board.count_hidden(time) {
            self.shared.notify_changes();
        }
        self.scan_state.last_scan = Some(time);
        let mut directories = result.directories;
        self.scan_state.directories.clone_from(&directories);
        // Growth of a linked file is reported for the directory of the link's target.
        directories.extend(self.catalog.directories().cloned());
        self.watch.follow(&directories);
        self.report_watch();
        // Directories without times from before their listing cannot prove anything.
        let usable = times.cover(&directories);
        self.scan_state.directory_times =
            if usable { times } else { DirectoryTimes::take(&directories, Timestamp::MIN) };
        self.schedule.record_complete_scan(self.now(), self.watch.reports_all_changes());
        self.schedule.record_scan(began, self.now(), self.watch.degraded().is_some());
    }

    /// Scans all paths and checks every file once.
    pub fn scan_and_check_all(&mut self) {
        self.scan();
        for id in self.catalog.ids() {
            self.check_file(id);
        }
    }

    fn report_problems(&self, result: &ScanResult) {
        let time = self.shared.clock.now();
        let mut changed = self.shared.board.keep_current(&result.problems);
        // A mount that does not respond has one notice for the whole mount.
        let has_own_notice = |problem: &&Problem| !problem.is_stuck();
        for problem in result.problems.iter().filter(has_own_notice) {
            let topic = Topic::Path(problem.path().to_owned());
            let text = problem.text(self.shared.config.once);
            changed |= self.shared.board.post(topic, problem.level(), time, text);
        }
        if changed {
            self.shared.notify_changes();
        }
    }

    fn report_watch(&self) {
        match self.watch.degraded() {
            Some(reason) => {
                let text = notices::degraded(&reason);
                self.shared.board.post(Topic::Watch, Level::Warning, self.shared.clock.now(), text);
            }
            None => {
                self.shared.board.withdraw(&Topic::Watch);
            }
        }
    }

    /// The followed file at a path; a new file is opened. `None`: it cannot be opened now, or need not be.
    pub fn find_or_open(&mut self, found: &FoundFile, origin: Origin) -> Option<FileId> {
        if let Some(id) = self.catalog.by_place(found.place) {
            return Some(id);
        }
        match self.open(found, origin) {
            Ok(id) => {
                self.shared.board.withdraw(&Topic::Open(found.path.clone()));
                Some(id)
            }
            // Renamed or removed between scan and open.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if timed_fs::is_stuck(&error) => {
                self.scan_state.unopened.insert(found.place.inode);
                None
            }
            Err(error) => {
                self.scan_state.unopened.insert(found.place.inode);
                // EMFILE or ENFILE: the limit of the process or system, not a fault of this file.
                let text = match error.raw_os_error() {
                    Some(23 | 24) => notices::too_many_files(&found.path),
                    _ => notices::cannot_open(&found.path, &error),
                };
                let topic = Topic::Open(found.path.clone());
                if self.shared.board.post(topic, Level::Error, self.shared.clock.now(), text) {
                    self.shared.notify_changes();
                }
                None
            }
        }
    }

    fn open(&mut self, found: &FoundFile, origin: Origin) -> io::Result<FileId> {
        let file = timed_fs::open(&found.path)?;
        let metadata = file.metadata()?;
        let place = DeviceInode::of(&metadata);
        if let Some(id) = self.catalog.by_place(place) {
            return Ok(id);
        }
        // It was read to its end and closed: it is opened again when it changes.
        let version = (metadata.len(), metadata.modified().ok());
        if self.scan_state.closed_compressed.get(&place)
            == Some(&(identity::birth(&metadata), version))
        {
            return Err(io::Error::new(io::ErrorKind::NotFound, "already read"));
        }
        self.scan_state.closed_compressed.remove(&place);
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "not a regular file any more"));
        }
        self.track(Arc::new(file), found.source, &found.path, origin)
    }

    /// Starts to follow an open file that has not been identified yet.
    pub fn track(
        &mut self,
        file: Arc<File>,
        source: usize,
        path: &Path,
        origin: Origin,
    ) -> io::Result<FileId> {
        let metadata = file.metadata()?;
        let place = DeviceInode::of(&metadata);
        // Files at a source path were checked against Logwarden's own files when they were found.
        if origin != Origin::Path && self.scan_state.own_files.owner(path, place, false)?.is_some()
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        let id = self.shared.next_id();
        let modified = metadata.modified().ok();
        let facts = FileFacts {
            path: Arc::from(path),
            size: self.shared.stdin_progress.size_of(&metadata),
            generation: None,
            begin: 0,
            start: 0,
            encoding: None,
            formats: Vec::new(),
            cuts: Default::default(),
            days: Vec::new(),
            state: FileState::Unsettled,
            stuck: None,
            check_error: None,
            lost: 0,
            last_growth: modified.map_or_else(|| self.shared.clock.now(), Timestamp::from),
        };
        let size = facts.size;
        let segment = self.is_segment(path);
        let config = self.sources[source].clone();
        let descriptors = Some(self.shared.descriptors.clone());
        let handle = Arc::new(FileHandle::sharing(id, config, file, facts, descriptors));
        let mut tracked = Tracked::new(handle.clone(), source, size, self.now());
        tracked.birth = identity::birth(&metadata);
        tracked.opened = self.shared.clock.now();
        (tracked.is_segment, tracked.origin) = (segment, origin);
        tracked.existed_before_start = matches!(self.phase, Phase::BeforeState | Phase::Adding);
        if self.was_created_while_following(path, place, tracked.existed_before_start) {
            tracked.existing_bytes = 0;
        }
        tracked.links = metadata.nlink();
        tracked.modified = modified;
        self.catalog.insert(tracked, Some(place));
        self.work.to_identify.insert(id);
        self.update_real_path(id, path);
        self.unpack_if_compressed(id);
        handle.count_open_file();
        self.shared.add_file(handle);
        self.shared.notify_changes();
        Ok(id)
    }

    /// Whether all bytes were written while the path was followed: the file replaces another one, or Logwarden writes
    /// it.
    fn was_created_while_following(&self, path: &Path, place: DeviceInode, early: bool) -> bool {
        let before = self.scan_state.last_file_at.get(path);
        let replaces = !early && before.is_some_and(|(before, _)| *before != place);
        replaces || self.shared.stdin_progress.was_made_here(place)
    }

    /// Records that a source path leads to this file, which may have been found beside a log before.
    fn set_origin_to_path(&mut self, id: FileId) {
        if self.catalog.get(id).is_some_and(|tracked| tracked.origin != Origin::Path)
            && let Some(tracked) = self.catalog.get_mut(id)
        {
            tracked.origin = Origin::Path;
        }
    }

    /// Updates the path of a file after a rename. The path is a label, not an identity.
    pub fn set_path(&mut self, id: FileId, path: &Path) {
        let is_unchanged =
            self.catalog.get(id).is_none_or(|tracked| *tracked.handle.known().facts.path == *path);
        let Some(tracked) = self.catalog.get_mut(id).filter(|_| !is_unchanged) else { return };
        tracked.handle.found_at(path);
        tracked.handle.update(|known| {
            known.facts.path = Arc::from(path);
            if known.facts.state == FileState::Live {
                known.facts.state = FileState::Rotated;
            }
        });
        if let Some(row) = &mut tracked.row {
            row.set_path(path);
            self.pending.change(id);
        }
        self.update_real_path(id, path);
        // Hints about recent writes may have named the old path.
        self.catalog.check_at(id, self.now());
        self.shared.notify_changes();
    }

    /// Updates the real path, by which change notifications (hints) name the file.
    pub fn update_real_path(&mut self, id: FileId, path: &Path) {
        let real = timed_fs::canonicalize(path).ok();
        let row = self.catalog.get_mut(id).and_then(|tracked| tracked.row.as_mut());
        if let Some(row) = row {
            row.home = real.as_ref().and_then(|real| home_of(real, &row.path));
        }
        self.catalog.set_real_path(id, real);
    }

    /// Stops following a file; its descriptor is closed when its last reader has finished.
    pub fn stop_following(&mut self, id: FileId) {
        if self.catalog.remove(id).is_none() {
            return;
        }
        self.schedule.require_complete_scan();
        self.work.forget(id);
        self.pending.forget(id);
        self.shared.descriptors.forget(id);
        self.shared.remove_file(id);
        // A `--once` run reports at its end which files could be unpacked only partly.
        if !self.shared.config.once {
            self.set_partly_unpacked(id, false);
        }
        self.shared.notify_changes();
    }
}
