//! Makes the rows of the state durable: in a journal, and from time to time in a database.
//!
//! A commit is one record in the journal. A checkpoint writes everything that only the journal holds into the database,
//! in one transaction together with the number of the last record included, and restarts the journal. After a crash at
//! any step, the database and the records with higher numbers contain every row that was durable.

use std::time::Duration;

use super::disk::Disk;
use super::disk_error::DiskError;
use super::journal::{Journal, JournalPosition};
use super::memory::Batch;
use super::tables::Changes;

/// Longest time between two checkpoints while there are commits.
pub(super) const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Durable {
    pub disk: Disk,
    pub journal: Journal,
    /// Uptime of the last checkpoint.
    pub checkpointed: Duration,
}

impl Durable {
    pub fn checkpoint_is_due(&self, now: Duration) -> bool {
        now.saturating_sub(self.checkpointed) >= CHECKPOINT_EVERY
    }

    /// Appends a commit to the journal. `false`: it is not durable, and only a checkpoint can make it so.
    pub fn append(&mut self, batch: &Batch) -> bool {
        let appended = self.journal.append(batch.number, &batch.changes);
        appended.unwrap_or_else(|error| {
            let path = self.journal.path().display();
            tracing::warn!("cannot write {path}: {error}; the state file is written instead");
            false
        })
    }

    /// Writes a checkpoint. `batch` contains all rows that are not in the database.
    pub fn checkpoint(&mut self, batch: &Batch, now: Duration) -> Result<(), DiskError> {
        let base = JournalPosition { salt: self.journal.salt(), through: batch.number };
        self.disk.write(&batch.changes, &base)?;
        self.restart_journal(base, now);
        Ok(())
    }

    /// Creates the database again, because it was damaged or removed while in use. `everything` contains all rows.
    pub fn recreate(
        &mut self,
        everything: &Changes,
        number: u64,
        now: Duration,
    ) -> Result<(), DiskError> {
        let base = JournalPosition { salt: self.journal.salt(), through: number };
        self.disk.create_with(everything, &base)?;
        self.restart_journal(base, now);
        Ok(())
    }

    /// Begins the journal anew after a checkpoint. If that fails, every commit is a checkpoint and tries this again.
    fn restart_journal(&mut self, base: JournalPosition, now: Duration) {
        self.checkpointed = now;
        if let Err(error) = self.journal.restart(base.through) {
            tracing::debug!("cannot start the journal {}: {error}", self.journal.path().display());
        }
    }
}
