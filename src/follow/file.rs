//! The handle of one followed file: its descriptor and facts, shared by the follower, the reader and the screen.
//!
//! A handle belongs to one generation, from the moment the file is identified: a truncated file gets a new handle. The
//! descriptor may be replaced (by that of the copy that `copytruncate` made), closed until it is needed again (the file
//! is parked), or dropped; offsets stay the same.

mod facts;
mod idle_copy;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock, Weak};
use std::time::Duration;

pub use self::facts::FileFacts;
pub(in crate::follow) use self::facts::{KnownFacts, SeenVersion};
use super::SourceConfig;
use super::changes::{ChangeHub, ChangeSet};
use super::descriptors::{self, Descriptors, Parkable, Parked};
use super::file_users::FileUsers;
use super::open_file::Descriptor;
use super::positioned_read::read_full;
use super::read_state::DecodeState;
use super::truncated_records::FoundTruncatedRecords;
use crate::base::timed_fs::File;
use crate::event::status::FileStatus;
use crate::event::{FileId, FileKey, Mark};

/// An incomplete record at which a reader waits, because more of it may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) struct OpenRecord {
    pub at: u64,
    /// `false`: it is a single line without a line end.
    pub has_line_end: bool,
}

/// The handle of one followed file, shared by `Arc`. Only the follower changes the facts; readers report their findings
/// to the follower through the handle.
#[derive(Debug)]
pub struct FileHandle {
    pub id: FileId,
    pub source: Arc<SourceConfig>,
    file: RwLock<Descriptor>,
    /// Limits the number of open files; `None`: this file is never parked.
    descriptors: Option<Arc<Descriptors>>,
    /// Number of its last use, in the order of all uses: the least recently used file is parked first.
    last_use: AtomicU64,
    pub(in crate::follow) users: FileUsers,
    /// A read keeps the facts that it started with: changes are made in a copy.
    known: Mutex<Arc<KnownFacts>>,
    decode_state: Mutex<DecodeState>,
    /// A reader found that the bytes before the mark have changed.
    mark_mismatch: AtomicBool,
    /// A reader found several records in a row that do not fit the format.
    misfit: AtomicBool,
    /// Bytes of holes that readers found.
    hole: AtomicU64,
    /// Truncated records that readers found.
    pub(in crate::follow) cut_off: FoundTruncatedRecords,
    /// The incomplete record at which a reader waits.
    open_record: Mutex<Option<OpenRecord>>,
    /// Where changes of the facts are marked.
    changes: OnceLock<Arc<ChangeHub>>,
}

impl FileHandle {
    pub fn new(
        id: FileId,
        source: Arc<SourceConfig>,
        file: std::fs::File,
        facts: FileFacts,
    ) -> Self {
        FileHandle::sharing(id, source, Arc::new(file.into()), facts, None)
    }

    /// A handle for a file that is already open, possibly for an earlier generation.
    pub(in crate::follow) fn sharing(
        id: FileId,
        source: Arc<SourceConfig>,
        file: Arc<File>,
        facts: FileFacts,
        descriptors: Option<Arc<Descriptors>>,
    ) -> Self {
        let available = facts.size;
        FileHandle {
            id,
            source,
            file: RwLock::new(Descriptor::Open(file)),
            last_use: AtomicU64::new(descriptors.as_ref().map_or(0, |open| open.next_use())),
            descriptors,
            users: FileUsers::default(),
            known: Mutex::new(Arc::new(KnownFacts {
                facts,
                mark: Mark::default(),
                complete: false,
                available,
                largest_gap: 0,
                history: u64::MAX,
            })),
            decode_state: Mutex::new(DecodeState::default()),
            mark_mismatch: AtomicBool::new(false),
            misfit: AtomicBool::new(false),
            hole: AtomicU64::new(0),
            cut_off: FoundTruncatedRecords::default(),
            open_record: Mutex::new(None),
            changes: OnceLock::new(),
        }
    }

    /// Names the hub in which changes of the facts are marked.
    pub(in crate::follow) fn report_to(&self, changes: &Arc<ChangeHub>) {
        // A repeated call passes the same hub.
        let _ = self.changes.set(changes.clone());
    }

    /// A copy of the current facts.
    pub fn facts(&self) -> FileFacts {
        self.known().facts.clone()
    }

    /// A copy of the current facts if they have changed since `seen`; updates `seen`.
    pub(in crate::follow) fn facts_if_changed(&self, seen: &mut SeenVersion) -> Option<FileFacts> {
        let known = self.known();
        seen.take(&known).then(|| known.facts.clone())
    }

    pub fn path(&self) -> Arc<Path> {
        self.known().facts.path.clone()
    }

    /// Its generation, if bytes of it were lost.
    pub(in crate::follow) fn generation_with_loss(&self) -> Option<crate::event::GenerationId> {
        let known = self.known();
        let generation = known.facts.generation.as_ref().filter(|_| known.facts.lost > 0);
        generation.map(|generation| generation.id)
    }

    pub(in crate::follow) fn status(&self) -> FileStatus {
        let known = self.known();
        let facts = &known.facts;
        FileStatus {
            file: self.id,
            source: self.source.name.to_string(),
            path: facts.path.to_path_buf(),
            format: facts.formats.last().map(|entry| entry.format.clone()),
            size: facts.size,
            lost: facts.lost,
            state: facts.shown_state(),
            last_growth: facts.last_growth,
        }
    }

    pub(in crate::follow) fn known(&self) -> MutexGuard<'_, Arc<KnownFacts>> {
        self.known.lock().expect("no holder of the facts panics")
    }

    /// Changes the facts and marks the change for subscribers; only for the follower.
    pub(in crate::follow) fn update<R>(&self, change: impl FnOnce(&mut KnownFacts) -> R) -> R {
        let mut known = self.known();
        let result = change(Arc::make_mut(&mut known));
        let generation = known.facts.generation.as_ref().map(|generation| generation.id);
        drop(known);
        if let Some(changes) = self.changes.get() {
            changes.mark(&ChangeSet::of_file(self.id, generation));
        }
        result
    }

    /// The lock for decoding this file, and for changing how it is decoded.
    pub(in crate::follow) fn decode_state(&self) -> MutexGuard<'_, DecodeState> {
        self.decode_state.lock().expect("no holder of the decode state panics")
    }

    /// Reads at `offset` until the buffer is full or the file ends; returns the bytes read. Never mmap.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.read_file()? {
            Some(file) => read_full(&file, buffer, offset),
            None => Ok(0),
        }
    }

    /// Like [`FileHandle::open_file`], but for the screen: a parked file is opened for this read only.
    fn read_file(&self) -> io::Result<Option<Arc<File>>> {
        match self.descriptor() {
            Descriptor::Open(file) => Ok(Some(file)),
            Descriptor::Gone => Ok(None),
            Descriptor::Parked(parked) => parked.open().map(|file| Some(Arc::new(file))),
            Descriptor::Idle(_) => Err(self.request_unpacking()),
        }
    }

    /// How long its file system has not answered, as far as is known without a call to it.
    pub(in crate::follow) fn stuck_for(&self) -> Option<Duration> {
        match self.descriptor() {
            Descriptor::Open(file) => file.stuck_for(),
            _ => None,
        }
    }

    pub fn metadata(&self) -> io::Result<std::fs::Metadata> {
        match self.descriptor() {
            Descriptor::Open(file) | Descriptor::Idle(file) => file.metadata(),
            Descriptor::Parked(parked) => parked.metadata(),
            Descriptor::Gone => {
                Err(io::Error::new(io::ErrorKind::NotFound, "the file no longer exists"))
            }
        }
    }

    /// `None` if the file no longer exists or cannot be opened now: see [`FileHandle::open_file`].
    pub(in crate::follow) fn file(self: &Arc<Self>) -> Option<Arc<File>> {
        self.open_file().ok().flatten()
    }

    /// The descriptor; a parked file is opened again. `None`: the file no longer exists.
    pub(in crate::follow) fn open_file(self: &Arc<Self>) -> io::Result<Option<Arc<File>>> {
        if let Some(descriptors) = &self.descriptors {
            self.last_use.store(descriptors.next_use(), Ordering::Relaxed);
        }
        match self.descriptor() {
            Descriptor::Open(file) => Ok(Some(file)),
            Descriptor::Gone => Ok(None),
            Descriptor::Parked(parked) => self.unpark(&parked).map(Some),
            Descriptor::Idle(_) => Err(self.request_unpacking()),
        }
    }

    /// Counts this file as open; it may be parked again in favour of others.
    pub(in crate::follow) fn count_open_file(self: &Arc<Self>) {
        if let Some(descriptors) = &self.descriptors {
            let this: Weak<Self> = Arc::downgrade(self);
            descriptors.opened(self.id, this);
        }
    }

    fn unpark(self: &Arc<Self>, parked: &Parked) -> io::Result<Arc<File>> {
        let file = Arc::new(parked.open()?);
        {
            let mut descriptor = self.file.write().expect("no holder of the descriptor panics");
            match &*descriptor {
                Descriptor::Parked(_) => *descriptor = Descriptor::Open(file.clone()),
                // Another thread has opened it first.
                Descriptor::Open(other) => return Ok(other.clone()),
                Descriptor::Gone | Descriptor::Idle(_) => return Ok(file),
            }
        }
        self.count_open_file();
        Ok(file)
    }

    /// Drops a stale descriptor: the file is opened again by its path when it is needed.
    pub(in crate::follow) fn park_stale(&self, key: FileKey) {
        let parked = Parked { path: self.path().to_path_buf(), key };
        *self.file.write().expect("no holder of the descriptor panics") =
            Descriptor::Parked(parked);
        if let Some(descriptors) = &self.descriptors {
            descriptors.forget(self.id);
        }
    }

    /// Records the path at which a parked file was found.
    pub(in crate::follow) fn found_at(&self, path: &Path) {
        let mut descriptor = self.file.write().expect("no holder of the descriptor panics");
        if let Descriptor::Parked(parked) = &mut *descriptor
            && parked.path != path
        {
            parked.path = path.to_path_buf();
        }
    }

    /// Its identity and path, if it is parked.
    pub(in crate::follow) fn parked(&self) -> Option<Parked> {
        match self.descriptor() {
            Descriptor::Parked(parked) => Some(parked),
            _ => None,
        }
    }

    /// Its bytes can still be read, even if the file is closed for now.
    pub(in crate::follow) fn has_bytes(&self) -> bool {
        !matches!(self.descriptor(), Descriptor::Gone)
    }

    fn descriptor(&self) -> Descriptor {
        self.file.read().expect("no holder of the descriptor panics").clone()
    }

    pub(in crate::follow) fn replace_file(&self, file: Option<Arc<File>>) {
        *self.file.write().expect("no holder of the descriptor panics") = file.into();
    }

    pub(in crate::follow) fn report_mismatch(&self) {
        self.mark_mismatch.store(true, Ordering::Release);
    }

    pub(in crate::follow) fn take_mismatch(&self) -> bool {
        self.mark_mismatch.swap(false, Ordering::AcqRel)
    }

    pub(in crate::follow) fn has_mismatch(&self) -> bool {
        self.mark_mismatch.load(Ordering::Acquire)
    }

    /// Counts a hole of this many bytes that a reader found.
    pub(in crate::follow) fn add_hole(&self, bytes: u64) {
        self.hole.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Bytes of holes since the last call.
    pub(in crate::follow) fn take_hole(&self) -> u64 {
        self.hole.swap(0, Ordering::AcqRel)
    }

    pub(in crate::follow) fn report_misfit(&self) {
        self.misfit.store(true, Ordering::Release);
    }

    pub(in crate::follow) fn take_misfit(&self) -> bool {
        self.misfit.swap(false, Ordering::AcqRel)
    }

    /// Records the incomplete record at which a reader waits; `true` if that is a change.
    pub(in crate::follow) fn set_open_record(&self, at: Option<OpenRecord>) -> bool {
        let mut open = self.open_record.lock().expect("no holder of the open record panics");
        std::mem::replace(&mut *open, at) != at
    }

    pub(in crate::follow) fn open_record(&self) -> Option<OpenRecord> {
        *self.open_record.lock().expect("no holder of the open record panics")
    }
}

impl Parkable for FileHandle {
    fn has_file_open(&self) -> bool {
        matches!(
            *self.file.read().expect("no holder of the descriptor panics"),
            Descriptor::Open(_)
        )
    }

    fn last_use(&self) -> u64 {
        self.last_use.load(Ordering::Relaxed)
    }

    fn park(&self) -> bool {
        let Descriptor::Open(file) = self.descriptor() else { return true };
        // Not parked during a read: its bytes may be needed again at once.
        let is_read = |file: &Arc<File>| Arc::strong_count(file) > 2;
        if is_read(&file) {
            return false;
        }
        // Without the lock: the file's mount may be slow to answer.
        let Some(parked) = descriptors::parkable(&file) else { return false };
        let mut descriptor = self.file.write().expect("no holder of the descriptor panics");
        let is_same = matches!(&*descriptor, Descriptor::Open(open) if Arc::ptr_eq(open, &file));
        if !is_same || is_read(&file) {
            return false;
        }
        *descriptor = Descriptor::Parked(parked);
        true
    }
}
