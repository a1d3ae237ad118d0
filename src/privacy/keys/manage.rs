//! The operations of `logwarden keys`: list, create, rotate, import and destroy keys.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::create;
use super::destroy::{self, Tombstone};
use super::directory::Directory;
use super::file_names::FileKind;
use super::key_choice::find_unlisted_key;
use super::usage::UsedKeys;
use super::used_list::{self, UsedList};
use super::{KeyError, KeyId, Keyring, Month, MonthKey, Slot, UsedKey};
use crate::base::Timestamp;

/// The state of one slot.
#[derive(Debug)]
pub struct ListedKey {
    pub slot: Slot,
    pub state: KeyState,
    /// It was used for sealing.
    pub used: bool,
}

#[derive(Debug)]
pub enum KeyState {
    Ready { id: KeyId, created: Timestamp },
    Destroyed { id: Option<KeyId>, day: String },
    Unusable(KeyError),
}

/// The usable keys, in order, and the errors of all others.
#[derive(Debug, Default)]
pub struct AllKeys {
    pub ready: Vec<MonthKey>,
    pub problems: Vec<KeyError>,
}

impl Keyring {
    /// Loads every key, for searches over all months. Creates none.
    pub fn all(&self) -> Result<AllKeys, KeyError> {
        let directory = self.open_directory(None)?;
        let mut all = AllKeys::default();
        for listed in self.list()? {
            match listed.state {
                KeyState::Ready { .. } => match directory.load(listed.slot) {
                    Ok(key) => all.ready.push(key),
                    Err(error) => all.problems.push(error),
                },
                KeyState::Destroyed { .. } => {}
                KeyState::Unusable(error) => all.problems.push(error),
            }
        }
        Ok(all)
    }

    /// Lists all slots, in order. A slot with a valid key is listed again for each other key that was used in it and is
    /// missing.
    pub fn list(&self) -> Result<Vec<ListedKey>, KeyError> {
        let directory = self.open_directory(None)?;
        let (used, mut states) = (self.all_used(&directory)?, states(&directory)?);
        let missing_keys = missing_keys(&directory, &used, &states);
        // A caller that uses only the valid keys must not get an unused key in the slot of a missing used one.
        let is_unused_replacement = |slot: &Slot, state: &KeyState| {
            matches!(state, KeyState::Ready { id, .. }
            if missing_keys.iter().any(|(of, _)| of == slot) && !used.has(slot.month, *id))
        };
        states.retain(|slot, state| !is_unused_replacement(slot, state));
        let mut all: Vec<(Slot, KeyState)> = states.into_iter().collect();
        all.extend(missing_keys.into_iter().map(|(slot, error)| (slot, KeyState::Unusable(error))));
        all.sort_by_key(|(slot, _)| *slot);
        let listed = |(slot, state)| {
            let used = used.keys().any(|used| used.slot == slot);
            ListedKey { slot, state, used }
        };
        Ok(all.into_iter().map(listed).collect())
    }

    /// Creates the first key of a month before it is needed.
    pub fn create_first(&self, month: Month) -> Result<MonthKey, KeyError> {
        let directory = self.open_or_create_directory(Some(month))?;
        if let Some((slot, _)) = directory.slots_of(month)?.last() {
            let path = directory.path_of(&slot.file_name(FileKind::Key));
            return Err(KeyError::Exists { slot: *slot, path });
        }
        let (list, known) = (UsedList::read(&directory)?.entries, self.known());
        if let Some(used) = list.clone().merged_with(&known).last(month).first() {
            return Err(directory.missing(*used));
        }
        if let Some(used) = find_unlisted_key(&directory, &list, &known)? {
            return Err(KeyError::OtherDirectory { directory: self.directory().to_owned(), used });
        }
        self.publish(&directory, create::random(Slot::first(month), self.clock.now())?)
    }

    /// Creates a further key for the month, used for sealing from now on. Older keys still decrypt their values.
    pub fn rotate(&self, month: Month) -> Result<MonthKey, KeyError> {
        let directory = self.open_directory(Some(month))?;
        let slot = next_slot(&directory, &self.all_used(&directory)?, month)?;
        self.publish(&directory, create::random(slot, self.clock.now())?)
    }

    /// Adds a key that was created elsewhere. A used key that is missing returns to its own slot if that is free.
    pub fn import(&self, month: Month, master: Zeroizing<[u8; 32]>) -> Result<MonthKey, KeyError> {
        if master.iter().all(|byte| *byte == master[0]) {
            return Err(KeyError::NoKey);
        }
        let directory = Directory::open(&self.directory)?;
        let (now, used) = (self.clock.now(), self.all_used(&directory)?);
        let key = MonthKey::new(next_slot(&directory, &used, month)?, now, master.clone());
        let slots = directory.slots_of(month)?;
        for (slot, kind) in &slots {
            if *kind == FileKind::Key && directory.load(*slot).is_ok_and(|own| own.id() == key.id())
            {
                let path = directory.path_of(&slot.file_name(*kind));
                return Err(KeyError::Exists { slot: *slot, path });
            }
        }
        let is_free = |wanted: Slot| slots.iter().all(|(slot, _)| *slot != wanted);
        let is_same_key = |used: &UsedKey| used.id == key.id() && used.slot.month == month;
        match used.keys().find(|used| is_same_key(used) && is_free(used.slot)) {
            Some(used) => self.publish(&directory, MonthKey::new(used.slot, now, master)),
            None => self.publish(&directory, key),
        }
    }

    /// Adds every known used key to the list of the directory, which makes it the right directory for these keys, even
    /// for those that are lost. To be called only on a person's decision.
    pub fn list_used(&self) -> Result<(), KeyError> {
        let (directory, known) = (self.open_directory(None)?, self.known());
        match known.is_empty() {
            true => Ok(()),
            false => used_list::add(&directory, &known, self.clock.now()).map(drop),
        }
    }

    /// Used keys from the directory's list and from all other records.
    pub(super) fn all_used(&self, directory: &Directory) -> Result<UsedKeys, KeyError> {
        Ok(UsedList::read(directory)?.entries.merged_with(&self.known()))
    }

    fn publish(&self, directory: &Directory, key: MonthKey) -> Result<MonthKey, KeyError> {
        create::publish(directory, &key)?;
        Ok(key)
    }

    /// The slots of a month with a key file, valid or not.
    pub fn destroyable(&self, month: Month) -> Result<Vec<Slot>, KeyError> {
        let slots = self.open_directory(Some(month))?.slots_of(month)?;
        Ok(slots.iter().filter(|(_, kind)| *kind == FileKind::Key).map(|(slot, _)| *slot).collect())
    }

    /// Destroys the key for good; the tombstone stays. `false`: the file was removed but could not be overwritten
    /// before.
    pub fn destroy(&self, slot: Slot) -> Result<bool, KeyError> {
        let directory = Directory::open(&self.directory)?;
        let id = match directory.load(slot) {
            Ok(key) => Some(key.id()),
            Err(_) => only_id_used(&self.all_used(&directory).unwrap_or_default(), slot),
        };
        destroy::destroy(&directory, slot, id, self.clock.now())
    }
}

/// The state of each slot, from its files.
fn states(directory: &Directory) -> Result<BTreeMap<Slot, KeyState>, KeyError> {
    let mut states: BTreeMap<Slot, KeyState> = BTreeMap::new();
    for (slot, kind) in directory.slots()? {
        let state = match (kind, states.get(&slot)) {
            (FileKind::Tombstone, Some(_)) => {
                let directory = directory.path().to_owned();
                KeyState::Unusable(KeyError::HalfDestroyed { slot, directory })
            }
            (FileKind::Tombstone, None) => match Tombstone::read(directory, slot) {
                Ok(Tombstone { id, day, .. }) => KeyState::Destroyed { id, day },
                Err(error) => KeyState::Unusable(error),
            },
            (FileKind::Key, _) => match directory.load(slot) {
                Ok(key) => KeyState::Ready { id: key.id(), created: key.created() },
                Err(error) => KeyState::Unusable(error),
            },
        };
        states.insert(slot, state);
    }
    Ok(states)
}

/// Used keys that are in no slot of their month, with the error to report. Without those whose own slot already has an
/// error or was destroyed.
fn missing_keys(
    directory: &Directory,
    used: &UsedKeys,
    states: &BTreeMap<Slot, KeyState>,
) -> Vec<(Slot, KeyError)> {
    let exists = |used: &UsedKey| {
        states.iter().any(|(slot, state)| {
            let has_it = matches!(state, KeyState::Ready { id, .. } if *id == used.id);
            slot.month == used.slot.month && has_it
        })
    };
    let problem = |used: UsedKey| match states.get(&used.slot) {
        None => Some((used.slot, directory.missing(used))),
        Some(KeyState::Ready { id, .. }) => Some((used.slot, directory.replaced(used, *id))),
        Some(_) => None,
    };
    used.keys().filter(|used| !exists(used)).filter_map(problem).collect()
}

/// The id of the key that was used in this slot, if it was only one.
fn only_id_used(used: &UsedKeys, slot: Slot) -> Option<KeyId> {
    let mut of_slot = used.keys().filter(|used| used.slot == slot);
    of_slot.next().filter(|_| of_slot.next().is_none()).map(|used| used.id)
}

/// The slot after all existing and all used ones, so that a missing key keeps its slot.
fn next_slot(directory: &Directory, used: &UsedKeys, month: Month) -> Result<Slot, KeyError> {
    let existing = directory.slots_of(month)?.last().map(|(slot, _)| *slot);
    let last = existing.max(used.last(month).first().map(|used| used.slot));
    Ok(last
        .map_or(Slot::first(month), |last| Slot { number: last.number.saturating_add(1), month }))
}
