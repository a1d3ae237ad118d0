//! `logwarden demo`: generators write live logs into a scratch directory, the screen shows them. Needs no setting and
//! leaves nothing behind.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::alert;
use crate::app::engine::Reread;
use crate::base::SystemClock;
use crate::cli::arguments::Global;
use crate::cli::exit::{Exit, say};
use crate::cli::resolve;
use crate::cli::temporary_directory::Scratch;
use crate::generate;

pub fn run(global: &Global) -> anyhow::Result<Exit> {
    let scratch = Scratch::new("demo")?;
    let logs = scratch.path().join("logs");
    std::fs::create_dir(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let sources = generate::demo_sources(&logs);
    let mut settings = resolve::scratch(&scratch.path().join("state"), global, &sources)?;
    // Windows short enough to see a rule fire and resolve.
    settings.rules = alert::demo_rules();
    let stop = CancellationToken::new();
    let writing = {
        let (stop, zone) = (stop.clone(), settings.zone.clone());
        std::thread::spawn(move || generate::demo(&logs, &zone, &SystemClock::new(), &stop))
    };
    let reread: Reread = Arc::new(|| Err(vec!["a demonstration has no configuration".to_owned()]));
    let exit = super::run::with_screen(&settings, "logwarden demo", &reread);
    stop.cancel();
    match writing.join() {
        Ok(Err(error)) => say(format_args!("the demonstration stopped writing early: {error}")),
        Err(_) => say("the demonstration stopped writing early, by a fault in Logwarden"),
        Ok(Ok(())) => {}
    }
    Ok(exit)
}
