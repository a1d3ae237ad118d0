//! Arguments in, exit code out.

mod allocator;
mod standard_output;

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    logwarden::app::early_signals::hold();
    if standard_output::output_was_closed() {
        logwarden::sink::stdout::note_closed();
    }
    allocator::give_back_large_blocks();
    // Whatever is written holds what logs say, or leads to it: it is for its owner alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    logwarden::cli::main(std::env::args_os())
}
