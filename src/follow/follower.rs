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
    pub scan_state: ScanState,
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
    pub to_identify: BTreeSet<FileId>,
    /// A reader stands before a record that is still open.
    pub open_records: BTreeSet<FileId>,
    /// Without a name, and not copied aside yet.
    pub rescuing: BTreeSet<FileId>,
    /// Grown since the last sweep.
    pub grown: BTreeSet<FileId>,
    /// The newest look that was asked for and has begun.
    pub check_request: u64,
}

impl Work {
    pub fn forget(&mut self, id: FileId) {
        self.to_identify.remove(&id);
        self.open_records.remove(&id);
        self.rescuing.remove(&id);
        self.grown.remove(&id);
    }
}

/// What the last scans saw.
#[derive(Debug, Default)]
pub(in crate::follow) struct ScanState {
    /// The last scan could look everywhere.
    pub is_complete: bool,
    /// Some path is a link.
    pub has_links: bool,
    /// When the last scan began.
    pub last_scan: Option<Timestamp>,
    /// Directories in which files of each source were found or are expected.
    pub directories: BTreeSet<PathBuf>,
    /// What these directories, and those to which links lead, looked like just before they were listed.
    pub directory_times: Stamps,
    /// Followed, and under no path of a source.
    pub unlisted: Vec<FileId>,
    /// Which file was last seen at a path, and since when.
    pub last_file_at: HashMap<PathBuf, (Place, Timestamp)>,
    /// Paths at which a file was seen and none is now: their source, and until when they are looked after.
    pub vacated: HashMap<PathBuf, (usize, Duration)>,
    /// Inodes that are there and cannot be opened now.
    pub unopened: HashSet<u64>,
    /// What this program writes itself, as the last scan found it.
    pub own_files: OwnPlaces,
    /// Compressed files of which the rest could not be unpacked.
    pub partly_unpacked: HashSet<FileId>,
    /// Mounts that do not answer.
    pub hung_mounts: BTreeSet<PathBuf>,
    /// Compressed files that were read to their end, with their birth, and as they were then.
    pub closed_compressed: HashMap<Place, (i64, Version)>,
}

impl ScanState {
    /// The keys of what `passed` names.
    pub fn closed_compressed_files(&self) -> impl Iterator<Item = FileKey> + '_ {
        self.closed_compressed.iter().map(|(place, (birth, _))| place.file(*birth))
    }
}

impl Follower {
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        let sources: Vec<_> = shared.config.sources.iter().cloned().map(Arc::new).collect();
        let intake = shared.config.intake.as_ref().map(|intake| intake.directory.clone());
        let directory = intake.unwrap_or_else(std::env::temp_dir);
        let unpacker = Unpacker::new(&directory, MOST, shared.bell.clone());
        let unpacker = unpacker.watched_by(shared.supervisor.clone());
        Follower {
            fresh: vec![false; sources.len()],
            sources,
            shared,
            catalog: Catalog::default(),
            schedule: Schedule::default(),
            pending: Pending::default(),
            work: Work::default(),
            scan_state: ScanState { is_complete: true, ..ScanState::default() },
            watch,
            unpacker,
            listings: RefCell::default(),
            phase: Phase::BeforeState,
            read_segment: None,
        }
    }

    pub fn run(mut self) {
        loop {
            let hints = self.shared.bell.wait(self.time_to_next_pass());
            if hints.stop {
                // What readers met last is told all the same.
                for id in hints.files {
                    self.report_holes(id);
                    self.report_truncated_records(id);
                }
                break;
            }
            self.shared.supervisor.checkpoint(PART);
            self.run_pass(hints);
        }
        self.finish();
    }

    pub(in crate::follow) fn finish(&mut self) {
        let known = self.phase != Phase::BeforeState;
        if known {
            self.rescue_all();
            // What readers met a moment ago.
            self.catalog.ids().into_iter().for_each(|id| self.record_loss(id));
        }
        self.persist();
        if known {
            // Ended by the first, removed by the second.
            self.clean_up_segments();
            self.clean_up_segments();
            self.forget_viewed_segments();
            self.record_unreachable_losses();
        }
        self.unpacker.stop();
    }

    /// One pass. The order matters: names before bytes, so that a rename is known before growth is judged; bytes
    /// before identities, so that a truncated file is known before its copy is; everything before the commit, and
    /// what readers see after it.
    pub(in crate::follow) fn run_pass(&mut self, mut hints: Hints) {
        self.listings.borrow_mut().clear();
        if hints.asked {
            self.work.check_request = self.shared.asked.last();
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
            self.scan_and_check_all();
            self.identify_existing();
        }
        let sweep = self.schedule.sweep_is_due(self.now());
        if sweep {
            self.update_hung_mounts();
        }
        if !self.shared.once() {
            self.check_due_files(&hints, sweep);
        }
        for id in &hints.files {
            self.handle_reader_report(*id);
        }
        if self.phase != Phase::BeforeState {
            if !self.shared.once() {
                self.identify_undecided(sweep);
            }
            self.close_quiet_records();
            if sweep {
                self.sweep();
            }
            self.rescue_next_piece();
            self.persist_when_due();
            self.check_unpacking_finished();
        }
        self.finish_requested_check();
        if sweep {
            self.schedule.swept(self.now(), self.catalog.next_check());
        }
    }

    /// What is done a few times a second, for the files that need it.
    fn sweep(&mut self) {
        self.repeat_open_votes();
        self.search_awaited_copies();
        self.close_unlinked_files();
        self.update_idle_copies();
        self.reopen_for_new_readers();
        self.clean_up_segments();
        self.update_rests();
        self.end_rows_without_file();
        self.expire_rows();
    }

    fn check_due_files(&mut self, hints: &Hints, sweep: bool) {
        if hints.rescan {
            self.schedule.hint_scan();
        }
        if self.schedule.scan_is_due(self.now()) {
            self.scan_if_changed();
        }
        if hints.overflow {
            self.catalog.check_all_by(self.now());
        }
        let mut due: Vec<FileId> =
            hints.paths.iter().filter_map(|path| self.catalog.by_real_path(path)).collect();
        if sweep || hints.overflow {
            due.extend(self.catalog.due_for_check(self.now()));
        }
        let mut changed = false;
        for id in due {
            changed |= self.check_file(id);
        }
        if changed {
            self.shared.changed();
        }
    }

    /// Of what was seen all is published, unless the state cannot be written.
    fn finish_requested_check(&self) {
        if !self.pending.any_urgent() || self.shared.board.says(&Topic::State) {
            self.shared.asked.finish(self.work.check_request);
        }
    }

    /// A reader has met something that only the follower may judge.
    fn handle_reader_report(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        if tracked.handle.open_record().is_some() {
            self.work.open_records.insert(id);
        }
        let (doubted, misfit) = (tracked.handle.doubted(), tracked.handle.take_misfit());
        let looked_for = doubted || tracked.compressed.is_some();
        if looked_for && self.check_file(id) {
            self.shared.changed();
        }
        if misfit {
            self.vote_on_misfits(id);
        }
        self.report_holes(id);
        self.report_truncated_records(id);
        self.work.to_identify.insert(id);
        self.record_loss(id);
    }

    pub fn now(&self) -> Duration {
        self.shared.clock.uptime()
    }

    pub fn key(&self) -> &IdKey {
        &self.shared.config.key
    }

    fn time_to_next_pass(&self) -> Duration {
        let now = self.now();
        let state_came = self.phase == Phase::BeforeState && self.shared.store.get().is_some();
        if state_came || !self.work.rescuing.is_empty() {
            return Duration::ZERO;
        }
        // What is to be durable first waits for the next commit.
        let open_records = self.work.open_records.iter().filter(|id| !self.pending.is_urgent(**id));
        let closes = open_records.filter_map(|id| self.close_due_at(self.catalog.get(*id)?));
        let dues =
            [Some(self.schedule.next(self.shared.once())), self.pending.next(), closes.min()];
        let next = dues.into_iter().flatten().min().unwrap_or(now + LONGEST_SLEEP);
        next.saturating_sub(now).min(LONGEST_SLEEP)
    }

    /// Files with a generation, and their rows.
    pub fn identified_files(&self) -> impl Iterator<Item = &Tracked> {
        self.catalog.iter().map(|(_, tracked)| tracked).filter(|tracked| tracked.row.is_some())
    }
}
