//! `logwarden setup`: installs the index template and the retention policy on a server before delivery starts.
//! Safe to repeat. With `--print` it only prints them.

use std::io::Write;

use anyhow::{Context, bail};

use crate::cli::arguments::{Global, Setup};
use crate::cli::exit::{Exit, usage_error};
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::sink::kinds;

pub fn run(global: &Global, setup: &Setup) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let mut found = 0;
    let mut lines = String::new();
    for sink in &settings.sinks {
        let Some(target) = sink.kind.set_up() else { continue };
        found += 1;
        if setup.print {
            lines.push_str(&target.printed());
            continue;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        match runtime.block_on(target.set_up()) {
            Ok(done) => lines.push_str(&format!("sink {}: {done}\n", sink.name)),
            Err(problem) => bail!("sink {}: {problem}", sink.name),
        }
    }
    if found == 0 {
        return Err(usage_error(nothing_to_set_up()));
    }
    to_stdout(|out| Ok(out.write_all(lines.as_bytes())?))?;
    Ok(Exit::Done)
}

fn nothing_to_set_up() -> String {
    let examples = kinds::ALL.iter().filter(|kind| kind.has_setup).map(|kind| kind.example);
    let examples: Vec<String> = examples.map(|name| format!("[sink.{name}]")).collect();
    let kinds = kinds::names(|kind| kind.has_setup);
    format!("no sink of kind {kinds} is configured; add {}", examples.join(" or "))
}
