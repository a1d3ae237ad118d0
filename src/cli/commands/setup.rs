//! `logwarden setup`: what a server needs before events come, and what deletes them when they are old.
//! Safe to repeat.

use std::io::Write;

use anyhow::{Context, bail};

use crate::app::settings::SinkKind;
use crate::cli::arguments::{Global, Setup};
use crate::cli::exit::{Exit, usage_error};
use crate::cli::output::to_stdout;
use crate::cli::resolve;
use crate::sink::ElasticsearchSink;
use crate::sink::elasticsearch::setup::printed;

pub fn run(global: &Global, setup: &Setup) -> anyhow::Result<Exit> {
    let settings = resolve::settings(global)?;
    let mut found = 0;
    let mut lines = String::new();
    for sink in &settings.sinks {
        let SinkKind::Elasticsearch(told) = &sink.kind else { continue };
        found += 1;
        if setup.print {
            lines.push_str(&printed(told));
            continue;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let client = ElasticsearchSink::new((**told).clone());
        match runtime.block_on(client.set_up(told)) {
            Ok(done) => lines.push_str(&format!("sink {}: {done}\n", sink.name)),
            Err(problem) => bail!("sink {}: {problem}", sink.name),
        }
    }
    if found == 0 {
        return Err(usage_error("no sink of kind elasticsearch is configured; write [sink.es]"));
    }
    to_stdout(|out| Ok(out.write_all(lines.as_bytes())?))?;
    Ok(Exit::Done)
}
