//! The interface to the followed files: which files and generations exist, how large they are, and event batches from
//! any cursor.

use std::collections::HashSet;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::changes::Changes;
use super::destroyed::destroyed;
use super::follower::{Follower, PART};
use super::identity;
use super::intake::{Input, InputLoss};
use super::own_files::OwnPaths;
use super::reader;
use super::shared::Shared;
use super::types::{Change, LogConfig, Read};
use super::watch::Watch;
use super::{FileHandle, SourceConfig};
use crate::base::{Clock, OnPanic, Supervisor};
use crate::event::status::{FileStatus, Notice};
use crate::event::{Cursor, FileId, GenerationId, Mark, Position};
use crate::state::Store;

/// All followed files, and the thread that follows them. Cheap to clone. [`Log::stop`] ends the thread.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Log {
    /// Discovers and opens the existing files, starts to follow them, and returns without waiting. Consumers get no
    /// events before [`Log::settle`]; the screen can read at once.
    pub fn open(config: LogConfig, clock: Arc<dyn Clock>) -> Log {
        Log::open_watched(config, OwnPaths::default(), clock, Supervisor::default())
    }

    /// Like [`Log::open`], but does not follow Logwarden's own files (`own`), and `supervisor` watches the threads.
    pub fn open_watched(
        config: LogConfig,
        own: OwnPaths,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
    ) -> Log {
        let log = Log::prepare(config, clock, supervisor);
        log.shared.set_own(own);
        let watch = Watch::new(log.shared.waker.clone(), log.supervisor());
        log.start(watch);
        log
    }

    fn prepare(config: LogConfig, clock: Arc<dyn Clock>, supervisor: Supervisor) -> Log {
        let mut shared = Shared::new(config, clock);
        shared.supervisor = supervisor;
        Log { shared: Arc::new(shared), thread: Arc::default() }
    }

    fn start(&self, watch: Watch) {
        let mut follower = Follower::new(self.shared.clone(), watch);
        follower.scan();
        let supervisor = self.supervisor();
        let thread = std::thread::Builder::new()
            .name("follow".into())
            // Not restarted after a panic: its knowledge of files is only in memory and may be half updated.
            .spawn(move || {
                let _ = supervisor.guard(PART, OnPanic::End, || follower.run());
            })
            .expect("a thread can be started at the start of the process");
        *self.thread.lock().expect("no holder of the thread panics") = Some(thread);
    }

    /// Like [`Log::open`], but without change notifications: files are only polled.
    #[doc(hidden)]
    pub fn open_without_hints(config: LogConfig, clock: Arc<dyn Clock>) -> Log {
        let log = Log::prepare(config, clock, Supervisor::default());
        log.start(Watch::none());
        log
    }

    /// Hands over the state; call it once. On its thread, the follower then identifies the files, writes their rows and
    /// publishes their generations; [`Log::settled`] is `true` after the first pass. `known`: positions from sinks that
    /// keep their own cursors, so that generations are recognised after a loss of the state, and no id is assigned
    /// twice.
    pub fn settle(&self, store: Store, known: Vec<Position>) {
        self.shared.put_positions(known);
        if self.shared.store.set(store).is_ok() {
            self.shared.waker.wake(|hints| hints.nudged = true);
        }
    }

    /// Replaces the list of Logwarden's own files; takes effect with the next [`Log::set_sources`].
    pub fn set_own(&self, own: OwnPaths) {
        self.shared.set_own(own);
    }

    /// Replaces the sources. Files of unchanged sources are followed without a break; files of removed or changed
    /// sources disappear for a moment, so no consumer should read meanwhile. Blocking: returns when the files of the
    /// new sources are discovered.
    pub fn set_sources(&self, sources: Vec<SourceConfig>) {
        let (done, waiting) = sync_channel(1);
        self.shared.waker.wake(|hints| hints.sources = Some(Change { sources, done }));
        let ended = || {
            let thread = self.thread.lock().expect("no holder of the thread panics");
            thread.as_ref().is_none_or(JoinHandle::is_finished)
        };
        while waiting.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            if ended() {
                return;
            }
        }
    }

    /// Starts to store standard input and pipes in the intake directory. Each [`Input`] runs until its end, or until it
    /// is stopped. Requires [`LogConfig::intake`].
    pub fn take_in(&self, inputs: Vec<OwnedFd>) -> std::io::Result<Vec<Input>> {
        self.shared.stdin_progress.set_open_inputs(inputs.len());
        inputs.into_iter().map(|input| Input::start(self.shared.clone(), input)).collect()
    }

    /// Standard input or a pipe has not ended yet.
    pub fn input_is_open(&self) -> bool {
        self.shared.stdin_progress.is_open()
    }

    /// Every input has ended, and all its bytes are in segments whose ends are published.
    pub fn input_is_through(&self) -> bool {
        self.shared.stdin_progress.is_through()
    }

    /// Compressed standard input is being unpacked.
    pub fn input_is_unpacked(&self) -> bool {
        self.shared.stdin_progress.is_unpacking()
    }

    /// Bytes of standard input that could not be read, since the start.
    pub fn input_loss(&self) -> InputLoss {
        self.shared.stdin_progress.loss()
    }

    /// Keeps standard input for delivery, although it was only to be viewed: a person has asked to ship it.
    pub fn keep_input(&self) {
        self.shared.stdin_progress.request_delivery();
    }

    /// The consumers that must have read a generation before its descriptor and row are dropped. Until this is called:
    /// all consumers with a cursor in the state.
    pub fn set_consumers(&self, names: Vec<String>) {
        *self.shared.consumers.lock().expect("no holder of the consumers panics") = names;
    }

    /// All followed files, ordered by source, then by discovery.
    pub fn files(&self) -> Vec<Arc<FileHandle>> {
        self.shared.files()
    }

    /// All identified generations, including those without a file while a consumer may not have read all of them. Walks
    /// all generations: call it once, then use [`Log::changes`].
    pub fn generations(&self) -> Vec<GenerationId> {
        let mut all = self.shared.generations_with_file();
        all.extend(self.shared.unread_without_file());
        all
    }

    /// Whether [`Log::generations`] lists this one.
    pub fn holds(&self, generation: GenerationId) -> bool {
        self.shared.holds(generation)
    }

    /// The generation has a file now; otherwise only its row in the state is left.
    pub fn has_file(&self, generation: GenerationId) -> bool {
        self.shared.handle_of(generation).is_some()
    }

    /// Where a consumer without a cursor starts in this generation, and the end of its known bytes.
    pub fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        if let Some(handle) = self.shared.handle_of(generation) {
            let known = handle.known();
            return Some((known.facts.start, known.facts.size));
        }
        self.shared.without_file().get(&generation).map(|row| (row.start, row.end()))
    }

    /// The offset before which the records were already in the file when it was discovered.
    pub fn history(&self, generation: GenerationId) -> u64 {
        self.shared.handle_of(generation).map_or(u64::MAX, |handle| handle.known().history)
    }

    /// The supervisor of the log's threads.
    pub fn supervisor(&self) -> Supervisor {
        self.shared.supervisor.clone()
    }

    /// Subscribes to changes: files and generations that grow, appear, end, change their format or are identified.
    pub fn changes(&self) -> Changes {
        self.shared.changes.subscribe()
    }

    /// The next events after `cursor`. Blocking (reads the file): do not call it on an async thread.
    /// Reading any offset twice gives the same records with the same ids.
    pub fn read(&self, cursor: Cursor) -> std::io::Result<Read> {
        reader::read(&self.shared, cursor)
    }

    /// Bytes after `cursor` that can no longer be read, up to the end of their generation; this call counts them as
    /// lost. `None`: they can be read, or that is not certain yet. No I/O.
    pub fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        destroyed(&self.shared, cursor)
    }

    /// Whether the bytes before this mark are those whose hash it holds; `None` if that cannot be checked now.
    pub fn matches_mark(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        let handle = self.shared.handle_of(generation)?;
        if mark.offset == 0 {
            return Some(true);
        }
        let (begin, seen, size) = {
            let known = handle.known();
            (known.facts.begin, known.mark, known.facts.size)
        };
        // That part was in the original file and is missing in the copy that is read now.
        if seen.offset < mark.offset && mark.offset <= size {
            return None;
        }
        let key = &self.shared.config.key;
        let file = handle.open_file().ok().flatten()?;
        // Of a deleted file only the unread rest exists; a just truncated file is about to get a new generation.
        let is_it = begin == 0 && identity::matches_mark(&file, &seen, key).ok()?;
        if !is_it {
            return None;
        }
        identity::matches_mark(&file, mark, key).ok()
    }

    /// The exact number of bytes lost since the start: truncated or deleted before all consumers had read them.
    pub fn lost(&self) -> u64 {
        self.shared.losses.total()
    }

    /// `true` once the first pass over the sources is done and every byte that existed then is published
    /// (with `--once` the ends are fixed from then on).
    pub fn settled(&self) -> bool {
        self.shared.settled.load(Ordering::Acquire)
    }

    /// Requests a check of all files and returns the number of the request; [`Log::is_check_done`] reports its
    /// completion.
    pub fn request_check(&self) -> u64 {
        let number = self.shared.look_requests.add();
        self.shared.waker.wake(|hints| hints.look_requested = true);
        number
    }

    /// The requested check is done: all bytes written before the request are known.
    pub fn is_check_done(&self, number: u64) -> bool {
        self.shared.look_requests.is_done(number)
    }

    /// The current end of every generation; with `--once` the ends are fixed once settled. A consumer that has reached
    /// all of them has read everything.
    pub fn ends(&self) -> Vec<Cursor> {
        let end =
            |generation| self.extent(generation).map(|(_, offset)| Cursor { generation, offset });
        self.generations().into_iter().filter_map(end).collect()
    }

    /// Number of existing files that could not be opened at the last check.
    pub fn unopened(&self) -> usize {
        self.shared.unopened.load(Ordering::Relaxed)
    }

    /// Number of compressed files that are damaged or incomplete, so that only a part of them could be read.
    pub fn torn(&self) -> usize {
        self.shared.torn.load(Ordering::Relaxed)
    }

    /// The status of all files. Walks all of them: call it once, then use [`Log::changes`].
    pub fn statuses(&self) -> Vec<FileStatus> {
        let files = self.files();
        let with_file: HashSet<GenerationId> =
            files.iter().filter_map(|handle| handle.generation_with_loss()).collect();
        let lost = self.shared.lost_files(&|generation| with_file.contains(&generation));
        files.iter().map(|file| file.status()).chain(lost).collect()
    }

    /// The status of one file; `None` if it is no longer followed.
    pub fn status(&self, file: FileId) -> Option<FileStatus> {
        let followed = self.shared.file(file).map(|file| file.status());
        followed.or_else(|| self.shared.lost_file(file))
    }

    /// The current notices about files for the operator, without those about solved problems.
    pub fn notices(&self) -> Vec<Notice> {
        self.shared.board.all()
    }

    /// Ends the follower's thread and waits for it. [`Log::read`] still works afterwards.
    pub fn stop(&self) {
        self.shared.waker.wake(|hints| hints.stop = true);
        let thread = self.thread.lock().expect("no holder of the thread panics").take();
        if let Some(thread) = thread {
            // The supervisor has already reported a panic.
            let _ = thread.join();
        }
    }
}
