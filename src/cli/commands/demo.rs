//! `logwarden demo`.

use crate::cli::arguments::{Demo, Global};
use crate::cli::exit::Exit;

pub fn run(_global: &Global, _demo: &Demo) -> anyhow::Result<Exit> {
    anyhow::bail!("the engine is not wired yet")
}
