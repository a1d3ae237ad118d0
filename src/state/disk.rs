//! The rows in redb: opened, checked, read once at the start, then only written.
//!
//! After any failed write the file is closed and opened again by the next one: redb refuses to go on after an
//! I/O error, and what it wrote before is intact.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError};

use super::directory::sync_directory;
use super::rows::{Changes, CursorKey, Dirty, RowError, Rows, VERSION, decode, encode};
use crate::base::Timestamp;
use crate::event::GenerationId;

/// redb takes 1 GiB unless told otherwise.
const CACHE: usize = 4 << 20;

const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const GENERATIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("generations");
/// By generation and number of the block.
const CUTS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("cuts");
const CURSORS: TableDefinition<'_, (&str, &str, u64), &[u8]> = TableDefinition::new("cursors");

const META_VERSION: &str = "version";
/// `source:NAME` stands in meta once that source was started.
const META_SOURCE: &str = "source:";
const META_KEY: &str = "key:";

/// Opens or creates the database at a path. Tests put faulty disks in here.
pub(super) type Opener = Box<dyn Fn(&Path) -> Result<Database, redb::DatabaseError> + Send>;

pub(super) fn file_opener() -> Opener {
    Box::new(|path| {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        builder().create_file(file)
    })
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    /// What stands in the file is not what was written.
    #[error("the state file is damaged: {0}")]
    Damaged(String),
    #[error("the state file is of version {0}")]
    Newer(u32),
    #[error("the state file is missing")]
    Missing,
    #[error(transparent)]
    Failed(redb::Error),
}

pub(super) struct Disk {
    path: PathBuf,
    opener: Opener,
    /// `None` before the first use and after a failure.
    database: Option<Database>,
}

impl Disk {
    pub fn new(path: PathBuf, opener: Opener) -> Self {
        Disk { path, opener, database: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file, checks it and reads all rows; `true`: it had to be repaired.
    pub fn load(&mut self) -> Result<(Rows, bool), DiskError> {
        if !self.path.exists() {
            return Err(DiskError::Missing);
        }
        let loaded = without_panic(|| {
            let mut database = (self.opener)(&self.path).map_err(redb::Error::from)?;
            let clean = database.check_integrity().map_err(redb::Error::from)?;
            let (rows, version) = read_rows(&database)?;
            if version < VERSION {
                write_changes(&database, &Dirty::all(&rows).changes(&rows))?;
            }
            Ok((database, rows, !clean))
        });
        let (database, rows, repaired) =
            loaded.unwrap_or_else(|_| Err(DiskError::Damaged("unreadable structure".into())))?;
        self.database = Some(database);
        Ok((rows, repaired))
    }

    /// One transaction, durable when this returns.
    pub fn write(&mut self, changes: &Changes) -> Result<(), DiskError> {
        let database = self.database.take();
        let written = without_panic(|| {
            let database = match database {
                Some(database) => database,
                None if self.path.exists() => {
                    (self.opener)(&self.path).map_err(redb::Error::from)?
                }
                None => return Err(DiskError::Missing),
            };
            write_changes(&database, changes)?;
            Ok(database)
        });
        self.database = Some(written.unwrap_or_else(|panic| Err(panic.into()))?);
        Ok(())
    }

    /// Keeps the damaged file under another name and says which.
    pub fn set_aside(&mut self, now: Timestamp) -> io::Result<PathBuf> {
        self.database = None;
        let base = format!("{}.damaged-{}", self.path.display(), stamp(now));
        let names = std::iter::once(base.clone()).chain((2..).map(|n| format!("{base}-{n}")));
        let free = names.map(PathBuf::from).find(|name| !name.exists());
        let aside = free.expect("there is always a free name");
        fs::rename(&self.path, &aside)?;
        sync_directory(&self.path)?;
        Ok(aside)
    }

    /// A new file with these rows. Made aside and renamed: one that a kill left half made would look damaged,
    /// or hold only some of the rows.
    pub fn create_with(&mut self, changes: &Changes) -> Result<(), DiskError> {
        let aside = self.path.with_extension("redb.new");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let written = without_panic(|| {
            let database = (self.opener)(&aside).map_err(redb::Error::from)?;
            Ok(write_changes(&database, changes)?)
        });
        written.unwrap_or_else(|panic| Err(panic.into()))?;
        fs::rename(&aside, &self.path)?;
        Ok(sync_directory(&self.path)?)
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("path", &self.path).finish_non_exhaustive()
    }
}

/// redb promises errors; a panic in it must neither keep an engine from starting nor leave others waiting for a commit
/// that never ends. What it had open is dropped.
fn without_panic<T>(
    work: impl FnOnce() -> Result<T, DiskError>,
) -> Result<Result<T, DiskError>, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown panic");
        Panicked(text.to_owned())
    })
}

struct Panicked(String);

impl From<Panicked> for DiskError {
    fn from(Panicked(text): Panicked) -> Self {
        io::Error::other(format!("internal error of the database: {text}")).into()
    }
}

/// `20261121T044646Z`.
fn stamp(now: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(now.seconds()).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn write_changes(database: &Database, changes: &Changes) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_VERSION, encode(&VERSION).as_slice())?;
        let sources = changes.sources.iter().map(|source| format!("{META_SOURCE}{source}"));
        let keys = changes.keys.iter().map(|key| format!("{META_KEY}{key}"));
        for name in sources.chain(keys) {
            meta.insert(name.as_str(), encode(&true).as_slice())?;
        }
        let mut generations = transaction.open_table(GENERATIONS)?;
        for (id, row) in &changes.generations {
            match row {
                Some(bytes) => generations.insert(id.0, bytes.as_slice())?,
                None => generations.remove(id.0)?,
            };
        }
        if !changes.cuts.is_empty() {
            let mut cuts = transaction.open_table(CUTS)?;
            for ((id, block), row) in &changes.cuts {
                match row {
                    Some(bytes) => cuts.insert((id.0, *block), bytes.as_slice())?,
                    None => cuts.remove((id.0, *block))?,
                };
            }
        }
        let mut cursors = transaction.open_table(CURSORS)?;
        for (key, row) in &changes.cursors {
            let name = (&*key.consumer, &*key.lane, key.generation.0);
            match row {
                Some(bytes) => cursors.insert(name, bytes.as_slice())?,
                None => cursors.remove(name)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// … and the version that wrote them.
fn read_rows(database: &Database) -> Result<(Rows, u8), DiskError> {
    let (mut rows, mut written_by) = (Rows::default(), VERSION);
    let transaction = database.begin_read().map_err(redb::Error::from)?;
    let meta = transaction.open_table(META)?;
    if let Some(version) = meta.get(META_VERSION)? {
        // A newer version of the whole says more than a row that cannot be read.
        written_by = decode(version.value())?;
        if written_by > VERSION {
            return Err(DiskError::Newer(written_by.into()));
        }
    }
    for entry in meta.iter()? {
        let (key, _) = entry?;
        rows.sources.extend(key.value().strip_prefix(META_SOURCE).map(String::from));
        rows.keys.extend(key.value().strip_prefix(META_KEY).map(String::from));
    }
    for entry in transaction.open_table(GENERATIONS)?.iter()? {
        let (id, row) = entry?;
        rows.generations.insert(GenerationId(id.value()), decode(row.value())?);
    }
    match transaction.open_table(CUTS) {
        Ok(table) => {
            for entry in table.iter()? {
                let (name, cuts) = entry?;
                rows.add_cuts(GenerationId(name.value().0), decode(cuts.value())?);
            }
        }
        // There never were any, or version 1 kept them in the row.
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for entry in transaction.open_table(CURSORS)?.iter()? {
        let (name, offset) = entry?;
        let (consumer, lane, generation) = name.value();
        let key = CursorKey {
            consumer: consumer.into(),
            lane: lane.into(),
            generation: GenerationId(generation),
        };
        rows.cursors.insert(key, decode(offset.value())?);
    }
    Ok((rows, written_by))
}

impl From<redb::Error> for DiskError {
    fn from(error: redb::Error) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        match error {
            redb::Error::Corrupted(reason) => DiskError::Damaged(reason),
            redb::Error::Io(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                DiskError::Damaged(error.to_string())
            }
            redb::Error::TableDoesNotExist(_) | redb::Error::TableTypeMismatch { .. } => {
                DiskError::Damaged(error.to_string())
            }
            other => DiskError::Failed(other),
        }
    }
}

impl From<StorageError> for DiskError {
    fn from(error: StorageError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<TableError> for DiskError {
    fn from(error: TableError) -> Self {
        redb::Error::from(error).into()
    }
}

impl From<io::Error> for DiskError {
    fn from(error: io::Error) -> Self {
        DiskError::Failed(redb::Error::Io(error))
    }
}

impl From<RowError> for DiskError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Newer(version) => DiskError::Newer(version),
            RowError::Malformed(reason) => DiskError::Damaged(reason),
        }
    }
}
