//! Destruction of a key: the tombstone is durable before the key is overwritten and unlinked, so a key that is
//! gone is never taken for one that was lost. What a disk or a backup keeps of it is beyond us.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::directory::Directory;
use super::file_names::Kept;
use super::{KeyError, KeyId, Slot};
use crate::base::{Timestamp, rfc3339};

/// Says that there was a key, which and until when; nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub slot: Slot,
    /// `None`: the key could not be read when it was destroyed.
    pub id: Option<KeyId>,
    /// As in `2021-05-01`.
    pub day: String,
}

const PREFIX: &str = "lwkey1-destroyed";
const LONGEST: u64 = 256;

impl Tombstone {
    /// One that cannot be read is one all the same.
    pub(super) fn read(directory: &Directory, slot: Slot) -> Result<Tombstone, KeyError> {
        let text = directory.read(&slot.file_name(Kept::Tombstone), LONGEST)?;
        let text = String::from_utf8_lossy(&text);
        let words: Vec<&str> = text.trim_end().split(' ').collect();
        let (id, day) = match words[..] {
            [PREFIX, _, id, time] => (KeyId::parse(id), time.split('T').next().unwrap_or(time)),
            _ => (None, "an unknown day"),
        };
        Ok(Tombstone { slot, id, day: day.to_owned() })
    }
}

/// Durable when this returns; may be repeated where it was broken off. `false`: what stood there was not overwritten.
pub(super) fn destroy(
    directory: &Directory,
    slot: Slot,
    id: Option<KeyId>,
    now: Timestamp,
) -> Result<bool, KeyError> {
    let (key, tombstone) = (slot.file_name(Kept::Key), slot.file_name(Kept::Tombstone));
    let failed = |name: &str, source| KeyError::Write { path: directory.path_of(name), source };
    let id = id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let line = format!("{PREFIX} {key} {id} {}\n", rfc3339::text(now, 0));
    match directory.write_new(&tombstone, line.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => done.map_err(|source| failed(&tombstone, source))?,
    }
    let overwritten = overwrite(directory, &key).map_err(|source| failed(&key, source))?;
    directory.remove(key.as_str()).map_err(|error| failed(&key, error.into()))?;
    directory.sync().map_err(|source| failed(&key, source))?;
    Ok(overwritten)
}

/// Nothing but a plain file is written to, whatever stands there. `false`: it could not be.
fn overwrite(directory: &Directory, name: &str) -> io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |flags| openat(directory.directory(), name, flags, Mode::empty()).map(File::from);
    // Of mode 0400, which is as right as 0600.
    let made_writable = || -> io::Result<File> {
        let readable = open(flags.difference(OFlags::WRONLY) | OFlags::RDONLY)?;
        readable.set_permissions(Permissions::from_mode(0o600))?;
        Ok(open(flags)?)
    };
    let mut file = match open(flags) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ACCESS) => match made_writable() {
            Ok(file) => file,
            Err(_) => return Ok(false),
        },
        // A link, a pipe without a reader.
        Err(_) => return Ok(false),
    };
    let metadata = file.metadata()?;
    if metadata.is_file() {
        file.write_all(&vec![0; metadata.len().min(LONGEST) as usize])?;
        file.sync_all()?;
    }
    Ok(metadata.is_file())
}
