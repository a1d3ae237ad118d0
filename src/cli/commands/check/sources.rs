//! Whether what the sources name can be read.

use std::collections::HashMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use super::Finding;
use crate::base::{bytes, timed_fs};
use crate::follow::SourceConfig;

/// For looking at all that one path means: a mount that does not answer would keep us for ever.
const DEADLINE: Duration = Duration::from_secs(15);

pub(super) fn source(source: &SourceConfig) -> Vec<Finding> {
    source
        .paths
        .iter()
        .map(|path| Finding {
            subject: format!("source {} {}", source.name, path.display()),
            result: readable_in_time(path),
        })
        .collect()
}

/// A file belongs to the first source that means it; the second one would wait for it for ever.
pub(super) fn doubled(sources: &[SourceConfig]) -> Vec<Finding> {
    let mut owners: HashMap<PathBuf, &str> = HashMap::new();
    let mut findings = Vec::new();
    for source in sources {
        for path in &source.paths {
            let place = timed_fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let owner = *owners.entry(place).or_insert(&source.name);
            if owner != &*source.name {
                let subject = format!("source {} {}", source.name, path.display());
                let problem = format!(
                    "source {owner} names it too and gets all of its events; leave it out of one of them"
                );
                findings.push(Finding { subject, result: Err(problem) });
            }
        }
    }
    findings
}

/// `None`: it takes longer. The thread of a look that hangs ends with the process.
pub(super) fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (reply, answer) = sync_channel(1);
    let look = move || {
        // Nobody may be waiting any more.
        let _ = reply.send(look());
    };
    std::thread::Builder::new().name("check".to_owned()).spawn(look).ok()?;
    answer.recv_timeout(DEADLINE).ok()
}

fn readable_in_time(path: &Path) -> Result<String, String> {
    let of = path.to_owned();
    in_time(move || readable(&of)).unwrap_or_else(|| {
        let seconds = DEADLINE.as_secs();
        Err(format!(
            "its file system does not answer within {seconds} s; it is read as soon as it answers; look after its \
             server or its connection"
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
        false => Ok("does not exist yet; Logwarden waits for it".to_owned()),
        true => open(path).map(|()| "readable".to_owned()),
    }
}

fn pattern(text: &str) -> Result<String, String> {
    let found: Vec<PathBuf> = glob::glob(text)
        .map_err(|error| format!("is no pattern: {}", error.msg))?
        .filter_map(Result::ok)
        .filter(|path| path.is_file() || is_pipe(path))
        .collect();
    if found.is_empty() {
        return Ok("matches nothing yet; Logwarden waits for it".to_owned());
    }
    let unreadable: Vec<String> = found.iter().filter_map(|path| open(path).err()).collect();
    match unreadable.first() {
        None => Ok(format!("matches {}, readable", bytes::counted(found.len() as u64, "file"))),
        Some(first) => Err(format!(
            "{} of {} files cannot be read ({first}); let this user's groups read them",
            unreadable.len(),
            found.len()
        )),
    }
}

fn open(path: &Path) -> Result<(), String> {
    if is_pipe(path) {
        return Err(format!(
            "{} is a pipe (FIFO), which a configured source does not read; name it as an argument, as in: \
             logwarden --no-ui {}",
            path.display(),
            path.display()
        ));
    }
    let opened = match path.is_dir() {
        true => timed_fs::read_dir(path).map(drop),
        false => timed_fs::open(path).map(drop),
    };
    opened.map_err(|error| format!("{}: {error}", path.display()))
}

fn is_pipe(path: &Path) -> bool {
    timed_fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}
