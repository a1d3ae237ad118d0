//! `logwarden completions SHELL`.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;

pub fn run(shell: Shell) -> anyhow::Result<Exit> {
    // Into memory first: the generator panics where stdout is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "logwarden", &mut script);
    to_stdout(|out| Ok(out.write_all(&script)?))?;
    Ok(Exit::Done)
}
