//! What the follower's thread and all readers have in common.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::batch_cache::Cache;
use super::changes::{Hub, News};
use super::descriptors::Descriptors;
use super::file::{FileHandle, Known};
use super::file_registry::Files;
use super::look_requests::Asked;
use super::losses::{Loss, Losses};
use super::notices::Board;
use super::own_files::Own;
use super::stdin_progress::Incoming;
use super::types::{LogConfig, Read};
use super::watch::Bell;
use crate::base::{Clock, Supervisor};
use crate::event::status::{FileState, FileStatus};
use crate::event::{Cursor, FileId, GenerationId, Position};
use crate::state::{GenerationRow, Store};

/// Decoded batches that are kept for others, in bytes.
const CACHE: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(in crate::follow) struct Shared {
    pub config: LogConfig,
    pub clock: Arc<dyn Clock>,
    /// Watches the threads of the log.
    pub supervisor: Supervisor,
    pub store: OnceLock<Store>,
    /// What sinks that keep their own cursors know, until the first pass takes it.
    positions: Mutex<Vec<Position>>,
    pub descriptors: Arc<Descriptors>,
    pub losses: Losses,
    /// Generations without a file whose path no source means.
    orphans: Mutex<HashSet<GenerationId>>,
    pub cache: Cache,
    pub bell: Arc<Bell>,
    pub board: Board,
    pub settled: AtomicBool,
    pub asked: Asked,
    /// What compressed files hold may belong to generations without a file.
    pub unpacking: AtomicBool,
    pub incoming: Incoming,
    /// Files that are there and could not be opened at the last look.
    pub unopened: AtomicUsize,
    /// Compressed files of which only a part could be unpacked.
    pub torn: AtomicUsize,
    /// What is never followed.
    own: Mutex<Own>,
    /// Whose cursors decide what is still needed; empty: everyone who has one.
    pub consumers: Mutex<Vec<String>>,
    /// Whoever wants to know what changes.
    pub changes: Arc<Hub>,
    files: RwLock<Files>,
    lives: RwLock<HashMap<GenerationId, Arc<FileHandle>>>,
    /// Generations without a file: only their rows are left.
    gone: Mutex<HashMap<GenerationId, GenerationRow>>,
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
            incoming: Incoming::new(input),
            store: OnceLock::new(),
            positions: Mutex::default(),
            descriptors: Arc::new(Descriptors::for_this_process()),
            losses: Losses::default(),
            orphans: Mutex::default(),
            cache: Cache::new(CACHE),
            bell: Arc::default(),
            board: Board::default(),
            settled: AtomicBool::new(false),
            asked: Asked::default(),
            unpacking: AtomicBool::new(false),
            unopened: AtomicUsize::new(0),
            torn: AtomicUsize::new(0),
            own: Mutex::default(),
            consumers: Mutex::default(),
            changes: Arc::default(),
            files: RwLock::new(Files::new(sources)),
            lives: RwLock::default(),
            gone: Mutex::default(),
            next_id: AtomicU32::new(1),
        }
    }

    pub fn own(&self) -> Own {
        self.own.lock().expect("no holder of it panics").clone()
    }

    pub fn set_own(&self, own: Own) {
        *self.own.lock().expect("no holder of it panics") = own;
    }

    /// What is there now is all there will be.
    pub fn once(&self) -> bool {
        self.config.once && !self.incoming.is_open()
    }

    /// After everything else was published: tells what [`FileHandle::update`] and the methods here have marked.
    pub fn changed(&self) {
        self.changes.tell();
    }

    /// Something that concerns any file.
    pub fn mark_all(&self) {
        self.changes.mark(&News::everything());
    }

    pub fn mark(&self, id: GenerationId) {
        self.changes.mark(&News::of([id]));
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

    /// Changes of it are marked from now on.
    pub fn add_file(&self, handle: Arc<FileHandle>) {
        handle.report_to(&self.changes);
        let id = handle.id;
        self.files.write().expect("no holder of the files panics").add(handle);
        self.changes.mark(&News::of_file(id, None));
    }

    pub fn set_sources(&self, names: Vec<Arc<str>>) {
        self.files.write().expect("no holder of the files panics").set_sources(names);
        self.mark_all();
    }

    pub fn remove_file(&self, id: FileId) {
        let told = self.file(id).and_then(|handle| handle.generation_with_loss());
        self.files.write().expect("no holder of the files panics").remove(id);
        self.changes.mark(&News::of_file(id, None));
        // Its loss is listed by itself from now on.
        told.into_iter().for_each(|id| self.changes.mark(&News::of_file(lost_file_id(id), None)));
    }

    pub fn life(&self, id: GenerationId) -> Option<Arc<FileHandle>> {
        self.lives.read().expect("no holder of the lives panics").get(&id).cloned()
    }

    /// In the order of first sight.
    pub fn lives(&self) -> Vec<GenerationId> {
        let lives = self.lives.read().expect("no holder of the lives panics");
        let mut all: Vec<_> = lives.iter().map(|(id, handle)| (handle.id, *id)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, id)| id).collect()
    }

    pub fn add_life(&self, id: GenerationId, handle: Arc<FileHandle>) {
        // In this order: readers find it in one of the two at any moment.
        self.lives.write().expect("no holder of the lives panics").insert(id, handle);
        self.gone().remove(&id);
        self.mark(id);
    }

    /// Its file is given up; its row says what is lost to whom.
    pub fn bury(&self, row: GenerationRow) {
        let id = row.id;
        self.gone().insert(id, row);
        self.lives.write().expect("no holder of the lives panics").remove(&id);
        self.mark(id);
    }

    pub fn forget(&self, id: GenerationId) {
        self.losses.forget(id);
        self.cache.forget(id);
        self.gone().remove(&id);
        self.mark(id);
    }

    pub fn gone(&self) -> std::sync::MutexGuard<'_, HashMap<GenerationId, GenerationRow>> {
        self.gone.lock().expect("no holder of the gone panics")
    }

    pub fn consumers(&self) -> Vec<String> {
        self.consumers.lock().expect("no holder of the consumers panics").clone()
    }

    /// Somebody has not read all of it; `None` where nobody is known to read at all.
    pub fn behind(&self, row: &GenerationRow) -> Option<bool> {
        self.slowest(row).map(|offset| offset < row.end())
    }

    /// How far the slowest of its readers is; `None` where nobody is known to read at all.
    pub fn slowest(&self, row: &GenerationRow) -> Option<u64> {
        let store = self.store.get()?;
        let mut names: Vec<Arc<str>> =
            self.consumers().iter().map(|name| Arc::from(name.as_str())).collect();
        if names.is_empty() {
            names = store.readers().into_iter().collect();
        }
        let offsets = store.readers_of(row.id);
        let unread = match (row.rest, row.ended) {
            (Some(rest), _) => rest.from,
            // Whoever came after it had ended misses nothing there.
            (None, Some(_)) => row.end(),
            (None, None) => row.start,
        };
        names.iter().map(|name| offsets.get(name).copied().unwrap_or(unread)).min()
    }

    /// Generations without a file of our sources that somebody has not read to the end.
    pub fn missed(&self) -> Vec<GenerationId> {
        self.gone().values().filter(|row| self.is_missed(row)).map(|row| row.id).collect()
    }

    /// One of those that [`super::Log::generations`] lists.
    pub fn holds(&self, id: GenerationId) -> bool {
        self.life(id).is_some() || self.gone().get(&id).is_some_and(|row| self.is_missed(row))
    }

    fn is_missed(&self, row: &GenerationRow) -> bool {
        let Some(store) = self.store.get() else { return false };
        // There was no room to unpack what may be theirs: nothing is said of them, and nobody waits.
        if self.once() && self.unpacking.load(Ordering::Acquire) {
            return false;
        }
        let files = self.files.read().expect("no holder of the files panics");
        let ours = files.sources().iter().any(|name| **name == *row.source);
        drop(files);
        // A consumer that came later, and so has no cursor there, misses nothing.
        let lowest = || store.readers_of(row.id).into_values().min();
        let ours = ours && !self.is_orphan(row.id);
        ours && lowest().is_none_or(|offset| offset < row.end())
    }

    /// A consumer asks for bytes that nobody has any more: counted once, by the longest gap.
    pub fn lost(&self, handle: &FileHandle, offset: u64, to: u64) -> Read {
        let grew = handle.update(|known| {
            let more = to - offset > known.met;
            known.met = known.met.max(to - offset);
            known.facts.lost = known.facts.lost.max(known.met);
            more
        });
        if grew {
            // At once: the follower may be about to drop this file.
            let known = handle.known().clone();
            self.note_met_loss(&known);
            self.bell.ring(|hints| {
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

    /// Files that are gone with bytes that somebody had not read; `listed`: those of which a file tells itself.
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

    /// One of them, unless a file tells of it.
    pub fn lost_file(&self, id: FileId) -> Option<FileStatus> {
        let found = self.lost_files(&|generation| lost_file_id(generation) != id).pop()?;
        let is_it = |handle: &Arc<FileHandle>| {
            handle.generation_with_loss().is_some_and(|generation| lost_file_id(generation) == id)
        };
        (!self.files().iter().any(is_it)).then_some(found)
    }

    /// Noted once, by the longest gap; told where it is more than was known.
    pub fn note_loss(&self, row: &GenerationRow, lost: u64) {
        self.note(row.id, Loss::of(row, lost));
    }

    fn note_met_loss(&self, known: &Known) {
        let facts = &known.facts;
        let Some(generation) = &facts.generation else { return };
        let loss = Loss {
            source: generation.source.to_string(),
            path: facts.path.to_path_buf(),
            format: facts.formats.last().map(|entry| entry.format.clone()),
            size: facts.size,
            lost: known.met,
            ended: facts.last_growth,
        };
        self.note(generation.id, loss);
    }

    fn note(&self, id: GenerationId, loss: Loss) {
        if self.losses.note(id, loss) {
            self.changes.mark(&News::of_file(lost_file_id(id), Some(id)));
            self.changed();
        }
    }

    /// What a cursor finds in a generation of which only the row is left.
    pub fn read_gone(&self, cursor: Cursor) -> Read {
        // Not matched with what is there yet: its file may be the next one.
        if !self.settled.load(Ordering::Acquire) || self.unpacking.load(Ordering::Acquire) {
            return Read::Waiting;
        }
        let mut gone = self.gone();
        let Some(row) = gone.get_mut(&cursor.generation) else {
            let back = self.life(cursor.generation).is_some();
            return if back { Read::Waiting } else { Read::Finished };
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

/// Of a generation without a file: behind all ids that are counted up from 1, and the same at each call.
fn lost_file_id(generation: GenerationId) -> FileId {
    FileId(u32::MAX - (generation.0 as u32 >> 8))
}
