//! The data that the follower's thread shares with all readers: files, generations, losses, notices and caches.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::batch_cache::Cache;
use super::changes::{ChangeHub, ChangeSet};
use super::descriptors::Descriptors;
use super::file::{FileHandle, KnownFacts};
use super::file_registry::Files;
use super::look_requests::LookRequests;
use super::losses::{Loss, Losses};
use super::notices::Board;
use super::own_files::OwnPaths;
use super::stdin_progress::StdinProgress;
use super::types::{LogConfig, Read};
use super::watch::Waker;
use crate::base::{Clock, Supervisor};
use crate::event::status::{FileState, FileStatus};
use crate::event::{Cursor, FileId, GenerationId, Position};
use crate::state::{GenerationRow, Store};

/// Memory for decoded batches that several consumers may read, in bytes.
const CACHE: usize = 8 * 1024 * 1024;

/// See the module. Changes that others must see at once are marked and then announced with [`Shared::notify_changes`].
#[derive(Debug)]
pub(in crate::follow) struct Shared {
    pub config: LogConfig,
    pub clock: Arc<dyn Clock>,
    /// Supervises the threads of the log.
    pub supervisor: Supervisor,
    pub store: OnceLock<Store>,
    /// Positions from sinks that keep their own cursors, until the first pass takes them.
    positions: Mutex<Vec<Position>>,
    pub descriptors: Arc<Descriptors>,
    pub losses: Losses,
    /// Generations without a file whose path no source includes.
    orphans: Mutex<HashSet<GenerationId>>,
    pub cache: Cache,
    pub waker: Arc<Waker>,
    pub board: Board,
    /// See [`super::Log::settled`].
    pub settled: AtomicBool,
    pub look_requests: LookRequests,
    /// Compressed files are still being unpacked; they may turn out to be the files of generations without one.
    pub unpacking: AtomicBool,
    pub stdin_progress: StdinProgress,
    /// Number of existing files that could not be opened at the last check.
    pub unopened: AtomicUsize,
    /// Number of compressed files of which only a part could be unpacked.
    pub torn: AtomicUsize,
    /// Logwarden's own files, which are never followed.
    own: Mutex<OwnPaths>,
    /// The consumers whose cursors decide which bytes are still needed; empty: all that have a cursor.
    pub consumers: Mutex<Vec<String>>,
    /// Subscribers to changes.
    pub changes: Arc<ChangeHub>,
    files: RwLock<Files>,
    with_file: RwLock<HashMap<GenerationId, Arc<FileHandle>>>,
    /// Generations without a file, of which only the rows are left.
    without_file: Mutex<HashMap<GenerationId, GenerationRow>>,
    next_id: AtomicU32,
}

impl Shared {
    pub fn new(config: LogConfig, clock: Arc<dyn Clock>) -> Self {
        let sources = config.sources.iter().map(|source| source.name.clone()).collect();
        let input = config.intake.as_ref().is_some_and(|intake| intake.input);
        Shared {
            config,
            clock,
            supervisor: Supervisor::default(),
            stdin_progress: StdinProgress::new(input),
            store: OnceLock::new(),
            positions: Mutex::default(),
            descriptors: Arc::new(Descriptors::for_this_process()),
            losses: Losses::default(),
            orphans: Mutex::default(),
            cache: Cache::new(CACHE),
            waker: Arc::default(),
            board: Board::default(),
            settled: AtomicBool::new(false),
            look_requests: LookRequests::default(),
            unpacking: AtomicBool::new(false),
            unopened: AtomicUsize::new(0),
            torn: AtomicUsize::new(0),
            own: Mutex::default(),
            consumers: Mutex::default(),
            changes: Arc::default(),
            files: RwLock::new(Files::new(sources)),
            with_file: RwLock::default(),
            without_file: Mutex::default(),
            next_id: AtomicU32::new(1),
        }
    }

    pub fn own(&self) -> OwnPaths {
        self.own.lock().expect("no holder of it panics").clone()
    }

    pub fn set_own(&self, own: OwnPaths) {
        *self.own.lock().expect("no holder of it panics") = own;
    }

    /// With `--once`, and no input is open: no bytes are read beyond those that exist now.
    pub fn once(&self) -> bool {
        self.config.once && !self.stdin_progress.is_open()
    }

    /// Wakes subscribers, to read the changes that [`FileHandle::update`] and the methods here have marked. Call it
    /// after everything is published.
    pub fn notify_changes(&self) {
        self.changes.notify();
    }

    /// Marks a change that may affect any file.
    pub fn mark_all(&self) {
        self.changes.mark(&ChangeSet::everything());
    }

    /// Marks a change of one generation.
    pub fn mark(&self, id: GenerationId) {
        self.changes.mark(&ChangeSet::of([id]));
    }

    pub fn next_id(&self) -> FileId {
        FileId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    pub fn files(&self) -> Vec<Arc<FileHandle>> {
        self.files.read().expect("no holder of the files panics").all().cloned().collect()
    }

    pub fn file(&self, id: FileId) -> Option<Arc<FileHandle>> {
        self.files.read().expect("no holder of the files panics").get(id).cloned()
    }

    /// Adds the file; from now on its changes are marked for subscribers.
    pub fn add_file(&self, handle: Arc<FileHandle>) {
        handle.report_to(&self.changes);
        let id = handle.id;
        self.files.write().expect("no holder of the files panics").add(handle);
        self.changes.mark(&ChangeSet::of_file(id, None));
    }

    pub fn set_sources(&self, names: Vec<Arc<str>>) {
        self.files.write().expect("no holder of the files panics").set_sources(names);
        self.mark_all();
    }

    pub fn remove_file(&self, id: FileId) {
        let with_loss = self.file(id).and_then(|handle| handle.generation_with_loss());
        self.files.write().expect("no holder of the files panics").remove(id);
        self.changes.mark(&ChangeSet::of_file(id, None));
        // From now on its loss has an entry of its own in the list of files.
        let mark = |id| self.changes.mark(&ChangeSet::of_file(lost_file_id(id), None));
        with_loss.into_iter().for_each(mark);
    }

    pub fn handle_of(&self, id: GenerationId) -> Option<Arc<FileHandle>> {
        self.with_file.read().expect("no holder of the generations panics").get(&id).cloned()
    }

    /// Generations that have a file, in the order of discovery.
    pub fn generations_with_file(&self) -> Vec<GenerationId> {
        let with_file = self.with_file.read().expect("no holder of the generations panics");
        let mut all: Vec<_> = with_file.iter().map(|(id, handle)| (handle.id, *id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    pub fn add_generation(&self, id: GenerationId, handle: Arc<FileHandle>) {
        // In this order, so that readers find it in one of the two maps at any moment.
        self.with_file.write().expect("no holder of the generations panics").insert(id, handle);
        self.without_file().remove(&id);
        self.mark(id);
    }

    /// Moves a generation to those without a file; its row tells readers which bytes are lost.
    pub fn set_without_file(&self, row: GenerationRow) {
        let id = row.id;
        self.without_file().insert(id, row);
        self.with_file.write().expect("no holder of the generations panics").remove(&id);
        self.mark(id);
    }

    /// Removes everything that is known about a generation, also its losses.
    pub fn forget(&self, id: GenerationId) {
        self.losses.forget(id);
        self.cache.forget(id);
        self.without_file().remove(&id);
        self.mark(id);
    }

    pub fn without_file(&self) -> std::sync::MutexGuard<'_, HashMap<GenerationId, GenerationRow>> {
        self.without_file.lock().expect("no holder of the generations panics")
    }

    pub fn consumers(&self) -> Vec<String> {
        self.consumers.lock().expect("no holder of the consumers panics").clone()
    }

    /// A consumer has not read all of the generation; `None` if no consumer is known.
    pub fn has_unread(&self, row: &GenerationRow) -> Option<bool> {
        self.lowest_offset(row).map(|offset| offset < row.end())
    }

    /// The lowest offset of all consumers of the generation; `None` if no consumer is known.
    pub fn lowest_offset(&self, row: &GenerationRow) -> Option<u64> {
        let store = self.store.get()?;
        let mut names: Vec<Arc<str>> =
            self.consumers().iter().map(|name| Arc::from(name.as_str())).collect();
        if names.is_empty() {
            names = store.readers().into_iter().collect();
        }
        let offsets = store.readers_of(row.id);
        let unread = match (row.rest, row.ended) {
            (Some(rest), _) => rest.from,
            // A consumer that was added after the generation had ended does not need it.
            (None, Some(_)) => row.end(),
            (None, None) => row.start,
        };
        names.iter().map(|name| offsets.get(name).copied().unwrap_or(unread)).min()
    }

    /// Generations of the configured sources that have no file and were not read to the end by all consumers.
    pub fn unread_without_file(&self) -> Vec<GenerationId> {
        self.without_file().values().filter(|row| self.is_unread(row)).map(|row| row.id).collect()
    }

    /// See [`super::Log::holds`].
    pub fn holds(&self, id: GenerationId) -> bool {
        self.handle_of(id).is_some()
            || self.without_file().get(&id).is_some_and(|row| self.is_unread(row))
    }

    fn is_unread(&self, row: &GenerationRow) -> bool {
        let Some(store) = self.store.get() else { return false };
        // While files that may hold these generations are not unpacked (for lack of space), `--once` neither reports
        // the generations nor waits for them.
        if self.once() && self.unpacking.load(Ordering::Acquire) {
            return false;
        }
        let files = self.files.read().expect("no holder of the files panics");
        let is_configured = files.sources().iter().any(|name| **name == *row.source);
        drop(files);
        // A consumer that was added later, and so has no cursor there, does not need it.
        let lowest = || store.readers_of(row.id).into_values().min();
        let has_source = is_configured && !self.is_orphan(row.id);
        has_source && lowest().is_none_or(|offset| offset < row.end())
    }

    /// Counts bytes as lost that a consumer requested and that no longer exist: once per generation, by the longest
    /// gap.
    pub fn count_lost(&self, handle: &FileHandle, offset: u64, to: u64) -> Read {
        let grew = handle.update(|known| {
            let more = to - offset > known.largest_gap;
            known.largest_gap = known.largest_gap.max(to - offset);
            known.facts.lost = known.facts.lost.max(known.largest_gap);
            more
        });
        if grew {
            // Recorded here, since the follower may be about to drop this file.
            let known = handle.known().clone();
            self.note_gap(&known);
            self.waker.wake(|hints| {
                hints.files.insert(handle.id);
            });
        }
        Read::Lost { to }
    }

    pub fn set_orphans(&self, orphans: HashSet<GenerationId>) {
        *self.orphans.lock().expect("no holder of the orphans panics") = orphans;
    }

    pub fn is_orphan(&self, id: GenerationId) -> bool {
        self.orphans.lock().expect("no holder of the orphans panics").contains(&id)
    }

    pub fn put_positions(&self, positions: Vec<Position>) {
        self.positions.lock().expect("no holder of the positions panics").extend(positions);
    }

    pub fn take_positions(&self) -> Vec<Position> {
        std::mem::take(&mut *self.positions.lock().expect("no holder of the positions panics"))
    }

    /// Statuses of files that were lost with unread bytes, except generations for which `listed` is true: their own
    /// file reports the loss.
    pub fn lost_files(&self, listed: &dyn Fn(GenerationId) -> bool) -> Vec<FileStatus> {
        let losses = self.losses.listed().into_iter().filter(|(id, _)| !listed(*id));
        let status = |(id, loss): (GenerationId, Loss)| FileStatus {
            file: lost_file_id(id),
            source: loss.source,
            path: loss.path,
            format: loss.format,
            size: loss.size,
            lost: loss.lost,
            state: FileState::Ended,
            last_growth: loss.ended,
        };
        losses.map(status).collect()
    }

    /// The status of one lost file, unless a followed file reports the loss.
    pub fn lost_file(&self, id: FileId) -> Option<FileStatus> {
        let found = self.lost_files(&|generation| lost_file_id(generation) != id).pop()?;
        let is_it = |handle: &Arc<FileHandle>| {
            handle.generation_with_loss().is_some_and(|generation| lost_file_id(generation) == id)
        };
        (!self.files().iter().any(is_it)).then_some(found)
    }

    /// Records the loss once per generation, by the longest gap; notifies subscribers if it has grown.
    pub fn note_loss(&self, row: &GenerationRow, lost: u64) {
        self.note(row.id, Loss::of(row, lost));
    }

    fn note_gap(&self, known: &KnownFacts) {
        let facts = &known.facts;
        let Some(generation) = &facts.generation else { return };
        let loss = Loss {
            source: generation.source.to_string(),
            path: facts.path.to_path_buf(),
            format: facts.formats.last().map(|entry| entry.format.clone()),
            size: facts.size,
            lost: known.largest_gap,
            ended: facts.last_growth,
        };
        self.note(generation.id, loss);
    }

    fn note(&self, id: GenerationId, loss: Loss) {
        if self.losses.note(id, loss) {
            self.changes.mark(&ChangeSet::of_file(lost_file_id(id), Some(id)));
            self.notify_changes();
        }
    }

    /// The result of a read in a generation of which only the row is left.
    pub fn read_without_file(&self, cursor: Cursor) -> Read {
        // Not all existing files are identified yet: one of them may be its file.
        if !self.settled.load(Ordering::Acquire) || self.unpacking.load(Ordering::Acquire) {
            return Read::Waiting;
        }
        let mut rows = self.without_file();
        let Some(row) = rows.get_mut(&cursor.generation) else {
            let has_file_again = self.handle_of(cursor.generation).is_some();
            return if has_file_again { Read::Waiting } else { Read::Finished };
        };
        let end = row.end();
        if cursor.offset >= end {
            return if row.ended.is_some() { Read::Finished } else { Read::Waiting };
        }
        if row.ended.is_none() || row.rest.is_some() {
            return Read::Waiting;
        }
        self.note_loss(row, end - cursor.offset);
        if end - cursor.offset > row.lost {
            row.lost = end - cursor.offset;
            if let Some(store) = self.store.get() {
                store.put_generation(row.clone());
            }
        }
        Read::Lost { to: end }
    }
}

/// The file id under which the loss of a generation without a file is listed: above all ids counted up from 1, and the
/// same at each call.
fn lost_file_id(generation: GenerationId) -> FileId {
    FileId(u32::MAX - (generation.0 as u32 >> 8))
}
