//! Entry point: prepares signals, standard output, allocator and umask, then passes the arguments to `cli` and returns
//! its exit code.

mod allocator;
mod standard_output;

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logwarden::app::early_signals::capture();
    if standard_output::output_was_closed() {
        logwarden::sink::stdout::note_closed();
    }
    allocator::return_large_blocks();
    // New files contain log text or lead to it: only their owner may read them.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    logwarden::cli::main(std::env::args_os())
}
