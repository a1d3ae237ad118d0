//! Arguments in, exit code out.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::give_back_large_blocks();
    logwarden::cli::main(std::env::args_os())
}
