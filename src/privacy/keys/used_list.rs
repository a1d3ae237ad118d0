//! The list of keys that something was sealed with: `used` in the keys directory, a line each, appended and
//! fsynced before the first token leaves. A key that stands here and is missing is not replaced silently.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::directory::Directory;
use super::usage::Uses;
use super::{KeyError, UsedKey};
use crate::base::{Timestamp, rfc3339};

const NAME: &str = "used";
/// Of a thousand years.
const LONGEST: u64 = 1 << 20;
/// How often a line is written that others spoil by writing at the same moment.
const ATTEMPTS: u32 = 8;

#[derive(Debug, Default)]
pub(super) struct Used {
    pub uses: Uses,
    ends_torn: bool,
}

impl Used {
    pub fn read(directory: &Directory) -> Result<Used, KeyError> {
        let text = match directory.read(NAME, LONGEST) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Used::default());
            }
            text => text?,
        };
        // A line that a kill left half written says nothing: what it would have said was not yet used.
        let mut uses = Uses::default();
        for (key, time) in text.split(|byte| *byte == b'\n').filter_map(parse) {
            uses.put(key, time);
        }
        let ends_torn = text.last().is_some_and(|last| *last != b'\n');
        Ok(Used { uses, ends_torn })
    }

    /// Lines for these keys. Where a time is not known, that of now is written.
    fn lines(&self, keys: &[(UsedKey, Option<Timestamp>)], now: Timestamp) -> String {
        let mut lines = if self.ends_torn { "\n".to_owned() } else { String::new() };
        for (key, time) in keys {
            let time = time.unwrap_or_else(|| self.uses.time_of_next(key.slot, now));
            lines.push_str(&format!("{key} {}\n", rfc3339::text(time, 0)));
        }
        lines
    }
}

/// All of `keys` stand in the list, durably, when this returns it. What was written is read again: where another
/// process appends at the same moment and one of the two is cut short (a full disk), their lines are joined to one that
/// says nothing.
pub(super) fn add(directory: &Directory, keys: &Uses, now: Timestamp) -> Result<Uses, KeyError> {
    let failed = |source| KeyError::Write { path: directory.path_of(NAME), source };
    for attempt in 0..ATTEMPTS {
        let list = Used::read(directory)?;
        let missing: Vec<_> = keys.iter().filter(|(key, _)| !list.uses.contains(*key)).collect();
        if missing.is_empty() {
            // Also what somebody else wrote, who may not have come to this yet.
            return match sync(directory) {
                // Nothing can be written there, and nothing was.
                Err(error) if attempt == 0 && is_of_a_read_only_disk(&error) => Ok(list.uses),
                done => done.map(|()| list.uses).map_err(failed),
            };
        }
        append(directory, list.lines(&missing, now).as_bytes()).map_err(failed)?;
    }
    Err(failed(io::Error::other("other processes keep overwriting the lines that this one appends there")))
}

/// Lines of one directory's list that the other does not yet have.
pub(super) fn copy(from: &Directory, to: &Directory, now: Timestamp) -> Result<(), KeyError> {
    let uses = Used::read(from)?.uses;
    if uses.is_empty() { Ok(()) } else { add(to, &uses, now).map(drop) }
}

fn append(directory: &Directory, lines: &[u8]) -> io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let (mut file, is_new) = match openat(directory.directory(), NAME, flags, Mode::empty()) {
        Ok(file) => (File::from(file), false),
        Err(Errno::NOENT) => match directory.create(NAME, flags) {
            // Somebody else just made it: it is read again.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            file => (file?, true),
        },
        Err(error) => return Err(error.into()),
    };
    if is_new {
        // The mask of this process may have taken away our own rights.
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    }
    // One write: what several processes append does not mix.
    file.write_all(lines)
}

fn sync(directory: &Directory) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(directory.directory(), NAME, flags, Mode::empty())?);
    file.sync_all()?;
    directory.sync()
}

/// Some know no fsync (squashfs).
fn is_of_a_read_only_disk(error: &io::Error) -> bool {
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
