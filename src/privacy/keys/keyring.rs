//! [`Keyring`]: loads, creates and caches the keys of a directory, and notices when the directory changes.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;
use std::{fmt, io};

use super::destroy::Tombstone;
use super::directory::{self, Directory};
use super::file_names::FileKind;
use super::file_stamp::Stamp;
use super::key_choice::{UsageRecords, choose, find_unlisted_key};
use super::usage::UsedKeys;
use super::used_list::{self, UsedList};
use super::{KeyError, KeyId, Month, MonthKey, UsedKey};
use crate::base::{Clock, SystemClock};

/// Two changes within the timestamp granularity of the file system are indistinguishable, so keys are reloaded once
/// more this long after a change. FAT has the coarsest granularity.
const TIMESTAMP_GRANULARITY: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Keyring {
    pub(super) directory: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    loaded: RwLock<LoadedKeys>,
    /// Held while loading, so that one thread at a time loads keys.
    loading: Mutex<()>,
    /// Whether a missing directory is created with the first key.
    creates_directory: bool,
    /// Whether a missing key is an error instead of being created.
    pub(super) creates_no_keys: bool,
    usage_recorder: OnceLock<UsageRecorder>,
}

/// The callback that stores the names of used keys in the state.
struct UsageRecorder(Box<RecordUsage>);

type RecordUsage = dyn Fn(&[UsedKey]) -> io::Result<()> + Send + Sync;

impl fmt::Debug for UsageRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UsageRecorder")
    }
}

#[derive(Debug, Default)]
struct LoadedKeys {
    sealing_keys: HashMap<Month, SealingKey>,
    opening_keys: HashMap<(Month, KeyId), Arc<MonthKey>>,
    /// Used keys from the state, from lists read so far and from this process; independent of the current directory,
    /// and never cleared.
    known: UsedKeys,
    /// Used keys that are durable in the directory's list, as far as this process knows.
    listed: BTreeSet<UsedKey>,
    /// Stamp of the directory at its last detected change.
    directory: Option<Stamp>,
    /// Uptime at which everything is reloaded once more; see [`TIMESTAMP_GRANULARITY`].
    reload_at: Option<Duration>,
}

/// The key that a month is sealed with, and the stamp of its file when it was loaded.
#[derive(Debug)]
struct SealingKey {
    key: Arc<MonthKey>,
    path: PathBuf,
    stamp: Option<Stamp>,
}

impl LoadedKeys {
    fn differs(&self, directory: Option<Stamp>) -> bool {
        let differs = |sealing: &SealingKey| Stamp::of(&sealing.path) != sealing.stamp;
        self.directory != directory || self.sealing_keys.values().any(differs)
    }
}

impl Keyring {
    /// The directory must exist and pass all checks. Keys are loaded on demand: a bad key blocks only its month.
    pub fn open(directory: &Path) -> Result<Keyring, KeyError> {
        Directory::open(directory)?;
        Ok(Keyring::at(directory, Arc::new(SystemClock::new())))
    }

    /// Creates the directory if it does not exist.
    pub fn open_or_create(directory: &Path) -> Result<Keyring, KeyError> {
        Directory::open_or_create(directory)?;
        Ok(Keyring::at(directory, Arc::new(SystemClock::new())))
    }

    /// Checks nothing until a key is requested. `creates_directory`: a missing directory is then created.
    pub fn lazy(directory: &Path, creates_directory: bool) -> Keyring {
        let keyring = Keyring::at(directory, Arc::new(SystemClock::new()));
        Keyring { creates_directory, ..keyring }
    }

    /// Changes it into a keyring that creates no keys, for processes that may not know all used keys.
    #[must_use]
    pub fn making_none(self) -> Keyring {
        Keyring { creates_no_keys: true, ..self }
    }

    fn at(directory: &Path, clock: Arc<dyn Clock>) -> Keyring {
        let keyring = Keyring {
            directory: directory::without_trailing_slash(directory),
            clock,
            loaded: RwLock::default(),
            loading: Mutex::default(),
            creates_directory: false,
            creates_no_keys: false,
            usage_recorder: OnceLock::new(),
        };
        keyring.refresh();
        keyring
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Checks that the directory exists and is safe; creates a missing one if this keyring may.
    pub fn look(&self) -> Result<(), KeyError> {
        self.open_or_create_directory(None).map(drop)
    }

    /// Clears the cached keys if the directory or a key in use has changed: another process may have rotated, destroyed
    /// or restored a key, or replaced the directory. Called once per batch; reads only metadata. `true`: the cache was
    /// cleared.
    pub fn refresh(&self) -> bool {
        let (directory, now) = (Stamp::of(&self.directory), self.clock.uptime());
        let (differs, is_due) = {
            let loaded = self.read();
            (loaded.differs(directory), loaded.reload_at.is_some_and(|reload_at| now >= reload_at))
        };
        if !differs && !is_due {
            return false;
        }
        // Wait for a load in progress: its result is outdated too and must be cleared.
        let _guard = self.lock_loading();
        let mut loaded = self.write();
        loaded.sealing_keys.clear();
        loaded.opening_keys.clear();
        loaded.directory = directory;
        loaded.reload_at = differs.then(|| now + TIMESTAMP_GRANULARITY);
        true
    }

    /// Adds keys that are known to have been used, from any record. None of them is created again; and in a directory
    /// whose list does not contain them, no key is used for the first time.
    pub fn remember(&self, used: &[UsedKey]) {
        self.write().known.merge(&used.iter().copied().collect());
    }

    pub(super) fn known(&self) -> UsedKeys {
        self.read().known.clone()
    }

    /// Sets the callback that stores the name of each key before the first value is sealed with it; the names are
    /// passed to [`Keyring::remember`] at the next start.
    pub fn tell(&self, keep: impl Fn(&[UsedKey]) -> io::Result<()> + Send + Sync + 'static) {
        _ = self.usage_recorder.set(UsageRecorder(Box::new(keep)));
    }

    /// All keys in the directory's list of used keys, in slot order.
    pub fn used(&self) -> Result<Vec<UsedKey>, KeyError> {
        Ok(UsedList::read(&Directory::open(&self.directory)?)?.entries.keys().collect())
    }

    /// The newest key of the month; created if the month never had one. Durable, and in the list of used keys, when
    /// this returns.
    pub fn for_sealing(&self, month: Month) -> Result<Arc<MonthKey>, KeyError> {
        let loaded =
            || self.read().sealing_keys.get(&month).map(|sealing| Arc::clone(&sealing.key));
        if let Some(key) = loaded() {
            return Ok(key);
        }
        let _guard = self.lock_loading();
        if let Some(key) = loaded() {
            return Ok(key);
        }
        let sealing = self.load_sealing_key(month)?;
        let key = Arc::clone(&sealing.key);
        self.write().sealing_keys.insert(month, sealing);
        Ok(key)
    }

    fn load_sealing_key(&self, month: Month) -> Result<SealingKey, KeyError> {
        let directory = self.open_or_create_directory(Some(month))?;
        let (list, known) = (UsedList::read(&directory)?.entries, self.known());
        let unlisted_key = find_unlisted_key(&directory, &list, &known)?;
        if unlisted_key.is_none() {
            self.record_usage(&list)?;
            let missing = known.missing_in(&list);
            if !missing.is_empty() {
                used_list::add(&directory, &missing, self.clock.now())?;
            }
        }
        let records = UsageRecords { listed: &list, remembered: &known, unlisted_key };
        let now = (!self.creates_no_keys).then(|| self.clock.now());
        let key = choose(&directory, month, &records, now)?;
        let path = directory.path_of(&key.slot().file_name(FileKind::Key));
        let stamp = Stamp::of(&path);
        self.record_first_use(&directory, &key, &list)?;
        Ok(SealingKey { key: Arc::new(key), path, stamp })
    }

    /// Adds the key to the list, to the state and to memory, before anything is sealed with it.
    fn record_first_use(
        &self,
        directory: &Directory,
        key: &MonthKey,
        list: &UsedKeys,
    ) -> Result<(), KeyError> {
        let used = UsedKey { slot: key.slot(), id: key.id() };
        let mut used_keys = UsedKeys::from_iter([used]);
        if !list.contains(used) || !self.read().listed.contains(&used) {
            let time = used_list::add(directory, &used_keys, self.clock.now())?.time_of(used);
            used_keys.put(used, time);
            self.write().listed.insert(used);
        }
        self.record_usage(&used_keys)
    }

    /// Remembers these used keys. New names are first stored with the callback; if that fails, nothing is remembered.
    fn record_usage(&self, used_keys: &UsedKeys) -> Result<(), KeyError> {
        let known = self.known();
        let new: Vec<UsedKey> = used_keys.keys().filter(|key| !known.contains(*key)).collect();
        if let Some(UsageRecorder(record)) = self.usage_recorder.get().filter(|_| !new.is_empty()) {
            record(&new).map_err(KeyError::Remember)?;
        }
        self.write().known.merge(used_keys);
        Ok(())
    }

    /// `month`: the month whose key is needed, for the error message.
    pub(super) fn open_directory(&self, month: Option<Month>) -> Result<Directory, KeyError> {
        match Directory::open(&self.directory) {
            Err(KeyError::NoDirectory { directory }) => Err(match self.known().example(month) {
                Some(used) => KeyError::DirectoryLost { directory, used },
                None => KeyError::NoDirectory { directory },
            }),
            opened => opened,
        }
    }

    /// A directory that contained used keys is never created again: its months would seem to have never had a key.
    pub(super) fn open_or_create_directory(
        &self,
        month: Option<Month>,
    ) -> Result<Directory, KeyError> {
        match self.open_directory(month) {
            Err(KeyError::NoDirectory { directory }) if self.creates_directory => {
                Directory::open_or_create(&directory)
            }
            opened => opened,
        }
    }

    /// The key that is named in a token.
    pub fn for_opening(&self, month: Month, id: KeyId) -> Result<Arc<MonthKey>, KeyError> {
        if let Some(key) = self.read().opening_keys.get(&(month, id)) {
            return Ok(Arc::clone(key));
        }
        let _guard = self.lock_loading();
        let directory = self.open_directory(Some(month))?;
        let key = Arc::new(self.find_key(&directory, month, id)?);
        self.write().opening_keys.insert((month, id), Arc::clone(&key));
        Ok(key)
    }

    fn find_key(
        &self,
        directory: &Directory,
        month: Month,
        id: KeyId,
    ) -> Result<MonthKey, KeyError> {
        let mut first_error = None;
        let slots = directory.slots_of(month)?;
        for (slot, kind) in &slots {
            if *kind == FileKind::Tombstone {
                match Tombstone::read(directory, *slot) {
                    Ok(tombstone) if tombstone.id == Some(id) => {
                        return Err(KeyError::Destroyed { slot: *slot, day: tombstone.day });
                    }
                    Ok(_) => {}
                    Err(error) => first_error = first_error.or(Some(error)),
                }
                continue;
            }
            // A tombstone beside the key: its destruction was interrupted and still counts.
            let destroyed = slots.contains(&(*slot, FileKind::Tombstone));
            match directory.load(*slot) {
                Ok(key) if key.id() == id && !destroyed => return Ok(key),
                Ok(_) => {}
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        if let Some(error) = first_error {
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

    fn lock_loading(&self) -> MutexGuard<'_, ()> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, LoadedKeys> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, LoadedKeys> {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }
}
