//! For tests: a store that counts the bytes written to its journal and its database.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, StorageBackend};

use super::Store;
use super::storage::{Storage, builder};
use crate::base::Clock;

#[derive(Debug, Default)]
struct CountingFiles {
    written: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Counting {
    file: FileBackend,
    written: Arc<AtomicU64>,
}

/// Opens a store in `directory`; also returns the counter of the bytes written. Does not sync, to save time.
pub(crate) fn open(directory: &Path, clock: Arc<dyn Clock>) -> (Store, Arc<AtomicU64>) {
    let files = CountingFiles::default();
    let written = files.written.clone();
    let (store, notices) = Store::open_with(directory, clock, Arc::new(files)).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    (store, written)
}

impl CountingFiles {
    fn open(&self, path: &Path) -> Result<Counting, DatabaseError> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Counting { file: FileBackend::new(file)?, written: self.written.clone() })
    }
}

impl Storage for CountingFiles {
    fn database(&self, path: &Path) -> Result<Database, DatabaseError> {
        builder().create_with_backend(self.open(path)?)
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        Ok(Box::new(self.open(path).map_err(io::Error::other)?))
    }
}

impl StorageBackend for Counting {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.file.write(offset, data)
    }
}
