//! The journal: everything committed since the last checkpoint of the database, one record per commit.
//!
//! Promises: a record is durable when `append` returns, and is read back complete or not at all. After a failed append
//! the journal accepts nothing more until a checkpoint; the bytes after the last good record then do not matter,
//! because the file is rewritten from its beginning. The file keeps its length, so that a sync writes no metadata.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::StorageBackend;
use serde::{Deserialize, Serialize};

use super::directory::{self, sync_directory};
use super::redb_panics::without_panic;
use super::storage::Storage;
use super::tables::Changes;
use crate::base::Timestamp;
use record::Salt;

pub(super) mod record;

pub(super) const FILE: &str = "state.journal";
/// Maximum length of the file. A record that does not fit goes into the database, with all records before it.
pub(super) const LARGEST: u64 = 1 << 20;

/// Stored in the database and in the snapshot: which journal continues them, and after which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JournalPosition {
    pub salt: Salt,
    /// Records up to this number are included.
    pub through: u64,
}

impl JournalPosition {
    /// The position after which a new process numbers its records, far above the numbers of earlier processes. So a
    /// snapshot of an earlier process is never continued with records of this one: those in between would be missing.
    pub fn next_process(salt: Salt, last: u64) -> JournalPosition {
        JournalPosition { salt, through: ((last >> 32) + 1) << 32 }
    }
}

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    salt: Salt,
    /// `None`: not started yet, or failed. A checkpoint starts it.
    file: Option<Box<dyn StorageBackend>>,
    /// Offset of the next record.
    end: u64,
    /// Number of the last record or checkpoint.
    last: u64,
}

impl Journal {
    pub fn new(path: PathBuf, storage: Arc<dyn Storage>) -> Self {
        Journal { path, storage, salt: Salt(0, 0), file: None, end: 0, last: 0 }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn salt(&self) -> Salt {
        self.salt
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Appends a record, durable when this returns. `false`: the journal is full; nothing was written.
    pub fn append(&mut self, number: u64, changes: &Changes) -> io::Result<bool> {
        let failed = || io::Error::other("an earlier write failed");
        let file = self.file.take().ok_or_else(failed)?;
        let record = record::encode(self.salt, number, self.last, changes);
        let end = self.end + record.len() as u64;
        if end > LARGEST {
            self.file = Some(file);
            return Ok(false);
        }
        // If the file was removed, nothing is written: the record would be lost with it.
        if !self.path.exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let written = without_panic(|| {
            file.write(self.end, &record)?;
            file.sync_data()
        });
        written.unwrap_or_else(|panic| Err(panic.into()))?;
        (self.file, self.end, self.last) = (Some(file), end, number);
        Ok(true)
    }

    /// Called when all records up to this number are in the database: the next record is written at the beginning.
    pub fn restart(&mut self, through: u64) -> io::Result<()> {
        match self.file {
            Some(_) => (self.end, self.last) = (record::FILE_HEAD as u64, through),
            None => self.create(JournalPosition { salt: self.salt, through })?,
        }
        Ok(())
    }

    /// The whole file, for [`record::read`]. `None`: it does not exist.
    pub fn bytes(&self) -> io::Result<Option<Vec<u8>>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let file = self.storage.file(&self.path)?;
        let mut bytes = vec![0; file.len()?.min(LARGEST) as usize];
        file.read(0, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// Reuses the existing file from its beginning: all its records are in the database.
    pub fn reuse(&mut self, base: JournalPosition) -> io::Result<()> {
        self.salt = base.salt;
        self.file = Some(self.storage.file(&self.path)?);
        self.restart(base.through)
    }

    /// Replaces the file with an empty journal: created under another name and renamed, so that it always has a header.
    pub fn create(&mut self, base: JournalPosition) -> io::Result<()> {
        let aside = self.path.with_extension("journal.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let made = without_panic(|| {
            let file = self.storage.file(&aside)?;
            file.write(0, &record::file_head(base.salt))?;
            file.sync_data()?;
            Ok::<_, io::Error>(file)
        });
        let file = made.unwrap_or_else(|panic| Err(panic.into()))?;
        fs::rename(&aside, &self.path)?;
        sync_directory(&self.path)?;
        (self.salt, self.file) = (base.salt, Some(file));
        self.restart(base.through)
    }

    /// Renames the file, and returns its new path.
    pub fn set_aside(&mut self, now: Timestamp) -> io::Result<PathBuf> {
        self.file = None;
        directory::set_aside(&self.path, now)
    }
}
