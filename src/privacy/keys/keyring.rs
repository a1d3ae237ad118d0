//! All keys of a directory, loaded when they are asked for.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;
use std::{fmt, io};

use super::destroy::Tombstone;
use super::directory::{self, Directory};
use super::file_names::Kept;
use super::file_stamp::Stamp;
use super::key_choice::{Knowledge, choose, unknown_to};
use super::usage::Uses;
use super::used_list::{self, Used};
use super::{KeyError, KeyId, Month, MonthKey, UsedKey};
use crate::base::{Clock, SystemClock};

/// Two changes within the grain of the file system's clock look like one. So what was loaded soon after a change is
/// loaded once more, that much later. FAT has the coarsest grain.
const GRAIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Keyring {
    pub(super) directory: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    loaded: RwLock<Loaded>,
    /// One thread at a time looks for what is not yet loaded.
    looking: Mutex<()>,
    /// The directory is made with the first key.
    makes_directory: bool,
    /// What is not there is an error.
    pub(super) makes_none: bool,
    told: OnceLock<Tell>,
}

/// Keeps the names of keys that are about to be used, or were used before.
struct Tell(Box<Keep>);

type Keep = dyn Fn(&[UsedKey]) -> io::Result<()> + Send + Sync;

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

#[derive(Debug, Default)]
struct Loaded {
    sealing: HashMap<Month, Sealing>,
    opening: HashMap<(Month, KeyId), Arc<MonthKey>>,
    /// Used keys, whatever becomes of the directory and its list: of the state, of lists that were read, and of our own
    /// use. Never forgotten.
    known: Uses,
    /// Those of which this process saw to it that the list has them durably.
    listed: BTreeSet<UsedKey>,
    /// The directory when it was last found to have changed.
    directory: Option<Stamp>,
    /// At this uptime everything is loaded once more; see [`GRAIN`].
    again: Option<Duration>,
}

/// The key that a month is sealed with, and its file as it was loaded.
#[derive(Debug)]
struct Sealing {
    key: Arc<MonthKey>,
    path: PathBuf,
    stamp: Option<Stamp>,
}

impl Loaded {
    fn differs(&self, directory: Option<Stamp>) -> bool {
        let differs = |sealing: &Sealing| Stamp::of(&sealing.path) != sealing.stamp;
        self.directory != directory || self.sealing.values().any(differs)
    }
}

impl Keyring {
    /// The directory must be there and be safe. Keys are read when they are needed: a bad one stops its month alone.
    pub fn open(directory: &Path) -> Result<Keyring, KeyError> {
        Directory::open(directory)?;
        Ok(Keyring::at(directory, Arc::new(SystemClock::new())))
    }

    /// Makes the directory where there is none.
    pub fn open_or_create(directory: &Path) -> Result<Keyring, KeyError> {
        Directory::open_or_create(directory)?;
        Ok(Keyring::at(directory, Arc::new(SystemClock::new())))
    }

    /// Nothing is looked at before a key is asked for. `makes_directory`: and then it need not be there.
    pub fn lazy(directory: &Path, makes_directory: bool) -> Keyring {
        let keyring = Keyring::at(directory, Arc::new(SystemClock::new()));
        Keyring { makes_directory, ..keyring }
    }

    /// Makes no key: for whoever cannot know all that were used.
    #[must_use]
    pub fn making_none(self) -> Keyring {
        Keyring { makes_none: true, ..self }
    }

    fn at(directory: &Path, clock: Arc<dyn Clock>) -> Keyring {
        let keyring = Keyring {
            directory: directory::without_trailing_slash(directory),
            clock,
            loaded: RwLock::default(),
            looking: Mutex::default(),
            makes_directory: false,
            makes_none: false,
            told: OnceLock::new(),
        };
        keyring.refresh();
        keyring
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The directory is there and safe; it is made where this keyring makes it.
    pub fn look(&self) -> Result<(), KeyError> {
        self.open_or_make_directory(None).map(drop)
    }

    /// Forgets what was loaded if the directory or a key in use changed since: a key may have been rotated, destroyed
    /// or put back by another process, the directory may be another one. A look at each of them; meant for once a
    /// batch. `true`: something was forgotten.
    pub fn refresh(&self) -> bool {
        let (directory, now) = (Stamp::of(&self.directory), self.clock.uptime());
        let (differs, is_due) = {
            let loaded = self.read();
            (loaded.differs(directory), loaded.again.is_some_and(|again| now >= again))
        };
        if !differs && !is_due {
            return false;
        }
        // What somebody is loading just now is of before, and has to be forgotten too.
        let _alone = self.alone();
        let mut loaded = self.write();
        loaded.sealing.clear();
        loaded.opening.clear();
        loaded.directory = directory;
        loaded.again = differs.then(|| now + GRAIN);
        true
    }

    /// Keys that are known to have been used, wherever that is kept: none of them is made anew, and in a directory that
    /// does not know them no other one is taken into use.
    pub fn remember(&self, used: &[UsedKey]) {
        self.write().known.merge(&used.iter().copied().collect());
    }

    pub(super) fn known(&self) -> Uses {
        self.read().known.clone()
    }

    /// Asked to keep the name of each key before the first token with it leaves; see [`Keyring::remember`].
    pub fn tell(&self, keep: impl Fn(&[UsedKey]) -> io::Result<()> + Send + Sync + 'static) {
        _ = self.told.set(Tell(Box::new(keep)));
    }

    /// Every key that something was sealed with, as the directory lists them, in the order of their slots.
    pub fn used(&self) -> Result<Vec<UsedKey>, KeyError> {
        Ok(Used::read(&Directory::open(&self.directory)?)?.uses.keys().collect())
    }

    /// The newest key of the month. Made where the month never had one; it is durable, and in the list of used
    /// keys, when this returns.
    pub fn for_sealing(&self, month: Month) -> Result<Arc<MonthKey>, KeyError> {
        let loaded = || self.read().sealing.get(&month).map(|sealing| Arc::clone(&sealing.key));
        if let Some(key) = loaded() {
            return Ok(key);
        }
        let _alone = self.alone();
        if let Some(key) = loaded() {
            return Ok(key);
        }
        let sealing = self.load(month)?;
        let key = Arc::clone(&sealing.key);
        self.write().sealing.insert(month, sealing);
        Ok(key)
    }

    fn load(&self, month: Month) -> Result<Sealing, KeyError> {
        let directory = self.open_or_make_directory(Some(month))?;
        let (list, known) = (Used::read(&directory)?.uses, self.known());
        let unknown = unknown_to(&directory, &list, &known)?;
        if unknown.is_none() {
            self.learn(&list)?;
            let missing = known.missing_in(&list);
            if !missing.is_empty() {
                used_list::add(&directory, &missing, self.clock.now())?;
            }
        }
        let knowledge = Knowledge { list: &list, known: &known, unknown };
        let now = (!self.makes_none).then(|| self.clock.now());
        let key = choose(&directory, month, &knowledge, now)?;
        let path = directory.path_of(&key.slot().file_name(Kept::Key));
        let stamp = Stamp::of(&path);
        self.take_into_use(&directory, &key, &list)?;
        Ok(Sealing { key: Arc::new(key), path, stamp })
    }

    /// Nothing is sealed with the key before its name stands in the list, in the state and in our memory.
    fn take_into_use(
        &self,
        directory: &Directory,
        key: &MonthKey,
        list: &Uses,
    ) -> Result<(), KeyError> {
        let used = UsedKey { slot: key.slot(), id: key.id() };
        let mut uses = Uses::from_iter([used]);
        if !list.contains(used) || !self.read().listed.contains(&used) {
            let time = used_list::add(directory, &uses, self.clock.now())?.time_of(used);
            uses.put(used, time);
            self.write().listed.insert(used);
        }
        self.learn(&uses)
    }

    /// Whoever keeps names of used keys is told the new ones first: what cannot be kept is not known.
    fn learn(&self, uses: &Uses) -> Result<(), KeyError> {
        let known = self.known();
        let new: Vec<UsedKey> = uses.keys().filter(|key| !known.contains(*key)).collect();
        if let Some(Tell(tell)) = self.told.get().filter(|_| !new.is_empty()) {
            tell(&new).map_err(KeyError::Remember)?;
        }
        self.write().known.merge(uses);
        Ok(())
    }

    /// `month`: the one whose key is looked for.
    pub(super) fn open_directory(&self, month: Option<Month>) -> Result<Directory, KeyError> {
        match Directory::open(&self.directory) {
            Err(KeyError::NoDirectory { directory }) => Err(match self.known().example(month) {
                Some(used) => KeyError::DirectoryLost { directory, used },
                None => KeyError::NoDirectory { directory },
            }),
            opened => opened,
        }
    }

    /// One that held used keys is never made anew: months would be taken for such as never had a key.
    pub(super) fn open_or_make_directory(
        &self,
        month: Option<Month>,
    ) -> Result<Directory, KeyError> {
        match self.open_directory(month) {
            Err(KeyError::NoDirectory { directory }) if self.makes_directory => {
                Directory::open_or_create(&directory)
            }
            opened => opened,
        }
    }

    /// The key that a token names.
    pub fn for_opening(&self, month: Month, id: KeyId) -> Result<Arc<MonthKey>, KeyError> {
        if let Some(key) = self.read().opening.get(&(month, id)) {
            return Ok(Arc::clone(key));
        }
        let _alone = self.alone();
        let directory = self.open_directory(Some(month))?;
        let key = Arc::new(self.find(&directory, month, id)?);
        self.write().opening.insert((month, id), Arc::clone(&key));
        Ok(key)
    }

    fn find(&self, directory: &Directory, month: Month, id: KeyId) -> Result<MonthKey, KeyError> {
        let mut unusable = None;
        let slots = directory.slots_of(month)?;
        for (slot, kept) in &slots {
            if *kept == Kept::Tombstone {
                match Tombstone::read(directory, *slot) {
                    Ok(tombstone) if tombstone.id == Some(id) => {
                        return Err(KeyError::Destroyed { slot: *slot, day: tombstone.day });
                    }
                    Ok(_) => {}
                    Err(error) => unusable = unusable.or(Some(error)),
                }
                continue;
            }
            // A tombstone beside it: its destruction was broken off, and is meant.
            let destroyed = slots.contains(&(*slot, Kept::Tombstone));
            match directory.load(*slot) {
                Ok(key) if key.id() == id && !destroyed => return Ok(key),
                Ok(_) => {}
                Err(error) => unusable = unusable.or(Some(error)),
            }
        }
        if let Some(error) = unusable {
            return Err(error);
        }
        match self
            .all_used(directory)?
            .keys()
            .find(|used| used.id == id && used.slot.month == month)
        {
            Some(used) => Err(directory.missing(used)),
            None => Err(KeyError::Unknown { month, id, directory: self.directory.clone() }),
        }
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Loaded> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }
}
