//! The follower's thread: finds files, looks at them, decides what they are, and publishes how far they reach.
//!
//! The only writer of rows and facts. A hint costs a look at the files it names; everything else is done in
//! sweeps over the files that need attention, so that ten thousand idle files cost next to nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::SourceConfig;
use super::catalog::{Catalog, Tracked};
use super::directory_listing::Listings;
use super::directory_times::Stamps;
use super::identity::Place;
use super::notices::Topic;
use super::own_files::OwnPlaces;
use super::pending_rows::Pending;
use super::schedule::{LONGEST_SLEEP, Schedule};
use super::shared::Shared;
use super::unpacker::{MOST, Unpacker, Version};
use super::watch::{Hints, Watch};
use crate::base::Timestamp;
use crate::event::{FileId, FileKey, IdKey};

/// What it is called where a failure is told.
pub(in crate::follow) const PART: &str = "file follower";

pub(in crate::follow) struct Follower {
    pub shared: Arc<Shared>,
    pub sources: Vec<Arc<SourceConfig>>,
    /// Sources that were started for the first time.
    pub fresh: Vec<bool>,
    pub catalog: Catalog,
    pub schedule: Schedule,
    pub pending: Pending,
    pub work: Work,
    pub seen: Seen,
    pub watch: Watch,
    pub unpacker: Unpacker,
    pub listings: RefCell<Listings>,
    pub phase: Phase,
    /// The segment of standard input that was read last: a screen may still show it.
    pub read_segment: Option<FileId>,
}

/// How far the follower has come since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Phase {
    /// Files are found and shown; the state is not known yet.
    BeforeState,
    /// Sources were added: what is there now was there before they were started.
    Adding,
    /// Identities are settled as files come. `since`: generations without a file are given up some time after.
    Following { since: Duration },
}

/// Files that wait for a step of their own.
#[derive(Debug, Default)]
pub(in crate::follow) struct Work {
    /// Of the undecided, those of which something new is known.
    pub unjudged: BTreeSet<FileId>,
    /// A reader stands before a record that is still open.
    pub open_records: BTreeSet<FileId>,
    /// Without a name, and not copied aside yet.
    pub rescuing: BTreeSet<FileId>,
    /// Grown since the last sweep.
    pub grown: BTreeSet<FileId>,
    /// The newest look that was asked for and has begun.
    pub asked: u64,
}

impl Work {
    pub fn forget(&mut self, id: FileId) {
        self.unjudged.remove(&id);
        self.open_records.remove(&id);
        self.rescuing.remove(&id);
        self.grown.remove(&id);
    }
}

/// What the last scans saw.
#[derive(Debug, Default)]
pub(in crate::follow) struct Seen {
    /// The last scan could look everywhere.
    pub whole: bool,
    /// Some path is a link.
    pub links: bool,
    /// When the last scan began.
    pub scanned: Option<Timestamp>,
    /// Directories in which files of each source were found or are expected.
    pub directories: BTreeSet<PathBuf>,
    /// What these directories, and those to which links lead, looked like just before they were listed.
    pub stamps: Stamps,
    /// Followed, and under no path of a source.
    pub absent: Vec<FileId>,
    /// Which file was last seen at a path, and since when.
    pub last_at: HashMap<PathBuf, (Place, Timestamp)>,
    /// Paths at which a file was seen and none is now: their source, and until when they are looked after.
    pub vacant: HashMap<PathBuf, (usize, Duration)>,
    /// Inodes that are there and cannot be opened now.
    pub unopened: HashSet<u64>,
    /// What this program writes itself, as the last scan found it.
    pub own: OwnPlaces,
    /// Compressed files of which the rest could not be unpacked.
    pub torn: HashSet<FileId>,
    /// Mounts that do not answer.
    pub stuck: BTreeSet<PathBuf>,
    /// Compressed files that were read to their end, with their birth, and as they were then.
    pub passed: HashMap<Place, (i64, Version)>,
}

impl Seen {
    /// The keys of what `passed` names.
    pub fn passed_files(&self) -> impl Iterator<Item = FileKey> + '_ {
        self.passed.iter().map(|(place, (birth, _))| place.file(*birth))
    }
}

impl Follower {
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        let sources: Vec<_> = shared.config.sources.iter().cloned().map(Arc::new).collect();
        let intake = shared.config.intake.as_ref().map(|intake| intake.directory.clone());
        let directory = intake.unwrap_or_else(std::env::temp_dir);
        let unpacker = Unpacker::new(&directory, MOST, shared.waker.clone());
        let unpacker = unpacker.watched_by(shared.supervisor.clone());
        Follower {
            fresh: vec![false; sources.len()],
            sources,
            shared,
            catalog: Catalog::default(),
            schedule: Schedule::default(),
            pending: Pending::default(),
            work: Work::default(),
            seen: Seen { whole: true, ..Seen::default() },
            watch,
            unpacker,
            listings: RefCell::default(),
            phase: Phase::BeforeState,
            read_segment: None,
        }
    }

    pub fn run(mut self) {
        loop {
            let hints = self.shared.waker.wait(self.sleep());
            if hints.stop {
                // What readers met last is told all the same.
                for id in hints.files {
                    self.note_hole(id);
                    self.note_cut_off(id);
                }
                break;
            }
            self.shared.supervisor.checkpoint(PART);
            self.turn(hints);
        }
        self.finish();
    }

    pub(in crate::follow) fn finish(&mut self) {
        let known = self.phase != Phase::BeforeState;
        if known {
            self.rescue_all();
            // What readers met a moment ago.
            self.catalog.ids().into_iter().for_each(|id| self.count_loss(id));
        }
        self.persist();
        if known {
            // Ended by the first, removed by the second.
            self.tend_intake();
            self.tend_intake();
            self.forget_what_was_looked_at();
            self.count_unreachable();
        }
        self.unpacker.stop();
    }

    /// One pass. The order matters: names before bytes, so that a rename is known before growth is judged; bytes
    /// before identities, so that a truncated file is known before its copy is; everything before the commit, and
    /// what readers see after it.
    pub(in crate::follow) fn turn(&mut self, mut hints: Hints) {
        self.listings.borrow_mut().clear();
        if hints.look_requested {
            self.work.asked = self.shared.look_requests.last();
            self.schedule.scan_at(self.now());
            hints.overflow = true;
        }
        if let Some(change) = hints.sources.take() {
            self.change_sources(change);
        }
        if self.phase == Phase::BeforeState && self.shared.store.get().is_some() {
            return self.first_pass();
        }
        if self.input_has_ended() {
            self.look_at_all();
            self.conclude();
        }
        let sweep = self.schedule.sweep_is_due(self.now());
        if sweep {
            self.look_after_mounts();
        }
        if !self.shared.once() {
            self.look_around(&hints, sweep);
        }
        for id in &hints.files {
            self.answer(*id);
        }
        if self.phase != Phase::BeforeState {
            if !self.shared.once() {
                self.identify_undecided(sweep);
            }
            self.close_quiet_records();
            if sweep {
                self.sweep();
            }
            self.rescue_on();
            self.persist_when_due();
            self.see_what_is_unpacked();
        }
        self.finish_look();
        if sweep {
            self.schedule.swept(self.now(), self.catalog.next_look());
        }
    }

    /// What is done a few times a second, for the files that need it.
    fn sweep(&mut self) {
        self.vote_again();
        self.look_for_copies();
        self.retire_unlinked();
        self.tend_copies();
        self.reopen_passed();
        self.tend_intake();
        self.tend_rests();
        self.judge_rows_without_file();
        self.expire();
    }

    fn look_around(&mut self, hints: &Hints, sweep: bool) {
        if hints.rescan {
            self.schedule.hint_scan();
        }
        if self.schedule.scan_is_due(self.now()) {
            self.look_for_names();
        }
        if hints.overflow {
            self.catalog.look_at_all_by(self.now());
        }
        let mut due: Vec<FileId> =
            hints.paths.iter().filter_map(|path| self.catalog.at_real_path(path)).collect();
        if sweep || hints.overflow {
            due.extend(self.catalog.due(self.now()));
        }
        let mut changed = false;
        for id in due {
            changed |= self.look(id);
        }
        if changed {
            self.shared.notify_changes();
        }
    }

    /// Of what was seen all is published, unless the state cannot be written.
    fn finish_look(&self) {
        if !self.pending.any_urgent() || self.shared.board.has(&Topic::State) {
            self.shared.look_requests.finish(self.work.asked);
        }
    }

    /// A reader has met something that only the follower may judge.
    fn answer(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        if tracked.handle.open_record().is_some() {
            self.work.open_records.insert(id);
        }
        let (doubted, misfit) = (tracked.handle.has_mismatch(), tracked.handle.take_misfit());
        let looked_for = doubted || tracked.packed.is_some();
        if looked_for && self.look(id) {
            self.shared.notify_changes();
        }
        if misfit {
            self.vote_on_misfits(id);
        }
        self.note_hole(id);
        self.note_cut_off(id);
        self.work.unjudged.insert(id);
        self.count_loss(id);
    }

    pub fn now(&self) -> Duration {
        self.shared.clock.uptime()
    }

    pub fn key(&self) -> &IdKey {
        &self.shared.config.key
    }

    fn sleep(&self) -> Duration {
        let now = self.now();
        let state_came = self.phase == Phase::BeforeState && self.shared.store.get().is_some();
        if state_came || !self.work.rescuing.is_empty() {
            return Duration::ZERO;
        }
        // What is to be durable first waits for the next commit.
        let open_records = self.work.open_records.iter().filter(|id| !self.pending.is_urgent(**id));
        let closes = open_records.filter_map(|id| self.close_at(self.catalog.get(*id)?));
        let dues =
            [Some(self.schedule.next(self.shared.once())), self.pending.next(), closes.min()];
        let next = dues.into_iter().flatten().min().unwrap_or(now + LONGEST_SLEEP);
        next.saturating_sub(now).min(LONGEST_SLEEP)
    }

    /// Files with a generation, and their rows.
    pub fn held(&self) -> impl Iterator<Item = &Tracked> {
        self.catalog.iter().map(|(_, tracked)| tracked).filter(|tracked| tracked.row.is_some())
    }
}
