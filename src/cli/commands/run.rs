//! `logwarden [PATH]…`: the engine, with a screen or without.

use crate::app::settings::Settings;
use crate::cli::arguments::Watch;
use crate::cli::exit::Exit;

pub fn run(_settings: &Settings, _watch: &Watch) -> anyhow::Result<Exit> {
    anyhow::bail!("the engine is not wired yet")
}
