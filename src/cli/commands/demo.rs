//! `logwarden demo`: generators write live logs into a scratch folder, the screen shows them. Needs no setting and
//! leaves nothing behind.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::alert;
use crate::app::engine::Reread;
use crate::base::SystemClock;
use crate::cli::arguments::Global;
use crate::cli::exit::Exit;
use crate::cli::resolve;
use crate::generate;

/// A folder of our own that goes away with us, also when we panic.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    /// 0700, under the system's folder for temporary files.
    fn new() -> io::Result<Scratch> {
        use std::os::unix::fs::DirBuilderExt;
        let path = std::env::temp_dir().join(format!("logwarden-demo-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn run(global: &Global) -> anyhow::Result<Exit> {
    let scratch = Scratch::new().with_context(|| {
        format!("cannot make a scratch folder in {}", std::env::temp_dir().display())
    })?;
    let logs = scratch.0.join("logs");
    std::fs::create_dir(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let sources = generate::demo_sources(&logs);
    let mut settings = resolve::scratch(&scratch.0.join("state"), global, &sources)?;
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
        Ok(Err(error)) => tracing::warn!(%error, "the generators stopped early"),
        Err(_) => tracing::warn!("the generators panicked"),
        Ok(Ok(())) => {}
    }
    Ok(exit)
}
