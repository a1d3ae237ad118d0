//! Start, wiring and stop: settings in, a running engine out, with a screen or without one.
//!
//! [`headless`] runs the engine until it is told to stop; [`screen`] draws at once and starts the engine beside it.

pub mod board;
pub mod console;
pub mod control;
pub mod early;
pub mod engine;
pub mod folders;
pub mod headless;
pub mod identity;
pub mod intake;
pub mod keys;
pub mod letters;
pub mod metrics;
pub mod report;
pub mod screen;
pub mod settings;
pub mod signals;
pub mod sinks;
pub mod start_error;
pub mod telemetry;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

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

/// Without it the runtime waits for its blocking threads, and a write to a full pipe, or a read from a disk that does
/// not answer, would keep us for ever. Such a call ends with the process, as at any kill.
fn end(runtime: Runtime, at_once: bool) {
    runtime.shutdown_timeout(if at_once { Duration::ZERO } else { LAST_CALLS });
}
