//! What `search` and `find` have found, on the screen: event documents as they left, in a file of a scratch directory.
//! Tokens are opened one event at a time; nothing is shipped.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use anyhow::Context;

use super::run;
use crate::app::engine::Reread;
use crate::app::screen;
use crate::app::settings::Settings;
use crate::cli::arguments::Global;
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::cli::temporary_directory::Scratch;

/// `write` writes the documents, a line each, and says how many.
pub fn documents(
    global: &Global,
    settings: &Settings,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<u64>,
) -> anyhow::Result<Exit> {
    run::needs_a_screen()?;
    let scratch = Scratch::new("found")?;
    let path = scratch.path().join("found.jsonl");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut file = BufWriter::new(file);
    if write(&mut file)? == 0 {
        say("nothing was found");
        return Ok(Exit::Failed);
    }
    file.flush().with_context(|| format!("cannot write {}", path.display()))?;
    let state = scratch.path().join("state");
    let mut shown = resolve::scratch(&state, global, &[("found", path)])?;
    (shown.sinks, shown.rules) = (Vec::new(), Vec::new());
    // Keys, mask and audit file are those of the settings.
    let mut options = screen::options(settings, "logwarden found");
    options.shown = Some("what was found".to_owned());
    let reread: Reread = Arc::new(|| Err(vec!["what was found has no configuration".to_owned()]));
    Ok(run::on_screen(&shown, options, &reread))
}
