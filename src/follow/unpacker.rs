//! Compressed files → unnamed copies of what they held, made by a thread of their own, one file after the other.
//!
//! Everybody reads a copy as any other file, by offset; it goes when its last reader does, also after a kill. Copies
//! take a bounded part of the disk. What they are of is judged by the follower when they are done.

use std::collections::VecDeque;
use std::fs::{FileTimes, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::compressed::{At, Compression, Counted};
use super::watch::Bell;
use crate::base::timed_fs::{self, File};
use crate::base::{OnPanic, Supervisor};
use crate::event::FileId;
use crate::state::private_directory;

/// All copies together take at most so much of the disk, and never more than half of what is free.
pub(in crate::follow) const MOST: u64 = 4 << 30;
/// Unpacked and written at once.
pub(in crate::follow) const CHUNK: usize = 256 * 1024;

/// What it is called where a failure is told.
const PART: &str = "unpacker";

/// How far the unpacking of one file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Progress {
    /// Waits for its turn, or is being unpacked.
    Unfinished,
    /// All of it is there.
    Complete,
    /// The stream is not complete (yet).
    Cut,
    /// The stream is damaged behind what is there.
    Corrupt(String),
    /// There was no room for all of it.
    Full,
    /// It could not be read, or the copy not be written.
    Failed(String),
}

/// A compressed file and the copy of what it held.
#[derive(Debug)]
pub(in crate::follow) struct CompressedFile {
    pub original: Arc<File>,
    pub copy: Arc<File>,
    compression: Compression,
    state: Mutex<(Progress, Version)>,
    /// Bytes of the copy.
    size: AtomicU64,
    /// Bytes of the original that the decoder took.
    taken: AtomicU64,
    /// Of all copies.
    used: Arc<AtomicU64>,
}

/// Length and time of a compressed file: it is unpacked again when they have changed.
pub(in crate::follow) type Version = (u64, Option<SystemTime>);

impl CompressedFile {
    pub fn progress(&self) -> Progress {
        self.state().0.clone()
    }

    /// The file as it was when it was unpacked last.
    pub fn version(&self) -> Version {
        self.state().1
    }

    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Bytes of the original that the last try did not come to.
    pub fn not_taken(&self) -> u64 {
        self.version().0.saturating_sub(self.taken.load(Ordering::Acquire))
    }

    pub fn version_now(&self) -> Version {
        let metadata = self.original.metadata().ok();
        (metadata.as_ref().map_or(0, |m| m.len()), metadata.and_then(|m| m.modified().ok()))
    }

    fn state(&self) -> MutexGuard<'_, (Progress, Version)> {
        self.state.lock().expect("no holder of the progress panics")
    }

    /// Writes the copy, from the beginning; what it held of an earlier try is the same.
    fn unpack(&self, room: u64, stop: &dyn Fn() -> bool) -> Progress {
        let input = BufReader::with_capacity(64 * 1024, At { file: &*self.original, offset: 0 });
        self.taken.store(0, Ordering::Release);
        let input = Counted { input, taken: &self.taken };
        let mut done = 0;
        let progress = match self.compression.unpack(input) {
            Ok(mut input) => self.copy_all(&mut *input, room, stop, &mut done),
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
        room: u64,
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
            if *done + read as u64 > room {
                return Progress::Full;
            }
            if let Err(error) = self.copy.own().write_all_at(&chunk[..read], *done) {
                return Progress::Failed(error.to_string());
            }
            *done += read as u64;
            self.grow_to(*done);
        }
    }

    /// Gives back the room of the copy.
    pub fn empty(&self) {
        if self.copy.own().set_len(0).is_ok() {
            if let Some(modified) = self.version().1 {
                // Only what has no time of its own shows it.
                let _ = self.copy.own().set_times(FileTimes::new().set_modified(modified));
            }
            self.used.fetch_sub(self.size.swap(0, Ordering::AcqRel), Ordering::AcqRel);
        }
    }

    /// What an earlier try wrote beyond it is cut off: a file may have changed to one that holds less.
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

/// Hands files to the thread, which is there while something waits.
#[derive(Debug)]
pub(in crate::follow) struct Unpacker {
    directory: PathBuf,
    most: u64,
    bell: Arc<Bell>,
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

/// As many as there are files.
#[derive(Debug, Default)]
struct Waiting {
    files: VecDeque<(FileId, Weak<CompressedFile>)>,
    working: bool,
}

impl Unpacker {
    /// `directory` is made when it is needed.
    pub fn new(directory: &Path, most: u64, bell: Arc<Bell>) -> Self {
        Unpacker {
            directory: directory.to_owned(),
            most,
            bell,
            used: Arc::default(),
            queue: Arc::default(),
            supervisor: Supervisor::default(),
            thread: None,
        }
    }

    pub fn watched_by(self, supervisor: Supervisor) -> Self {
        Unpacker { supervisor, ..self }
    }

    /// Bytes of all copies.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// Begins a copy of what `original` holds; rings for `id` when it is done.
    pub fn add(
        &mut self,
        id: FileId,
        original: Arc<File>,
        compression: Compression,
    ) -> io::Result<Arc<CompressedFile>> {
        let compressed = Arc::new(CompressedFile {
            original,
            copy: Arc::new(unnamed(&self.directory)?.into()),
            compression,
            state: Mutex::new((Progress::Unfinished, (0, None))),
            size: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            used: self.used.clone(),
        });
        self.again(id, &compressed);
        Ok(compressed)
    }

    /// Unpacks a file once more: there is more of it, or more room.
    pub fn again(&mut self, id: FileId, compressed: &Arc<CompressedFile>) {
        *compressed.state() = (Progress::Unfinished, compressed.version_now());
        let mut waiting = self.queue.waiting();
        waiting.files.push_back((id, Arc::downgrade(compressed)));
        if std::mem::replace(&mut waiting.working, true) {
            return;
        }
        drop(waiting);
        self.finish();
        let (queue, bell, directory) =
            (self.queue.clone(), self.bell.clone(), self.directory.clone());
        let (most, supervisor) = (self.most, self.supervisor.clone());
        let work = move || {
            let work = || queue.work(&bell, &directory, most, &supervisor);
            // Between two files it holds what the follower waits for.
            let _ = supervisor.guard(PART, OnPanic::End, work);
        };
        match std::thread::Builder::new().name("unpack".into()).spawn(work) {
            Ok(thread) => self.thread = Some(thread),
            // Tried again as what failed to be read is.
            Err(error) => self.queue.fail_all(&error),
        }
    }

    /// Waits until nothing waits.
    pub fn finish(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic has been told by who watches it.
            let _ = thread.join();
        }
    }

    pub fn stop(&mut self) {
        self.queue.stop.store(true, Ordering::Release);
        self.finish();
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of the queue panics")
    }

    /// There is no thread for what waits.
    fn fail_all(&self, error: &io::Error) {
        let mut waiting = self.waiting();
        waiting.working = false;
        for compressed in waiting.files.drain(..).filter_map(|(_, compressed)| compressed.upgrade())
        {
            compressed.state().0 = Progress::Failed(format!("no thread can be started ({error})"));
        }
    }

    fn next(&self) -> Option<(FileId, Weak<CompressedFile>)> {
        let mut waiting = self.waiting();
        let next = waiting.files.pop_front();
        waiting.working = next.is_some();
        next
    }

    fn work(&self, bell: &Bell, directory: &Path, most: u64, supervisor: &Supervisor) {
        while let Some((id, compressed)) = self.next() {
            let Some(compressed) = compressed.upgrade() else { continue };
            let others = compressed.used.load(Ordering::Acquire) - compressed.size();
            let room = most.saturating_sub(others).min(free(directory) / 2);
            // Given up meanwhile, or the end.
            let stop = || self.stop.load(Ordering::Acquire) || Arc::strong_count(&compressed) == 1;
            // The others are unpacked all the same.
            let unpacked = supervisor.guard(PART, OnPanic::GoOn, || {
                supervisor.checkpoint(PART);
                compressed.unpack(room, &stop)
            });
            let failed = || Progress::Failed("unpacking failed by a fault in Logwarden".to_owned());
            compressed.state().0 = unpacked.unwrap_or_else(|_| failed());
            bell.ring(|hints| {
                hints.files.insert(id);
            });
        }
    }
}

/// A file that goes when nobody has it open, whatever ends the program.
fn unnamed(directory: &Path) -> io::Result<std::fs::File> {
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

/// Bytes that are free for us where the directory is.
fn free(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |found| found.f_bavail * found.f_frsize)
}

#[cfg(test)]
mod tests;
