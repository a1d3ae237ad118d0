//! Paths → open files: every scan opens what is new and follows names.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::Tracked;
use super::directory_check::home_of;
use super::directory_times::Stamps;
use super::discover::{self, Found, Problem, Sight};
use super::file::{FileFacts, FileHandle};
use super::follower::{Follower, Phase};
use super::identity::{self, Place};
use super::notices::{self, Topic};
use super::origin::Origin;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::status::FileState;
use crate::event::{FileId, Level};

impl Follower {
    /// What is due: where the times of all directories prove that no name changed, nothing is looked at again.
    pub fn look_for_names(&mut self) {
        let began = self.now();
        let time = self.shared.clock.now();
        let stamps = self.seen.stamps.again(time);
        let sure = self.seen.whole && !self.seen.links && self.seen.unopened.is_empty();
        let same = stamps.prove_nothing_changed_since(&self.seen.stamps);
        if !sure || !same || self.schedule.scan_is_whole(began) {
            return self.scan_with(stamps);
        }
        self.seen.scanned = Some(time);
        for id in self.seen.absent.clone() {
            self.look_after_absent(id);
        }
        self.schedule.scanned(began, self.now(), self.watch.degraded().is_some());
    }

    /// Looks at all paths.
    pub fn scan(&mut self) {
        self.scan_with(self.seen.stamps.again(self.shared.clock.now()));
    }

    /// `stamps`: taken a moment ago.
    fn scan_with(&mut self, stamps: Stamps) {
        let (began, time) = (self.now(), self.shared.clock.now());
        let own = self.shared.own();
        let mut sight = discover::look(&self.sources, &own, &self.seen.own);
        for id in sight.own.files().filter_map(|place| self.catalog.at(place)).collect::<Vec<_>>() {
            // It became an output since it was found.
            self.let_go(id);
        }
        self.seen.own = std::mem::take(&mut sight.own);
        // What was renamed before it is listed later.
        self.listings.borrow_mut().clear();
        if let Some(intake) = &self.shared.config.intake {
            // Nothing came in yet.
            let pattern = intake.pattern();
            sight.problems.retain(|problem| problem.path() != pattern);
        }
        self.report(&sight);
        (self.seen.whole, self.seen.links) = (sight.whole(), sight.links);
        let mut present = HashSet::with_capacity(sight.found.len());
        self.seen.unopened.clear();
        for found in &sight.found {
            let Some(id) = self.find_or_open(found, Origin::Path) else { continue };
            present.insert(id);
            self.name_by_path(id);
            self.relabel(id, &found.path);
            self.note_place(id, found);
        }
        // What lies on a mount that does not answer waits; a run that ends does not.
        let stuck = sight.problems.iter().filter(|problem| problem.is_stuck()).count();
        let stuck = if self.shared.once() { stuck } else { 0 };
        self.shared.unopened.store(self.seen.unopened.len() + stuck, Ordering::Relaxed);
        if sight.whole_but_for_mounts() {
            // A path that no source means any more needs no memory.
            if self.seen.whole && self.seen.last_at.len() > 2 * sight.found.len() + 1000 {
                let paths: HashSet<&Path> = sight.found.iter().map(|found| &*found.path).collect();
                self.seen.last_at.retain(|path, _| paths.contains(&**path));
            }
            if self.seen.whole && !self.seen.passed.is_empty() {
                let found: HashSet<Place> = sight.found.iter().map(|found| found.place).collect();
                self.seen.passed.retain(|place, _| found.contains(place));
            }
            self.look_after_the_absent(&present);
            self.look_after_vacant_paths(&sight);
        }
        if self.shared.board.count_hidden(time) {
            self.shared.notify_changes();
        }
        self.seen.scanned = Some(time);
        let mut directories = sight.directories;
        self.seen.directories.clone_from(&directories);
        // Where links lead to, growth is told there.
        directories.extend(self.catalog.directories().cloned());
        self.watch.follow(&directories);
        self.report_watch();
        // Those of other directories were not taken before these were listed.
        let usable = stamps.are_of(&directories);
        self.seen.stamps = if usable { stamps } else { Stamps::take(&directories, Timestamp::MIN) };
        self.schedule.scanned_whole(self.now(), self.watch.reports_all_changes());
        self.schedule.scanned(began, self.now(), self.watch.degraded().is_some());
    }

    /// What is there at this moment, looked at once.
    pub fn look_at_all(&mut self) {
        self.scan();
        for id in self.catalog.ids() {
            self.look(id);
        }
    }

    fn report(&self, sight: &Sight) {
        let time = self.shared.clock.now();
        let mut news = self.shared.board.keep_current(&sight.problems);
        // A mount that does not answer is told of as a whole.
        let told = |problem: &&Problem| !problem.is_stuck();
        for problem in sight.problems.iter().filter(told) {
            let topic = Topic::Path(problem.path().to_owned());
            let text = problem.text(self.shared.config.once);
            news |= self.shared.board.post(topic, problem.level(), time, text);
        }
        if news {
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

    pub fn find_or_open(&mut self, found: &Found, origin: Origin) -> Option<FileId> {
        if let Some(id) = self.catalog.at(found.place) {
            return Some(id);
        }
        match self.open(found, origin) {
            Ok(id) => {
                self.shared.board.withdraw(&Topic::Open(found.path.clone()));
                Some(id)
            }
            // Renamed or removed between two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if timed_fs::is_stuck(&error) => {
                self.seen.unopened.insert(found.place.inode);
                None
            }
            Err(error) => {
                self.seen.unopened.insert(found.place.inode);
                // EMFILE, ENFILE: not this file's fault.
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

    fn open(&mut self, found: &Found, origin: Origin) -> io::Result<FileId> {
        let file = timed_fs::open(&found.path)?;
        let metadata = file.metadata()?;
        let place = Place::of(&metadata);
        if let Some(id) = self.catalog.at(place) {
            return Ok(id);
        }
        // Read to its end, and its copy given up: it comes back where it changes.
        let version = (metadata.len(), metadata.modified().ok());
        if self.seen.passed.get(&place) == Some(&(identity::birth(&metadata), version)) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "read before"));
        }
        self.seen.passed.remove(&place);
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no regular file any more"));
        }
        self.track(Arc::new(file), found.source, &found.path, origin)
    }

    /// Begins to follow an open file; nothing is known of it yet.
    pub fn track(
        &mut self,
        file: Arc<File>,
        source: usize,
        path: &Path,
        origin: Origin,
    ) -> io::Result<FileId> {
        let metadata = file.metadata()?;
        let place = Place::of(&metadata);
        // What a source names was looked at when it was found.
        if origin != Origin::Path && self.seen.own.owner(path, place, false)?.is_some() {
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
        (tracked.segment, tracked.origin) = (segment, origin);
        tracked.early = matches!(self.phase, Phase::BeforeState | Phase::Adding);
        if self.is_new_here(path, place, tracked.early) {
            tracked.history = 0;
        }
        tracked.links = metadata.nlink();
        tracked.modified = modified;
        self.catalog.insert(tracked, Some(place));
        self.work.unjudged.insert(id);
        self.name_really(id, path);
        self.unpack_if_compressed(id);
        handle.count_open_file();
        self.shared.add_file(handle);
        self.shared.notify_changes();
        Ok(id)
    }

    /// Its bytes came while its name was followed: it takes the place of another file, or we write it.
    fn is_new_here(&self, path: &Path, place: Place, early: bool) -> bool {
        let before = self.seen.last_at.get(path);
        let replaces = !early && before.is_some_and(|(before, _)| *before != place);
        replaces || self.shared.stdin_progress.was_made_here(place)
    }

    /// A source names it: it was found as somebody's sibling before.
    fn name_by_path(&mut self, id: FileId) {
        if self.catalog.get(id).is_some_and(|tracked| tracked.origin != Origin::Path)
            && let Some(tracked) = self.catalog.get_mut(id)
        {
            tracked.origin = Origin::Path;
        }
    }

    /// The path is a label: it follows the name.
    pub fn relabel(&mut self, id: FileId, path: &Path) {
        let same =
            self.catalog.get(id).is_none_or(|tracked| *tracked.handle.known().facts.path == *path);
        let Some(tracked) = self.catalog.get_mut(id).filter(|_| !same) else { return };
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
        self.name_really(id, path);
        // What was written meanwhile was told under the other name.
        self.catalog.look_at(id, self.now());
        self.shared.notify_changes();
    }

    /// Hints name files by their real path.
    pub fn name_really(&mut self, id: FileId, path: &Path) {
        let real = timed_fs::canonicalize(path).ok();
        let row = self.catalog.get_mut(id).and_then(|tracked| tracked.row.as_mut());
        if let Some(row) = row {
            row.home = real.as_ref().and_then(|real| home_of(real, &row.path));
        }
        self.catalog.set_real_path(id, real);
    }

    /// Given up: its descriptor is closed when its last reader is done.
    pub fn drop_file(&mut self, id: FileId) {
        if self.catalog.remove(id).is_none() {
            return;
        }
        self.schedule.next_scan_is_whole();
        self.work.forget(id);
        self.pending.forget(id);
        self.shared.descriptors.forget(id);
        self.shared.remove_file(id);
        // A run that reads once tells at its end what it could not unpack.
        if !self.shared.config.once {
            self.count_torn(id, false);
        }
        self.shared.notify_changes();
    }
}
