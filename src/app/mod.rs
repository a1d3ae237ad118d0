//! Starts, wires and stops the engine: settings in, a running engine out, with or without a screen.
//!
//! [`headless`] runs the engine until it is stopped; [`screen`] draws immediately and starts the engine beside it.

pub mod console;
pub mod control;
pub mod dead_letters;
pub mod directories;
pub mod early_signals;
pub mod engine;
pub mod headless;
pub mod identity;
pub mod intake;
pub mod keys;
pub mod metrics;
pub mod report;
pub mod screen;
pub mod settings;
pub mod signals;
pub mod sinks;
pub mod start_error;
pub mod status_board;
pub mod telemetry;

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::base::{OnPanic, Supervisor};

/// Name of the engine in failure messages.
const ENGINE: &str = "engine";

/// How long the shutdown waits for calls that are still in progress.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(1);

/// The engine's async threads: always two; the work is done on blocking threads.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("engine")
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// Runs an engine on this thread. `is_immediate`: whether the engine was stopped immediately, so that calls in progress
/// are not waited for. `None`: the engine panicked, and `supervisor` has reported it.
fn block_on<T>(
    supervisor: &Supervisor,
    work: impl Future<Output = T>,
    is_immediate: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let runtime = runtime();
    let done = supervisor.guard(ENGINE, OnPanic::End, || runtime.block_on(work)).ok();
    end(runtime, done.as_ref().is_none_or(is_immediate));
    done
}

/// Ends the runtime. Limits the wait for blocking threads: otherwise a write to a full pipe or a read from a disk that
/// does not answer would delay the end forever. Such a call ends with the process, as after a kill.
fn end(runtime: Runtime, is_immediate: bool) {
    runtime.shutdown_timeout(if is_immediate { Duration::ZERO } else { SHUTDOWN_WAIT });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_panic_of_the_engine_is_reported_and_waits_for_no_pending_call() {
        let supervisor = Supervisor::default();
        let (hangs, released) = mpsc::channel::<()>();
        let work = async {
            // Blocks like a write to a full pipe.
            drop(tokio::task::spawn_blocking(move || released.recv()));
            tokio::task::yield_now().await;
            panic!("a bug");
        };
        let done: Option<()> = block_on(&supervisor, work, |()| false);
        assert_eq!(done, None);
        let failure = supervisor.fatal().expect("it is reported").to_string();
        assert!(failure.starts_with("engine failed ("), "{failure}");
        drop(hangs);
    }
}
