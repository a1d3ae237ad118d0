//! Destroys a key: writes a durable tombstone, then overwrites and unlinks the key file.
//!
//! Because of the tombstone, a destroyed key is never mistaken for a lost one. Copies on the disk or in backups are out
//! of reach.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::directory::Directory;
use super::file_names::FileKind;
use super::{KeyError, KeyId, Slot};
use crate::base::{Timestamp, rfc3339};

/// Records the id of a destroyed key and the day of its destruction; contains no key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub slot: Slot,
    /// `None`: the key could not be read when it was destroyed.
    pub id: Option<KeyId>,
    /// As in `2021-05-01`.
    pub day: String,
}

const PREFIX: &str = "lwkey1-destroyed";
/// Maximum length of a tombstone or key file, in bytes.
const LONGEST: u64 = 256;

impl Tombstone {
    /// A tombstone with invalid content still counts as one.
    pub(super) fn read(directory: &Directory, slot: Slot) -> Result<Tombstone, KeyError> {
        let text = directory.read(&slot.file_name(FileKind::Tombstone), LONGEST)?;
        let text = String::from_utf8_lossy(&text);
        let words: Vec<&str> = text.trim_end().split(' ').collect();
        let (id, day) = match words[..] {
            [PREFIX, _, id, time] => (KeyId::parse(id), time.split('T').next().unwrap_or(time)),
            _ => (None, "an unknown day"),
        };
        Ok(Tombstone { slot, id, day: day.to_owned() })
    }
}

/// Destroys the key of `slot`. Durable when this returns; can be repeated after an interruption. `false`: the key file
/// was removed but could not be overwritten before.
pub(super) fn destroy(
    directory: &Directory,
    slot: Slot,
    id: Option<KeyId>,
    now: Timestamp,
) -> Result<bool, KeyError> {
    let (key, tombstone) = (slot.file_name(FileKind::Key), slot.file_name(FileKind::Tombstone));
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

/// Overwrites a key file with zeros if it is a regular file. `false`: it could not be overwritten.
fn overwrite(directory: &Directory, name: &str) -> io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = |flags| openat(directory.directory(), name, flags, Mode::empty()).map(File::from);
    // A key file of mode 0400 is valid too.
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
