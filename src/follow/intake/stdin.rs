//! Stores standard input, or a named pipe, in files of the intake (segments): reads a group of bytes, makes it durable,
//! then lets the follower read it.
//!
//! A group is the input that arrived while the previous one was written, at most 1 MiB. If it cannot be written (the
//! disk is full), reading is paused, which blocks the program that writes the input, and the same group is retried. A
//! new segment starts at the beginning of a record; after twice the usual size, at the beginning of any line.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::segment::Segment;
use crate::base::OnPanic;
use crate::event::Level;
use crate::follow::notices::{self, Topic};
use crate::follow::shared::Shared;

/// Maximum number of bytes made durable together.
const GROUP: usize = 1 << 20;
/// After this many bytes a segment ends at the next beginning of a record.
const SEGMENT: u64 = 64 << 20;
/// After this many bytes a segment ends at the next line, even within a record. Lines are never split.
const LONGEST: u64 = 2 * SEGMENT;
/// Time between attempts to write a group.
const RETRY: Duration = Duration::from_secs(1);

/// After this many consecutive panics the reader is not restarted.
const RESTARTS: u32 = 5;
/// The name of the thread in reports of failures.
const PART: &str = "standard input reader";

/// The thread that reads one input. It ends with the input, or when it is stopped.
#[derive(Debug)]
pub struct Input {
    stop: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Input {
    pub(in crate::follow) fn start(shared: Arc<Shared>, input: OwnedFd) -> io::Result<Input> {
        Input::with(shared, input, SEGMENT, LONGEST)
    }

    pub(super) fn with(
        shared: Arc<Shared>,
        input: OwnedFd,
        limit: u64,
        longest: u64,
    ) -> io::Result<Input> {
        let (stop, stopped) = UnixStream::pair()?;
        let intake = shared.config.intake.as_ref().map(|intake| intake.directory.clone());
        let Some(directory) = intake else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "there is no intake directory"));
        };
        let buffer = Vec::with_capacity(GROUP);
        let reader = InputReader {
            shared,
            input,
            stopped,
            directory,
            segment: None,
            buffer,
            limit,
            longest,
        };
        let thread =
            std::thread::Builder::new().name("stdin".into()).spawn(move || reader.run())?;
        Ok(Input { stop, thread: Some(thread) })
    }

    /// Stops reading and waits until the bytes read so far are durable; gives up if they cannot be written.
    pub fn stop(&mut self) {
        // Closing this end of the socket pair wakes the thread.
        let _ = self.stop.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            // The supervisor has already reported a panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.stop();
    }
}

struct InputReader {
    shared: Arc<Shared>,
    input: OwnedFd,
    stopped: UnixStream,
    directory: std::path::PathBuf,
    segment: Option<Segment>,
    /// Bytes read and not yet durable.
    buffer: Vec<u8>,
    limit: u64,
    longest: u64,
}

/// The reason why a group is complete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GroupEnd {
    /// It is full, or no more input is available now.
    More,
    /// The input has ended, or cannot be read any more.
    Ended,
    Stopped,
}

impl InputReader {
    fn run(mut self) {
        #[cfg(target_os = "linux")]
        // Best effort: a larger pipe means larger groups.
        let _ = rustix::pipe::fcntl_setpipe_size(&self.input, GROUP);
        let ended = self.run_supervised();
        self.end_segment();
        self.shared.stdin_progress.end_input();
        if ended {
            self.say(Level::Info, "standard input has ended".to_owned());
        }
        self.notify_follower();
    }

    /// Runs the reader and restarts it after a panic. The buffer survives a panic: none of its bytes are lost or
    /// written twice.
    fn run_supervised(&mut self) -> bool {
        let supervisor = self.shared.supervisor.clone();
        loop {
            match supervisor.guard(PART, OnPanic::RestartAtMost(RESTARTS), || self.read_groups()) {
                Ok(ended) => return ended,
                Err(Some(wait)) => drop(self.stopped_within(wait)),
                Err(None) => {
                    self.say(Level::Error, notices::stdin::lost(self.buffer.len() as u64));
                    return false;
                }
            }
        }
    }

    /// Runs until the input ends (`true`) or it is stopped (`false`).
    fn read_groups(&mut self) -> bool {
        loop {
            let gathered = self.gather();
            self.shared.supervisor.checkpoint(PART);
            let kept = self.write_all();
            if !kept || gathered != GroupEnd::More {
                return kept && gathered == GroupEnd::Ended;
            }
        }
    }

    /// Waits; `true` if a stop was requested meanwhile.
    fn stopped_within(&self, wait: Duration) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.stopped.as_fd(), PollFlags::IN)];
        poll_for(&mut fds, Some(wait)).is_err() || !fds[0].revents().is_empty()
    }

    /// Waits for input, then reads all that is available.
    fn gather(&mut self) -> GroupEnd {
        let mut wait = None;
        loop {
            let (is_ready, stopped) = match self.poll(wait) {
                Ok(found) => found,
                Err(error) => return self.broken(&error),
            };
            if stopped {
                return GroupEnd::Stopped;
            }
            if !is_ready {
                return GroupEnd::More;
            }
            let room = GROUP - self.buffer.len();
            let spare = rustix::buffer::spare_capacity(&mut self.buffer);
            match rustix::io::read(&self.input, spare) {
                Ok(0) => return GroupEnd::Ended,
                Ok(read) if read >= room => return GroupEnd::More,
                Ok(_) => wait = Some(Duration::ZERO),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return self.broken(&error.into()),
            }
        }
    }

    /// Whether input (or its end) can be read, and whether a stop is requested.
    fn poll(&self, wait: Option<Duration>) -> io::Result<(bool, bool)> {
        let mut fds = [
            PollFd::new(&self.input, PollFlags::IN),
            PollFd::from_borrowed_fd(self.stopped.as_fd(), PollFlags::IN),
        ];
        poll_for(&mut fds, wait)?;
        Ok((!fds[0].revents().is_empty(), !fds[1].revents().is_empty()))
    }

    fn broken(&self, error: &io::Error) -> GroupEnd {
        self.say(Level::Error, notices::stdin::broken(error));
        GroupEnd::Ended
    }

    /// Retries until the buffer is durable; `false` if it was stopped before.
    fn write_all(&mut self) -> bool {
        while !self.buffer.is_empty() {
            match self.write() {
                Ok(()) => {
                    if self.shared.board.withdraw(&Topic::Intake) {
                        self.shared.notify_changes();
                    }
                    continue;
                }
                Err(error) => self.say(Level::Error, notices::intake_full(&self.directory, &error)),
            }
            if self.stopped_within(RETRY) {
                self.say(Level::Error, notices::stdin::lost(self.buffer.len() as u64));
                return false;
            }
        }
        true
    }

    /// Writes the buffer, or the part of it that belongs to the current segment.
    fn write(&mut self) -> io::Result<()> {
        let upto = match &self.segment {
            Some(segment) if segment.length >= self.limit => {
                segment.boundary(&self.buffer, segment.length >= self.longest)?
            }
            _ => None,
        };
        if upto == Some(0) {
            self.end_segment();
        }
        let new = self.segment.is_none();
        if new {
            let segment = Segment::create(&self.directory, self.shared.clock.now())?;
            self.shared.stdin_progress.begin_segment(segment.place);
            self.segment = Some(segment);
        }
        let segment = self.segment.as_mut().expect("it was created above");
        let upto = upto.filter(|at| *at > 0).unwrap_or(self.buffer.len());
        segment.append(&self.buffer[..upto])?;
        self.buffer.drain(..upto);
        self.shared.stdin_progress.set_durable(segment.place, segment.length);
        let path = segment.path.canonicalize().unwrap_or_else(|_| segment.path.clone());
        self.shared.waker.wake(|hints| {
            hints.rescan |= new;
            hints.paths.insert(path);
        });
        Ok(())
    }

    fn end_segment(&mut self) {
        if let Some(segment) = self.segment.take() {
            self.shared.stdin_progress.end_segment(segment.place);
        }
    }

    fn notify_follower(&self) {
        self.shared.waker.wake(|hints| {
            hints.nudged = true;
            hints.rescan = true;
        });
    }

    fn say(&self, level: Level, text: String) {
        if self.shared.board.post(Topic::Intake, level, self.shared.clock.now(), text) {
            self.shared.notify_changes();
        }
    }
}

fn poll_for(fds: &mut [PollFd<'_>], wait: Option<Duration>) -> io::Result<()> {
    let wait = wait.map(|wait| Timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()),
    });
    match poll(fds, wait.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
