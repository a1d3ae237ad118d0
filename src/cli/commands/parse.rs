//! `logwarden parse`.

use crate::cli::arguments::{Global, Parse};
use crate::cli::exit::Exit;

pub fn run(_global: &Global, _arguments: &Parse) -> anyhow::Result<Exit> {
    anyhow::bail!("not wired yet")
}
