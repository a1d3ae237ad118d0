//! The command line: parses arguments, resolves settings and runs one command.
//!
//! Data goes to stdout, everything else to stderr. Errors are printed once, here.

pub mod arguments;
pub mod commands;
pub mod config;
pub mod confirm;
pub mod exit;
pub mod file_batches;
pub mod output;
pub mod progress;
pub mod resolve;
pub mod temporary_directory;

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use exit::{Exit, usage_error};

use crate::app::early_signals;
use crate::base::{stderr, supervisor};

/// Runs the whole program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    std::panic::set_hook(Box::new(on_panic));
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        // Help and version are not errors, and a closed pipe is not one either.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage as u8 } else { 0 });
        }
    };
    // The engine watches its own threads; this catches panics of the main thread.
    match catch_unwind(AssertUnwindSafe(|| dispatch(&arguments))) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) => exit::report(&error).into(),
        Err(panic) => {
            let reason = supervisor::reason(&*panic);
            exit::say(format_args!("internal error: {reason}; please report this line"));
            Exit::InternalError.into()
        }
    }
}

/// Prints thread and location, never the panic message: it may quote a log.
fn on_panic(info: &PanicHookInfo<'_>) {
    supervisor::note_panic(info);
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a thread without a name");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    stderr::line(format_args!("logwarden: thread {name} panicked at {place}"));
}

fn dispatch(arguments: &Arguments) -> anyhow::Result<Exit> {
    let global = &arguments.global;
    if arguments.command.is_some() && arguments.watch.is_used() {
        return Err(usage_error(
            "paths, --no-ui, --once and --ship cannot be combined with a command",
        ));
    }
    // Only the engine and the demo handle signals themselves.
    if !matches!(arguments.command, None | Some(Command::Demo)) {
        early_signals::release();
    }
    match &arguments.command {
        None => commands::run::run(global, &arguments.watch),
        Some(Command::Demo) => commands::demo::run(global),
        Some(Command::Parse(parse)) => commands::parse::run(global, parse),
        Some(Command::Stats(stats)) => commands::stats::run(global, stats),
        Some(Command::Search(search)) => commands::search::run(global, search),
        Some(Command::Generate(generate)) => commands::generate::run(global, generate),
        Some(Command::Init(init)) => commands::init::run(global, init),
        Some(Command::DeadLetters { command }) => commands::dead_letters::run(global, command),
        Some(Command::Keys { command }) => commands::keys::run(global, command),
        Some(Command::Decrypt(decrypt)) => commands::decrypt::run(global, decrypt),
        Some(Command::Ship { command }) => commands::ship::run(global, command),
        Some(Command::Find(find)) => commands::find::run(global, find),
        Some(Command::Erase(erase)) => commands::erase::run(global, erase),
        Some(Command::Setup(setup)) => commands::setup::run(global, setup),
        Some(Command::Check) => commands::check::run(global),
        Some(Command::Config(config)) => commands::config::run(global, config),
        Some(Command::Completions { shell }) => commands::completions::run(*shell),
        Some(Command::Man { out }) => commands::man::run(out.as_deref()),
    }
}
