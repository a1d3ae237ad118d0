//! The follower's thread: looks for files and at them, and publishes how far they reach.
//!
//! The only writer of rows and facts. A hint costs a look at the files it names; everything else is done in
//! sweeps, so that ten thousand idle files cost next to nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::SourceConfig;
use super::identity::Place;
use super::rows::Rows;
use super::shared::Shared;
use super::tracked::{Stage, Tracked};
use super::unpack::{MOST, Unpacker};
use super::watch::{Hints, Watch};
use crate::base::Timestamp;
use crate::event::{FileId, GenerationId};

/// A stop is noticed at the latest after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Between two sweeps while something is hot.
const SWEEP: Duration = Duration::from_millis(250);

pub(in crate::follow) struct Follower {
    pub shared: Arc<Shared>,
    pub sources: Vec<Arc<SourceConfig>>,
    pub tracked: BTreeMap<FileId, Tracked>,
    pub places: HashMap<Place, FileId>,
    /// Whose file is whose, also before it is published.
    pub by_generation: HashMap<GenerationId, FileId>,
    /// Inodes that are there and cannot be opened now.
    pub unopened: HashSet<u64>,
    /// Commits that failed in a row.
    pub failures: u32,
    /// The first pass is done, but not durable yet.
    pub settling: bool,
    /// By the path that hints name.
    pub by_path: HashMap<PathBuf, FileId>,
    /// Which file was last seen at a path, and since when.
    pub last_at: HashMap<PathBuf, (Place, Timestamp)>,
    pub rows: Rows,
    pub unpacker: Unpacker,
    /// Compressed files that were read to their end, with their birth.
    pub passed: HashMap<Place, i64>,
    pub watch: Watch,
    /// Sources that were started for the first time.
    pub fresh: Vec<bool>,
    /// The last scan could look everywhere.
    pub whole: bool,
    pub first_pass: bool,
    /// Sources were added: what is there now was there before they were started.
    pub adding: bool,
    /// Of the undecided, those of which something new is known.
    pub unjudged: BTreeSet<FileId>,
    /// A reader stands before a record that is still open.
    pub open_records: BTreeSet<FileId>,
    /// Rows that were changed and not put yet.
    pub dirty: BTreeSet<FileId>,
    /// Rows that must be durable before their facts may be published.
    pub urgent: BTreeSet<FileId>,
    /// Without a name, and not copied aside yet.
    pub rescuing: BTreeSet<FileId>,
    /// The segment of standard input that was read last: a screen may still show it.
    pub read_segment: Option<FileId>,
    pub next_scan: Duration,
    /// A hint may bring the scan forward to here.
    pub earliest_scan: Duration,
    pub next_sweep: Duration,
    pub next_commit: Duration,
    pub next_expiry: Duration,
}

impl Follower {
    pub fn new(shared: Arc<Shared>, watch: Watch) -> Self {
        let sources: Vec<_> = shared.config.sources.iter().cloned().map(Arc::new).collect();
        let intake = shared.config.intake.as_ref().map(|intake| intake.folder.clone());
        let folder = intake.unwrap_or_else(std::env::temp_dir);
        let unpacker = Unpacker::new(&folder, MOST, shared.bell.clone());
        Follower {
            fresh: vec![false; sources.len()],
            sources,
            shared,
            tracked: BTreeMap::new(),
            places: HashMap::new(),
            by_generation: HashMap::new(),
            unopened: HashSet::new(),
            failures: 0,
            settling: false,
            by_path: HashMap::new(),
            last_at: HashMap::new(),
            rows: Rows::default(),
            unpacker,
            passed: HashMap::new(),
            watch,
            whole: true,
            first_pass: true,
            adding: false,
            unjudged: BTreeSet::new(),
            open_records: BTreeSet::new(),
            dirty: BTreeSet::new(),
            urgent: BTreeSet::new(),
            rescuing: BTreeSet::new(),
            read_segment: None,
            next_scan: Duration::ZERO,
            earliest_scan: Duration::ZERO,
            next_sweep: Duration::ZERO,
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
        self.finish();
    }

    fn finish(&mut self) {
        if !self.first_pass {
            self.rescue_all();
        }
        self.persist();
        if !self.first_pass {
            // Ended by the first, removed by the second.
            self.tend_intake();
            self.tend_intake();
            self.forget_what_was_looked_at();
        }
        self.unpacker.stop();
    }

    /// One pass: look, judge, close, make durable, publish.
    fn turn(&mut self, mut hints: Hints) {
        if let Some(change) = hints.sources.take() {
            self.change_sources(change);
        }
        if self.first_pass && self.shared.store.get().is_some() {
            return self.first_pass();
        }
        if self.input_has_ended() {
            self.look_at_all();
            self.conclude();
        }
        let sweep = self.now() >= self.next_sweep;
        if !self.shared.once() {
            self.look_around(&hints, sweep);
        }
        for id in &hints.files {
            self.answer(*id);
        }
        if self.first_pass {
            return self.plan_sweep(sweep);
        }
        if !self.shared.once() {
            self.settle_undecided(sweep);
        }
        self.close_quiet_records();
        if sweep {
            self.vote_again();
            self.mourn();
            self.tend_intake();
            self.tend_rests();
            self.expire();
        }
        self.rescue_on();
        self.persist_when_due();
        self.see_what_is_unpacked();
        self.plan_sweep(sweep);
    }

    fn look_around(&mut self, hints: &Hints, sweep: bool) {
        if hints.rescan {
            self.next_scan = self.next_scan.min(self.earliest_scan);
        }
        if self.now() >= self.next_scan {
            self.scan();
        }
        let mut due: Vec<FileId> =
            hints.paths.iter().filter_map(|path| self.by_path.get(path).copied()).collect();
        if sweep {
            let now = self.now();
            let looks =
                self.tracked.iter().filter(|(_, t)| t.place.is_some() && t.next_look <= now);
            due.extend(looks.map(|(id, _)| *id));
        }
        let mut changed = false;
        for id in due {
            changed |= self.look(id);
        }
        if changed {
            self.shared.changed();
        }
    }

    /// A reader has met something that only the follower may judge.
    fn answer(&mut self, id: FileId) {
        let Some(tracked) = self.tracked.get(&id) else { return };
        if tracked.handle.open_record().is_some() {
            self.open_records.insert(id);
        }
        let (doubted, misfit) = (tracked.handle.doubted(), tracked.handle.take_misfit());
        let looked_for = doubted || tracked.packed.is_some();
        if looked_for && self.look(id) {
            self.shared.changed();
        }
        if misfit {
            self.vote_on_misfits(id);
        }
        self.unjudged.insert(id);
        self.count_loss(id);
    }

    pub fn now(&self) -> Duration {
        self.shared.clock.uptime()
    }

    fn plan_sweep(&mut self, swept: bool) {
        if !swept {
            return;
        }
        let now = self.now();
        let next = self.tracked.values().filter(|t| t.stage != Stage::Ended).map(|t| t.next_look);
        let next = next.min().unwrap_or(now + LONGEST_SLEEP);
        self.next_sweep = next.clamp(now + SWEEP, now + LONGEST_SLEEP);
    }

    fn sleep(&self) -> Duration {
        let now = self.now();
        if self.first_pass && self.shared.store.get().is_some() {
            return Duration::ZERO;
        }
        if !self.rescuing.is_empty() {
            return Duration::ZERO;
        }
        let mut next = self.next_sweep;
        if !self.shared.once() {
            next = next.min(self.next_scan);
        }
        if !self.dirty.is_empty() || !self.urgent.is_empty() || self.settling {
            next = next.min(self.next_commit);
        }
        let closes = self.open_records.iter().filter_map(|id| self.tracked.get(id));
        let close = closes.filter_map(|tracked| self.close_at(tracked)).min();
        close.map_or(next, |close| close.min(next)).saturating_sub(now).min(LONGEST_SLEEP)
    }
}
