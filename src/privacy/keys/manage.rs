//! What a person does with keys: see them, make one, replace one, take one over, destroy one.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::create;
use super::destroy::{self, Tombstone};
use super::folder::Folder;
use super::slot::Kept;
use super::used::Used;
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
        let folder = Folder::open(&self.folder)?;
        let mut all = AllKeys::default();
        for listed in self.list()? {
            match listed.state {
                KeyState::Ready { .. } => match folder.load(listed.slot) {
                    Ok(key) => all.ready.push(key),
                    Err(error) => all.problems.push(error),
                },
                KeyState::Destroyed { .. } => {}
                KeyState::Unusable(error) => all.problems.push(error),
            }
        }
        Ok(all)
    }

    /// Every key there is or was, in order.
    pub fn list(&self) -> Result<Vec<ListedKey>, KeyError> {
        let folder = Folder::open(&self.folder)?;
        let used = self.all_used(&folder)?;
        let mut states: BTreeMap<Slot, KeyState> = BTreeMap::new();
        for (slot, kept) in folder.slots()? {
            let state = match (kept, states.get(&slot)) {
                (Kept::Tombstone, Some(_)) => KeyState::Unusable(KeyError::HalfDestroyed {
                    slot,
                    folder: self.folder.clone(),
                }),
                (Kept::Tombstone, None) => match Tombstone::read(&folder, slot) {
                    Ok(Tombstone { id, day, .. }) => KeyState::Destroyed { id, day },
                    Err(error) => KeyState::Unusable(error),
                },
                (Kept::Key, _) => match folder.load(slot) {
                    Ok(key) => KeyState::Ready { id: key.id(), created: key.created() },
                    Err(error) => KeyState::Unusable(error),
                },
            };
            states.insert(slot, state);
        }
        for used in used.keys() {
            let path = folder.path_of(&used.slot.file_name(Kept::Key));
            let missing = KeyError::Missing { slot: used.slot, id: used.id, path: path.clone() };
            let state = states.entry(used.slot).or_insert(KeyState::Unusable(missing));
            if let KeyState::Ready { id: found, .. } = *state
                && found != used.id
            {
                *state = KeyState::Unusable(KeyError::Replaced {
                    slot: used.slot,
                    path,
                    used: used.id,
                    found,
                });
            }
        }
        let is_used = |slot| used.keys().iter().any(|used| used.slot == slot);
        Ok(states
            .into_iter()
            .map(|(slot, state)| ListedKey { slot, state, used: is_used(slot) })
            .collect())
    }

    /// A first key, made before anything needs it.
    pub fn create_first(&self, month: Month) -> Result<MonthKey, KeyError> {
        let folder = Folder::open(&self.folder)?;
        let path = |slot: Slot| folder.path_of(&slot.file_name(Kept::Key));
        if let Some((slot, _)) = folder.slots_of(month)?.last() {
            return Err(KeyError::Exists { slot: *slot, path: path(*slot) });
        }
        if let Some(UsedKey { slot, id }) = self.all_used(&folder)?.newest(month) {
            return Err(KeyError::Missing { slot, id, path: path(slot) });
        }
        self.publish(&folder, create::random(Slot::first(month), self.clock.now())?)
    }

    /// One more key for the month, which is sealed with it from now on. The others still open what they sealed.
    pub fn rotate(&self, month: Month) -> Result<MonthKey, KeyError> {
        let folder = Folder::open(&self.folder)?;
        let slot = next_slot(&folder, &self.all_used(&folder)?, month)?;
        self.publish(&folder, create::random(slot, self.clock.now())?)
    }

    /// The same with a key that somebody made elsewhere. One that was used and is missing comes back to its place.
    pub fn import(&self, month: Month, master: Zeroizing<[u8; 32]>) -> Result<MonthKey, KeyError> {
        if master.iter().all(|byte| *byte == master[0]) {
            return Err(KeyError::NoKey);
        }
        let folder = Folder::open(&self.folder)?;
        let (now, used) = (self.clock.now(), self.all_used(&folder)?);
        let key = MonthKey::new(next_slot(&folder, &used, month)?, now, master.clone());
        for (slot, kept) in folder.slots_of(month)? {
            if kept == Kept::Key && folder.load(slot).is_ok_and(|there| there.id() == key.id()) {
                return Err(KeyError::Exists { slot, path: folder.path_of(&slot.file_name(kept)) });
            }
        }
        let before = |used: &&UsedKey| used.id == key.id() && used.slot.month == month;
        match used.keys().iter().find(before) {
            Some(used) => self.publish(&folder, MonthKey::new(used.slot, now, master)),
            None => self.publish(&folder, key),
        }
    }

    /// As the folder lists them, and as they are known from elsewhere.
    pub(super) fn all_used(&self, folder: &Folder) -> Result<Used, KeyError> {
        Ok(Used::read(folder)?.and(&self.remembered()))
    }

    fn publish(&self, folder: &Folder, key: MonthKey) -> Result<MonthKey, KeyError> {
        create::publish(folder, &key)?;
        Ok(key)
    }

    /// The slots of a month that hold a key, or what is left of one.
    pub fn destroyable(&self, month: Month) -> Result<Vec<Slot>, KeyError> {
        let slots = Folder::open(&self.folder)?.slots_of(month)?;
        Ok(slots.iter().filter(|(_, kept)| *kept == Kept::Key).map(|(slot, _)| *slot).collect())
    }

    /// For good. The tombstone stays. `false`: the file was removed, but could not be overwritten before.
    pub fn destroy(&self, slot: Slot) -> Result<bool, KeyError> {
        let folder = Folder::open(&self.folder)?;
        let loaded = folder.load(slot).map(|key| key.id()).ok();
        let used =
            || self.all_used(&folder).ok()?.keys().iter().find(|u| u.slot == slot).map(|u| u.id);
        destroy::destroy(&folder, slot, loaded.or_else(used), self.clock.now())
    }
}

/// There, or used before: what is missing keeps its place.
fn last_slot(folder: &Folder, used: &Used, month: Month) -> Result<Option<Slot>, KeyError> {
    let there = folder.slots_of(month)?.last().map(|(slot, _)| *slot);
    Ok(there.max(used.newest(month).map(|used| used.slot)))
}

fn next_slot(folder: &Folder, used: &Used, month: Month) -> Result<Slot, KeyError> {
    let last = last_slot(folder, used, month)?;
    Ok(last
        .map_or(Slot::first(month), |last| Slot { number: last.number.saturating_add(1), month }))
}
