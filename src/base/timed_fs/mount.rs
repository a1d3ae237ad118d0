//! One mount that may hang: its thread makes the calls one after another, and exists only while there are calls.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The deadline of calls to a mount that has always answered in time.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest deadline: a mount that has answered late gets more time for the next calls, up to this.
const LONGEST: Duration = Duration::from_secs(10);
/// The thread ends after this time without calls.
const IDLE: Duration = Duration::from_secs(10);

type Call = Box<dyn FnOnce() + Send>;

pub(super) struct Mount {
    pub point: PathBuf,
    pub kind: String,
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    /// At most one per caller: callers wait for their call, and none is added while the mount is stuck.
    calls: VecDeque<Call>,
    /// Files to close.
    closing: Vec<File>,
    /// Start of the call that is running.
    running: Option<Instant>,
    has_thread: bool,
    deadline: Duration,
}

impl State {
    /// Duration of the running call, if it is overdue.
    fn stuck_for(&self) -> Option<Duration> {
        self.running.map(|since| since.elapsed()).filter(|waited| *waited >= self.deadline)
    }

    /// Time until the running call is overdue.
    fn left(&self) -> Duration {
        let waited = self.running.map_or(Duration::ZERO, |since| since.elapsed());
        self.deadline.saturating_sub(waited).max(Duration::from_millis(1))
    }

    /// Records that the running call has returned, and adjusts the deadline.
    fn returned(&mut self) {
        let Some(took) = self.running.take().map(|since| since.elapsed()) else { return };
        self.deadline = deadline_after(self.deadline, took);
    }
}

/// The deadline of the next calls: a late answer extends it, and a few hundred fast ones reduce it again.
fn deadline_after(deadline: Duration, took: Duration) -> Duration {
    if took > deadline && took <= LONGEST {
        (took * 2).min(LONGEST)
    } else if took < deadline / 8 {
        (deadline - deadline / 64).max(SHORTEST)
    } else {
        deadline
    }
}

impl Mount {
    pub fn new(point: PathBuf, kind: String) -> Self {
        let state = State {
            calls: VecDeque::new(),
            closing: Vec::new(),
            running: None,
            has_thread: false,
            deadline: SHORTEST,
        };
        Mount { point, kind, state: Mutex::new(state), work: Condvar::new() }
    }

    pub fn stuck_for(&self) -> Option<Duration> {
        self.state().stuck_for()
    }

    /// Makes a call on the mount's thread. Blocks, but not much longer than the deadline.
    pub fn call<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (reply, answer) = sync_channel(1);
        let call = move || {
            // The caller may have stopped waiting: the result is dropped here, on the mount's thread.
            let _ = reply.send(call());
        };
        {
            let mut state = self.state();
            if state.stuck_for().is_some() {
                return Err(self.timeout_error());
            }
            self.wake_thread(&mut state)?;
            state.calls.push_back(Box::new(call));
        }
        loop {
            let left = self.state().left();
            match answer.recv_timeout(left) {
                Ok(result) => return result,
                Err(RecvTimeoutError::Disconnected) => return Err(self.timeout_error()),
                Err(RecvTimeoutError::Timeout) => {
                    let mut state = self.state();
                    if state.stuck_for().is_some() {
                        // All other waiting callers get the same error; their calls are not made later.
                        state.calls.clear();
                        return Err(self.timeout_error());
                    }
                }
            }
        }
    }

    /// Has a file closed on the mount's thread, without waiting for it.
    pub fn close(self: &Arc<Self>, file: File) {
        let mut state = self.state();
        state.closing.push(file);
        // Without a thread, the file is closed with the next call.
        let _ = self.wake_thread(&mut state);
    }

    fn wake_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if !state.has_thread {
            let mount = self.clone();
            let thread = std::thread::Builder::new().name("mount".into());
            thread.spawn(move || mount.run())?;
            state.has_thread = true;
        }
        self.work.notify_one();
        Ok(())
    }

    fn run(&self) {
        while let Some(work) = self.next() {
            match work {
                // A panic drops the reply, and the caller gets an error.
                Work::Call(call) => drop(catch_unwind(AssertUnwindSafe(call))),
                Work::Close(file) => drop(file),
            }
            self.state().returned();
        }
    }

    /// Waits for the next call or file to close. `None`: there was none for [`IDLE`], and the thread ends.
    fn next(&self) -> Option<Work> {
        let deadline = Instant::now() + IDLE;
        let mut state = self.state();
        loop {
            let call = state.calls.pop_front().map(Work::Call);
            if let Some(work) = call.or_else(|| state.closing.pop().map(Work::Close)) {
                state.running = Some(Instant::now());
                return Some(work);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.has_thread = false;
                return None;
            }
            state = self.work.wait_timeout(state, left).expect("no holder of a mount panics").0;
        }
    }

    /// The text stays the same while the mount is stuck: notices are compared by their text.
    fn timeout_error(&self) -> io::Error {
        let text = format!("the file system at {} does not answer", self.point.display());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of a mount panics")
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("point", &self.point).finish_non_exhaustive()
    }
}

enum Work {
    Call(Call),
    Close(File),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_of_a_mount_grows_with_slow_answers_and_shrinks_with_fast_ones() {
        let fast = Duration::from_millis(1);
        assert_eq!(deadline_after(SHORTEST, fast), SHORTEST);
        let late = deadline_after(SHORTEST, Duration::from_secs(4));
        assert_eq!(late, Duration::from_secs(8));
        assert_eq!(deadline_after(late, Duration::from_secs(9)), LONGEST);
        assert_eq!(deadline_after(late, Duration::from_secs(4)), late, "it is still slow");
        assert_eq!(deadline_after(late, Duration::from_secs(60)), late, "it hung");
        let after = |count| (0..count).fold(late, |deadline, _| deadline_after(deadline, fast));
        assert!(after(20) > late / 2);
        assert_eq!(after(200), SHORTEST);
    }
}
