//! `logwarden generate PROFILE`.

use crate::cli::arguments::Generate;
use crate::cli::exit::Exit;

pub fn run(_arguments: &Generate) -> anyhow::Result<Exit> {
    anyhow::bail!("not wired yet")
}
