//! Copies a keys directory to a backup, which is a keys directory too: keys, tombstones and the list of used keys.

use std::io;
use std::path::Path;

use super::directory::Directory;
use super::file::LONGEST;
use super::file_names::FileKind;
use super::used_list;
use super::{KeyError, Keyring, Slot};

/// The result of a backup.
#[derive(Debug, Default)]
pub struct Backup {
    /// Number of files copied.
    pub copied: usize,
    /// Number of files that the backup already had, with equal bytes.
    pub there: usize,
    /// Keys that are destroyed here but still in the backup.
    pub destroyed_here: Vec<Slot>,
}

impl Keyring {
    /// Copies the directory to `target`. Fails if a key is damaged, because its backup would be useless. Overwrites
    /// nothing in `target`; new lines are appended to its list of used keys.
    pub fn backup(&self, target: &Path) -> Result<Backup, KeyError> {
        let (from, to) = (self.open_directory(None)?, Directory::open_or_create(target)?);
        let mut backup = Backup::default();
        for (slot, kind) in from.slots()? {
            let name = slot.file_name(kind);
            if kind == FileKind::Key {
                from.load(slot)?;
            } else if to.slots_of(slot.month)?.contains(&(slot, FileKind::Key)) {
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

/// Writes one file. `false`: the backup already had it.
fn copy(to: &Directory, name: &str, text: &[u8]) -> Result<bool, KeyError> {
    let failed = |source| KeyError::Write { path: to.path_of(name), source };
    let existing = match to.write_new(name, text) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => to.read(name, LONGEST)?,
        Err(error) => return Err(failed(error)),
    };
    match &**existing {
        whole if whole == text => Ok(false),
        // An incomplete file of a killed backup.
        beginning if text.starts_with(beginning) => {
            to.remove(name).map_err(|error| failed(error.into()))?;
            to.write_new(name, text).map_err(failed)?;
            Ok(true)
        }
        _ => Err(KeyError::OtherBackup { path: to.path_of(name) }),
    }
}
