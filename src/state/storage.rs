//! Opens the files of the state. Tests replace this with faulty or counting files.

use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

/// Size of the database's cache, in bytes; redb uses 1 GiB by default.
const CACHE: usize = 4 << 20;

/// Access to the files of the state.
pub(super) trait Storage: Debug + Send + Sync {
    /// Opens the database at a path, or creates it.
    fn database(&self, path: &Path) -> Result<Database, DatabaseError>;

    /// Opens any other file, or creates it.
    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>>;
}

/// Files of the operating system, readable by their owner alone.
#[derive(Debug)]
struct OnDisk;

pub(super) fn on_disk() -> Arc<dyn Storage> {
    Arc::new(OnDisk)
}

impl Storage for OnDisk {
    fn database(&self, path: &Path) -> Result<Database, DatabaseError> {
        builder().create_file(open(path)?)
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(FileBackend::new(open(path)?).map_err(io::Error::other)?))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

pub(super) fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}
