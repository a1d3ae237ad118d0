//! Start, wiring and stop: settings in, a running engine out, with a screen or without one.
//!
//! [`headless`] runs the engine until it is told to stop; [`screen`] draws at once and starts the engine beside it.

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

/// What an engine is called where a failure is told.
const ENGINE: &str = "engine";

/// How long calls that are still under way at the end are waited for.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// The engine's async threads: two, whatever the machine has; the work is in the blocking ones.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("engine")
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// Runs an engine on this thread. `at_once`: whether what came of it says that nothing was drained. `None`: it broke,
/// and `supervisor` has told so.
fn block_on<T>(
    supervisor: &Supervisor,
    work: impl Future<Output = T>,
    at_once: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let runtime = runtime();
    let done = supervisor.guard(ENGINE, OnPanic::End, || runtime.block_on(work)).ok();
    end(runtime, done.as_ref().is_none_or(at_once));
    done
}

/// Without it the runtime waits for its blocking threads, and a write to a full pipe, or a read from a disk that does
/// not answer, would keep us for ever. Such a call ends with the process, as at any kill.
fn end(runtime: Runtime, at_once: bool) {
    runtime.shutdown_timeout(if at_once { Duration::ZERO } else { LAST_CALLS });
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn an_engine_that_panics_on_its_own_thread_is_told_of_and_waits_for_no_call() {
        let supervisor = Supervisor::default();
        let (hangs, released) = mpsc::channel::<()>();
        let work = async {
            // As a write to a full pipe.
            drop(tokio::task::spawn_blocking(move || released.recv()));
            tokio::task::yield_now().await;
            panic!("a fault");
        };
        let done: Option<()> = block_on(&supervisor, work, |()| false);
        assert_eq!(done, None);
        let told = supervisor.fatal().expect("it is told").to_string();
        assert!(told.starts_with("engine failed (") && told.contains("Logwarden ends"), "{told}");
        drop(hangs);
    }
}
