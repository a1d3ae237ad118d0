//! For tests: a disk that is full after a number of writes until space is freed, and that can stop writing.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    AntiCallToken, Directory, DirectoryLock, FileHandle, Lock, RamDirectory, TerminatingWrite,
    WatchCallback, WatchHandle, WritePtr,
};

#[derive(Debug, Default)]
struct State {
    left: AtomicU64,
    killed: AtomicBool,
    refuse_meta: AtomicBool,
}

#[derive(Clone, Debug)]
pub struct Disk(Arc<State>);

impl Disk {
    pub fn full_after(writes: u64) -> Self {
        Disk(Arc::new(State { left: writes.into(), ..State::default() }))
    }

    pub fn make_room(&self) {
        self.0.left.store(u64::MAX, Ordering::SeqCst);
        self.0.refuse_meta.store(false, Ordering::SeqCst);
    }

    pub fn refuse_meta(&self) {
        self.0.refuse_meta.store(true, Ordering::SeqCst);
    }

    /// From now on no write of the old process reaches the disk.
    pub fn kill(&self) {
        self.0.killed.store(true, Ordering::SeqCst);
    }

    fn write(&self) -> io::Result<()> {
        if self.0.killed.load(Ordering::SeqCst) {
            return Err(io::Error::other("killed"));
        }
        let take = |left: u64| match left {
            u64::MAX => Some(u64::MAX),
            left => left.checked_sub(1),
        };
        match self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(full()),
        }
    }
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
}

#[derive(Clone, Debug)]
pub struct FaultyDirectory {
    inner: RamDirectory,
    disk: Disk,
}

impl FaultyDirectory {
    pub fn new(inner: RamDirectory, disk: Disk) -> Self {
        FaultyDirectory { inner, disk }
    }
}

struct FaultyFile {
    inner: WritePtr,
    disk: Disk,
}

impl Write for FaultyFile {
    /// A full disk writes half of the bytes before it reports the error.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.disk.write() {
            Ok(()) => self.inner.write(bytes),
            Err(error) if bytes.len() < 2 => Err(error),
            Err(error) => {
                self.inner.write_all(&bytes[..bytes.len() / 2])?;
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl TerminatingWrite for FaultyFile {
    fn terminate_ref(&mut self, token: AntiCallToken) -> io::Result<()> {
        self.disk.write()?;
        self.inner.terminate_ref(token)
    }
}

impl Directory for FaultyDirectory {
    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        let refused = |error| OpenWriteError::wrap_io_error(error, path.to_owned());
        self.disk.write().map_err(refused)?;
        let inner = self.inner.open_write(path)?;
        let file = FaultyFile { inner, disk: self.disk.clone() };
        Ok(WritePtr::new(Box::new(file)))
    }

    fn atomic_write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let is_meta = path == Path::new("meta.json");
        if is_meta && self.disk.0.refuse_meta.load(Ordering::SeqCst) {
            return Err(full());
        }
        self.disk.write()?;
        self.inner.atomic_write(path, content)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.disk.write()?;
        self.inner.sync_directory()
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        if self.disk.0.killed.load(Ordering::SeqCst) {
            let killed = Arc::new(io::Error::other("killed"));
            return Err(DeleteError::IoError { io_error: killed, filepath: path.to_owned() });
        }
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
