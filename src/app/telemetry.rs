//! The program's own log: on stderr without a screen, in `logwarden.log` of the state directory with one.
//!
//! Never holds the content of a followed log.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::base::stderr;
use crate::state::private;

/// At the start, a log above this size becomes `logwarden.log.1`.
const LARGEST: u64 = 8 * 1024 * 1024;

/// Without a screen.
pub fn to_stderr(level: &str) {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(|| stderr::Lossy)
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .try_init();
}

/// With a screen, which nothing else may write on. Without a writable directory there is no own log.
pub fn to_file(level: &str, directory: &Path) {
    let Some(file) = open(directory) else { return };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(Mutex::new(file))
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
        .try_init();
}

fn open(directory: &Path) -> Option<File> {
    private::make_folder(directory).ok()?;
    let path = directory.join("logwarden.log");
    if path.metadata().is_ok_and(|metadata| metadata.len() > LARGEST) {
        std::fs::rename(&path, directory.join("logwarden.log.1")).ok()?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).ok()
}

fn filter(level: &str) -> EnvFilter {
    // tantivy tells of every commit and merge at info.
    EnvFilter::try_new(format!("{level},tantivy=warn")).unwrap_or_else(|_| EnvFilter::new("warn"))
}
