//! Start, wiring and stop: settings in, a running engine out, with a screen or without one.
//!
//! [`headless`] runs the engine until it is told to stop; [`screen`] draws at once and starts the engine beside it.

pub mod board;
pub mod control;
pub mod engine;
pub mod headless;
pub mod identity;
mod intake;
pub mod letters;
pub mod metrics;
pub mod report;
pub mod screen;
pub mod settings;
pub mod signals;
pub mod sinks;
pub mod telemetry;

/// The engine's async threads: two, whatever the machine has; the work is in the blocking ones.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("engine")
        .enable_all()
        .build()
        .expect("threads can be started")
}
