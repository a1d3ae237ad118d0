//! `logwarden search`.

use crate::cli::arguments::{Global, Search};
use crate::cli::exit::Exit;

pub fn run(_global: &Global, _arguments: &Search) -> anyhow::Result<Exit> {
    anyhow::bail!("not wired yet")
}
