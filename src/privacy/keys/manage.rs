//! What a person does with keys: see them, make one, replace one, take one over, destroy one.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::create;
use super::destroy::{self, Tombstone};
use super::directory::Directory;
use super::file_names::Kept;
use super::key_choice::unknown_to;
use super::usage::Uses;
use super::used_list::{self, Used};
use super::{KeyError, KeyId, Keyring, Month, MonthKey, Slot, UsedKey};
use crate::base::Timestamp;

/// What is known of one slot.
#[derive(Debug)]
pub struct ListedKey {
    pub slot: Slot,
    pub state: KeyState,
    /// Something was sealed with it.
    pub used: bool,
}

#[derive(Debug)]
pub enum KeyState {
    Ready { id: KeyId, created: Timestamp },
    Destroyed { id: Option<KeyId>, day: String },
    Unusable(KeyError),
}

/// The keys that can be used now, in order, and why others cannot.
#[derive(Debug, Default)]
pub struct AllKeys {
    pub ready: Vec<MonthKey>,
    pub problems: Vec<KeyError>,
}

impl Keyring {
    /// Every key there is, for a look into all months. Makes none.
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

    /// Every key there is or was, in order. A slot whose key is in order stands there once more for each other key that
    /// was used in it and is missing.
    pub fn list(&self) -> Result<Vec<ListedKey>, KeyError> {
        let directory = self.open_directory(None)?;
        let (used, mut states) = (self.all_used(&directory)?, states(&directory)?);
        let lost = lost(&directory, &used, &states);
        // Whoever reads only what is in order may still open with a key that was used, and with no other.
        let is_stranger = |slot: &Slot, state: &KeyState| {
            matches!(state, KeyState::Ready { id, .. }
            if lost.iter().any(|(of, _)| of == slot) && !used.has(slot.month, *id))
        };
        states.retain(|slot, state| !is_stranger(slot, state));
        let mut all: Vec<(Slot, KeyState)> = states.into_iter().collect();
        all.extend(lost.into_iter().map(|(slot, error)| (slot, KeyState::Unusable(error))));
        all.sort_by_key(|(slot, _)| *slot);
        let listed = |(slot, state)| {
            let used = used.keys().any(|used| used.slot == slot);
            ListedKey { slot, state, used }
        };
        Ok(all.into_iter().map(listed).collect())
    }

    /// A first key, made before anything needs it.
    pub fn create_first(&self, month: Month) -> Result<MonthKey, KeyError> {
        let directory = self.open_or_make_directory(Some(month))?;
        if let Some((slot, _)) = directory.slots_of(month)?.last() {
            let path = directory.path_of(&slot.file_name(Kept::Key));
            return Err(KeyError::Exists { slot: *slot, path });
        }
        let (list, known) = (Used::read(&directory)?.uses, self.known());
        if let Some(used) = list.clone().and(&known).last(month).first() {
            return Err(directory.missing(*used));
        }
        if let Some(used) = unknown_to(&directory, &list, &known)? {
            return Err(KeyError::OtherDirectory { directory: self.directory().to_owned(), used });
        }
        self.publish(&directory, create::random(Slot::first(month), self.clock.now())?)
    }

    /// One more key for the month, which is sealed with it from now on. The others still open what they sealed.
    pub fn rotate(&self, month: Month) -> Result<MonthKey, KeyError> {
        let directory = self.open_directory(Some(month))?;
        let slot = next_slot(&directory, &self.all_used(&directory)?, month)?;
        self.publish(&directory, create::random(slot, self.clock.now())?)
    }

    /// The same with a key that somebody made elsewhere. One that was used and is missing comes back to its place,
    /// where that is free.
    pub fn import(&self, month: Month, master: Zeroizing<[u8; 32]>) -> Result<MonthKey, KeyError> {
        if master.iter().all(|byte| *byte == master[0]) {
            return Err(KeyError::NoKey);
        }
        let directory = Directory::open(&self.directory)?;
        let (now, used) = (self.clock.now(), self.all_used(&directory)?);
        let key = MonthKey::new(next_slot(&directory, &used, month)?, now, master.clone());
        let slots = directory.slots_of(month)?;
        for (slot, kept) in &slots {
            if *kept == Kept::Key && directory.load(*slot).is_ok_and(|there| there.id() == key.id())
            {
                let path = directory.path_of(&slot.file_name(*kept));
                return Err(KeyError::Exists { slot: *slot, path });
            }
        }
        let is_free = |wanted: Slot| slots.iter().all(|(slot, _)| *slot != wanted);
        let before = |used: &UsedKey| used.id == key.id() && used.slot.month == month;
        match used.keys().find(|used| before(used) && is_free(used.slot)) {
            Some(used) => self.publish(&directory, MonthKey::new(used.slot, now, master)),
            None => self.publish(&directory, key),
        }
    }

    /// The list of the directory gets every used key that we know of: with that it is the directory of these keys,
    /// whether they are in it or lost. For a person who has decided so.
    pub fn list_used(&self) -> Result<(), KeyError> {
        let (directory, known) = (self.open_directory(None)?, self.known());
        match known.is_empty() {
            true => Ok(()),
            false => used_list::add(&directory, &known, self.clock.now()).map(drop),
        }
    }

    /// As the directory lists them, and as they are known from elsewhere.
    pub(super) fn all_used(&self, directory: &Directory) -> Result<Uses, KeyError> {
        Ok(Used::read(directory)?.uses.and(&self.known()))
    }

    fn publish(&self, directory: &Directory, key: MonthKey) -> Result<MonthKey, KeyError> {
        create::publish(directory, &key)?;
        Ok(key)
    }

    /// The slots of a month that hold a key, or what is left of one.
    pub fn destroyable(&self, month: Month) -> Result<Vec<Slot>, KeyError> {
        let slots = self.open_directory(Some(month))?.slots_of(month)?;
        Ok(slots.iter().filter(|(_, kept)| *kept == Kept::Key).map(|(slot, _)| *slot).collect())
    }

    /// For good. The tombstone stays. `false`: the file was removed, but could not be overwritten before.
    pub fn destroy(&self, slot: Slot) -> Result<bool, KeyError> {
        let directory = Directory::open(&self.directory)?;
        let id = match directory.load(slot) {
            Ok(key) => Some(key.id()),
            Err(_) => only_id_used(&self.all_used(&directory).unwrap_or_default(), slot),
        };
        destroy::destroy(&directory, slot, id, self.clock.now())
    }
}

/// What lies in each slot.
fn states(directory: &Directory) -> Result<BTreeMap<Slot, KeyState>, KeyError> {
    let mut states: BTreeMap<Slot, KeyState> = BTreeMap::new();
    for (slot, kept) in directory.slots()? {
        let state = match (kept, states.get(&slot)) {
            (Kept::Tombstone, Some(_)) => {
                let directory = directory.path().to_owned();
                KeyState::Unusable(KeyError::HalfDestroyed { slot, directory })
            }
            (Kept::Tombstone, None) => match Tombstone::read(directory, slot) {
                Ok(Tombstone { id, day, .. }) => KeyState::Destroyed { id, day },
                Err(error) => KeyState::Unusable(error),
            },
            (Kept::Key, _) => match directory.load(slot) {
                Ok(key) => KeyState::Ready { id: key.id(), created: key.created() },
                Err(error) => KeyState::Unusable(error),
            },
        };
        states.insert(slot, state);
    }
    Ok(states)
}

/// Used keys that are in no slot of their month, though nothing is known to be wrong with their own.
fn lost(
    directory: &Directory,
    used: &Uses,
    states: &BTreeMap<Slot, KeyState>,
) -> Vec<(Slot, KeyError)> {
    let is_there = |used: &UsedKey| {
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
    used.keys().filter(|used| !is_there(used)).filter_map(problem).collect()
}

fn only_id_used(used: &Uses, slot: Slot) -> Option<KeyId> {
    let mut of_slot = used.keys().filter(|used| used.slot == slot);
    of_slot.next().filter(|_| of_slot.next().is_none()).map(|used| used.id)
}

/// Behind every one that is there or was used: what is missing keeps its place.
fn next_slot(directory: &Directory, used: &Uses, month: Month) -> Result<Slot, KeyError> {
    let there = directory.slots_of(month)?.last().map(|(slot, _)| *slot);
    let last = there.max(used.last(month).first().map(|used| used.slot));
    Ok(last
        .map_or(Slot::first(month), |last| Slot { number: last.number.saturating_add(1), month }))
}
