//! Shows the results of `search` and `find` on the screen, from a temporary file. Sealed values are in it as tokens,
//! which are decrypted only on request; nothing is shipped.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use anyhow::Context;

use super::run;
use crate::app::engine::ReadSettings;
use crate::app::screen;
use crate::app::settings::Settings;
use crate::cli::arguments::Global;
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::cli::temporary_directory::TemporaryDirectory;

/// Shows the documents that `write` writes, one per line; it returns their number. Without any, no screen is opened.
pub fn documents(
    global: &Global,
    settings: &Settings,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<u64>,
) -> anyhow::Result<Exit> {
    run::require_screen()?;
    let directory = TemporaryDirectory::new("found")?;
    let path = directory.path().join("found.jsonl");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut file = BufWriter::new(file);
    if write(&mut file)? == 0 {
        say("nothing was found");
        return Ok(Exit::Failed);
    }
    file.flush().with_context(|| format!("cannot write {}", path.display()))?;
    let state = directory.path().join("state");
    let mut shown = resolve::temporary(&state, global, &[("found", path)])?;
    (shown.sinks, shown.rules) = (Vec::new(), Vec::new());
    // Keys, mask and audit log come from the user's settings.
    let mut options = screen::options(settings, "logwarden found");
    options.shown = Some("what was found".to_owned());
    let read_settings: ReadSettings =
        Arc::new(|| Err(vec!["nothing to reload: this screen shows search results".to_owned()]));
    Ok(run::on_screen(&shown, options, &read_settings))
}
