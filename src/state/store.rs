//! [`Store`], through which all of Logwarden reads and writes its durable data: rows in memory, the names of those not
//! written yet, and below them the journal and the database.
//!
//! Promises: a get sees every put immediately; a commit makes all puts before it durable, all or nothing; concurrent
//! callers share one commit; a failed commit (a full disk) keeps its changes, and the next one retries. A committed row
//! is not lost by a crash, at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batch::Transaction;
use super::directory::{self, Lock};
use super::disk::{Disk, FILE};
use super::durable::Durable;
use super::journal::{self, Journal};
use super::memory::Memory;
use super::rows::CursorKey;
use super::storage::{self, Storage};
use super::tables::{Key, Table};
use super::{CursorRow, GenerationRow, StateError, recovery};
use crate::base::{Clock, SystemClock};
use crate::event::{Cursor, GenerationId};

/// The durable data. Cheap to clone; thread-safe. Gets see puts immediately; [`Store::commit`] makes them durable. A
/// crash loses uncommitted puts, so some work is repeated.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub directory: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub memory: Mutex<Memory>,
    /// Notified when a commit ends, successful or not.
    pub committed: Condvar,
    /// Locked before `memory`, never while that is locked.
    pub durable: Mutex<Durable>,
    /// Uptime at which the last snapshot was written.
    pub snapshot_taken: Mutex<Duration>,
    /// The last field, so that the directory is unlocked after everything else is closed. `None`: nothing is written.
    pub lock: Option<Lock>,
}

/// Ownership of a state directory that has not been read yet.
#[derive(Debug)]
pub struct StateOwnership {
    directory: PathBuf,
    lock: Lock,
    notices: Vec<String>,
}

impl StateOwnership {
    /// Creates the directory if necessary and takes the lock; does not wait.
    pub fn take(directory: &Path) -> Result<StateOwnership, StateError> {
        let mut notices = Vec::new();
        directory::prepare(directory, &mut notices)?;
        Ok(StateOwnership { directory: directory.into(), lock: Lock::take(directory)?, notices })
    }

    /// Reads the state; a damaged file is set aside and replaced from the last snapshot. The texts are notices for the
    /// operator.
    pub fn open(self) -> Result<(Store, Vec<String>), StateError> {
        self.open_with(Arc::new(SystemClock::new()), storage::on_disk())
    }

    fn open_with(
        self,
        clock: Arc<dyn Clock>,
        storage: Arc<dyn Storage>,
    ) -> Result<(Store, Vec<String>), StateError> {
        let StateOwnership { directory, lock, mut notices } = self;
        let mut durable = files(&directory, storage, &*clock);
        let memory = recovery::load(&mut durable, &directory, &*clock, &mut notices)?;
        Ok((Store::with(&directory, clock, memory, durable, Some(lock)), notices))
    }
}

fn files(directory: &Path, storage: Arc<dyn Storage>, clock: &dyn Clock) -> Durable {
    Durable {
        disk: Disk::new(directory.join(FILE), storage.clone()),
        journal: Journal::new(directory.join(journal::FILE), storage),
        checkpointed: clock.uptime(),
    }
}

impl Store {
    /// [`StateOwnership::take`] and [`StateOwnership::open`].
    pub fn open(directory: &Path) -> Result<(Store, Vec<String>), StateError> {
        StateOwnership::take(directory)?.open()
    }

    #[cfg(test)]
    pub(super) fn open_with(
        directory: &Path,
        clock: Arc<dyn Clock>,
        storage: Arc<dyn Storage>,
    ) -> Result<(Store, Vec<String>), StateError> {
        StateOwnership::take(directory)?.open_with(clock, storage)
    }

    /// A store that writes nothing and is lost at the end: for a screen that cannot own the state directory, for
    /// example because another engine does.
    pub fn ephemeral() -> Store {
        let (directory, clock) = (Path::new(""), Arc::new(SystemClock::new()));
        let durable = files(directory, storage::on_disk(), &*clock);
        Self::with(directory, clock, Memory::default(), durable, None)
    }

    fn with(
        directory: &Path,
        clock: Arc<dyn Clock>,
        memory: Memory,
        durable: Durable,
        lock: Option<Lock>,
    ) -> Store {
        Store {
            inner: Arc::new(Inner {
                directory: directory.into(),
                snapshot_taken: Mutex::new(clock.uptime()),
                clock,
                memory: Mutex::new(memory),
                committed: Condvar::new(),
                durable: Mutex::new(durable),
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

    /// Makes several puts that become visible, and durable, together.
    pub fn apply<R>(&self, puts: impl FnOnce(&mut Transaction<'_>) -> R) -> R {
        puts(&mut Transaction { memory: &mut self.memory() })
    }

    pub fn put_generation(&self, row: GenerationRow) {
        self.apply(|puts| puts.generation(row));
    }

    /// Removes the generation and every cursor in it.
    pub fn remove_generation(&self, id: GenerationId) {
        self.apply(|puts| puts.remove_generation(id));
    }

    /// All cursors of one consumer.
    pub fn cursors(&self, consumer: &str) -> Vec<CursorRow> {
        self.memory().rows.cursors_of(consumer)
    }

    /// The offset of one cursor.
    pub fn cursor(&self, consumer: &str, lane: &str, generation: GenerationId) -> Option<u64> {
        let key = CursorKey::new(consumer, lane, generation);
        self.memory().rows.cursors.get(&key).copied()
    }

    /// Each consumer that has read from this generation, and the offset of its slowest lane in it.
    pub fn readers_of(&self, generation: GenerationId) -> BTreeMap<Arc<str>, u64> {
        self.memory().rows.readers_of(generation)
    }

    /// All consumers that have a cursor.
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

    /// Sets the starting offset of a consumer, if it has no cursor yet.
    pub fn put_cursor_if_none(&self, consumer: &str, lane: &str, cursor: Cursor) {
        self.apply(|puts| puts.cursor_if_none(consumer, lane, cursor));
    }

    /// Removes every cursor of one lane.
    pub fn remove_lane(&self, consumer: &str, lane: &str) {
        self.apply(|puts| puts.remove_lane(consumer, lane));
    }

    /// Records that a source was started; `true` the first time.
    pub fn first_start(&self, source: &str) -> bool {
        self.apply(|puts| puts.source(source))
    }

    /// Month keys that were used for sealing.
    pub fn used_keys(&self) -> Vec<String> {
        self.memory().rows.keys.iter().cloned().collect()
    }

    pub fn put_used_key(&self, key: &str) {
        self.apply(|puts| puts.used_key(key));
    }

    /// A row of a table on disk.
    pub fn row<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, StateError> {
        self.inner.row(table, key)
    }

    /// The first `most` rows of a table on disk with keys in this range.
    pub fn rows<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        keys: impl RangeBounds<K>,
        most: usize,
    ) -> Result<Vec<(K, V)>, StateError> {
        self.inner.rows(table.range(keys), most)
    }

    /// Makes everything put so far durable. Returns immediately if there is nothing to do.
    pub fn commit(&self) -> Result<(), StateError> {
        let mut memory = self.memory();
        let wanted = memory.put;
        while memory.durable < wanted {
            if memory.committing {
                memory = self.inner.committed.wait(memory).expect("no holder of the rows panics");
            } else {
                let outcome = self.inner.commit_for_all(memory);
                self.inner.committed.notify_all();
                outcome?;
                self.inner.snapshot_if_due();
                memory = self.memory();
            }
        }
        Ok(())
    }

    /// Writes the snapshot now instead of within a minute.
    pub fn take_snapshot(&self) {
        let mut taken = self.inner.snapshot_taken.lock().expect("no holder of the time panics");
        *taken = self.inner.clock.uptime();
        self.inner.write_snapshot();
    }

    /// Whether anything was put since the last commit.
    pub fn dirty(&self) -> bool {
        let memory = self.memory();
        memory.durable < memory.put
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.inner.memory()
    }
}
