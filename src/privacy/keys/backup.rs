//! A copy of the directory that is a keys directory itself: keys, tombstones and the list of used ones.

use std::io;
use std::path::Path;

use super::directory::Directory;
use super::file::LONGEST;
use super::file_names::Kept;
use super::used_list;
use super::{KeyError, Keyring, Slot};

/// What was copied.
#[derive(Debug, Default)]
pub struct Backup {
    pub copied: usize,
    /// There already, the same to the byte.
    pub there: usize,
    /// Destroyed here, and still in the backup.
    pub destroyed_here: Vec<Slot>,
}

impl Keyring {
    /// Every key has to be in order: a backup of a damaged one would be none. Nothing in the target is written
    /// over but its list of used keys.
    pub fn backup(&self, target: &Path) -> Result<Backup, KeyError> {
        let (from, to) = (self.open_directory(None)?, Directory::open_or_create(target)?);
        let mut backup = Backup::default();
        for (slot, kept) in from.slots()? {
            let name = slot.file_name(kept);
            if kept == Kept::Key {
                from.load(slot)?;
            } else if to.slots_of(slot.month)?.contains(&(slot, Kept::Key)) {
                backup.destroyed_here.push(slot);
            }
            let text = from.read(&name, LONGEST)?;
            match copy(&to, &name, &text)? {
                true => backup.copied += 1,
                false => backup.there += 1,
            }
        }
        used_list::copy(&from, &to, self.clock.now())?;
        Ok(backup)
    }
}

/// `false`: it was there.
fn copy(to: &Directory, name: &str, text: &[u8]) -> Result<bool, KeyError> {
    let failed = |source| KeyError::Write { path: to.path_of(name), source };
    let there = match to.write_new(name, text) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => to.read(name, LONGEST)?,
        Err(error) => return Err(failed(error)),
    };
    match &**there {
        whole if whole == text => Ok(false),
        // A backup that was killed left it.
        beginning if text.starts_with(beginning) => {
            to.remove(name).map_err(|error| failed(error.into()))?;
            to.write_new(name, text).map_err(failed)?;
            Ok(true)
        }
        _ => Err(KeyError::OtherBackup { path: to.path_of(name) }),
    }
}
