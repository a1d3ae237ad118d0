//! Paths → open files: every scan opens what is new and follows names.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::discover::{self, Found, Sight, folder_of};
use super::file::{FileFacts, FileHandle};
use super::follower::Follower;
use super::identity::{self, Place};
use super::notices::{self, Topic};
use super::tracked::Tracked;
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{FileId, Level};

const SCAN_HINTED: Duration = Duration::from_secs(1);
const SCAN_POLLED: Duration = Duration::from_millis(250);
const SCAN_LONGEST: Duration = Duration::from_secs(5);

impl Follower {
    pub fn scan(&mut self) {
        let began = self.now();
        let mut sight = discover::look(&self.sources);
        if let Some(intake) = &self.shared.config.intake {
            // Nothing came in yet.
            let pattern = intake.pattern();
            sight.problems.retain(|problem| problem.path() != pattern);
        }
        self.report(&sight);
        self.whole = sight.whole();
        let mut present = HashSet::new();
        self.unopened.clear();
        for found in &sight.found {
            let Some(id) = self.find_or_open(found, false) else { continue };
            present.insert(id);
            self.relabel(id, &found.path);
            self.note_place(id, found);
        }
        self.shared.unopened.store(self.unopened.len(), Ordering::Relaxed);
        if self.whole {
            self.look_after_the_absent(&present);
            self.judge_rows_without_file();
        }
        let mut folders = sight.folders;
        // Where links lead to, growth is told there.
        folders.extend(self.by_path.keys().map(|real| folder_of(real).to_owned()));
        self.watch.follow(&folders);
        self.report_watch();
        let now = self.now();
        let took = now.saturating_sub(began);
        let pause = if self.watch.degraded().is_some() { SCAN_POLLED } else { SCAN_HINTED };
        self.next_scan = now + (took * 100).clamp(pause, SCAN_LONGEST);
        // However many hints come, half of the time is left for reading.
        self.earliest_scan = now + took;
    }

    fn report(&self, sight: &Sight) {
        let time = self.shared.clock.now();
        let mut news = self.shared.board.keep_current(&sight.problems);
        for problem in &sight.problems {
            let topic = Topic::Path(problem.path().to_owned());
            let text = problem.text(self.shared.config.once);
            news |= self.shared.board.say(topic, problem.level(), time, text);
        }
        if news {
            self.shared.changed();
        }
    }

    fn report_watch(&self) {
        match self.watch.degraded() {
            Some(reason) => {
                let text = notices::degraded(&reason);
                self.shared.board.say(Topic::Watch, Level::Warning, self.shared.clock.now(), text);
            }
            None => {
                self.shared.board.unsay(&Topic::Watch);
            }
        }
    }

    pub fn find_or_open(&mut self, found: &Found, sibling: bool) -> Option<FileId> {
        if let Some(id) = self.places.get(&found.place) {
            return Some(*id);
        }
        match self.open(found, sibling) {
            Ok(id) => {
                self.shared.board.unsay(&Topic::Open(found.path.clone()));
                Some(id)
            }
            // Renamed or removed between two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.unopened.insert(found.place.inode);
                // EMFILE, ENFILE: not this file's fault.
                let text = match error.raw_os_error() {
                    Some(23 | 24) => notices::too_many_files(&found.path),
                    _ => notices::cannot_open(&found.path, &error),
                };
                let topic = Topic::Open(found.path.clone());
                if self.shared.board.say(topic, Level::Error, self.shared.clock.now(), text) {
                    self.shared.changed();
                }
                None
            }
        }
    }

    fn open(&mut self, found: &Found, sibling: bool) -> io::Result<FileId> {
        // A name may have become a pipe since: opening one would wait for its writer.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(&found.path)?;
        let metadata = file.metadata()?;
        let place = Place::of(&metadata);
        if let Some(id) = self.places.get(&place) {
            return Ok(*id);
        }
        // Read to its end, and its copy given up: it does not come back.
        if self.passed.get(&place) == Some(&identity::birth(&metadata)) {
            return Err(io::Error::new(io::ErrorKind::NotFound, "read before"));
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no regular file any more"));
        }
        let id = self.track(Arc::new(file), found.source, &found.path, sibling)?;
        Ok(id)
    }

    /// Begins to follow an open file; nothing is known of it yet.
    pub fn track(
        &mut self,
        file: Arc<File>,
        source: usize,
        path: &Path,
        sibling: bool,
    ) -> io::Result<FileId> {
        let metadata = file.metadata()?;
        let place = Place::of(&metadata);
        let id = self.shared.next_id();
        let modified = metadata.modified().ok();
        let facts = FileFacts {
            path: Arc::from(path),
            size: self.shared.incoming.size_of(&metadata),
            generation: None,
            begin: 0,
            start: 0,
            encoding: None,
            formats: Vec::new(),
            cuts: Vec::new(),
            days: Vec::new(),
            state: FileState::Unsettled,
            lost: 0,
            last_growth: modified.map_or_else(|| self.shared.clock.now(), Timestamp::from),
        };
        let size = facts.size;
        let segment = self.is_segment(path);
        let config = self.sources[source].clone();
        let handle = Arc::new(FileHandle::sharing(id, config, file, facts));
        let tracked = Tracked {
            place: Some(place),
            birth: identity::birth(&metadata),
            opened: self.shared.clock.now(),
            segment,
            sibling,
            early: self.first_pass || self.adding,
            links: metadata.nlink(),
            modified,
            ..Tracked::new(handle.clone(), source, size, self.now())
        };
        self.tracked.insert(id, tracked);
        self.places.insert(place, id);
        self.unjudged.insert(id);
        self.name_really(id, path);
        self.unpack_if_compressed(id);
        self.shared.add_file(handle);
        self.shared.changed();
        Ok(id)
    }

    /// The path is a label: it follows the name.
    pub fn relabel(&mut self, id: FileId, path: &Path) {
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        if *tracked.handle.known().facts.path == *path {
            return;
        }
        tracked.handle.update(|known| {
            known.facts.path = Arc::from(path);
            if known.facts.state == FileState::Live {
                known.facts.state = FileState::Rotated;
            }
        });
        if let Some(row) = &mut tracked.row {
            row.path = path.to_owned();
            self.dirty.insert(id);
        }
        self.name_really(id, path);
        self.shared.changed();
    }

    /// Hints name files by their real path.
    pub fn name_really(&mut self, id: FileId, path: &Path) {
        let Some(tracked) = self.tracked.get_mut(&id) else { return };
        let before = std::mem::replace(&mut tracked.real, path.canonicalize().ok());
        if let Some(before) = before
            && self.by_path.get(&before) == Some(&id)
        {
            self.by_path.remove(&before);
        }
        if let Some(real) = tracked.real.clone() {
            self.by_path.insert(real, id);
        }
    }

    /// Given up: its descriptor is closed when its last reader is done.
    pub fn drop_file(&mut self, id: FileId) {
        let Some(tracked) = self.tracked.remove(&id) else { return };
        if let Some(place) = tracked.place
            && self.places.get(&place) == Some(&id)
        {
            self.places.remove(&place);
        }
        if let Some(real) = tracked.real
            && self.by_path.get(&real) == Some(&id)
        {
            self.by_path.remove(&real);
        }
        if let Some(row) = tracked.row
            && self.by_generation.get(&row.id) == Some(&id)
        {
            self.by_generation.remove(&row.id);
        }
        self.unjudged.remove(&id);
        self.rescuing.remove(&id);
        self.open_records.remove(&id);
        self.shared.remove_file(id);
        self.shared.changed();
    }
}
