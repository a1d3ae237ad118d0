//! Limits the number of open log files. Above the limit, the least recently used files are parked: closed, and opened
//! again by their path when they are read.
//!
//! Never parks a file that could not be opened again: one without a name, or an unpacked copy. Some descriptors are
//! reserved for the state, sinks and sockets.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::identity::{self, name_of};
use crate::base::timed_fs::{self, File};
use crate::event::{FileId, FileKey};

/// Descriptors reserved for everything but log files.
const RESERVE: u64 = 48;
/// Log files get at least this many descriptors, however low the limit is.
const MINIMUM: usize = 8;

/// A holder of an open file that can be closed for a while.
pub(in crate::follow) trait Parkable: Send + Sync {
    fn has_file_open(&self) -> bool;
    /// The number of its last use.
    fn last_use(&self) -> u64;
    /// Closes the file if it can be opened again later; `false` if it stays open.
    fn park(&self) -> bool;
}

/// A parked file: its identity, and its path when it was closed.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::follow) struct Parked {
    pub path: PathBuf,
    pub key: FileKey,
}

impl Parked {
    /// Opens the file again, if it still has that path.
    pub fn open(&self) -> io::Result<File> {
        let file = timed_fs::open(&self.path)?;
        self.check_identity(&file.metadata()?)?;
        Ok(file)
    }

    /// Its metadata, read without opening it.
    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        let metadata = timed_fs::metadata(&self.path)?;
        self.check_identity(&metadata)?;
        Ok(metadata)
    }

    fn check_identity(&self, metadata: &std::fs::Metadata) -> io::Result<()> {
        let found = identity::key_of(metadata);
        match found == self.key {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "another file is at its path")),
        }
    }
}

/// The open log files, with the limit of their number.
pub(in crate::follow) struct Descriptors {
    limit: usize,
    /// Numbers the uses of files: the file with the lowest number is the least recently used one.
    uses: AtomicU64,
    open: Mutex<HashMap<FileId, Weak<dyn Parkable>>>,
    /// Number of descriptors of files that cannot be parked.
    pinned: Arc<AtomicUsize>,
}

/// An open file that may be parked.
type Candidate = (FileId, Arc<dyn Parkable>);

/// A number of descriptors that count as not parkable until this is dropped.
#[derive(Debug)]
pub(in crate::follow) struct Pins {
    count: usize,
    pinned: Arc<AtomicUsize>,
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.pinned.fetch_sub(self.count, Ordering::AcqRel);
    }
}

impl Descriptors {
    /// Raises the soft limit of this process (which protects only programs that use select(2)) to the hard one; all
    /// descriptors but the reserved ones are for log files.
    pub fn for_this_process() -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
            if let Err(error) = setrlimit(Resource::Nofile, raised) {
                tracing::warn!(%error, "cannot raise the limit of open files");
            }
        }
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Descriptors::with(usize::try_from(limit.saturating_sub(RESERVE)).unwrap_or(usize::MAX))
    }

    /// With room for `limit` log files, but at least [`MINIMUM`].
    pub fn with(limit: usize) -> Self {
        Descriptors {
            limit: limit.max(MINIMUM),
            uses: AtomicU64::new(1),
            open: Mutex::default(),
            pinned: Arc::default(),
        }
    }

    /// The number of a use that happens now.
    pub fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers an open file; parks others if too many are open.
    pub fn opened(&self, id: FileId, holder: Weak<dyn Parkable>) {
        self.files().insert(id, holder);
        self.park_surplus(id);
    }

    /// The file is no longer followed.
    pub fn forget(&self, id: FileId) {
        self.files().remove(&id);
    }

    /// Reserves descriptors for files that cannot be parked; an error (EMFILE) if there are too many of them.
    pub fn pin(&self, count: usize) -> io::Result<Pins> {
        if self.pinned.load(Ordering::Acquire) + count > self.limit / 2 {
            // EMFILE: reported and retried like the real one.
            return Err(io::Error::from_raw_os_error(24));
        }
        self.pinned.fetch_add(count, Ordering::AcqRel);
        Ok(Pins { count, pinned: self.pinned.clone() })
    }

    /// Parks files until the limit is met, but not the one that was just opened.
    fn park_surplus(&self, opened: FileId) {
        let room = self.limit.saturating_sub(self.pinned.load(Ordering::Acquire)).max(1);
        let (surplus, candidates) = self.candidates(room, opened);
        // A few more than needed, so that not every opened file has to walk through all.
        let mut wanted = if surplus > 0 { surplus + room / 8 } else { 0 };
        for (id, handle) in candidates {
            if wanted == 0 {
                break;
            }
            // Without the lock: the call goes to the mount of the file, which may be slow to answer.
            if handle.park() {
                wanted -= 1;
                self.forget_closed(id);
            }
        }
    }

    /// The number of open files beyond `room`, and the files that may be parked, the least recently used first.
    fn candidates(&self, room: usize, opened: FileId) -> (usize, Vec<Candidate>) {
        let mut files = self.files();
        if files.len() <= room {
            return (0, Vec::new());
        }
        files.retain(|_, handle| handle.upgrade().is_some_and(|handle| handle.has_file_open()));
        let surplus = files.len().saturating_sub(room);
        let others = files.iter().filter(|(id, _)| **id != opened);
        let mut candidates: Vec<Candidate> =
            others.filter_map(|(id, handle)| Some((*id, handle.upgrade()?))).collect();
        candidates.sort_by_key(|(id, handle)| (handle.last_use(), *id));
        (surplus, candidates)
    }

    /// Removes a parked file from the open ones, unless it was opened again meanwhile.
    fn forget_closed(&self, id: FileId) {
        let mut files = self.files();
        let is_open =
            |handle: &Weak<dyn Parkable>| handle.upgrade().is_some_and(|it| it.has_file_open());
        if !files.get(&id).is_some_and(is_open) {
            files.remove(&id);
        }
    }

    fn files(&self) -> MutexGuard<'_, HashMap<FileId, Weak<dyn Parkable>>> {
        self.open.lock().expect("no holder of the open files panics")
    }
}

impl std::fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Descriptors").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// The data with which the file can be opened again after it was closed; `None` if its path does not lead to it.
pub(in crate::follow) fn parkable(file: &File) -> Option<Parked> {
    let metadata = file.metadata().ok().filter(|metadata| metadata.nlink() > 0)?;
    let key = identity::key_of(&metadata);
    let parked = Parked { path: name_of(file)?, key };
    parked.metadata().ok().map(|_| parked)
}
