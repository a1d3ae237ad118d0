//! A copy of the folder that is a keys folder itself: keys, tombstones and the list of used ones.

use std::io;
use std::path::Path;

use super::folder::Folder;
use super::slot::Kept;
use super::used;
use super::{KeyError, Keyring, Slot};

/// What was copied.
#[derive(Debug, Default)]
pub struct Backup {
    pub copied: usize,
    /// There already, the same to the byte.
    pub there: usize,
    /// Destroyed here, and still in the backup.
    pub undead: Vec<Slot>,
}

impl Keyring {
    /// Every key has to be in order: a backup of a damaged one would be none. Nothing in the target is written
    /// over but its list of used keys.
    pub fn backup(&self, target: &Path) -> Result<Backup, KeyError> {
        let (from, to) = (Folder::open(&self.folder)?, Folder::open_or_create(target)?);
        let mut backup = Backup::default();
        for (slot, kept) in from.slots()? {
            let name = slot.file_name(kept);
            if kept == Kept::Key {
                from.load(slot)?;
            } else if to.slots_of(slot.month)?.contains(&(slot, Kept::Key)) {
                backup.undead.push(slot);
            }
            let text = from.read(&name, super::file::LONGEST)?;
            match to.write_new(&name, &text) {
                Ok(()) => backup.copied += 1,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if *to.read(&name, super::file::LONGEST)? != *text {
                        return Err(KeyError::OtherBackup { path: to.path_of(&name) });
                    }
                    backup.there += 1;
                }
                Err(source) => return Err(KeyError::Write { path: to.path_of(&name), source }),
            }
        }
        used::copy(&from, &to)?;
        Ok(backup)
    }
}
