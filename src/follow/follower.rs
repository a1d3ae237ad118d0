//! The follower thread: finds files, checks their size, identifies their generations and publishes how far they can be
//! read.
//!
//! It is the only writer of generation rows and file facts. A hint (notify event) costs one check of each file that it
//! names; all other work is done in sweeps over the files that need attention, so that ten thousand idle files cost
//! almost nothing.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::SourceConfig;
use super::catalog::{Catalog, Tracked};
use super::directory_listing::Listings;
use super::directory_times::DirectoryTimes;
use super::identity::DeviceInode;
use super::notices::Topic;
use super::own_files::OwnFiles;
use super::pending_rows::PendingRows;
use super::schedule::{MAX_SLEEP, Schedule};
use super::shared::Shared;
use super::unpacker::{MAX_COPY_BYTES, Unpacker, Version};
use super::watch::{Hints, Watch};
use crate::base::Timestamp;
use crate::event::{FileId, FileKey, IdKey};

/// Name of this thread in failure messages.
pub(in crate::follow) const PART: &str = "file follower";

/// The data of the follower thread; its steps are methods in the files of this directory.
pub(in crate::follow) struct Follower {
    pub shared: Arc<Shared>,
    pub sources: Vec<Arc<SourceConfig>>,
    /// For each source: whether this is its first start, according to the state.
    pub fresh: Vec<bool>,
    pub catalog: Catalog,
    pub schedule: Schedule,
    pub pending: PendingRows,
    pub work: Work,
    pub scan_state: ScanState,
    pub watch: Watch,
    pub unpacker: Unpacker,
    pub listings: RefCell<Listings>,
    pub phase: Phase,
    /// The standard input segment that was read last: a screen may still show it.
    pub read_segment: Option<FileId>,
}

/// Phase of the follower since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Phase {
    /// Files are found and shown; the state has not been loaded yet.
    BeforeState,
    /// Sources were added: files that exist now existed before these sources were started.
    Adding,
    /// Files are identified as they appear. `since`: start of this phase; some time after it, a generation that has no
    /// file is ended.
    Following { since: Duration },
}

/// Files that wait for a certain step of the follower.
#[derive(Debug, Default)]
pub(in crate::follow) struct Work {
    /// Files not identified yet, about which there is new information.
    pub to_identify: BTreeSet<FileId>,
    /// Files in which a reader has reached a record that is still open.
    pub open_records: BTreeSet<FileId>,
    /// Files without a name whose unread bytes have not been copied yet.
    pub rescuing: BTreeSet<FileId>,
    /// Files that have grown since the last sweep.
    pub grown: BTreeSet<FileId>,
    /// Number of the latest requested check that has started.
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

/// Results of the last scans.
#[derive(Debug, Default)]
pub(in crate::follow) struct ScanState {
    /// Whether the last scan could read every directory and path.
    pub is_complete: bool,
    /// Whether at least one path is a symbolic link.
    pub has_links: bool,
    /// Start of the last scan.
    pub last_scan: Option<Timestamp>,
    /// Directories in which files of the sources were found or are expected.
    pub directories: BTreeSet<PathBuf>,
    /// File times of these directories, and of those to which links lead, just before they were listed.
    pub directory_times: DirectoryTimes,
    /// Followed files that no source path leads to.
    pub unlisted: Vec<FileId>,
    /// The file that was last seen at a path, and since when.
    pub last_file_at: HashMap<PathBuf, (DeviceInode, Timestamp)>,
    /// Paths at which a file was seen and none exists now: index of the source, and until when the path is checked.
    pub vacated: HashMap<PathBuf, (usize, Duration)>,
    /// Inodes of files that exist and cannot be opened now.
    pub unopened: HashSet<u64>,
    /// Files that Logwarden writes itself, as of the last scan.
    pub own_files: OwnFiles,
    /// Compressed files that could be unpacked only partly.
    pub partly_unpacked: HashSet<FileId>,
    /// Mounts that do not respond.
    pub hung_mounts: BTreeSet<PathBuf>,
    /// Compressed files that were read to their end and closed: birth time and version at that time.
    pub closed_compressed: HashMap<DeviceInode, (i64, Version)>,
}

impl ScanState {
    /// Keys of the files in `closed_compressed`.
    pub fn closed_compressed_files(&self) -> impl Iterator<Item = FileKey> + '_ {
        self.closed_compressed.iter().map(|(place, (birth, _))| place.file(*birth))
    }
}

impl Follower {
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        let sources: Vec<_> = shared.config.sources.iter().cloned().map(Arc::new).collect();
        let intake = shared.config.intake.as_ref().map(|intake| intake.directory.clone());
        let directory = intake.unwrap_or_else(std::env::temp_dir);
        let unpacker = Unpacker::new(&directory, MAX_COPY_BYTES, shared.waker.clone());
        let unpacker = unpacker.supervised_by(shared.supervisor.clone());
        Follower {
            fresh: vec![false; sources.len()],
            sources,
            shared,
            catalog: Catalog::default(),
            schedule: Schedule::default(),
            pending: PendingRows::default(),
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
            let hints = self.shared.waker.wait(self.time_to_next_pass());
            if hints.stop {
                // The last reports of readers are shown before the thread ends.
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
            // Includes losses that readers have just found.
            self.catalog.ids().into_iter().for_each(|id| self.record_loss(id));
        }
        self.persist();
        if known {
            // The first call ends the segments, the second one removes them.
            self.clean_up_segments();
            self.clean_up_segments();
            self.forget_viewed_segments();
            self.record_unreachable_losses();
        }
        self.unpacker.stop();
    }

    /// One pass of the follower. The order matters: names before bytes, so that a rename is known before growth is
    /// evaluated; bytes before identities, so that a truncated file is known before its copy; all of that before the
    /// commit, and the publication to readers after it.
    pub(in crate::follow) fn run_pass(&mut self, mut hints: Hints) {
        self.listings.borrow_mut().clear();
        if hints.look_requested {
            self.work.check_request = self.shared.look_requests.last();
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
            self.schedule.record_sweep(self.now(), self.catalog.next_check());
        }
    }

    /// Work that is done a few times per second, for the files that need it.
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
            self.shared.notify_changes();
        }
    }

    /// The requested check is finished once all findings are published, or when the state cannot be written.
    fn finish_requested_check(&self) {
        if !self.pending.has_urgent() || self.shared.board.has(&Topic::State) {
            self.shared.look_requests.finish(self.work.check_request);
        }
    }

    /// Evaluates the reports of a file's readers: mismatches, misfits, holes, truncated records, losses, open records.
    fn handle_reader_report(&mut self, id: FileId) {
        let Some(tracked) = self.catalog.get(id) else { return };
        if tracked.handle.open_record().is_some() {
            self.work.open_records.insert(id);
        }
        let (doubted, misfit) = (tracked.handle.has_mismatch(), tracked.handle.take_misfit());
        let must_check = doubted || tracked.compressed.is_some();
        if must_check && self.check_file(id) {
            self.shared.notify_changes();
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
        let state_loaded = self.phase == Phase::BeforeState && self.shared.store.get().is_some();
        if state_loaded || !self.work.rescuing.is_empty() {
            return Duration::ZERO;
        }
        // Files that wait for a commit have no earlier deadline than that commit.
        let open_records = self.work.open_records.iter().filter(|id| !self.pending.is_urgent(**id));
        let close_times = open_records.filter_map(|id| self.close_due_at(self.catalog.get(*id)?));
        let deadlines = [
            Some(self.schedule.next_due(self.shared.once())),
            self.pending.next_due(),
            close_times.min(),
        ];
        let next = deadlines.into_iter().flatten().min().unwrap_or(now + MAX_SLEEP);
        next.saturating_sub(now).min(MAX_SLEEP)
    }

    /// Files with a generation.
    pub fn identified_files(&self) -> impl Iterator<Item = &Tracked> {
        self.catalog.iter().map(|(_, tracked)| tracked).filter(|tracked| tracked.row.is_some())
    }
}
