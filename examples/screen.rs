//! The screen on any files, without an engine: `cargo run --example screen -- FILE…`.

use std::path::PathBuf;
use std::sync::Arc;

use logwarden::base::SystemClock;
use logwarden::event::{IdKey, Status};
use logwarden::follow::{Log, LogConfig, SourceConfig, Start};
use logwarden::ui::{Options, Ui, run};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let source = SourceConfig {
        name: Arc::from("files"),
        paths,
        format: None,
        zone: jiff::tz::TimeZone::UTC,
        service: None,
        start: Start::Beginning,
        multiline: true,
    };
    let config = LogConfig {
        sources: vec![source],
        once: false,
        host: Arc::from("here"),
        key: IdKey::from_host_id("here"),
        intake: None,
    };
    let log = Log::open(config, Arc::new(SystemClock::new()));
    let (_status, receiver) = tokio::sync::watch::channel(Arc::new(Status::default()));
    let (commands, _taken) = tokio::sync::mpsc::channel(8);
    let stop = CancellationToken::new();
    let options = Options::from_environment();
    let frames = options.frames.clone();
    let ui = Ui { log: log.clone(), status: receiver, commands, options, stop };
    let exit = run(ui)?;
    log.stop();
    println!("{exit:?} after {} frames", frames.load(std::sync::atomic::Ordering::Relaxed));
    Ok(())
}
