//! All keys of a folder, loaded when they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::SystemTime;
use std::{fmt, io};

use super::create;
use super::destroy::Tombstone;
use super::folder::Folder;
use super::slot::Kept;
use super::used::Used;
use super::{KeyError, KeyId, Month, MonthKey, Slot, UsedKey};
use crate::base::{Clock, SystemClock};

#[derive(Debug)]
pub struct Keyring {
    pub(super) folder: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    loaded: RwLock<Loaded>,
    /// One thread at a time looks for what is not yet loaded.
    looking: Mutex<()>,
    /// The folder is made with the first key.
    makes_folder: bool,
    /// What is not there is an error.
    makes_none: bool,
    told: OnceLock<Tell>,
}

/// Keeps the name of a key that is about to be used.
struct Tell(Box<dyn Fn(UsedKey) -> io::Result<()> + Send + Sync>);

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

#[derive(Debug, Default)]
struct Loaded {
    sealing: HashMap<Month, Arc<MonthKey>>,
    opening: HashMap<(Month, KeyId), Arc<MonthKey>>,
    /// Used keys that the program remembers outside of the folder.
    remembered: Vec<UsedKey>,
    /// When names in the folder last changed.
    changed: Option<SystemTime>,
}

impl Keyring {
    /// The folder must be there and be safe. Keys are read when they are needed: a bad one stops its month alone.
    pub fn open(folder: &Path) -> Result<Keyring, KeyError> {
        Folder::open(folder)?;
        Ok(Keyring::at(folder, Arc::new(SystemClock::new())))
    }

    /// Makes the folder where there is none.
    pub fn open_or_create(folder: &Path) -> Result<Keyring, KeyError> {
        Folder::open_or_create(folder)?;
        Ok(Keyring::at(folder, Arc::new(SystemClock::new())))
    }

    /// Nothing is looked at before a key is asked for. `makes_folder`: and then it need not be there.
    pub fn lazy(folder: &Path, makes_folder: bool) -> Keyring {
        let keyring = Keyring::at(folder, Arc::new(SystemClock::new()));
        Keyring { makes_folder, ..keyring }
    }

    /// Makes no key: for whoever cannot know all that were used.
    #[must_use]
    pub fn making_none(self) -> Keyring {
        Keyring { makes_none: true, ..self }
    }

    fn at(folder: &Path, clock: Arc<dyn Clock>) -> Keyring {
        let keyring = Keyring {
            folder: folder.to_owned(),
            clock,
            loaded: RwLock::default(),
            looking: Mutex::default(),
            makes_folder: false,
            makes_none: false,
            told: OnceLock::new(),
        };
        keyring.refresh();
        keyring
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Forgets what was loaded if names in the folder changed since: a key may have been rotated, destroyed or put
    /// back by another process. One look at the folder; meant for once a batch. `true`: something was forgotten.
    pub fn refresh(&self) -> bool {
        let changed = std::fs::metadata(&self.folder).and_then(|folder| folder.modified()).ok();
        if self.read().changed == changed {
            return false;
        }
        // What somebody is loading just now is of before, and has to be forgotten too.
        let _alone = self.alone();
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.sealing.clear();
        loaded.opening.clear();
        loaded.changed = changed;
        true
    }

    /// Keys that are known to have been used, wherever that is kept: none of them is made anew.
    pub fn remember(&self, used: &[UsedKey]) {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.remembered.extend_from_slice(used);
    }

    pub(super) fn remembered(&self) -> Vec<UsedKey> {
        self.read().remembered.clone()
    }

    /// Asked to keep the name of each key before the first token with it leaves; see [`Keyring::remember`].
    pub fn tell(&self, keep: impl Fn(UsedKey) -> io::Result<()> + Send + Sync + 'static) {
        _ = self.told.set(Tell(Box::new(keep)));
    }

    /// Every key that something was sealed with, as the folder lists them.
    pub fn used(&self) -> Result<Vec<UsedKey>, KeyError> {
        Ok(Used::read(&Folder::open(&self.folder)?)?.keys().to_vec())
    }

    /// The newest key of the month. Made where the month never had one; it is durable, and in the list of used
    /// keys, when this returns.
    pub fn for_sealing(&self, month: Month) -> Result<Arc<MonthKey>, KeyError> {
        if let Some(key) = self.read().sealing.get(&month) {
            return Ok(Arc::clone(key));
        }
        let _alone = self.alone();
        if let Some(key) = self.read().sealing.get(&month) {
            return Ok(Arc::clone(key));
        }
        let folder = match self.makes_folder {
            true => Folder::open_or_create(&self.folder)?,
            false => Folder::open(&self.folder)?,
        };
        let used = self.all_used(&folder)?;
        let key = Arc::new(self.newest(&folder, &used, month)?);
        used.add(&folder, &key, self.clock.now())?;
        if let Some(Tell(tell)) = self.told.get() {
            tell(UsedKey { slot: key.slot(), id: key.id() }).map_err(KeyError::Remember)?;
        }
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.sealing.insert(month, Arc::clone(&key));
        Ok(key)
    }

    fn newest(&self, folder: &Folder, used: &Used, month: Month) -> Result<MonthKey, KeyError> {
        let slots = folder.slots_of(month)?;
        let needed = used.newest(month);
        let missing = |used: UsedKey| {
            let path = folder.path_of(&used.slot.file_name(Kept::Key));
            Err(KeyError::Missing { slot: used.slot, id: used.id, path })
        };
        match (slots.last(), needed) {
            (Some((last, _)), Some(used)) if used.slot > *last => missing(used),
            (None, Some(used)) => missing(used),
            (None, None) if self.makes_none => {
                Err(KeyError::None { month, folder: self.folder.clone() })
            }
            (None, None) => self.create(folder, Slot::first(month)),
            (Some((slot, Kept::Tombstone)), _) => {
                let Tombstone { slot, day, .. } = Tombstone::read(folder, *slot)?;
                Err(KeyError::NoneSinceDestroyed { slot, day, folder: self.folder.clone() })
            }
            (Some((slot, Kept::Key)), needed) => {
                let key = folder.load(*slot)?;
                match needed.filter(|used| used.slot == *slot && used.id != key.id()) {
                    Some(used) => {
                        let path = folder.path_of(&slot.file_name(Kept::Key));
                        Err(KeyError::Replaced {
                            slot: *slot,
                            path,
                            used: used.id,
                            found: key.id(),
                        })
                    }
                    None => Ok(key),
                }
            }
        }
    }

    /// Ours, or that of whoever was first.
    fn create(&self, folder: &Folder, slot: Slot) -> Result<MonthKey, KeyError> {
        match create::publish(folder, &create::random(slot, self.clock.now())?) {
            Ok(()) | Err(KeyError::Exists { .. }) => folder.load(slot),
            Err(error) => Err(error),
        }
    }

    /// The key that a token names.
    pub fn for_opening(&self, month: Month, id: KeyId) -> Result<Arc<MonthKey>, KeyError> {
        if let Some(key) = self.read().opening.get(&(month, id)) {
            return Ok(Arc::clone(key));
        }
        let _alone = self.alone();
        let folder = Folder::open(&self.folder)?;
        let key = Arc::new(self.find(&folder, month, id)?);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.opening.insert((month, id), Arc::clone(&key));
        Ok(key)
    }

    fn find(&self, folder: &Folder, month: Month, id: KeyId) -> Result<MonthKey, KeyError> {
        let mut unusable = None;
        let slots = folder.slots_of(month)?;
        for (slot, kept) in &slots {
            if *kept == Kept::Tombstone {
                let tombstone = Tombstone::read(folder, *slot)?;
                if tombstone.id == Some(id) {
                    return Err(KeyError::Destroyed { slot: *slot, day: tombstone.day });
                }
                continue;
            }
            // A tombstone beside it: its destruction was broken off, and is meant.
            let destroyed = slots.contains(&(*slot, Kept::Tombstone));
            match folder.load(*slot) {
                Ok(key) if key.id() == id && !destroyed => return Ok(key),
                Ok(_) => {}
                Err(error) => unusable = unusable.or(Some(error)),
            }
        }
        if let Some(error) = unusable {
            return Err(error);
        }
        let used = self.all_used(folder)?;
        match used.keys().iter().find(|used| used.id == id && used.slot.month == month) {
            Some(UsedKey { slot, id }) => {
                let path = folder.path_of(&slot.file_name(Kept::Key));
                Err(KeyError::Missing { slot: *slot, id: *id, path })
            }
            None => Err(KeyError::Unknown { month, id, folder: self.folder.clone() }),
        }
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }
}
