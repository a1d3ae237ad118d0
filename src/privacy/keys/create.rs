//! Creates a key file with `link()`, so that processes that create the same key at once end up with a single one.
//!
//! `link()` fails if the name exists; a rename, or a check before the write, would not prevent a second key.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, linkat, openat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::directory::{Directory, TEMPORARY_PREFIX};
use super::file_names::FileKind;
use super::{KeyError, MonthKey, Slot};
use crate::base::Timestamp;

/// The steps of a creation; tests inject errors and kills before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Open,
    Write,
    Sync,
    Link,
    Unlink,
    SyncDirectory,
}

/// Attempts when other processes remove our temporary file as a leftover.
const ATTEMPTS: u32 = 64;

/// A new key from random bytes of the operating system.
pub(super) fn random(slot: Slot, now: Timestamp) -> Result<MonthKey, KeyError> {
    let mut master = Zeroizing::new([0; 32]);
    getrandom::fill(master.as_mut_slice()).map_err(|error| KeyError::Random(error.into()))?;
    Ok(MonthKey::new(slot, now, master))
}

/// Writes the key durably under its final name. [`KeyError::Exists`]: its slot already has a durable key.
pub(super) fn publish(directory: &Directory, key: &MonthKey) -> Result<(), KeyError> {
    publish_with(directory, key, &mut |_| Ok(()))
}

pub(super) fn publish_with(
    directory: &Directory,
    key: &MonthKey,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), KeyError> {
    let failed = |source| KeyError::Create { directory: directory.path().to_owned(), source };
    remove_leftovers(directory).map_err(failed)?;
    for _ in 0..ATTEMPTS {
        match attempt(directory, key, &temporary_name()?, before).map_err(failed)? {
            Outcome::Published => return Ok(()),
            Outcome::RemovedByOther => {}
            Outcome::AlreadyPublished => {
                let path = directory.path_of(&key.slot().file_name(FileKind::Key));
                return Err(KeyError::Exists { slot: key.slot(), path });
            }
        }
    }
    Err(failed(io::Error::other(
        "other processes keep removing the temporary files that this one writes there",
    )))
}

enum Outcome {
    Published,
    AlreadyPublished,
    /// Another process removed our temporary file as a leftover.
    RemovedByOther,
}

fn attempt(
    directory: &Directory,
    key: &MonthKey,
    temporary: &str,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<Outcome> {
    before(Step::Open)?;
    let mut file = directory.create(temporary, OFlags::WRONLY)?;
    let linked = write(&mut file, key, before).and_then(|ours| match ours {
        true => link(directory, key.slot(), temporary, before),
        false => Ok(Outcome::RemovedByOther),
    });
    let outcome = match linked {
        Ok(outcome) => outcome,
        Err(error) => {
            // Best effort: the next creation removes leftovers.
            let _ = directory.remove(temporary);
            return Err(error);
        }
    };
    before(Step::Unlink)?;
    directory.remove(temporary)?;
    before(Step::SyncDirectory)?;
    // Also if another process was first, because it may not have synced yet.
    directory.sync()?;
    Ok(outcome)
}

/// `false`: another process is just removing the file as a leftover.
fn write(
    file: &mut File,
    key: &MonthKey,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<bool> {
    // Held until the file is removed. Without lock support, other processes cannot remove it either.
    if let Err(Errno::WOULDBLOCK) = flock(&*file, FlockOperation::NonBlockingLockExclusive) {
        return Ok(false);
    }
    // The umask may have removed our own permissions.
    rustix::fs::fchmod(&*file, Mode::RUSR | Mode::WUSR)?;
    before(Step::Write)?;
    file.write_all(key.write().as_bytes())?;
    before(Step::Sync)?;
    file.sync_all()?;
    Ok(true)
}

fn link(
    directory: &Directory,
    slot: Slot,
    temporary: &str,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<Outcome> {
    before(Step::Link)?;
    let name = slot.file_name(FileKind::Key);
    let directory = directory.directory();
    match linkat(directory, temporary, directory, name, AtFlags::empty()) {
        Ok(()) => Ok(Outcome::Published),
        Err(Errno::EXIST) => Ok(Outcome::AlreadyPublished),
        Err(Errno::NOENT) => Ok(Outcome::RemovedByOther),
        Err(error) => Err(error.into()),
    }
}

fn temporary_name() -> Result<String, KeyError> {
    let number = getrandom::u64().map_err(|error| KeyError::Random(error.into()))?;
    Ok(format!("{TEMPORARY_PREFIX}{number:016x}"))
}

/// Removes temporary files of killed processes: those without a lock.
fn remove_leftovers(directory: &Directory) -> io::Result<()> {
    let names = directory.names().unwrap_or_default();
    for name in names.iter().filter(|name| name.starts_with(TEMPORARY_PREFIX)) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = openat(directory.directory(), name.as_str(), flags, Mode::empty()) else {
            continue;
        };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            directory.remove(name.as_str())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
