//! How puts become durable, and what is on the disk only is read.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk_error::DiskError;
use super::durable::Durable;
use super::journal::Base;
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

    /// Writes what is not durable yet, for every caller that waits.
    pub fn lead(&self, mut memory: MutexGuard<'_, Memory>) -> Result<(), StateError> {
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

    /// A record in the journal; a checkpoint where that cannot be, or from time to time.
    fn write(&self, durable: &mut Durable) -> Result<(), StateError> {
        let now = self.clock.uptime();
        if durable.journal.is_open() {
            let batch = self.memory().take_for_record();
            if durable.append(&batch) {
                self.memory().recorded(batch);
                if durable.checkpoint_is_due(now) {
                    // What was committed is durable in the journal, whatever becomes of this.
                    durable.checkpointed = now;
                    self.tell(self.checkpoint(durable, now));
                }
                return Ok(());
            }
            self.memory().give_back(batch);
        }
        self.checkpoint(durable, now)
    }

    /// Everything is in the database when this returns, and the journal is empty.
    fn checkpoint(&self, durable: &mut Durable, now: Duration) -> Result<(), StateError> {
        let batch = self.memory().take_for_checkpoint();
        let outcome = match durable.checkpoint(&batch, now) {
            Err(error @ (DiskError::Damaged(_) | DiskError::Missing)) => {
                self.write_anew(durable, batch.number, &error)
            }
            outcome => outcome,
        };
        let mut memory = self.memory();
        match outcome {
            Ok(()) => memory.checkpointed(batch),
            Err(_) => memory.give_back(batch),
        }
        outcome.map_err(|error| self.failed(durable, error))
    }

    /// The file was damaged or removed under our hands. What is kept in memory is written anew, by this commit or,
    /// as the file is missing until then, by one that comes later.
    fn write_anew(
        &self,
        durable: &mut Durable,
        number: u64,
        why: &DiskError,
    ) -> Result<(), DiskError> {
        if durable.disk.path().exists() {
            let aside = durable.disk.set_aside(self.clock.now())?;
            tracing::error!("{why}; it is kept as {} and is written anew", aside.display());
        }
        let everything = self.memory().everything();
        durable.write_anew(&everything, number, self.clock.uptime())
    }

    fn failed(&self, durable: &Durable, error: DiskError) -> StateError {
        StateError::Write { path: durable.disk.path().into(), source: error.into() }
    }

    fn tell(&self, outcome: Result<(), StateError>) {
        if let Err(error) = outcome {
            tracing::warn!("{}; it is tried again", crate::base::with_causes(&error));
        }
    }

    pub fn snapshot_if_due(&self) {
        let now = self.clock.uptime();
        // Somebody else is at it: once is enough.
        let Ok(mut taken) = self.snapshot_taken.try_lock() else { return };
        if now.saturating_sub(*taken) >= SNAPSHOT_EVERY {
            *taken = now;
            self.write_snapshot();
        }
    }

    /// The snapshot is a second line of defence: that it cannot be written is no reason to stop.
    pub fn write_snapshot(&self) {
        if self.lock.is_none() {
            return;
        }
        let salt = self.durable().journal.salt();
        let text = {
            let memory = self.memory();
            snapshot::encode(&memory.rows, &Base { salt, through: memory.number })
        };
        if let Err(error) = snapshot::write(&self.directory, &text) {
            tracing::warn!(
                "cannot write the cursor snapshot in {}: {error}",
                self.directory.display()
            );
        }
    }

    pub fn row<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, StateError> {
        let name = table.name_of(key);
        let mut durable = self.durable();
        let ahead = self.memory().ahead.get(&name).cloned();
        let found = match ahead {
            Some(row) => Ok(row),
            None if self.lock.is_none() => Ok(None),
            None => durable.disk.get(&name),
        };
        let row = found.and_then(|row| Ok(row.map(|row| decode(&row)).transpose()?));
        row.map_err(|error| self.unreadable(&durable, error))
    }

    pub fn rows<K: Key, V: DeserializeOwned>(
        &self,
        range: NameRange,
        most: usize,
    ) -> Result<Vec<(K, V)>, StateError> {
        let mut durable = self.durable();
        let ahead = self.memory().ahead_in(&range);
        // Rows that are gone since may stand before the others.
        let gone = ahead.values().filter(|row| row.is_none()).count();
        let found = match self.lock.is_none() {
            true => Ok(Vec::new()),
            false => durable.disk.range(&range, most.saturating_add(gone)),
        };
        let read = found.and_then(|found| {
            let found = found.into_iter().map(|(key, row)| (key, Some(row)));
            let mut rows: BTreeMap<Vec<u8>, Option<Vec<u8>>> = found.collect();
            rows.extend(ahead);
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
        // What was not committed is not made durable here, and is in the rows that a checkpoint would write.
        let is_due = memory.is_clean() && memory.has_journaled();
        drop(memory);
        if is_due {
            let mut durable = self.durable();
            self.tell(self.checkpoint(&mut durable, self.clock.uptime()));
        }
        self.write_snapshot();
    }
}
