//! Checks whether the paths of the sources can be read, and whether two sources name the same file.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::Finding;
use crate::base::{bytes, timed_fs};
use crate::follow::SourceConfig;

/// Limit for checking all files of one path: a mount that does not answer would block forever.
const DEADLINE: Duration = Duration::from_secs(15);

/// One finding per path of the source.
pub(super) fn source(source: &SourceConfig) -> Vec<Finding> {
    source
        .paths
        .iter()
        .map(|path| Finding {
            subject: format!("source {} {}", source.name, path.display()),
            result: readable_within_deadline(path),
        })
        .collect()
}

/// Reports paths named by several sources. The first source gets the events; the others would never read the file.
pub(super) fn named_twice(sources: &[SourceConfig]) -> Vec<Finding> {
    let mut owners: HashMap<PathBuf, &str> = HashMap::new();
    let mut findings = Vec::new();
    for source in sources {
        for path in &source.paths {
            let canonical = timed_fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let owner = *owners.entry(canonical).or_insert(&source.name);
            if owner != &*source.name {
                let subject = format!("source {} {}", source.name, path.display());
                let problem = format!(
                    "source {owner} also names this path and gets all of its events; remove the path from one of \
                     the two sources"
                );
                findings.push(Finding { subject, result: Err(problem) });
            }
        }
    }
    findings
}

/// Runs `check` on its own thread. `None`: it took longer than `DEADLINE`; its thread then ends with the process.
pub(super) fn within_deadline<T: Send + 'static>(
    check: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (reply, answer) = sync_channel(1);
    let check = move || {
        // The receiver is gone after the deadline.
        let _ = reply.send(check());
    };
    std::thread::Builder::new().name("check".to_owned()).spawn(check).ok()?;
    answer.recv_timeout(DEADLINE).ok()
}

fn readable_within_deadline(path: &Path) -> Result<String, String> {
    let of = path.to_owned();
    within_deadline(move || readable(&of)).unwrap_or_else(|| {
        let seconds = DEADLINE.as_secs();
        Err(format!(
            "the file system of this path did not answer within {seconds} s; the path is read as soon as it answers; \
             check the file server or the network"
        ))
    })
}

fn readable(path: &Path) -> Result<String, String> {
    let text = path.to_string_lossy();
    let exists = match timed_fs::symlink_metadata(path) {
        Err(error) if timed_fs::is_stuck(&error) => return Err(error.to_string()),
        found => found.is_ok(),
    };
    if !exists && text.contains(['*', '?', '[']) {
        return pattern(&text);
    }
    match exists {
        false => Ok("not found; picked up when created".to_owned()),
        true => open(path).map(|()| "readable".to_owned()),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    let found: Vec<PathBuf> = glob::glob(text)
        .map_err(|error| format!("is not a valid glob: {}", error.msg))?
        .filter_map(Result::ok)
        .filter(|path| path.is_file() || is_pipe(path))
        .collect();
    if found.is_empty() {
        return Ok("no match; files are picked up when created".to_owned());
    }
    let unreadable: Vec<String> = found.iter().filter_map(|path| open(path).err()).collect();
    match unreadable.first() {
        None => Ok(format!("matches {}, readable", bytes::counted(found.len() as u64, "file"))),
        Some(first) => {
            Err(format!("{} of {} files cannot be read ({first})", unreadable.len(), found.len()))
        }
    }
}

fn open(path: &Path) -> Result<(), String> {
    if is_pipe(path) {
        return Err(format!(
            "{} is a pipe (FIFO), which a configured source cannot read; name it as an argument: \
             logwarden --no-ui {}",
            path.display(),
            path.display()
        ));
    }
    let opened = match path.is_dir() {
        true => timed_fs::read_dir(path).map(drop),
        false => timed_fs::open(path).map(drop),
    };
    opened.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => {
            format!("{}: {error}; give this user read permission", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    })
}

fn is_pipe(path: &Path) -> bool {
    timed_fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}
