//! A new key under its final name, by `link()`: it fails where somebody was first, so all who create one at
//! once end up with the same. A rename, or a look before the write, would not.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, linkat, openat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::directory::{ASIDE, Directory};
use super::file_names::Kept;
use super::{KeyError, MonthKey, Slot};
use crate::base::Timestamp;

/// What is about to be done. Tests fail or die there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Open,
    Write,
    Sync,
    Link,
    Unlink,
    SyncDirectory,
}

/// How often somebody else may take our file for one that a dead process left.
const ATTEMPTS: u32 = 64;

/// A key with random bytes of the operating system.
pub(super) fn random(slot: Slot, now: Timestamp) -> Result<MonthKey, KeyError> {
    let mut master = Zeroizing::new([0; 32]);
    getrandom::fill(master.as_mut_slice()).map_err(|error| KeyError::Random(error.into()))?;
    Ok(MonthKey::new(slot, now, master))
}

/// Publishes the key, durably. [`KeyError::Exists`]: its slot has one, and that one is durable.
pub(super) fn publish(directory: &Directory, key: &MonthKey) -> Result<(), KeyError> {
    publish_with(directory, key, &mut |_| Ok(()))
}

pub(super) fn publish_with(
    directory: &Directory,
    key: &MonthKey,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), KeyError> {
    let failed = |source| KeyError::Create { directory: directory.path().to_owned(), source };
    sweep(directory).map_err(failed)?;
    for _ in 0..ATTEMPTS {
        match attempt(directory, key, &aside_name()?, before).map_err(failed)? {
            Outcome::Published => return Ok(()),
            Outcome::Swept => {}
            Outcome::SomebodyWasFirst => {
                let path = directory.path_of(&key.slot().file_name(Kept::Key));
                return Err(KeyError::Exists { slot: key.slot(), path });
            }
        }
    }
    Err(failed(io::Error::other("other processes keep removing the temporary files that this one writes there")))
}

enum Outcome {
    Published,
    SomebodyWasFirst,
    /// Our file was taken for one that a dead process left.
    Swept,
}

fn attempt(
    directory: &Directory,
    key: &MonthKey,
    aside: &str,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<Outcome> {
    before(Step::Open)?;
    let mut file = directory.create(aside, OFlags::WRONLY)?;
    let linked = write(&mut file, key, before).and_then(|ours| match ours {
        true => link(directory, key.slot(), aside, before),
        false => Ok(Outcome::Swept),
    });
    let outcome = match linked {
        Ok(outcome) => outcome,
        Err(error) => {
            // Best effort: what stays is swept away by the next creation.
            let _ = directory.remove(aside);
            return Err(error);
        }
    };
    before(Step::Unlink)?;
    directory.remove(aside)?;
    before(Step::SyncDirectory)?;
    // Also where somebody else was first, who may not have come to this yet.
    directory.sync()?;
    Ok(outcome)
}

/// `false`: somebody sweeps the file away just now.
fn write(
    file: &mut File,
    key: &MonthKey,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<bool> {
    // Held until the file is gone again. Where there are no locks, nobody can sweep either.
    if let Err(Errno::WOULDBLOCK) = flock(&*file, FlockOperation::NonBlockingLockExclusive) {
        return Ok(false);
    }
    // The mask of this process may have taken away our own rights.
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
    aside: &str,
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> io::Result<Outcome> {
    before(Step::Link)?;
    let name = slot.file_name(Kept::Key);
    let directory = directory.directory();
    match linkat(directory, aside, directory, name, AtFlags::empty()) {
        Ok(()) => Ok(Outcome::Published),
        Err(Errno::EXIST) => Ok(Outcome::SomebodyWasFirst),
        Err(Errno::NOENT) => Ok(Outcome::Swept),
        Err(error) => Err(error.into()),
    }
}

fn aside_name() -> Result<String, KeyError> {
    let number = getrandom::u64().map_err(|error| KeyError::Random(error.into()))?;
    Ok(format!("{ASIDE}{number:016x}"))
}

/// What killed processes left: nobody holds its lock, and it is under no final name.
fn sweep(directory: &Directory) -> io::Result<()> {
    let names = directory.names().unwrap_or_default();
    for name in names.iter().filter(|name| name.starts_with(ASIDE)) {
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
