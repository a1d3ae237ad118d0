//! `logwarden demo`: generators write live logs into a temporary directory and the screen shows them. Needs no
//! configuration and leaves nothing behind.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::alert;
use crate::app::engine::ReadSettings;
use crate::base::SystemClock;
use crate::cli::arguments::Global;
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::cli::temporary_directory::TemporaryDirectory;
use crate::generate;

pub fn run(global: &Global) -> anyhow::Result<Exit> {
    let directory = TemporaryDirectory::new("demo")?;
    let logs = directory.path().join("logs");
    std::fs::create_dir(&logs).with_context(|| format!("cannot create {}", logs.display()))?;
    let sources = generate::demo_sources(&logs);
    let mut settings = resolve::temporary(&directory.path().join("state"), global, &sources)?;
    // Short windows, so that a rule is seen firing and resolving.
    settings.rules = alert::demo_rules();
    let stop = CancellationToken::new();
    let writing = {
        let (stop, zone) = (stop.clone(), settings.zone.clone());
        std::thread::spawn(move || generate::demo(&logs, &zone, &SystemClock::new(), &stop))
    };
    let read_settings: ReadSettings =
        Arc::new(|| Err(vec!["nothing to reload: the demo has no configuration".to_owned()]));
    let exit = super::run::with_screen(&settings, "logwarden demo", &read_settings);
    stop.cancel();
    match writing.join() {
        Ok(Err(error)) => say(format_args!("the demo stopped writing logs early: {error}")),
        Err(_) => say("the demo stopped writing logs early (internal error)"),
        Ok(Ok(())) => {}
    }
    Ok(exit)
}
