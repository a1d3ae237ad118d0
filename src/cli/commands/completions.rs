//! `logwarden completions SHELL`: prints the completion script for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;

pub fn run(shell: Shell) -> anyhow::Result<Exit> {
    // Into memory first: the generator panics if stdout is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "logwarden", &mut script);
    to_stdout(|out| Ok(out.write_all(&script)?))?;
    Ok(Exit::Done)
}
