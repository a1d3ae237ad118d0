//! Where rows are durable: the journal, and the database behind it.
//!
//! A commit is a record in the journal. A checkpoint writes everything that is in the journal only into the database,
//! in one transaction together with the number of the last record that is in it, and begins the journal again. After
//! a crash at any step the database and the records with higher numbers give every row that was durable.

use std::time::Duration;

use super::disk::Disk;
use super::disk_error::DiskError;
use super::journal::{Base, Journal};
use super::memory::Batch;
use super::tables::Changes;

/// So often at least everything is written into the database, if there is a commit.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Durable {
    pub disk: Disk,
    pub journal: Journal,
    pub checkpointed: Duration,
}

impl Durable {
    pub fn checkpoint_is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.checkpointed) >= CHECKPOINT_EVERY
    }

    /// `false`: it is not durable, and only a checkpoint makes it so.
    pub fn append(&mut self, batch: &Batch) -> bool {
        let appended = self.journal.append(batch.number, &batch.changes);
        appended.unwrap_or_else(|error| {
            let path = self.journal.path().display();
            tracing::warn!("cannot write {path}: {error}; the state file is written instead");
            false
        })
    }

    /// These are all rows that are not in the database.
    pub fn checkpoint(&mut self, batch: &Batch, now: Duration) -> Result<(), DiskError> {
        let base = Base { salt: self.journal.salt(), through: batch.number };
        self.disk.write(&batch.changes, &base)?;
        self.restart_journal(base, now);
        Ok(())
    }

    /// These are all rows: the database was damaged or removed while it was in use.
    pub fn write_anew(
        &mut self,
        everything: &Changes,
        number: u64,
        now: Duration,
    ) -> Result<(), DiskError> {
        let base = Base { salt: self.journal.salt(), through: number };
        self.disk.create_with(everything, &base)?;
        self.restart_journal(base, now);
        Ok(())
    }

    /// Without a journal every commit is a checkpoint, which tries again.
    fn restart_journal(&mut self, base: Base, now: Duration) {
        self.checkpointed = now;
        if let Err(error) = self.journal.restart(base.through) {
            tracing::debug!("cannot begin {}: {error}", self.journal.path().display());
        }
    }
}
