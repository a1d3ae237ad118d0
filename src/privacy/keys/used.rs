//! The list of keys that something was sealed with: `used` in the keys folder, a line each, appended and
//! fsynced before the first token leaves. A key that stands here and is missing is not replaced silently.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{Mode, OFlags, openat};

use super::folder::Folder;
use super::slot::Kept;
use super::{KeyError, KeyId, Month, MonthKey, Slot};
use crate::base::{Timestamp, rfc3339};

const NAME: &str = "used";
/// Of a thousand years.
const LONGEST: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedKey {
    pub slot: Slot,
    pub id: KeyId,
}

impl fmt::Display for UsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.slot.file_name(Kept::Key))
    }
}

impl UsedKey {
    /// As it is displayed.
    pub fn parse(text: &str) -> Option<UsedKey> {
        let (id, file) = text.split_once(' ')?;
        let (slot, kept) = Slot::of_file(file)?;
        Some(UsedKey { slot, id: KeyId::parse(id)? }).filter(|_| kept == Kept::Key)
    }

    /// Those of a list; what is no such name is passed over.
    pub fn parse_all(texts: &[String]) -> Vec<UsedKey> {
        texts.iter().filter_map(|text| UsedKey::parse(text)).collect()
    }
}

#[derive(Debug, Default)]
pub(super) struct Used {
    keys: Vec<UsedKey>,
    ends_torn: bool,
}

impl Used {
    pub fn read(folder: &Folder) -> Result<Used, KeyError> {
        let text = match folder.read(NAME, LONGEST) {
            Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Used::default());
            }
            text => text?,
        };
        // A line that a kill left half written says nothing: what it would have said was not yet used.
        let keys = text.split(|byte| *byte == b'\n').filter_map(parse).collect();
        let ends_torn = text.last().is_some_and(|last| *last != b'\n');
        Ok(Used { keys, ends_torn })
    }

    /// Those that the program remembers elsewhere count as well.
    pub fn and(mut self, others: &[UsedKey]) -> Used {
        self.keys.extend_from_slice(others);
        self
    }

    pub fn keys(&self) -> &[UsedKey] {
        &self.keys
    }

    /// The one that must be there for its month to be sealed.
    pub fn newest(&self, month: Month) -> Option<UsedKey> {
        let of_month = self.keys.iter().filter(|used| used.slot.month == month);
        of_month.max_by_key(|used| used.slot.number).copied()
    }

    /// Durable when this returns.
    pub fn add(&self, folder: &Folder, key: &MonthKey, now: Timestamp) -> Result<(), KeyError> {
        let wanted = UsedKey { slot: key.slot(), id: key.id() };
        if self.keys.contains(&wanted) {
            return Ok(());
        }
        let file = key.slot().file_name(Kept::Key);
        let before = if self.ends_torn { "\n" } else { "" };
        let line = format!("{before}{} {file} {}\n", key.id(), rfc3339::text(now, 0));
        append(folder, line.as_bytes())
            .map_err(|source| KeyError::Write { path: folder.path_of(NAME), source })
    }
}

/// Lines of one folder's list that the other does not yet have.
pub(super) fn copy(from: &Folder, to: &Folder) -> Result<(), KeyError> {
    let there = Used::read(to)?;
    let text = match from.read(NAME, LONGEST) {
        Err(KeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(());
        }
        text => text?,
    };
    let mut lines = if there.ends_torn { vec![b'\n'] } else { Vec::new() };
    for line in text.split(|byte| *byte == b'\n') {
        if parse(line).is_some_and(|used| !there.keys.contains(&used)) {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        }
    }
    append(to, &lines).map_err(|source| KeyError::Write { path: to.path_of(NAME), source })
}

fn append(folder: &Folder, line: &[u8]) -> io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder.directory(), NAME, flags, Mode::RUSR | Mode::WUSR)?);
    // One write: what several processes append does not mix.
    file.write_all(line)?;
    file.sync_all()?;
    folder.sync()
}

fn parse(line: &[u8]) -> Option<UsedKey> {
    let (key, time) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    UsedKey::parse(key).filter(|_| time.ends_with('Z'))
}
