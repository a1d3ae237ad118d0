//! Makes changes durable in the journal, the database and the snapshot, and reads rows that are only on disk.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk_error::DiskError;
use super::durable::Durable;
use super::journal::JournalPosition;
use super::memory::Memory;
use super::store::Inner;
use super::tables::{Key, NameRange, Table, decode, key_of};
use super::{StateError, snapshot};

const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);

impl Inner {
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder of the rows panics")
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().expect("no holder of the files panics")
    }

    /// Writes everything that is not durable yet, on behalf of all waiting callers.
    pub fn commit_for_all(&self, mut memory: MutexGuard<'_, Memory>) -> Result<(), StateError> {
        if self.lock.is_none() {
            memory.dirty.clear();
            memory.durable = memory.put;
            return Ok(());
        }
        memory.committing = true;
        drop(memory);
        let outcome = self.write(&mut self.durable());
        self.memory().committing = false;
        outcome
    }

    /// Writes a record to the journal, then makes a checkpoint if one is due, or if the journal cannot be written.
    fn write(&self, durable: &mut Durable) -> Result<(), StateError> {
        let now = self.clock.uptime();
        if durable.journal.is_open() {
            let batch = self.memory().take_for_record();
            if durable.append(&batch) {
                self.memory().recorded(batch);
                if durable.checkpoint_is_due(now) {
                    // The commit is durable in the journal, whether or not this checkpoint succeeds.
                    durable.checkpointed = now;
                    self.log_failure(self.checkpoint(durable, now));
                }
                return Ok(());
            }
            self.memory().put_back(batch);
        }
        self.checkpoint(durable, now)
    }

    /// Writes all rows that are only in the journal or in memory to the database. If this succeeds, the journal is
    /// empty.
    fn checkpoint(&self, durable: &mut Durable, now: Duration) -> Result<(), StateError> {
        let batch = self.memory().take_for_checkpoint();
        let outcome = match durable.checkpoint(&batch, now) {
            Err(error @ (DiskError::Damaged(_) | DiskError::Missing)) => {
                self.recreate(durable, batch.number, &error)
            }
            outcome => outcome,
        };
        let mut memory = self.memory();
        match outcome {
            Ok(()) => memory.checkpointed(batch),
            Err(_) => memory.put_back(batch),
        }
        outcome.map_err(|error| self.failed(durable, error))
    }

    /// The database was damaged or removed while in use. Writes the rows in memory to a new one. If this fails, the
    /// file is missing, and a later commit tries again.
    fn recreate(
        &self,
        durable: &mut Durable,
        number: u64,
        why: &DiskError,
    ) -> Result<(), DiskError> {
        if durable.disk.path().exists() {
            let aside = durable.disk.set_aside(self.clock.now())?;
            tracing::error!("{why}; it is kept as {}, and a new one is written", aside.display());
        }
        let everything = self.memory().everything();
        durable.recreate(&everything, number, self.clock.uptime())
    }

    fn failed(&self, durable: &Durable, error: DiskError) -> StateError {
        StateError::Write { path: durable.disk.path().into(), source: error.into() }
    }

    fn log_failure(&self, outcome: Result<(), StateError>) {
        if let Err(error) = outcome {
            tracing::warn!("{}; retrying later", crate::base::with_causes(&error));
        }
    }

    pub fn snapshot_if_due(&self) {
        let now = self.clock.uptime();
        // Another thread is writing the snapshot: one is enough.
        let Ok(mut taken) = self.snapshot_taken.try_lock() else { return };
        if now.saturating_sub(*taken) >= SNAPSHOT_EVERY {
            *taken = now;
            self.write_snapshot();
        }
    }

    /// Writes the snapshot. It is a fallback: a failure to write it does not stop the engine.
    pub fn write_snapshot(&self) {
        if self.lock.is_none() {
            return;
        }
        let salt = self.durable().journal.salt();
        let text = {
            let memory = self.memory();
            snapshot::encode(&memory.rows, &JournalPosition { salt, through: memory.number })
        };
        if let Err(error) = snapshot::write(&self.directory, &text) {
            tracing::warn!(
                "cannot write the snapshot of the state in {} ({error}); the state itself is not affected; retrying later",
                self.directory.display()
            );
        }
    }

    /// The row with this key in a table that is only on disk.
    pub fn row<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, StateError> {
        let name = table.name_of(key);
        let mut durable = self.durable();
        let uncheckpointed = self.memory().uncheckpointed.get(&name).cloned();
        let found = match uncheckpointed {
            Some(row) => Ok(row),
            None if self.lock.is_none() => Ok(None),
            None => durable.disk.get(&name),
        };
        let row = found.and_then(|row| Ok(row.map(|row| decode(&row)).transpose()?));
        row.map_err(|error| self.unreadable(&durable, error))
    }

    /// At most `most` rows of a table that is only on disk, in the order of their names.
    pub fn rows<K: Key, V: DeserializeOwned>(
        &self,
        range: NameRange,
        most: usize,
    ) -> Result<Vec<(K, V)>, StateError> {
        let mut durable = self.durable();
        let uncheckpointed = self.memory().uncheckpointed_in(&range);
        // Rows that were removed since the checkpoint may come first.
        let removed = uncheckpointed.values().filter(|row| row.is_none()).count();
        let found = match self.lock.is_none() {
            true => Ok(Vec::new()),
            false => durable.disk.range(&range, most.saturating_add(removed)),
        };
        let read = found.and_then(|found| {
            let found = found.into_iter().map(|(key, row)| (key, Some(row)));
            let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = found.collect();
            rows.extend(uncheckpointed);
            let rows = rows.into_iter().filter_map(|(key, row)| Some((key, row?))).take(most);
            rows.map(|(key, row)| Ok((key_of(&key)?, decode(&row)?))).collect()
        });
        read.map_err(|error| self.unreadable(&durable, error))
    }

    fn unreadable(&self, durable: &Durable, error: DiskError) -> StateError {
        StateError::Read { path: durable.disk.path().into(), source: error.into() }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.lock.is_none() {
            return;
        }
        let memory = self.memory();
        // Uncommitted changes are not made durable here, but a checkpoint would write them with their rows.
        let is_due = memory.is_clean() && memory.has_journaled();
        drop(memory);
        if is_due {
            let mut durable = self.durable();
            self.log_failure(self.checkpoint(&mut durable, self.clock.uptime()));
        }
        self.write_snapshot();
    }
}
