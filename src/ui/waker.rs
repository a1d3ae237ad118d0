//! Wakes the screen's poll(2): when the log, the status or the window changes, and when it shall end.
//!
//! One thread that only waits. However much happens, one byte at most lies in the pipe.

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

/// What has happened since somebody asked; bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened(u8);

impl Happened {
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

#[derive(Debug)]
pub struct Wake {
    happened: Arc<AtomicU8>,
    pipe: UnixStream,
    done: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Wake {
    pub fn start(
        changes: Changes,
        status: watch::Receiver<Arc<Status>>,
        stop: CancellationToken,
        supervisor: Supervisor,
    ) -> std::io::Result<Self> {
        let (pipe, other_end) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        other_end.set_nonblocking(true)?;
        let happened = Arc::new(AtomicU8::new(0));
        let done = CancellationToken::new();
        let bell = Bell { happened: happened.clone(), pipe: other_end };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let until = done.clone();
        let both = Arc::new((bell, changes));
        let watch = move || {
            let (both, status, stop) = (both.clone(), status.clone(), stop.clone());
            async move {
                let (bell, changes) = &*both;
                // After a panic: whatever came meanwhile is looked at.
                bell.ring(Happened::LOG | Happened::STATUS);
                bell.watch(changes, status, stop).await;
            }
        };
        let watched = supervisor.task(PART, OnPanic::Restart, done.clone(), watch);
        let thread =
            std::thread::Builder::new().name("screen-wake".to_owned()).spawn(move || {
                let _ = runtime.block_on(until.run_until_cancelled(watched));
            })?;
        Ok(Wake { happened, pipe, done, thread: Some(thread) })
    }

    /// What has happened since the last call.
    pub fn take(&mut self) -> Happened {
        let mut bytes = [0; 64];
        while matches!(self.pipe.read(&mut bytes), Ok(count) if count > 0) {}
        Happened(self.happened.swap(0, Ordering::AcqRel))
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.done.cancel();
        if let Some(thread) = self.thread.take() {
            // It only waits: it has nothing to lose.
            let _ = thread.join();
        }
    }
}

struct Bell {
    happened: Arc<AtomicU8>,
    pipe: UnixStream,
}

impl Bell {
    fn ring(&self, bit: u8) {
        if self.happened.fetch_or(bit, Ordering::AcqRel) == 0 {
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
        let mut status_lives = true;
        loop {
            tokio::select! {
                () = changes.changed() => {
                    // The screen looks at all files anyway.
                    changes.take();
                    self.ring(Happened::LOG);
                }
                changed = status.changed(), if status_lives => match changed {
                    Ok(()) => self.ring(Happened::STATUS),
                    Err(_) => status_lives = false,
                },
                () = next(&mut window) => self.ring(Happened::WINDOW),
                () = next(&mut suspend) => self.ring(Happened::SUSPEND),
                () = stop.cancelled() => {
                    self.ring(Happened::STOP);
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
    use crate::follow::Hub;

    #[test]
    fn a_wake_up_that_breaks_is_run_again_and_misses_nothing() {
        let (hub, supervisor, stop) =
            (Hub::default(), Supervisor::default(), CancellationToken::new());
        let (status, heard) = watch::channel(Arc::new(Status::default()));
        let mut wake = Wake::start(hub.subscribe(), heard, stop, supervisor.clone()).unwrap();
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
