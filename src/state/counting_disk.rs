//! A store that counts the bytes it writes to its file.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::Store;
use super::disk::builder;
use crate::base::Clock;

#[derive(Debug)]
struct Counting {
    file: FileBackend,
    written: Arc<AtomicU64>,
}

/// A store in this directory, and the bytes that it has written so far. Nothing is synced: that only takes time.
pub(crate) fn open(directory: &Path, clock: Arc<dyn Clock>) -> (Store, Arc<AtomicU64>) {
    let written = Arc::new(AtomicU64::new(0));
    let counted = written.clone();
    let opener = move |path: &Path| {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let file = FileBackend::new(file)?;
        builder().create_with_backend(Counting { file, written: counted.clone() })
    };
    let (store, notices) = Store::open_with(directory, clock, Box::new(opener)).unwrap();
    assert_eq!(notices, Vec::<String>::new());
    (store, written)
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
