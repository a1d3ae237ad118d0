//! What the follower's thread and all readers have in common.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use super::cache::Cache;
use super::descriptors::Descriptors;
use super::file::FileHandle;
use super::intake::Incoming;
use super::losses::Losses;
use super::notices::Board;
use super::types::{LogConfig, Read};
use super::watch::Bell;
use crate::base::Clock;
use crate::event::status::{FileState, FileStatus};
use crate::event::{Cursor, FileId, GenerationId, Position};
use crate::state::{GenerationRow, Store};

/// Decoded batches that are kept for others, in bytes.
const CACHE: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(in crate::follow) struct Shared {
    pub config: LogConfig,
    pub clock: Arc<dyn Clock>,
    pub store: OnceLock<Store>,
    /// What sinks that keep their own cursors know, until the first pass takes it.
    positions: Mutex<Vec<Position>>,
    pub descriptors: Arc<Descriptors>,
    pub losses: Losses,
    pub cache: Cache,
    pub bell: Arc<Bell>,
    pub board: Board,
    pub settled: AtomicBool,
    /// What compressed files hold may belong to generations without a file.
    pub unpacking: AtomicBool,
    pub incoming: Incoming,
    /// Files that are there and could not be opened at the last look.
    pub unopened: AtomicUsize,
    /// Whose cursors decide what is still needed; empty: everyone who has one.
    pub consumers: Mutex<Vec<String>>,
    /// Names of the sources, in their order.
    sources: RwLock<Vec<Arc<str>>>,
    files: RwLock<Vec<Arc<FileHandle>>>,
    lives: RwLock<HashMap<GenerationId, Arc<FileHandle>>>,
    /// Generations without a file: only their rows are left.
    gone: Mutex<HashMap<GenerationId, GenerationRow>>,
    missed: Mutex<Missed>,
    changes: watch::Sender<u64>,
    next_id: AtomicU32,
}

/// Who is gone and still read was looked up not longer ago than this.
const MISSED: Duration = Duration::from_secs(1);

/// What [`Shared::missed`] found last.
#[derive(Debug, Default)]
struct Missed {
    key: (usize, bool),
    at: Duration,
    ids: Vec<GenerationId>,
}

impl Shared {
    pub fn new(config: LogConfig, clock: Arc<dyn Clock>) -> Self {
        let sources = config.sources.iter().map(|source| source.name.clone()).collect();
        let input = config.intake.as_ref().is_some_and(|intake| intake.input);
        Shared {
            sources: RwLock::new(sources),
            config,
            clock,
            incoming: Incoming::new(input),
            store: OnceLock::new(),
            positions: Mutex::default(),
            descriptors: Arc::new(Descriptors::for_this_process()),
            losses: Losses::default(),
            cache: Cache::new(CACHE),
            bell: Arc::default(),
            board: Board::default(),
            settled: AtomicBool::new(false),
            unpacking: AtomicBool::new(false),
            unopened: AtomicUsize::new(0),
            consumers: Mutex::default(),
            files: RwLock::default(),
            lives: RwLock::default(),
            gone: Mutex::default(),
            missed: Mutex::default(),
            changes: watch::Sender::new(0),
            next_id: AtomicU32::new(1),
        }
    }

    /// What is there now is all there will be.
    pub fn once(&self) -> bool {
        self.config.once && !self.incoming.is_open()
    }

    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// After everything else was published.
    pub fn changed(&self) {
        self.changes.send_modify(|number| *number += 1);
    }

    pub fn next_id(&self) -> FileId {
        FileId(self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    pub fn files(&self) -> Vec<Arc<FileHandle>> {
        self.files.read().expect("no holder of the files panics").clone()
    }

    /// In the order of their sources, then of first sight.
    pub fn add_file(&self, handle: Arc<FileHandle>) {
        let rank = self.rank();
        let mut files = self.files.write().expect("no holder of the files panics");
        let at = files.partition_point(|other| rank(other) < rank(&handle));
        files.insert(at, handle);
    }

    pub fn set_sources(&self, names: Vec<Arc<str>>) {
        *self.sources.write().expect("no holder of the sources panics") = names;
        let rank = self.rank();
        self.files.write().expect("no holder of the files panics").sort_by_key(|file| rank(file));
    }

    fn rank(&self) -> impl Fn(&FileHandle) -> (Option<usize>, FileId) {
        let sources = self.sources.read().expect("no holder of the sources panics").clone();
        move |file| (sources.iter().position(|name| *name == file.source.name), file.id)
    }

    pub fn remove_file(&self, id: FileId) {
        self.files.write().expect("no holder of the files panics").retain(|file| file.id != id);
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
    }

    /// Its file is given up; its row says what is lost to whom.
    pub fn bury(&self, row: GenerationRow) {
        let id = row.id;
        self.gone().insert(id, row);
        self.lives.write().expect("no holder of the lives panics").remove(&id);
    }

    pub fn forget(&self, id: GenerationId) {
        self.gone().remove(&id);
    }

    pub fn gone(&self) -> std::sync::MutexGuard<'_, HashMap<GenerationId, GenerationRow>> {
        self.gone.lock().expect("no holder of the gone panics")
    }

    pub fn consumers(&self) -> Vec<String> {
        self.consumers.lock().expect("no holder of the consumers panics").clone()
    }

    /// Somebody has not read all of it; `None` where nobody is known to read at all.
    pub fn behind(&self, row: &GenerationRow) -> Option<bool> {
        self.slowest(row).map(|offset| offset < row.mark.offset)
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
            (None, Some(_)) => row.mark.offset,
            (None, None) => row.start,
        };
        names.iter().map(|name| offsets.get(name).copied().unwrap_or(unread)).min()
    }

    /// Generations without a file of our sources that somebody has not read to the end.
    pub fn missed(&self) -> Vec<GenerationId> {
        let sources = self.sources.read().expect("no holder of the sources panics").clone();
        let ours = |row: &GenerationRow| sources.iter().any(|name| **name == *row.source);
        let Some(store) = self.store.get() else { return Vec::new() };
        // There was no room to unpack what may be theirs: nothing is said of them, and nobody waits.
        if self.once() && self.unpacking.load(Ordering::Acquire) {
            return Vec::new();
        }
        let gone = self.gone();
        let mut missed = self.missed.lock().expect("no holder of the missed panics");
        let key = (gone.len(), self.settled.load(Ordering::Acquire));
        let now = self.clock.uptime();
        if missed.key != key || now.saturating_sub(missed.at) >= MISSED {
            // A consumer that came later, and so has no cursor there, misses nothing.
            let behind = |row: &GenerationRow| {
                let lowest = store.readers_of(row.id).into_values().min();
                lowest.is_none_or(|offset| offset < row.mark.offset)
            };
            missed.ids =
                gone.values().filter(|row| ours(row) && behind(row)).map(|row| row.id).collect();
            (missed.key, missed.at) = (key, now);
        }
        missed.ids.clone()
    }

    /// A consumer asks for bytes that nobody has any more: counted once, by the longest gap.
    pub fn lost(&self, handle: &FileHandle, offset: u64, to: u64) -> Read {
        let grew = handle.update(|known| {
            let more = to - offset > known.facts.lost;
            known.facts.lost = known.facts.lost.max(to - offset);
            more
        });
        if grew {
            self.bell.ring(|hints| {
                hints.files.insert(handle.id);
            });
        }
        Read::Lost { to }
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
        let status = |(id, loss): (GenerationId, super::losses::Loss)| FileStatus {
            // Behind all that are counted up from 1, and the same at each call.
            file: FileId(u32::MAX - (id.0 as u32 >> 8)),
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
        let end = row.mark.offset;
        if cursor.offset >= end {
            return if row.ended.is_some() { Read::Finished } else { Read::Waiting };
        }
        if row.ended.is_none() || row.rest.is_some() {
            return Read::Waiting;
        }
        if self.losses.note(row, end - cursor.offset) {
            self.changed();
        }
        if end - cursor.offset > row.lost {
            row.lost = end - cursor.offset;
            if let Some(store) = self.store.get() {
                store.put_generation(row.clone());
            }
        }
        Read::Lost { to: end }
    }
}
