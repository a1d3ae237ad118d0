//! The store: rows in memory, a set of those not written yet, and one transactional file below.
//!
//! Promises: a get sees every put at once; a commit makes everything put before it durable in one
//! transaction, callers that come together share one; a commit that fails (a full disk) forgets nothing,
//! and the next one tries again. Never loses a committed row to a crash at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::directory::{self, Lock};
use super::disk::{Disk, DiskError, Opener};
use super::puts::Puts;
use super::rows::{CursorKey, Dirty, Rows};
use super::{CursorRow, GenerationRow, StateError, recovery, snapshot};
use crate::base::{Clock, SystemClock};
use crate::event::{Cursor, GenerationId};

pub(super) const FILE: &str = "state.redb";
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

/// Cheap to clone; thread-safe. Puts are buffered and seen by gets at once; [`Store::commit`] makes them
/// durable. A put that was not committed is lost by a crash, which only repeats.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
    /// Told when a commit ends, well or not.
    committed: Condvar,
    /// Locked by the one committing caller only, after `memory` was let go.
    disk: Mutex<Disk>,
    snapshot_taken: Mutex<Duration>,
    /// Last, so that the directory is given up after everything else is closed. `None`: nothing is written.
    lock: Option<Lock>,
}

#[derive(Debug)]
pub(super) struct Memory {
    pub rows: Rows,
    pub dirty: Dirty,
    /// Counts puts.
    pub put: u64,
    /// Invariant: every put up to this one is durable.
    durable: u64,
    committing: bool,
}

impl Memory {
    fn new(rows: Rows) -> Self {
        Memory { rows, dirty: Dirty::default(), put: 0, durable: 0, committing: false }
    }
}

/// The state directory is ours, and nothing of it is read yet.
#[derive(Debug)]
pub struct Claim {
    directory: PathBuf,
    lock: Lock,
    notices: Vec<String>,
}

impl Claim {
    /// Makes the directory where there is none and takes the lock; waits for nobody.
    pub fn take(directory: &Path) -> Result<Claim, StateError> {
        let mut notices = Vec::new();
        directory::prepare(directory, &mut notices)?;
        Ok(Claim { directory: directory.into(), lock: Lock::take(directory)?, notices })
    }

    /// Checks integrity; sets a damaged file aside and goes on from the last cursor snapshot. The texts say
    /// what was odd, for the operator.
    pub fn open(self) -> Result<(Store, Vec<String>), StateError> {
        self.open_with(Arc::new(SystemClock::new()), super::disk::file_opener())
    }

    fn open_with(
        self,
        clock: Arc<dyn Clock>,
        opener: Opener,
    ) -> Result<(Store, Vec<String>), StateError> {
        let Claim { directory, lock, mut notices } = self;
        let mut disk = Disk::new(directory.join(FILE), opener);
        let rows = recovery::load(&mut disk, &directory, &*clock, &mut notices)?;
        Ok((Store::with(&directory, clock, rows, disk, Some(lock)), notices))
    }
}

impl Store {
    /// [`Claim::take`] and [`Claim::open`].
    pub fn open(directory: &Path) -> Result<(Store, Vec<String>), StateError> {
        Claim::take(directory)?.open()
    }

    #[cfg(test)]
    pub(super) fn open_with(
        directory: &Path,
        clock: Arc<dyn Clock>,
        opener: Opener,
    ) -> Result<(Store, Vec<String>), StateError> {
        Claim::take(directory)?.open_with(clock, opener)
    }

    /// A store that owns no directory and forgets everything at the end: for a screen beside an engine.
    pub fn ephemeral() -> Store {
        let disk = Disk::new(PathBuf::new(), super::disk::file_opener());
        Self::with(Path::new(""), Arc::new(SystemClock::new()), Rows::default(), disk, None)
    }

    fn with(
        directory: &Path,
        clock: Arc<dyn Clock>,
        rows: Rows,
        disk: Disk,
        lock: Option<Lock>,
    ) -> Store {
        Store {
            inner: Arc::new(Inner {
                directory: directory.into(),
                snapshot_taken: Mutex::new(clock.uptime()),
                clock,
                memory: Mutex::new(Memory::new(rows)),
                committed: Condvar::new(),
                disk: Mutex::new(disk),
                lock,
            }),
        }
    }

    pub fn generations(&self) -> Vec<GenerationRow> {
        self.memory().rows.generations()
    }

    pub fn generation(&self, id: GenerationId) -> Option<GenerationRow> {
        self.memory().rows.generations.get(&id).cloned()
    }

    /// Several puts that are seen, and made durable, together.
    pub fn apply<R>(&self, puts: impl FnOnce(&mut Puts<'_>) -> R) -> R {
        puts(&mut Puts { memory: &mut self.memory() })
    }

    pub fn put_generation(&self, row: GenerationRow) {
        self.apply(|puts| puts.generation(row));
    }

    /// Forgets the generation and every cursor in it.
    pub fn remove_generation(&self, id: GenerationId) {
        self.apply(|puts| puts.without_generation(id));
    }

    /// All cursors of one consumer.
    pub fn cursors(&self, consumer: &str) -> Vec<CursorRow> {
        self.memory().rows.cursors_of(consumer)
    }

    /// One of them.
    pub fn cursor(&self, consumer: &str, lane: &str, generation: GenerationId) -> Option<u64> {
        let key = CursorKey { consumer: consumer.into(), lane: lane.into(), generation };
        self.memory().rows.cursors.get(&key).copied()
    }

    /// Each consumer that has read in this generation, and how far its slowest lane is there.
    pub fn readers_of(&self, generation: GenerationId) -> BTreeMap<Arc<str>, u64> {
        self.memory().rows.readers_of(generation)
    }

    /// Everybody who has read anything.
    pub fn readers(&self) -> BTreeSet<Arc<str>> {
        self.memory().rows.readers()
    }

    /// All cursors.
    pub fn all_cursors(&self) -> Vec<CursorRow> {
        self.memory().rows.all_cursors()
    }

    pub fn put_cursor(&self, consumer: &str, lane: &str, cursor: Cursor) {
        self.apply(|puts| puts.cursor(consumer, lane, cursor));
    }

    /// Where there is none yet: where a consumer begins.
    pub fn put_cursor_if_none(&self, consumer: &str, lane: &str, cursor: Cursor) {
        self.apply(|puts| puts.cursor_if_none(consumer, lane, cursor));
    }

    /// Forgets every cursor of one lane.
    pub fn remove_lane(&self, consumer: &str, lane: &str) {
        self.apply(|puts| puts.without_lane(consumer, lane));
    }

    /// Remembers that a source was started; `true` the first time.
    pub fn first_start(&self, source: &str) -> bool {
        self.apply(|puts| puts.source(source))
    }

    /// Month keys that something was sealed with, as they were put.
    pub fn used_keys(&self) -> Vec<String> {
        self.memory().rows.keys.iter().cloned().collect()
    }

    pub fn put_used_key(&self, key: &str) {
        self.apply(|puts| puts.used_key(key));
    }

    /// Everything put so far is durable when this returns. Nothing to do: returns at once.
    pub fn commit(&self) -> Result<(), StateError> {
        let mut memory = self.memory();
        let wanted = memory.put;
        while memory.durable < wanted {
            if memory.committing {
                memory = self.inner.committed.wait(memory).expect("no holder of the rows panics");
            } else {
                let outcome = self.lead(memory);
                self.inner.committed.notify_all();
                outcome?;
                self.snapshot_if_due();
                memory = self.memory();
            }
        }
        Ok(())
    }

    /// The snapshot is written now, not within a minute.
    pub fn take_snapshot(&self) {
        let mut taken = self.inner.snapshot_taken.lock().expect("no holder of the time panics");
        *taken = self.inner.clock.uptime();
        self.inner.write_snapshot();
    }

    /// Something was put since the last commit.
    pub fn dirty(&self) -> bool {
        let memory = self.memory();
        memory.durable < memory.put
    }

    /// Writes what is not durable yet, for every caller that waits.
    fn lead(&self, mut memory: MutexGuard<'_, Memory>) -> Result<(), StateError> {
        let upto = memory.put;
        let taken = std::mem::take(&mut memory.dirty);
        if self.inner.lock.is_none() {
            memory.durable = upto;
            return Ok(());
        }
        let changes = taken.changes(&memory.rows);
        memory.committing = true;
        drop(memory);
        let mut disk = self.inner.disk.lock().expect("no holder of the disk panics");
        let outcome = match disk.write(&changes) {
            Err(error @ (DiskError::Damaged(_) | DiskError::Missing)) => {
                self.rewrite(&mut disk, &error)
            }
            outcome => outcome,
        };
        let mut memory = self.memory();
        memory.committing = false;
        let error = match outcome {
            Ok(()) => {
                memory.durable = upto;
                return Ok(());
            }
            Err(error) => error,
        };
        memory.dirty.merge(taken);
        Err(StateError::Write { path: disk.path().into(), source: error.into() })
    }

    /// The file was damaged or removed under our hands. Everything it held is in memory: it is written
    /// anew, by this commit or, as the file is missing until then, by one that comes later.
    fn rewrite(&self, disk: &mut Disk, why: &DiskError) -> Result<(), DiskError> {
        if disk.path().exists() {
            let aside = disk.set_aside(self.inner.clock.now())?;
            tracing::error!("{why}; it is kept as {} and is written anew", aside.display());
        }
        let changes = {
            let memory = self.memory();
            Dirty::all(&memory.rows).changes(&memory.rows)
        };
        disk.create_with(&changes)
    }

    fn snapshot_if_due(&self) {
        let now = self.inner.clock.uptime();
        // Somebody else is at it: once is enough.
        let Ok(mut taken) = self.inner.snapshot_taken.try_lock() else { return };
        if now.saturating_sub(*taken) >= SNAPSHOT_EVERY {
            *taken = now;
            self.inner.write_snapshot();
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.inner.memory.lock().expect("no holder of the rows panics")
    }
}

impl Inner {
    /// The snapshot is a second line of defence: that it cannot be written is no reason to stop.
    fn write_snapshot(&self) {
        if self.lock.is_none() {
            return;
        }
        let text = {
            let memory = self.memory.lock().expect("no holder of the rows panics");
            snapshot::encode(&memory.rows)
        };
        if let Err(error) = snapshot::write(&self.directory, &text) {
            tracing::warn!(
                "cannot write the cursor snapshot in {}: {error}",
                self.directory.display()
            );
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.write_snapshot();
    }
}
