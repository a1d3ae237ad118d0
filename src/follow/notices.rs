//! The texts of notices about files, as the operator reads them: what happened, to which file, what happens now, what
//! to do.

mod board;
mod deleted_files;
pub(in crate::follow) mod stdin;

use std::io;
use std::path::{Path, PathBuf};

use super::discover::{Problem, Special};
use crate::base::bytes;
use crate::base::sanitize;
use crate::base::timed_fs::Stuck;
use crate::event::{GenerationId, Level};

pub(in crate::follow) use self::board::Board;
pub(in crate::follow) use self::deleted_files::{
    rest_failed, rest_in_part, rest_kept, rest_unreadable, rest_without_source,
};

/// The subject of a notice. A new notice about the same subject replaces the old one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum Topic {
    /// A problem that a scan found at a path.
    Path(PathBuf),
    /// A file that cannot be opened.
    Open(PathBuf),
    /// A file that is not text, or does not look like it.
    Binary(PathBuf),
    /// A compressed file that cannot be unpacked completely.
    Packed(PathBuf),
    /// A file that was truncated, or deleted before it was completely read.
    Truncated(PathBuf),
    Hole(PathBuf),
    /// Records longer than the limit per record.
    TruncatedRecords(PathBuf),
    /// A file that holds only bytes already read from another file.
    Copy(PathBuf),
    /// A last line without a line end, which a `--once` run leaves for the next run.
    Unfinished(PathBuf),
    /// Unread bytes of a file that no source includes any more.
    Orphan(GenerationId),
    /// The detection of file changes.
    Watch,
    /// A mount that does not answer.
    Stuck(PathBuf),
    /// Writing of the state.
    State,
    /// Storing of standard input.
    Intake,
    /// A segment of standard input that was not read completely.
    Unread(PathBuf),
    /// The saved unread bytes of a deleted file.
    Rest(GenerationId),
}

impl Problem {
    pub fn path(&self) -> &Path {
        match self {
            Problem::Missing(path)
            | Problem::Empty(path)
            | Problem::Compressed(path)
            | Problem::Special(path, ..)
            | Problem::OwnPaths(path, _)
            | Problem::Failed(path, _) => path,
        }
    }

    pub fn is_own(&self, owned: &Path) -> bool {
        matches!(self, Problem::OwnPaths(path, _) if path == owned)
    }

    pub fn level(&self) -> Level {
        match self {
            Problem::Failed(..) => Level::Error,
            Problem::Compressed(_) => Level::Info,
            _ => Level::Warning,
        }
    }

    pub fn text(&self, once: bool) -> String {
        let path = shown(self.path());
        match self {
            Problem::Missing(_) if once => {
                format!("no file at {path}; nothing is read; check the path")
            }
            Problem::Missing(_) => {
                format!("no file at {path} yet; it is picked up when created")
            }
            Problem::Empty(_) => format!(
                "no log file in the directory {path}; new files in it are picked up; \
                 to include subdirectories use {path}/**/*"
            ),
            Problem::Compressed(_) => format!(
                "{path} uses an unsupported compression and is not read; to read it, unpack it in its directory"
            ),
            Problem::Special(_, kind, others) => special(&path, *kind, *others),
            Problem::OwnPaths(_, source) => own(&path, source),
            Problem::Failed(_, error) => cannot_check(&path, error),
        }
    }
}

fn special(path: &str, kind: Special, others: usize) -> String {
    let other_files = match others {
        0 => String::new(),
        1 => ", like 1 other file that this path or pattern includes".to_owned(),
        _ => format!(
            ", like {} other files that this path or pattern includes",
            bytes::count(others as u64)
        ),
    };
    let (is, instead) = match kind {
        Special::Pipe => (
            "a pipe (FIFO)",
            format!(
                "pass it as an argument (logwarden --no-ui {path}) or pipe it in (logwarden --no-ui - < {path})"
            ),
        ),
        Special::Socket => (
            "a socket",
            "let its receiver write a log file, or pipe the receiver's output in (RECEIVER | logwarden --no-ui -)"
                .to_owned(),
        ),
        Special::Device => {
            ("a device", format!("pipe it in (logwarden --no-ui - < {path}) or configure a log file"))
        }
        Special::CircularLink => {
            ("a symbolic link that leads back to itself", "configure the log file itself".to_owned())
        }
    };
    format!("{path} is {is} and is not followed{other_files}: not a regular file; {instead}")
}

pub(in crate::follow) fn own(path: &str, source: &str) -> String {
    format!(
        "{path} is written by Logwarden itself and is not followed, although source {source} includes it"
    )
}

fn cannot_check(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot check {path} (permission denied); files that are already open are still read; retried every \
             few seconds; give this user read and search permission on its directory"
        ),
        _ => format!(
            "cannot check {path} ({error}); files that are already open are still read; retried every few seconds"
        ),
    }
}

pub(in crate::follow) fn stuck(mount: &Stuck) -> String {
    format!(
        "the file system at {} ({}) does not answer; its files are read again as soon as it answers, nothing is lost; \
         all other files are read as usual; check its server and the network connection",
        shown(&mount.point),
        sanitize::line(&mount.kind)
    )
}

pub(in crate::follow) fn cannot_open(path: &Path, error: &io::Error) -> String {
    let path = shown(path);
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot read {path} (permission denied); retried every few seconds; give this user \
             read permission, for example through the group of the log directory"
        ),
        _ => format!("cannot open {path} ({error}); retried every few seconds"),
    }
}

pub(in crate::follow) fn too_many_files(path: &Path) -> String {
    format!(
        "cannot open {} and possibly other files: too many open files; files that are already open are still read; \
         retried every few seconds; raise the limit (ulimit -n, LimitNOFILE in the unit)",
        shown(path)
    )
}

pub(in crate::follow) fn binary(path: &Path, what: &str) -> String {
    format!("{} is {what}, not text, and is not read; remove it from the paths", shown(path))
}

pub(in crate::follow) fn looks_binary(path: &Path) -> String {
    format!(
        "{} does not look like text; it is read as lines and delivered like any log; if it is not a log, remove it \
         from the paths",
        shown(path)
    )
}

pub(in crate::follow) fn cut_short(path: &Path, size: u64) -> String {
    format!(
        "{} is incomplete (compressed data ends early): {} could be unpacked and are read; it is unpacked again when \
         it changes",
        shown(path),
        bytes::size(size)
    )
}

pub(in crate::follow) fn corrupt(path: &Path, size: u64, reason: &str) -> String {
    format!(
        "{} is damaged after {} unpacked bytes ({}); the bytes before the damage are read, the rest \
         is not; replace it with an intact copy",
        shown(path),
        bytes::count(size),
        sanitize::line(reason)
    )
}

pub(in crate::follow) fn too_large(path: &Path, size: u64) -> String {
    format!(
        "{} exceeds the size limit for unpacking: its first {} are read, the rest is not; to read all \
         of it, unpack it in its directory",
        shown(path),
        bytes::size(size)
    )
}

pub(in crate::follow) fn no_room(path: &Path, used: u64) -> String {
    if used == 0 {
        return no_copy(path, &"no space left");
    }
    format!(
        "{} cannot be unpacked yet: {} of unpacked files are still unread and use up the space for \
         unpacking; retried every few seconds",
        shown(path),
        bytes::size(used)
    )
}

pub(in crate::follow) fn no_copy(path: &Path, reason: &dyn std::fmt::Display) -> String {
    format!(
        "cannot unpack {} ({}); retried every few seconds; free disk space for the state directory",
        shown(path),
        sanitize::line(&reason.to_string())
    )
}

pub(in crate::follow) fn hole(path: &Path, bytes: u64) -> String {
    format!(
        "{}: {} NUL bytes were skipped; a writer that does not use append mode leaves them when its \
         file is truncated; all bytes after them are read; let the writer append, or rotate by renaming",
        shown(path),
        bytes::count(bytes)
    )
}

/// A compressed file and its copy stay open while they are read.
pub(in crate::follow) fn no_descriptors_to_unpack(path: &Path, once: bool) -> String {
    let next = match once {
        true => "run the command again to read the rest",
        false => "retried every few seconds",
    };
    format!(
        "cannot unpack {}: too many open files; {next}; raise the limit (ulimit -n, LimitNOFILE in the unit)",
        shown(path)
    )
}

pub(in crate::follow) fn truncated(path: &Path, lost: u64) -> String {
    format!(
        "{} was truncated before it was completely read: {} bytes are lost; its new content is read from \
         the beginning; to avoid this, rotate by renaming, or keep the rotated copy in the same directory",
        shown(path),
        bytes::count(lost)
    )
}

pub(in crate::follow) fn emptied(path: &Path) -> String {
    format!(
        "{} was truncated; no unread bytes were lost; its new content is read from the beginning",
        shown(path)
    )
}

/// For a truncation whose loss is not known yet: consumers may still hold some of the bytes in memory.
pub(in crate::follow) fn destroyed(path: &Path, behind: u64) -> String {
    format!(
        "{} was truncated without a copy, and {} bytes of it were overwritten before they were delivered: sinks still \
         deliver those that they hold in memory, unless Logwarden stops first; the others are counted as lost; \
         to avoid this, rotate by renaming, or keep the rotated copy in the same directory",
        shown(path),
        bytes::count(behind)
    )
}

pub(in crate::follow) fn deleted(path: &Path, lost: u64) -> String {
    format!(
        "{} was deleted before it was completely read: {} bytes could not be saved and are lost; to avoid this, \
         delete rotated files later, or raise intake.most",
        shown(path),
        bytes::count(lost)
    )
}

pub(in crate::follow) fn copy(copy: &Path, original: &Path, held: u64) -> String {
    format!(
        "{} is a copy of {}: its {} were read from the original and are not delivered again",
        shown(copy),
        shown(original),
        bytes::size(held)
    )
}

pub(in crate::follow) fn unfinished(path: &Path, bytes: u64) -> String {
    format!(
        "the last line of {} has no line end yet: its {} bytes are left for the next run; they are \
         delivered without a line end once the file has not changed for 10 s",
        shown(path),
        bytes::count(bytes)
    )
}

pub(in crate::follow) fn orphan(path: &Path, source: &str, unread: u64) -> String {
    format!(
        "{} bytes of {} are not delivered, and no source includes this file any more (it was read by \
         source {}); they are still in the file; to deliver them, configure a source with its path",
        bytes::count(unread),
        shown(path),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn orphan_deleted(path: &Path, source: &str, unread: u64) -> String {
    format!(
        "{} was deleted; {} bytes of it were not delivered and are lost: no source included this file any more \
         (it was read by source {})",
        shown(path),
        bytes::count(unread),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn degraded(reason: &str) -> String {
    format!(
        "file changes are detected by polling only, up to a few seconds late ({reason}); for immediate \
         notification raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
    )
}

pub(in crate::follow) fn state(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
    format!(
        "{error}{cause}; new files are not read until this works, nothing is lost; retried every second; \
         free disk space or repair the directory"
    )
}

pub(in crate::follow) fn intake_full(directory: &Path, error: &io::Error) -> String {
    format!(
        "cannot write to the intake directory {} ({error}); reading of standard input is paused and its writer \
         is blocked, nothing is lost; retried every second; free disk space there",
        shown(directory)
    )
}

/// The path as one line that is safe on a terminal.
fn shown(path: &Path) -> String {
    sanitize::line(&path.to_string_lossy()).into_owned()
}
