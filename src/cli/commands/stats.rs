//! `logwarden stats`.

use crate::cli::arguments::{Global, Stats};
use crate::cli::exit::Exit;

pub fn run(_global: &Global, _arguments: &Stats) -> anyhow::Result<Exit> {
    anyhow::bail!("not wired yet")
}
