//! Unpacks compressed files into unnamed temporary copies, one after the other, in its own thread.
//!
//! A copy is read by offset like any other file; it is deleted with its last descriptor, also after a kill. Copies use
//! a bounded amount of disk space. The follower identifies each file when its copy is complete.

use std::collections::VecDeque;
use std::fs::{FileTimes, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::compressed::{Compression, CountingReader, OffsetReader};
use super::watch::Waker;
use crate::base::timed_fs::{self, File};
use crate::base::{OnPanic, Supervisor};
use crate::event::FileId;
use crate::state::private_directory;

/// Maximum disk space of all copies together; they also never use more than half of the free space.
pub(in crate::follow) const MAX_COPY_BYTES: u64 = 4 << 30;
/// Bytes that are unpacked and written at once.
pub(in crate::follow) const CHUNK: usize = 256 * 1024;

/// Name of this thread in failure messages.
const PART: &str = "unpacker";

/// Progress of unpacking one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Progress {
    /// Queued, or being unpacked.
    Unfinished,
    /// All of it is unpacked.
    Complete,
    /// The stream ends early; the rest may still be written.
    Cut,
    /// The stream is damaged after the unpacked bytes.
    Corrupt(String),
    /// There was not enough space for all of it.
    Full,
    /// The file could not be read, or the copy not written.
    Failed(String),
}

/// A compressed file and the copy of its content.
#[derive(Debug)]
pub(in crate::follow) struct CompressedFile {
    pub original: Arc<File>,
    pub copy: Arc<File>,
    compression: Compression,
    state: Mutex<(Progress, Version)>,
    /// Number of bytes of this copy.
    size: AtomicU64,
    /// Number of bytes of the original that the decoder consumed.
    consumed: AtomicU64,
    /// Number of bytes of all copies.
    used: Arc<AtomicU64>,
}

/// Length and modification time of a compressed file: it is unpacked again when they change.
pub(in crate::follow) type Version = (u64, Option<SystemTime>);

impl CompressedFile {
    pub fn progress(&self) -> Progress {
        self.state().0.clone()
    }

    /// Version of the file when it was last unpacked.
    pub fn version(&self) -> Version {
        self.state().1
    }

    /// Number of bytes of the copy.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Number of bytes of the original that the last attempt did not reach.
    pub fn not_taken(&self) -> u64 {
        self.version().0.saturating_sub(self.consumed.load(Ordering::Acquire))
    }

    pub fn version_now(&self) -> Version {
        let metadata = self.original.metadata().ok();
        (metadata.as_ref().map_or(0, |m| m.len()), metadata.and_then(|m| m.modified().ok()))
    }

    fn state(&self) -> MutexGuard<'_, (Progress, Version)> {
        self.state.lock().expect("no holder of the progress panics")
    }

    /// Writes the copy from the start; bytes from an earlier attempt are overwritten.
    fn unpack(&self, space: u64, stop: &dyn Fn() -> bool) -> Progress {
        let input =
            BufReader::with_capacity(64 * 1024, OffsetReader { file: &*self.original, offset: 0 });
        self.consumed.store(0, Ordering::Release);
        let input = CountingReader { input, consumed: &self.consumed };
        let mut done = 0;
        let progress = match self.compression.unpack(input) {
            Ok(mut input) => self.copy_all(&mut *input, space, stop, &mut done),
            Err(error) => Progress::Failed(error.to_string()),
        };
        let written = SystemTime::now();
        let times = FileTimes::new().set_modified(self.version().1.unwrap_or(written));
        match self.copy.own().set_len(done).and_then(|()| self.copy.own().set_times(times)) {
            Ok(()) => {
                self.shrink_to(done);
                progress
            }
            Err(error) => Progress::Failed(error.to_string()),
        }
    }

    fn copy_all(
        &self,
        input: &mut dyn Read,
        space: u64,
        stop: &dyn Fn() -> bool,
        done: &mut u64,
    ) -> Progress {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match input.read(&mut chunk) {
                _ if stop() => return Progress::Unfinished,
                Ok(0) => return Progress::Complete,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Progress::Cut,
                Err(error) if error.raw_os_error().is_some() || timed_fs::is_stuck(&error) => {
                    return Progress::Failed(error.to_string());
                }
                Err(error) => return Progress::Corrupt(error.to_string()),
            };
            if *done + read as u64 > space {
                return Progress::Full;
            }
            if let Err(error) = self.copy.own().write_all_at(&chunk[..read], *done) {
                return Progress::Failed(error.to_string());
            }
            *done += read as u64;
            self.grow_to(*done);
        }
    }

    /// Frees the disk space of the copy; its modification time stays that of the original.
    pub fn empty(&self) {
        if self.copy.own().set_len(0).is_ok() {
            if let Some(modified) = self.version().1 {
                // A failure changes only the times of records without a timestamp of their own.
                let _ = self.copy.own().set_times(FileTimes::new().set_modified(modified));
            }
            self.used.fetch_sub(self.size.swap(0, Ordering::AcqRel), Ordering::AcqRel);
        }
    }

    /// Cuts off bytes that an earlier attempt wrote beyond `size`: the content may have become smaller.
    fn shrink_to(&self, size: u64) {
        let before = self.size.fetch_min(size, Ordering::AcqRel);
        self.used.fetch_sub(before.saturating_sub(size), Ordering::AcqRel);
    }

    fn grow_to(&self, size: u64) {
        let before = self.size.fetch_max(size, Ordering::AcqRel);
        self.used.fetch_add(size.saturating_sub(before), Ordering::AcqRel);
    }
}

impl Drop for CompressedFile {
    fn drop(&mut self) {
        self.used.fetch_sub(*self.size.get_mut(), Ordering::AcqRel);
    }
}

/// Queues compressed files for a thread that unpacks them, and that runs only while files are waiting.
#[derive(Debug)]
pub(in crate::follow) struct Unpacker {
    directory: PathBuf,
    max_bytes: u64,
    waker: Arc<Waker>,
    used: Arc<AtomicU64>,
    queue: Arc<Queue>,
    supervisor: Supervisor,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Queue {
    stop: AtomicBool,
    waiting: Mutex<Waiting>,
}

/// Bounded by the number of followed files.
#[derive(Debug, Default)]
struct Waiting {
    files: VecDeque<(FileId, Weak<CompressedFile>)>,
    working: bool,
}

impl Unpacker {
    /// `directory` is created when it is needed.
    pub fn new(directory: &Path, max_bytes: u64, waker: Arc<Waker>) -> Self {
        Unpacker {
            directory: directory.to_owned(),
            max_bytes,
            waker,
            used: Arc::default(),
            queue: Arc::default(),
            supervisor: Supervisor::default(),
            thread: None,
        }
    }

    pub fn supervised_by(self, supervisor: Supervisor) -> Self {
        Unpacker { supervisor, ..self }
    }

    /// Bytes of all copies.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Queues `original` for unpacking into a new copy; sends a hint for `id` when that has ended, also after a
    /// failure.
    pub fn add(
        &mut self,
        id: FileId,
        original: Arc<File>,
        compression: Compression,
    ) -> io::Result<Arc<CompressedFile>> {
        let compressed = Arc::new(CompressedFile {
            original,
            copy: Arc::new(create_unnamed(&self.directory)?.into()),
            compression,
            state: Mutex::new((Progress::Unfinished, (0, None))),
            size: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
            used: self.used.clone(),
        });
        self.unpack_again(id, &compressed);
        Ok(compressed)
    }

    /// Unpacks a file again: it has changed, or there is space now.
    pub fn unpack_again(&mut self, id: FileId, compressed: &Arc<CompressedFile>) {
        *compressed.state() = (Progress::Unfinished, compressed.version_now());
        let mut waiting = self.queue.waiting();
        waiting.files.push_back((id, Arc::downgrade(compressed)));
        if std::mem::replace(&mut waiting.working, true) {
            return;
        }
        drop(waiting);
        self.wait_until_done();
        let (queue, waker, directory) =
            (self.queue.clone(), self.waker.clone(), self.directory.clone());
        let (max_bytes, supervisor) = (self.max_bytes, self.supervisor.clone());
        let work = move || {
            let work = || queue.work(&waker, &directory, max_bytes, &supervisor);
            // A panic between two files ends the thread: it may hold a lock that the follower needs.
            let _ = supervisor.guard(PART, OnPanic::End, work);
        };
        match std::thread::Builder::new().name("unpack".into()).spawn(work) {
            Ok(thread) => self.thread = Some(thread),
            // Retried like a failed read.
            Err(error) => self.queue.fail_all(&error),
        }
    }

    /// Waits until the queue is empty.
    pub fn wait_until_done(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The supervisor has already reported a panic.
            let _ = thread.join();
        }
    }

    pub fn stop(&mut self) {
        self.queue.stop.store(true, Ordering::Release);
        self.wait_until_done();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of the queue panics")
    }

    /// Fails all waiting files because no thread could be started.
    fn fail_all(&self, error: &io::Error) {
        let mut waiting = self.waiting();
        waiting.working = false;
        for compressed in waiting.files.drain(..).filter_map(|(_, compressed)| compressed.upgrade())
        {
            compressed.state().0 = Progress::Failed(format!("cannot start a thread ({error})"));
        }
    }

    fn next(&self) -> Option<(FileId, Weak<CompressedFile>)> {
        let mut waiting = self.waiting();
        let next = waiting.files.pop_front();
        waiting.working = next.is_some();
        next
    }

    fn work(&self, waker: &Waker, directory: &Path, max_bytes: u64, supervisor: &Supervisor) {
        while let Some((id, compressed)) = self.next() {
            let Some(compressed) = compressed.upgrade() else { continue };
            let others = compressed.used.load(Ordering::Acquire) - compressed.size();
            let space = max_bytes.saturating_sub(others).min(free_bytes(directory) / 2);
            // The file was closed meanwhile, or the process ends.
            let stop = || self.stop.load(Ordering::Acquire) || Arc::strong_count(&compressed) == 1;
            // A panic in one file does not stop the others.
            let unpacked = supervisor.guard(PART, OnPanic::Continue, || {
                supervisor.checkpoint(PART);
                compressed.unpack(space, &stop)
            });
            let failed =
                || Progress::Failed("unpacking failed because of a bug in Logwarden".to_owned());
            compressed.state().0 = unpacked.unwrap_or_else(|_| failed());
            waker.wake(|hints| {
                hints.files.insert(id);
            });
        }
    }
}

/// Creates a file that is deleted with its last descriptor, however the process ends.
fn create_unnamed(directory: &Path) -> io::Result<std::fs::File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    private_directory::make_directory(directory)?;
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("unpacked.{}.{number}", std::process::id()));
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Free bytes for this process on the file system of the directory.
fn free_bytes(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |found| found.f_bavail * found.f_frsize)
}

#[cfg(test)]
mod tests;
