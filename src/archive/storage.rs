//! The tantivy directory through which the archive accesses the disk. It works around three problems of tantivy 0.27:
//!
//! - a commit without a payload (`commit()`, or `delete` and commit) would lose the positions: such a `meta.json` is
//!   rejected;
//! - after a failed commit the next merge publishes the new documents with the old payload: the first failure shuts
//!   the gate permanently, and the writer has to be reopened from disk;
//! - tantivy does not fsync the directory after it renames `meta.json`: here it is synced before the commit returns.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr,
};

const META: &str = "meta.json";

/// A tantivy directory whose writes pass the gate; reads do not.
#[derive(Clone)]
pub(super) struct GatedDirectory {
    inner: Box<dyn Directory>,
    gate: Gate,
}

/// Once it is shut, no file is created, replaced or deleted any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(Arc<Mutex<Option<String>>>);

impl Gate {
    /// Waits for the current write and shuts the gate. Later writes fail with `why`.
    pub fn shut(&self, why: &str) {
        let mut shut = self.0.lock().expect("no holder panics");
        shut.get_or_insert_with(|| why.to_owned());
    }

    /// Runs `write` if the gate is open; a failure shuts it.
    fn pass(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut shut = self.0.lock().expect("no holder panics");
        if let Some(why) = &*shut {
            return Err(io::Error::other(format!("the archive is closed: {why}")));
        }
        let result = write();
        if let Err(error) = &result {
            *shut = Some(error.to_string());
        }
        result
    }

    fn check(&self) -> io::Result<()> {
        match &*self.0.lock().expect("no holder panics") {
            None => Ok(()),
            Some(why) => Err(io::Error::other(format!("the archive is closed: {why}"))),
        }
    }
}

impl GatedDirectory {
    pub fn new(inner: Box<dyn Directory>) -> (Self, Gate) {
        let gate = Gate::default();
        (GatedDirectory { inner, gate: gate.clone() }, gate)
    }
}

/// The part of tantivy's `meta.json` that is checked.
#[derive(Deserialize)]
struct Meta {
    segments: Vec<IgnoredAny>,
    payload: Option<IgnoredAny>,
}

fn check_meta(content: &[u8]) -> io::Result<()> {
    let meta: Meta = serde_json::from_slice(content)?;
    if meta.payload.is_none() && !meta.segments.is_empty() {
        return Err(io::Error::other("a commit without positions is rejected"));
    }
    Ok(())
}

impl fmt::Debug for GatedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatedDirectory({:?})", self.inner)
    }
}

impl Directory for GatedDirectory {
    fn atomic_write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.gate.pass(|| {
            if path != Path::new(META) {
                return self.inner.atomic_write(path, content);
            }
            check_meta(content)?;
            self.inner.atomic_write(path, content)?;
            self.inner.sync_directory()
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.gate.pass(|| self.inner.sync_directory())
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let refused = |error| OpenWriteError::wrap_io_error(error, path.to_owned());
        self.gate.check().map_err(refused)?;
        self.inner.open_write(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.gate.check().map_err(|error| DeleteError::IoError {
            io_error: Arc::new(error),
            filepath: path.to_owned(),
        })?;
        self.inner.delete(path)
    }

    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.inner.get_file_handle(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        self.inner.atomic_read(path)
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}
