//! The shared log: what files there are, how far they reach, and batches from any cursor.

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
use super::own_files::Own;
use super::reader;
use super::shared::Shared;
use super::types::{Change, LogConfig, Read};
use super::watch::Watch;
use super::{FileHandle, SourceConfig};
use crate::base::{Clock, OnPanic, Supervisor};
use crate::event::status::{FileStatus, Notice};
use crate::event::{Cursor, FileId, GenerationId, Mark, Position};
use crate::state::Store;

/// Cheap to clone. Its thread ends with [`Log::stop`].
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Log {
    /// Discovers and opens the files that are there and returns at once; from now on they are followed.
    /// Nothing is delivered before [`Log::settle`]; the screen can read already.
    pub fn open(config: LogConfig, clock: Arc<dyn Clock>) -> Log {
        Log::open_watched(config, Own::default(), clock, Supervisor::default())
    }

    /// The same; what is our own is not followed, and its threads are watched by `supervisor`.
    pub fn open_watched(
        config: LogConfig,
        own: Own,
        clock: Arc<dyn Clock>,
        supervisor: Supervisor,
    ) -> Log {
        let log = Log::prepare(config, clock, supervisor);
        log.shared.set_own(own);
        let watch = Watch::new(log.shared.bell.clone(), log.supervisor());
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
            // What it knows of files is in its memory alone, and perhaps half changed.
            .spawn(move || {
                let _ = supervisor.guard(PART, OnPanic::End, || follower.run());
            })
            .expect("a thread can be made at the start");
        *self.thread.lock().expect("no holder of the thread panics") = Some(thread);
    }

    /// As [`Log::open`], where no change is ever hinted at: polling alone.
    #[doc(hidden)]
    pub fn open_without_hints(config: LogConfig, clock: Arc<dyn Clock>) -> Log {
        let log = Log::prepare(config, clock, Supervisor::default());
        log.start(Watch::none());
        log
    }

    /// Gives it the state: identities are settled, rows written, generations published, on the follower's
    /// thread; [`Log::settled`] says when the first pass is done. Called once. `known`: what sinks that keep their own
    /// cursors know, so that a generation is recognised although the state was lost, and no id is given twice.
    pub fn settle(&self, store: Store, known: Vec<Position>) {
        self.shared.put_positions(known);
        if self.shared.store.set(store).is_ok() {
            self.shared.bell.ring(|hints| hints.nudged = true);
        }
    }

    /// Other files of our own: with the next sources. See [`Log::set_sources`].
    pub fn set_own(&self, own: Own) {
        self.shared.set_own(own);
    }

    /// Other sources from now on. Files of a source that is read as before go on without a break; those of one
    /// that is gone or read otherwise vanish for a moment, so nobody should be reading then. Blocking: returns
    /// when the files of the new ones are found.
    pub fn set_sources(&self, sources: Vec<SourceConfig>) {
        let (done, waiting) = sync_channel(1);
        self.shared.bell.ring(|hints| hints.sources = Some(Change { sources, done }));
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

    /// Takes standard input and pipes in, until each ends or is told to stop. Only where the settings said so.
    pub fn take_in(&self, inputs: Vec<OwnedFd>) -> std::io::Result<Vec<Input>> {
        self.shared.incoming.expect(inputs.len());
        inputs.into_iter().map(|input| Input::start(self.shared.clone(), input)).collect()
    }

    /// Standard input or a pipe has not ended yet.
    pub fn input_is_open(&self) -> bool {
        self.shared.incoming.is_open()
    }

    /// Every input has ended, and all that came is in files whose ends are known.
    pub fn input_is_through(&self) -> bool {
        self.shared.incoming.is_through()
    }

    /// What came by standard input is being unpacked.
    pub fn input_is_unpacked(&self) -> bool {
        self.shared.incoming.is_unpacked()
    }

    /// What came by standard input and could not be read, since the start.
    pub fn input_loss(&self) -> InputLoss {
        self.shared.incoming.lost()
    }

    /// Somebody asked for what is here to be delivered: standard input is then more than looked at.
    pub fn keep_input(&self) {
        self.shared.incoming.keep();
    }

    /// Who must have read a generation before its last descriptor and its row are given up. Until it is
    /// told: everyone who has a cursor in the state.
    pub fn set_consumers(&self, names: Vec<String>) {
        *self.shared.consumers.lock().expect("no holder of the consumers panics") = names;
    }

    /// All files under observation, in the order of their sources, then of first sight.
    pub fn files(&self) -> Vec<Arc<FileHandle>> {
        self.shared.files()
    }

    /// Settled generations, also those that live only in the state as long as somebody may be behind. Walks all
    /// there is: ask it once, and follow [`Log::changes`] from then on.
    pub fn generations(&self) -> Vec<GenerationId> {
        let mut all = self.shared.lives();
        all.extend(self.shared.missed());
        all
    }

    /// This one is among them.
    pub fn holds(&self, generation: GenerationId) -> bool {
        self.shared.holds(generation)
    }

    /// A file holds this one now; else a row of the state is all there is.
    pub fn has_file(&self, generation: GenerationId) -> bool {
        self.shared.life(generation).is_some()
    }

    /// Where a consumer without a cursor begins in this generation, and the end of what was seen.
    pub fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        if let Some(handle) = self.shared.life(generation) {
            let known = handle.known();
            return Some((known.facts.start, known.facts.size));
        }
        self.shared.gone().get(&generation).map(|row| (row.start, row.end()))
    }

    /// What begins before this offset stood in the file when it was seen first.
    pub fn history(&self, generation: GenerationId) -> u64 {
        self.shared.life(generation).map_or(u64::MAX, |handle| handle.known().history)
    }

    /// Who watches the threads of the log.
    pub fn supervisor(&self) -> Supervisor {
        self.shared.supervisor.clone()
    }

    /// Which files and generations grow, appear, end, are read otherwise or get their identity.
    pub fn changes(&self) -> Changes {
        self.shared.changes.subscribe()
    }

    /// The next events behind `cursor`. Blocking (reads the file); call it off the async threads.
    /// Reading any offset twice gives the same records with the same ids.
    pub fn read(&self, cursor: Cursor) -> std::io::Result<Read> {
        reader::read(&self.shared, cursor)
    }

    /// Bytes behind `cursor` that nobody can read any more, up to the end of their generation; counted as lost from
    /// then on. `None`: they can be read, or it is not certain yet. No I/O.
    pub fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        destroyed(&self.shared, cursor)
    }

    /// Whether the generation holds what this mark says; `None` where that cannot be told now.
    pub fn bears(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        let handle = self.shared.life(generation)?;
        if mark.offset == 0 {
            return Some(true);
        }
        let (begin, seen, size) = {
            let known = handle.known();
            (known.facts.begin, known.mark, known.facts.size)
        };
        // Seen there, and not in the copy in which it is read on.
        if seen.offset < mark.offset && mark.offset <= size {
            return None;
        }
        let key = &self.shared.config.key;
        let file = handle.open_file().ok().flatten()?;
        // Of a deleted file only the rest is kept; one that was truncated a moment ago is about to be another.
        let is_it = begin == 0 && identity::bears(&file, &seen, key).ok()?;
        if !is_it {
            return None;
        }
        identity::bears(&file, mark, key).ok()
    }

    /// Bytes that were lost since the start, exactly: truncated or deleted before everybody had read them.
    pub fn lost(&self) -> u64 {
        self.shared.losses.total()
    }

    /// `true` once the first pass over the sources is done and every byte that was there then is published
    /// (for `--once`: the ends are fixed).
    pub fn settled(&self) -> bool {
        self.shared.settled.load(Ordering::Acquire)
    }

    /// Asks for a look at everything that is there; [`Log::has_looked`] says when it is done.
    pub fn ask_for_look(&self) -> u64 {
        let number = self.shared.asked.ask();
        self.shared.bell.ring(|hints| hints.asked = true);
        number
    }

    /// What was written before that look was asked for is known.
    pub fn has_looked(&self, number: u64) -> bool {
        self.shared.asked.is_done(number)
    }

    /// The end of every generation, as seen now; with `--once` and once settled, it is fixed. A consumer
    /// that has reached all of them has everything.
    pub fn ends(&self) -> Vec<Cursor> {
        let end =
            |generation| self.extent(generation).map(|(_, offset)| Cursor { generation, offset });
        self.generations().into_iter().filter_map(end).collect()
    }

    /// Files that are there and could not be opened at the last look.
    pub fn unopened(&self) -> usize {
        self.shared.unopened.load(Ordering::Relaxed)
    }

    /// Compressed files that are damaged or cut short: what else they held could not be read.
    pub fn torn(&self) -> usize {
        self.shared.torn.load(Ordering::Relaxed)
    }

    /// Of all files. Walks all of them: follow [`Log::changes`] from then on.
    pub fn statuses(&self) -> Vec<FileStatus> {
        let files = self.files();
        let told: HashSet<GenerationId> =
            files.iter().filter_map(|handle| handle.generation_with_loss()).collect();
        let gone = self.shared.lost_files(&|generation| told.contains(&generation));
        files.iter().map(|file| file.status()).chain(gone).collect()
    }

    /// One of them; `None` where it is gone.
    pub fn status(&self, file: FileId) -> Option<FileStatus> {
        let followed = self.shared.file(file).map(|file| file.status());
        followed.or_else(|| self.shared.lost_file(file))
    }

    /// What the operator should know about files now; what is mended is no longer in it.
    pub fn notices(&self) -> Vec<Notice> {
        self.shared.board.all()
    }

    /// Ends the follower's thread and waits for it. What is read can still be read.
    pub fn stop(&self) {
        self.shared.bell.ring(|hints| hints.stop = true);
        let thread = self.thread.lock().expect("no holder of the thread panics").take();
        if let Some(thread) = thread {
            // A panic has been told by who watches it.
            let _ = thread.join();
        }
    }
}
