//! Wakes the screen, which waits in poll(2), when the log, the status or the window size has changed, and when it is to
//! stop or be suspended.
//!
//! One thread waits for all of these and writes to a pipe. At most one byte is in the pipe, however many changes occur.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::base::{OnPanic, Supervisor};
use crate::event::Status;
use crate::follow::Changes;

/// Name of this part in failure messages.
const PART: &str = "wake-ups of the screen";

/// The reasons for a wake-up, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeReasons(u8);

impl WakeReasons {
    const LOG: u8 = 1;
    const STATUS: u8 = 1 << 1;
    const WINDOW: u8 = 1 << 2;
    const STOP: u8 = 1 << 3;
    const SUSPEND: u8 = 1 << 4;

    pub fn log(self) -> bool {
        self.0 & Self::LOG != 0
    }

    pub fn status(self) -> bool {
        self.0 & Self::STATUS != 0
    }

    pub fn window(self) -> bool {
        self.0 & Self::WINDOW != 0
    }

    pub fn stop(self) -> bool {
        self.0 & Self::STOP != 0
    }

    pub fn suspend(self) -> bool {
        self.0 & Self::SUSPEND != 0
    }
}

/// The screen's end of the pipe. When it is dropped, the thread ends.
#[derive(Debug)]
pub struct Waker {
    reasons: Arc<AtomicU8>,
    pipe: UnixStream,
    done: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Waker {
    pub fn start(
        changes: Changes,
        status: watch::Receiver<Arc<Status>>,
        stop: CancellationToken,
        supervisor: Supervisor,
    ) -> std::io::Result<Self> {
        let (pipe, other_end) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        other_end.set_nonblocking(true)?;
        let reasons = Arc::new(AtomicU8::new(0));
        let done = CancellationToken::new();
        let sender = WakeSender { reasons: reasons.clone(), pipe: other_end };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let until = done.clone();
        let shared = Arc::new((sender, changes));
        let watch = move || {
            let (shared, status, stop) = (shared.clone(), status.clone(), stop.clone());
            async move {
                let (sender, changes) = &*shared;
                // At the start, and after a panic: changes may have been missed.
                sender.send(WakeReasons::LOG | WakeReasons::STATUS);
                sender.watch(changes, status, stop).await;
            }
        };
        let watched = supervisor.task(PART, OnPanic::Restart, done.clone(), watch);
        let thread =
            std::thread::Builder::new().name("screen-wake".to_owned()).spawn(move || {
                let _ = runtime.block_on(until.run_until_cancelled(watched));
            })?;
        Ok(Waker { reasons, pipe, done, thread: Some(thread) })
    }

    /// Empties the pipe; returns and clears the reasons since the last call.
    pub fn take(&mut self) -> WakeReasons {
        let mut bytes = [0; 64];
        while matches!(self.pipe.read(&mut bytes), Ok(count) if count > 0) {}
        WakeReasons(self.reasons.swap(0, Ordering::AcqRel))
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.done.cancel();
        if let Some(thread) = self.thread.take() {
            // The thread keeps no state, so its result does not matter.
            let _ = thread.join();
        }
    }
}

/// The thread's end of the pipe.
struct WakeSender {
    reasons: Arc<AtomicU8>,
    pipe: UnixStream,
}

impl WakeSender {
    fn send(&self, bit: u8) {
        if self.reasons.fetch_or(bit, Ordering::AcqRel) == 0 {
            // A full pipe wakes as well as one more byte.
            let _ = (&self.pipe).write(&[1]);
        }
    }

    async fn watch(
        &self,
        changes: &Changes,
        mut status: watch::Receiver<Arc<Status>>,
        stop: CancellationToken,
    ) {
        let mut window = signal(SignalKind::window_change()).ok();
        let mut suspend = signal(SignalKind::from_raw(SIGTSTP)).ok();
        let mut status_is_open = true;
        loop {
            tokio::select! {
                () = changes.changed() => {
                    // The list of changes is not needed: the screen checks all files.
                    changes.take();
                    self.send(WakeReasons::LOG);
                }
                changed = status.changed(), if status_is_open => match changed {
                    Ok(()) => self.send(WakeReasons::STATUS),
                    Err(_) => status_is_open = false,
                },
                () = next(&mut window) => self.send(WakeReasons::WINDOW),
                () = next(&mut suspend) => self.send(WakeReasons::SUSPEND),
                () = stop.cancelled() => {
                    self.send(WakeReasons::STOP);
                    return;
                }
            }
        }
    }
}

const SIGTSTP: i32 = rustix::process::Signal::TSTP.as_raw();

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::follow::ChangeHub;

    #[test]
    fn a_waker_that_panics_is_restarted_and_misses_nothing() {
        let (hub, supervisor, stop) =
            (ChangeHub::default(), Supervisor::default(), CancellationToken::new());
        let (status, heard) = watch::channel(Arc::new(Status::default()));
        let mut wake = Waker::start(hub.subscribe(), heard, stop, supervisor.clone()).unwrap();
        supervisor.break_part(PART);
        let deadline = Instant::now() + Duration::from_secs(20);
        let until = |what: &str, is_so: &mut dyn FnMut() -> bool| {
            while !is_so() {
                assert!(Instant::now() < deadline, "{what}: not in time");
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        until("it broke", &mut || !supervisor.failures().is_empty());
        until("it runs again", &mut || supervisor.down().is_empty());
        wake.take();
        status.send_replace(Arc::default());
        until("it wakes", &mut || wake.take().status());
    }
}
