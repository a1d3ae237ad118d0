//! `logwarden config --print-default | --print-effective`: prints the default settings, or those in effect.

use std::io::Write;

use crate::cli::arguments::{Global, PrintConfig};
use crate::cli::config::{DEFAULTS, print};
use crate::cli::exit::Exit;
use crate::cli::output::to_stdout;
use crate::cli::resolve;

pub fn run(global: &Global, arguments: &PrintConfig) -> anyhow::Result<Exit> {
    let text = if arguments.print_default {
        DEFAULTS.to_owned()
    } else {
        // Invalid settings are not in effect: report their errors instead.
        resolve::configured(global)?;
        print(&resolve::layers(global).table)
    };
    to_stdout(|out| Ok(out.write_all(text.as_bytes())?))?;
    Ok(Exit::Done)
}
