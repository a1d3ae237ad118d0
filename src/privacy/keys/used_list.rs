//! The file `used` in the key directory: the list of keys that were used for sealing, one per line.
//!
//! A key is appended and fsynced before its first token is passed on. A listed key that is missing is never replaced
//! silently.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::directory::Directory;
use super::usage::UsedKeys;
use super::{KeyError, UsedKey};
use crate::base::{Timestamp, rfc3339};

const NAME: &str = "used";
/// In bytes; enough for a thousand years.
const LONGEST: u64 = 1 << 20;
/// Attempts to append a line when other processes write at the same time.
const ATTEMPTS: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct UsedList {
    pub entries: UsedKeys,
    /// The last line is incomplete.
    ends_torn: bool,
}

impl UsedList {
    pub fn read(directory: &Directory) -> Result<UsedList, KeyError> {
        let text = match directory.read(NAME, LONGEST) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(UsedList::default());
            }
            text => text?,
        };
        // An incomplete line of a killed process is ignored: its key was not yet used.
        let mut entries = UsedKeys::default();
        for (key, time) in text.split(|byte| *byte == b'\n').filter_map(parse) {
            entries.put(key, time);
        }
        let ends_torn = text.last().is_some_and(|last| *last != b'\n');
        Ok(UsedList { entries, ends_torn })
    }

    /// Lines for these keys; an unknown time becomes the current time, or a later one that keeps the order of the keys.
    fn lines(&self, keys: &[(UsedKey, Option<Timestamp>)], now: Timestamp) -> String {
        let mut lines = if self.ends_torn { "\n".to_owned() } else { String::new() };
        for (key, time) in keys {
            let time = time.unwrap_or_else(|| self.entries.time_of_next(key.slot, now));
            lines.push_str(&format!("{key} {}\n", rfc3339::text(time, 0)));
        }
        lines
    }
}

/// Adds `keys` to the list and returns the list; all of them are durable then. The file is read again after a write: if
/// two processes append at the same time and one write is cut short (full disk), their lines merge into an invalid one.
pub(super) fn add(
    directory: &Directory,
    keys: &UsedKeys,
    now: Timestamp,
) -> Result<UsedKeys, KeyError> {
    let failed = |source| KeyError::Write { path: directory.path_of(NAME), source };
    for attempt in 0..ATTEMPTS {
        let list = UsedList::read(directory)?;
        let missing: Vec<_> = keys.iter().filter(|(key, _)| !list.entries.contains(*key)).collect();
        if missing.is_empty() {
            // Also lines of other processes, which may not have synced yet.
            return match sync(directory) {
                // A read-only disk, and nothing was written to it.
                Err(error) if attempt == 0 && is_read_only(&error) => Ok(list.entries),
                done => done.map(|()| list.entries).map_err(failed),
            };
        }
        append(directory, list.lines(&missing, now).as_bytes()).map_err(failed)?;
    }
    Err(failed(io::Error::other(
        "other processes keep overwriting the lines that this one appends there",
    )))
}

/// Adds the keys in the list of one directory to the list of another.
pub(super) fn copy(from: &Directory, to: &Directory, now: Timestamp) -> Result<(), KeyError> {
    let entries = UsedList::read(from)?.entries;
    if entries.is_empty() { Ok(()) } else { add(to, &entries, now).map(drop) }
}

fn append(directory: &Directory, lines: &[u8]) -> io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (mut file, is_new) = match openat(directory.directory(), NAME, flags, Mode::empty()) {
        Ok(file) => (File::from(file), false),
        Err(Errno::NOENT) => match directory.create(NAME, flags) {
            // Another process has just created it: the caller reads it again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            file => (file?, true),
        },
        Err(error) => return Err(error.into()),
    };
    if is_new {
        // The umask may have removed our own permissions.
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    }
    // A single write, so that lines of several processes are not interleaved.
    file.write_all(lines)
}

fn sync(directory: &Directory) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory.directory(), NAME, flags, Mode::empty())?);
    file.sync_all()?;
    directory.sync()
}

/// Some read-only file systems do not support fsync (squashfs).
fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::InvalidInput)
}

fn parse(line: &[u8]) -> Option<(UsedKey, Option<Timestamp>)> {
    let (key, time) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let key = UsedKey::parse(key).filter(|_| time.ends_with('Z'))?;
    let moment = time.parse::<jiff::Timestamp>().ok();
    let nanos = moment.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
    Some((key, nanos.map(Timestamp)))
}

#[cfg(test)]
mod tests;
