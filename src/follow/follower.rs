//! The follower's thread: looks for files and at them, and publishes how far they reach.
//!
//! The only writer of rows and facts. Invariant: what a row must say is durable before readers see it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::SourceConfig;
use super::discover::{self, Found, Sight, folder_of};
use super::file::{FileFacts, FileHandle};
use super::identity::{self, Place};
use super::notices::{self, Topic};
use super::rows::Rows;
use super::shared::Shared;
use super::tracked::{Stage, Tracked};
use super::watch::{Hints, Watch};
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{FileId, Level};

/// A stop is noticed at the latest after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
const SCAN_HINTED: Duration = Duration::from_secs(1);
const SCAN_POLLED: Duration = Duration::from_millis(250);
const SCAN_LONGEST: Duration = Duration::from_secs(5);
const COMMIT: Duration = Duration::from_millis(250);

pub(in crate::follow) struct Follower {
    pub shared: Arc<Shared>,
    pub sources: Vec<Arc<SourceConfig>>,
    pub tracked: BTreeMap<FileId, Tracked>,
    pub places: HashMap<Place, FileId>,
    /// Which file was last seen at a path, and since when.
    pub last_at: HashMap<PathBuf, (Place, Timestamp)>,
    pub rows: Rows,
    pub watch: Watch,
    /// Sources that were started for the first time.
    pub fresh: Vec<bool>,
    /// The last scan could look everywhere.
    pub whole: bool,
    pub first_pass: bool,
    pub next_scan: Duration,
    pub next_commit: Duration,
    pub next_expiry: Duration,
}

impl Follower {
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        let sources: Vec<_> = shared.config.sources.iter().cloned().map(Arc::new).collect();
        Follower {
            fresh: vec![false; sources.len()],
            sources,
            shared,
            tracked: BTreeMap::new(),
            places: HashMap::new(),
            last_at: HashMap::new(),
            rows: Rows::default(),
            watch,
            whole: true,
            first_pass: true,
            next_scan: Duration::ZERO,
            next_commit: Duration::ZERO,
            next_expiry: Duration::ZERO,
        }
    }

    pub fn run(mut self) {
        loop {
            let hints = self.shared.bell.wait(self.sleep());
            if hints.stop {
                break;
            }
            self.turn(hints);
        }
        self.persist();
    }

    /// One pass: look, judge, close, make durable, publish.
    pub fn turn(&mut self, hints: Hints) {
        if self.first_pass && self.shared.store.get().is_some() {
            self.first_pass();
            return;
        }
        if !self.shared.config.once {
            let now = self.now();
            if hints.rescan || now >= self.next_scan {
                self.scan();
            }
            self.look_where_due(&hints);
        }
        self.judge_doubts();
        if self.shared.store.get().is_some() && !self.first_pass {
            self.settle_undecided(false);
            self.close_quiet_records();
            self.vote_again();
            self.mourn();
            self.count_losses();
            self.persist_when_due();
            self.expire();
        }
    }

    pub fn now(&self) -> Duration {
        self.shared.clock.uptime()
    }

    fn sleep(&self) -> Duration {
        if self.first_pass && self.shared.store.get().is_some() {
            return Duration::ZERO;
        }
        let now = self.now();
        let scan = (!self.shared.config.once).then_some(self.next_scan);
        let looks = self.tracked.values().filter(|tracked| tracked.stage != Stage::Ended);
        let looks = looks.map(|tracked| self.due(tracked));
        let commit = self.tracked.values().any(|t| t.dirty || t.urgent).then_some(self.next_commit);
        let next = looks.chain(scan).chain(commit).min().unwrap_or(now + LONGEST_SLEEP);
        next.saturating_sub(now).min(LONGEST_SLEEP)
    }

    /// When this file wants attention next.
    fn due(&self, tracked: &Tracked) -> Duration {
        match tracked.stage {
            Stage::Bereft(until) => until,
            Stage::Live => match self.close_at(tracked) {
                Some(close) => close.min(tracked.next_look),
                None => tracked.next_look,
            },
            _ => tracked.next_look,
        }
    }

    // ---- discovery

    pub fn scan(&mut self) {
        let began = self.now();
        let sight = discover::look(&self.sources);
        self.report(&sight);
        self.whole = sight.whole();
        let mut present = HashSet::new();
        for found in &sight.found {
            let Some(id) = self.find_or_open(found, false) else { continue };
            present.insert(id);
            self.relabel(id, &found.path);
            self.note_place(id, found);
        }
        if self.whole {
            self.look_after_the_absent(&present);
            self.judge_rows_without_file();
        }
        self.watch.follow(&sight.folders);
        self.report_watch();
        let took = self.now().saturating_sub(began);
        let pause = if self.watch.degraded().is_some() { SCAN_POLLED } else { SCAN_HINTED };
        self.next_scan = self.now() + (took * 20).clamp(pause, SCAN_LONGEST);
    }

    fn report(&self, sight: &Sight) {
        let time = self.shared.clock.now();
        let mut news = self.shared.board.keep_paths(&sight.problems);
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
            size: metadata.len(),
            generation: None,
            start: 0,
            formats: Vec::new(),
            cuts: Vec::new(),
            days: Vec::new(),
            state: FileState::Unsettled,
            lost: 0,
            last_growth: modified.map_or_else(|| self.shared.clock.now(), Timestamp::from),
        };
        let config = self.sources[source].clone();
        let handle = Arc::new(FileHandle::sharing(id, config, file, facts));
        let now = self.now();
        let tracked = Tracked {
            handle: handle.clone(),
            source,
            place: Some(place),
            birth: identity::birth(&metadata),
            opened: self.shared.clock.now(),
            stage: Stage::Unsettled,
            sibling,
            early: self.first_pass,
            links: metadata.nlink(),
            size: metadata.len(),
            modified,
            grown: now,
            next_look: now,
            marks: VecDeque::new(),
            row: None,
            dirty: false,
            urgent: false,
            vote_open: false,
            floor: 0,
        };
        self.tracked.insert(id, tracked);
        self.places.insert(place, id);
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
            tracked.dirty = true;
        }
        self.shared.changed();
    }

    // ---- looking

    fn look_where_due(&mut self, hints: &Hints) {
        let now = self.now();
        let hinted = |tracked: &Tracked| {
            !hints.paths.is_empty() && hints.paths.contains(&*tracked.handle.known().facts.path)
        };
        let due: Vec<FileId> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| {
                tracked.place.is_some() && (tracked.next_look <= now || hinted(tracked))
            })
            .map(|(id, _)| *id)
            .collect();
        let mut changed = false;
        for id in due {
            changed |= self.look(id);
        }
        if changed {
            self.shared.changed();
        }
    }

    /// Readers that found other bytes than were seen.
    fn judge_doubts(&mut self) {
        let doubted: Vec<FileId> = self
            .tracked
            .iter()
            .filter(|(_, tracked)| tracked.handle.doubted())
            .map(|(id, _)| *id)
            .collect();
        for id in doubted {
            if self.look(id) {
                self.shared.changed();
            }
        }
    }

    /// Looks at the descriptor; `true` where readers see something new.
    pub fn look(&mut self, id: FileId) -> bool {
        let now = self.now();
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Some(file) = tracked.file() else { return false };
        let watched = self.watch.covers(folder_of(&tracked.handle.known().facts.path));
        tracked.next_look = now + tracked.pause(now, watched);
        let metadata = match file.metadata() {
            Ok(metadata) => metadata,
            Err(error) => {
                let reason = format!("cannot look at it ({error}); tried again every few seconds");
                tracked.handle.update(|k| k.facts.state = FileState::Unreadable { reason });
                return true;
            }
        };
        let unchanged =
            metadata.len() == tracked.size && metadata.modified().ok() == tracked.modified;
        tracked.links = metadata.nlink();
        if unchanged && !tracked.handle.doubted() {
            return false;
        }
        tracked.size = metadata.len();
        tracked.modified = metadata.modified().ok();
        tracked.grown = now;
        tracked.next_look = now + Duration::from_millis(250);
        if tracked.row.is_some() && tracked.stage != Stage::Settled {
            return self.compare(id, &file);
        }
        let (size, time) = (tracked.size, self.shared.clock.now());
        tracked.handle.take_doubt();
        if tracked.stage != Stage::Settled {
            tracked.handle.update(|known| {
                known.facts.size = size;
                known.facts.last_growth = time;
            });
        }
        true
    }

    /// The mark decides: the same file that grew, or another life of it.
    fn compare(&mut self, id: FileId, file: &Arc<File>) -> bool {
        let Some(tracked) = self.tracked.get_mut(&id) else { return false };
        let Some(mark) = tracked.row.as_ref().map(|row| row.mark) else { return false };
        if tracked.stage == Stage::Ended && tracked.handle.known().available < mark.offset {
            return false;
        }
        tracked.handle.take_doubt();
        let bears = tracked.size >= mark.offset
            && match identity::bears(file, &mark, &self.shared.config.key) {
                Ok(bears) => bears,
                // Could not look: never means another life.
                Err(_) => return false,
            };
        if !bears {
            self.truncated(id);
            return true;
        }
        if tracked.size == mark.offset {
            return false;
        }
        self.grow(id, file)
    }

    // ---- durability

    fn persist_when_due(&mut self) {
        let urgent = self.tracked.values().any(|tracked| tracked.urgent);
        let Some(store) = self.shared.store.get() else { return };
        let dirty = store.dirty() || self.tracked.values().any(|tracked| tracked.dirty);
        if (urgent || dirty) && self.now() >= self.next_commit {
            self.persist();
        } else if urgent && !self.shared.board.says(&Topic::State) {
            self.persist();
        }
    }

    /// Puts the rows, commits, and publishes what waited for it. `false`: nothing is durable, ask again.
    pub fn persist(&mut self) -> bool {
        let Some(store) = self.shared.store.get() else { return false };
        for tracked in self.tracked.values_mut().filter(|tracked| tracked.dirty) {
            if let Some(row) = &tracked.row {
                store.put_generation(row.clone());
            }
            tracked.dirty = false;
        }
        if let Err(error) = store.commit() {
            let text = notices::state(&error);
            self.shared.board.say(Topic::State, Level::Error, self.shared.clock.now(), text);
            self.next_commit = self.now() + Duration::from_secs(1);
            return false;
        }
        self.shared.board.unsay(&Topic::State);
        self.next_commit = self.now() + COMMIT;
        let mut news = false;
        for tracked in self.tracked.values_mut().filter(|tracked| tracked.urgent) {
            tracked.publish();
            news = true;
            if tracked.stage == Stage::Settled {
                Self::give_out(&self.shared, tracked);
            }
        }
        if news {
            self.shared.changed();
        }
        true
    }

    /// Consumers may read it from now on.
    fn give_out(shared: &Shared, tracked: &mut Tracked) {
        let Some(row) = &tracked.row else { return };
        let generation = Arc::new(crate::event::Generation {
            id: row.id,
            identity: row.identity.clone(),
            source: Arc::from(row.source.as_str()),
            service: tracked.handle.source.service.clone(),
            host: shared.config.host.clone(),
            key: shared.config.key,
        });
        tracked.handle.update(|known| {
            known.facts.generation = Some(generation);
            known.facts.state = if tracked.sibling { FileState::Rotated } else { FileState::Live };
            known.complete = shared.config.once;
        });
        tracked.stage = Stage::Live;
        shared.add_life(row.id, tracked.handle.clone());
    }

    pub fn mark_settled(&self) {
        self.shared.settled.store(true, Ordering::Release);
        self.shared.changed();
    }
}
