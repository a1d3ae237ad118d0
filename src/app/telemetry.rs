//! Logwarden's own log: on stderr without a screen, in `logwarden.log` of the log directory with one.
//!
//! Of the followed logs it contains only what messages on the screen also contain: the keys of alerts, which are values
//! of fields that are not sealed. The file can be read only by its owner, and its size is limited: 8 MiB, and as much
//! for its predecessor.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::base::stderr;
use crate::state::private_directory;

/// A file that has reached this size is renamed to `logwarden.log.1` before the next line is written.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Logs to standard error, for runs without a screen.
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

/// Logs to a file in `directory`, for runs with a screen, when nothing else may be written to the terminal. If the file
/// cannot be opened, nothing is logged.
pub fn to_file(level: &str, directory: &Path) {
    let Ok(file) = OwnLog::open(directory) else { return };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(Mutex::new(file))
        .log_internal_errors(false)
        .with_target(false)
        .with_ansi(false)
        .try_init();
}

/// Logwarden's own log file and its predecessor, each of at most [`MAX_FILE_BYTES`] plus one line.
#[derive(Debug)]
struct OwnLog {
    file: File,
    path: PathBuf,
    length: u64,
}

impl OwnLog {
    fn open(directory: &Path) -> io::Result<OwnLog> {
        private_directory::make_directory(directory)?;
        OwnLog::open_file(directory.join("logwarden.log"))
    }

    fn open_file(path: PathBuf) -> io::Result<OwnLog> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path)?;
        let length = file.metadata()?.len();
        Ok(OwnLog { file, path, length })
    }

    /// Renames the current file to `logwarden.log.1`, replacing an older one.
    fn rotate(&mut self) -> io::Result<()> {
        match std::fs::rename(&self.path, self.path.with_extension("log.1")) {
            // The file was removed by another process.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            renamed => renamed?,
        }
        *self = OwnLog::open_file(self.path.clone())?;
        Ok(())
    }
}

impl Write for OwnLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length >= MAX_FILE_BYTES {
            // If this fails nothing is written, so that the size stays limited.
            self.rotate()?;
        }
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn filter(level: &str) -> EnvFilter {
    // tantivy logs every commit and merge at info.
    EnvFilter::try_new(format!("{level},tantivy=warn")).unwrap_or_else(|_| EnvFilter::new("warn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_log_and_its_predecessor_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = OwnLog::open(directory.path()).unwrap();
        let line = [b'x'; 1 << 20];
        for _ in 0..30 {
            log.write_all(&line).unwrap();
        }
        let mut found: Vec<_> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().len() >> 20))
            .collect();
        found.sort();
        assert_eq!(found, [("logwarden.log".into(), 6), ("logwarden.log.1".into(), 8)]);
        // A restart continues the file.
        let mut log = OwnLog::open(directory.path()).unwrap();
        (0..3).for_each(|_| log.write_all(&line).unwrap());
        assert_eq!(log.length, 1 << 20);
    }
}
