//! What the operator is told about files: what, where, what happens now, what to do.

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
    rest_failed, rest_in_part, rest_kept, rest_of_nobody, rest_unreadable,
};

/// What a notice is about: it is replaced, and goes away, by this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum Topic {
    Path(PathBuf),
    Open(PathBuf),
    Binary(PathBuf),
    Packed(PathBuf),
    Truncated(PathBuf),
    Hole(PathBuf),
    /// Records that are longer than what is kept of one.
    CutOff(PathBuf),
    /// A file that holds only what was read from another one.
    Copy(PathBuf),
    Unfinished(PathBuf),
    Orphan(GenerationId),
    Watch,
    /// A mount that does not answer.
    Stuck(PathBuf),
    State,
    Intake,
    /// A segment of standard input that was not read, or not all of it.
    Unread(PathBuf),
    Rest(GenerationId),
}

impl Problem {
    pub fn path(&self) -> &Path {
        match self {
            Problem::Missing(path)
            | Problem::Empty(path)
            | Problem::Compressed(path)
            | Problem::Special(path, ..)
            | Problem::Own(path, _)
            | Problem::Failed(path, _) => path,
        }
    }

    pub fn is_own(&self, owned: &Path) -> bool {
        matches!(self, Problem::Own(path, _) if path == owned)
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
                format!("no file at {path}; nothing is read from there; check the path")
            }
            Problem::Missing(_) => {
                format!("no file at {path} yet; it is read as soon as there is one")
            }
            Problem::Empty(_) => format!(
                "no log file in the directory {path}; files that appear in it are read; \
                 for its subdirectories name {path}/**/*"
            ),
            Problem::Compressed(_) => format!(
                "{path} is compressed in a way that is not read; unpack it beside the log to have it read"
            ),
            Problem::Special(_, kind, others) => special(&path, *kind, *others),
            Problem::Own(_, source) => own(&path, source),
            Problem::Failed(_, error) => cannot_look(&path, error),
        }
    }
}

fn special(path: &str, kind: Special, others: usize) -> String {
    let beside = match others {
        0 => String::new(),
        1 => ", nor is 1 other beside it".to_owned(),
        _ => format!(", nor are {} others beside it", bytes::count(others as u64)),
    };
    let (is, instead) = match kind {
        Special::Pipe => (
            "a pipe (FIFO)",
            format!(
                "name it as an argument (logwarden --no-ui {path}), or pipe it in (logwarden --no-ui - < {path})"
            ),
        ),
        Special::Socket => (
            "a socket",
            "have its receiver write a log file, or pipe that in (RECEIVER | logwarden --no-ui -)"
                .to_owned(),
        ),
        Special::Device => {
            ("a device", format!("pipe it in (logwarden --no-ui - < {path}), or name a log file"))
        }
        Special::Circle => {
            ("a link that leads back to itself", "name the log file itself".to_owned())
        }
    };
    format!("{path} is {is} and is not followed{beside}: only regular files are; {instead}")
}

pub(in crate::follow) fn own(path: &str, source: &str) -> String {
    format!(
        "{path} is written by Logwarden itself and is not followed, although source {source} names it"
    )
}

fn cannot_look(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot look at {path} (permission denied); what is open goes on, it is tried again \
             every few seconds; give this user read and search permission on its directory"
        ),
        _ => format!(
            "cannot look at {path} ({error}); what is open goes on, it is tried again every few \
             seconds"
        ),
    }
}

pub(in crate::follow) fn stuck(mount: &Stuck) -> String {
    format!(
        "the file system at {} ({}) does not answer; files on it wait and are read again as soon as it answers, \
         nothing of them is lost; all other files go on; look after its server or its connection",
        shown(&mount.point),
        sanitize::line(&mount.kind)
    )
}

pub(in crate::follow) fn cannot_open(path: &Path, error: &io::Error) -> String {
    let path = shown(path);
    match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "cannot read {path} (permission denied); it is tried again every few seconds; give \
             this user read permission, for instance through the group of the log directory"
        ),
        _ => format!("cannot open {path} ({error}); it is tried again every few seconds"),
    }
}

pub(in crate::follow) fn too_many_files(path: &Path) -> String {
    format!(
        "cannot open {} and perhaps others: too many open files; the others go on, it is tried \
         again every few seconds; raise the limit (ulimit -n, LimitNOFILE in the unit)",
        shown(path)
    )
}

pub(in crate::follow) fn binary(path: &Path, what: &str) -> String {
    format!("{} is {what}, not text, and is not read; leave it out of the paths", shown(path))
}

pub(in crate::follow) fn looks_binary(path: &Path) -> String {
    format!(
        "{} does not look like text; it is read as lines and delivered as any log is; leave it out of the paths if \
         it is none",
        shown(path)
    )
}

pub(in crate::follow) fn cut_short(path: &Path, size: u64) -> String {
    format!(
        "{} is cut short: {} could be unpacked and are read; it is unpacked again when it changes",
        shown(path),
        bytes::size(size)
    )
}

pub(in crate::follow) fn corrupt(path: &Path, size: u64, reason: &str) -> String {
    format!(
        "{} is damaged behind byte {} of what it holds ({}); what stands before that is read, the \
         rest is not; put an intact copy in its place",
        shown(path),
        bytes::count(size),
        sanitize::line(reason)
    )
}

pub(in crate::follow) fn too_large(path: &Path, size: u64) -> String {
    format!(
        "{} holds more than is unpacked at once: its first {} are read, the rest is not; unpack it \
         beside the log to have it read",
        shown(path),
        bytes::size(size)
    )
}

pub(in crate::follow) fn no_room(path: &Path, used: u64) -> String {
    if used == 0 {
        return no_copy(path, &"no room is left");
    }
    format!(
        "{} waits for room to be unpacked: {} are unpacked already and not read by everybody yet; it \
         is tried again every few seconds",
        shown(path),
        bytes::size(used)
    )
}

pub(in crate::follow) fn no_copy(path: &Path, reason: &dyn std::fmt::Display) -> String {
    format!(
        "cannot unpack {} ({}); it is tried again every few seconds; make room in the state directory",
        shown(path),
        sanitize::line(&reason.to_string())
    )
}

pub(in crate::follow) fn hole(path: &Path, bytes: u64) -> String {
    format!(
        "{}: {} NUL bytes were skipped; a writer that does not append leaves them when its file is \
         truncated; everything behind them is read; let the writer append, or rotate by renaming",
        shown(path),
        bytes::count(bytes)
    )
}

/// A compressed file and its copy stay open while they are read.
pub(in crate::follow) fn no_descriptors_to_unpack(path: &Path, once: bool) -> String {
    let next = match once {
        true => "run it again to read the rest",
        false => "it is tried again every few seconds",
    };
    format!(
        "cannot unpack {}: too many open files; {next}, or raise the limit (ulimit -n, LimitNOFILE in the unit)",
        shown(path)
    )
}

pub(in crate::follow) fn truncated(path: &Path, lost: u64) -> String {
    format!(
        "{} was truncated before everybody had read it: {} bytes are lost; its new content is read from \
         the beginning; rotate by renaming, or let the copy stay beside it",
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

/// Before it is known how much of it consumers hold in memory.
pub(in crate::follow) fn destroyed(path: &Path, behind: u64) -> String {
    format!(
        "{} was truncated without a copy, and {} bytes of it were destroyed before they were delivered: what a sink \
         holds of them in memory it still delivers, unless this program ends before; the rest is counted as lost; \
         rotate by renaming, or let the copy stay beside it",
        shown(path),
        bytes::count(behind)
    )
}

pub(in crate::follow) fn deleted(path: &Path, lost: u64) -> String {
    format!(
        "{} was deleted before everybody had read it: {} bytes could not be kept and are lost; rotate \
         later, or raise intake.most",
        shown(path),
        bytes::count(lost)
    )
}

pub(in crate::follow) fn copy(copy: &Path, original: &Path, held: u64) -> String {
    format!(
        "{} is a copy of {}: its {} have been read from there and are not delivered again",
        shown(copy),
        shown(original),
        bytes::size(held)
    )
}

pub(in crate::follow) fn unfinished(path: &Path, bytes: u64) -> String {
    format!(
        "the last line of {} has no line end yet: its {} bytes are left for the next run; they are \
         delivered as they are once the file has not changed for 10 s",
        shown(path),
        bytes::count(bytes)
    )
}

pub(in crate::follow) fn orphan(path: &Path, source: &str, unread: u64) -> String {
    format!(
        "{} bytes of {} have not been delivered, and no source names this file any more (it was read by \
         the source {}); they wait in the file; configure a source with its path to have them delivered",
        bytes::count(unread),
        shown(path),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn orphan_gone(path: &Path, source: &str, unread: u64) -> String {
    format!(
        "{} was deleted; {} bytes of it had not been delivered and cannot be any more: no source named this file \
         (it was read by the source {})",
        shown(path),
        bytes::count(unread),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn degraded(reason: &str) -> String {
    format!(
        "changes are noticed by polling only, up to a few seconds late ({reason}); to be told at \
         once raise fs.inotify.max_user_watches and max_user_instances"
    )
}

pub(in crate::follow) fn state(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|source| format!(" ({source})")).unwrap_or_default();
    format!(
        "{error}{cause}; new files wait, nothing is lost; make room or mend the directory, it is \
         tried again every second"
    )
}

pub(in crate::follow) fn intake_full(directory: &Path, error: &io::Error) -> String {
    format!(
        "cannot write to the intake directory {} ({error}); standard input is not read on and its writer \
         waits, nothing is lost; make room there, it is tried again every second",
        shown(directory)
    )
}

/// Every byte of a path that could do harm on a terminal is escaped.
fn shown(path: &Path) -> String {
    sanitize::line(&path.to_string_lossy()).into_owned()
}
