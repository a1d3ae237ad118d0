//! Reads and writes the database, which holds all rows as of the last checkpoint. It is opened, checked and read once
//! at the start; afterwards it is written, and read only for tables on disk.
//!
//! After a failure the file is closed, and the next access opens it again: redb refuses to continue after an I/O error,
//! but its earlier data is intact.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};

use super::directory::{self, sync_directory};
use super::disk_error::DiskError;
use super::journal::JournalPosition;
use super::old_versions;
use super::redb_panics::without_panic;
use super::rows::IN_MEMORY;
use super::storage::Storage;
use super::tables::{Changes, NameRange, RowName, VERSION, decode, encode};
use crate::base::Timestamp;

pub(super) const FILE: &str = "state.redb";

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const META_VERSION: &str = "version";
/// A [`JournalPosition`].
const META_JOURNAL: &str = "journal";

type Bytes<'a> = TableDefinition<'a, &'static [u8], &'static [u8]>;
type TableOfBytes = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;
/// Key and row.
type RowOfBytes = (Vec<u8>, Vec<u8>);

/// The name of a table in the database. It has a prefix, because versions 1 and 2 used the bare names for tables with
/// other keys.
fn name_in_database(table: &str) -> String {
    format!("rows.{table}")
}

pub(super) struct Disk {
    path: PathBuf,
    storage: Arc<dyn Storage>,
    /// `None` before the first use and after a failure.
    database: Option<Database>,
}

/// The content of the file at a start.
pub(super) struct Loaded {
    /// The rows of the tables that are kept in memory.
    pub rows: Changes,
    /// The position in the journal up to which the rows are in the file; `None`: written by an earlier version, which
    /// had no journal.
    pub base: Option<JournalPosition>,
    /// The file was damaged, and redb has repaired it.
    pub repaired: bool,
}

impl Disk {
    pub fn new(path: PathBuf, storage: Arc<dyn Storage>) -> Self {
        Disk { path, storage, database: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, checks it and reads all rows that are kept in memory.
    pub fn load(&mut self) -> Result<Loaded, DiskError> {
        if !self.path.exists() {
            return Err(DiskError::Missing);
        }
        let loaded = without_panic(|| {
            let mut database = self.storage.database(&self.path).map_err(redb::Error::from)?;
            let clean = database.check_integrity().map_err(redb::Error::from)?;
            let (rows, base) = read_all(&database)?;
            Ok((database, Loaded { rows, base, repaired: !clean }))
        });
        let (database, found) =
            loaded.unwrap_or_else(|_| Err(DiskError::Damaged("unreadable structure".into())))?;
        self.database = Some(database);
        Ok(found)
    }

    /// Writes one transaction; durable when this returns.
    pub fn write(&mut self, changes: &Changes, base: &JournalPosition) -> Result<(), DiskError> {
        self.with_database(|database| Ok(write(database, changes, base)?))
    }

    /// Reads one row of a table on disk.
    pub fn get(&mut self, name: &RowName) -> Result<Option<Vec<u8>>, DiskError> {
        self.with_database(|database| {
            let transaction = database.begin_read().map_err(redb::Error::from)?;
            let Some(table) = open(&transaction, &name.table)? else { return Ok(None) };
            Ok(table.get(name.key.as_slice())?.map(|row| row.value().into()))
        })
    }

    /// Reads the first `most` rows of this range, in the order of their keys.
    pub fn range(&mut self, range: &NameRange, most: usize) -> Result<Vec<RowOfBytes>, DiskError> {
        self.with_database(|database| {
            let transaction = database.begin_read().map_err(redb::Error::from)?;
            let Some(table) = open(&transaction, range.table)? else { return Ok(Vec::new()) };
            let (first, last) = (range.keys.0.as_ref(), range.keys.1.as_ref());
            let keys = (first.map(Vec::as_slice), last.map(Vec::as_slice));
            let mut rows = Vec::new();
            for entry in table.range::<&[u8]>(keys)?.take(most) {
                let (key, row) = entry?;
                rows.push((key.value().into(), row.value().into()));
            }
            Ok(rows)
        })
    }

    /// Runs `work` on the database. Opens the file if it is closed; closes it after a failure.
    fn with_database<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let database = self.database.take();
        let done = without_panic(|| {
            let database = match database {
                Some(database) => database,
                None if self.path.exists() => {
                    self.storage.database(&self.path).map_err(redb::Error::from)?
                }
                None => return Err(DiskError::Missing),
            };
            Ok((work(&database)?, database))
        });
        let (done, database) = done.unwrap_or_else(|panic| Err(io::Error::from(panic).into()))?;
        self.database = Some(database);
        Ok(done)
    }

    /// Renames the damaged file, and returns its new path.
    pub fn set_aside(&mut self, now: Timestamp) -> io::Result<PathBuf> {
        self.database = None;
        directory::set_aside(&self.path, now)
    }

    /// Creates a new file with these rows, under another name that is then renamed: an incomplete file left by a kill
    /// would look damaged, or would contain only some of the rows.
    pub fn create_with(
        &mut self,
        changes: &Changes,
        base: &JournalPosition,
    ) -> Result<(), DiskError> {
        let aside = self.path.with_extension("redb.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let written = without_panic(|| {
            let database = self.storage.database(&aside).map_err(redb::Error::from)?;
            Ok::<_, DiskError>(write(&database, changes, base)?)
        });
        written.unwrap_or_else(|panic| Err(io::Error::from(panic).into()))?;
        fs::rename(&aside, &self.path)?;
        Ok(sync_directory(&self.path)?)
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("path", &self.path).finish_non_exhaustive()
    }
}

fn write(
    database: &Database,
    changes: &Changes,
    base: &JournalPosition,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        old_versions::remove(&transaction, &mut meta)?;
        meta.insert(META_VERSION, encode(&VERSION).as_slice())?;
        meta.insert(META_JOURNAL, encode(base).as_slice())?;
    }
    let mut changes = changes.iter().peekable();
    while let Some((first, _)) = changes.peek() {
        let (table, in_database) = (&first.table, name_in_database(&first.table));
        let mut rows = transaction.open_table(Bytes::new(&in_database))?;
        while let Some((name, row)) = changes.next_if(|(name, _)| name.table == *table) {
            match row {
                Some(bytes) => rows.insert(name.key.as_slice(), bytes.as_slice())?,
                None => rows.remove(name.key.as_slice())?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read_all(database: &Database) -> Result<(Changes, Option<JournalPosition>), DiskError> {
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let meta = transaction.open_table(META)?;
    if let Some(version) = meta.get(META_VERSION)? {
        // Checked first: that the file has a newer version is more useful to report than an unreadable row.
        let version: u8 = decode(version.value())?;
        if version > VERSION {
            return Err(DiskError::Newer(version.into()));
        }
    }
    let Some(base) = meta.get(META_JOURNAL)? else {
        return Ok((old_versions::read(&transaction, &meta)?, None));
    };
    let mut rows = Changes::new();
    for name in IN_MEMORY {
        let Some(table) = open(&transaction, name)? else { continue };
        for entry in table.iter()? {
            let (key, row) = entry?;
            let name = RowName { table: name.into(), key: key.value().into() };
            rows.insert(name, Some(row.value().into()));
        }
    }
    Ok((rows, Some(decode(base.value())?)))
}

/// Opens a table; `None`: it was never written.
fn open(transaction: &ReadTransaction, table: &str) -> Result<Option<TableOfBytes>, DiskError> {
    match transaction.open_table(Bytes::new(&name_in_database(table))) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
