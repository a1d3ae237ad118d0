//! `logwarden man`: the manual pages, generated from the arguments.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;

/// Writes all pages into the directory; without one, writes the page of the program itself to standard output.
pub fn run(directory: Option<&Path>) -> anyhow::Result<Exit> {
    let command = Arguments::command().disable_help_subcommand(true);
    match directory {
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            to_stdout(|out| Ok(out.write_all(&page)?))?;
        }
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
            clap_mangen::generate_to(command, directory)
                .with_context(|| format!("cannot write manual pages to {}", directory.display()))?;
        }
    }
    Ok(Exit::Done)
}
