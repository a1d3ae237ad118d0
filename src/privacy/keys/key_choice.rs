//! Chooses the key with which values of a month are sealed, and refuses a key directory that is not the one in use.
//!
//! A key is created, or used for the first time, only in a directory that knows the last used key of each month. Any
//! other directory is wrong: empty because nothing is mounted there, an old copy, or one of another machine. The right
//! directory could not decrypt values sealed with its keys.

use super::create;
use super::destroy::Tombstone;
use super::directory::Directory;
use super::file_names::FileKind;
use super::usage::UsedKeys;
use super::{KeyError, KeyId, Month, MonthKey, Slot, UsedKey};
use crate::base::Timestamp;

/// The used keys, by origin, on which the choice of a key is based.
pub(super) struct UsageRecords<'a> {
    /// From the list in the directory.
    pub listed: &'a UsedKeys,
    /// From the state and this process, independent of the directory.
    pub remembered: &'a UsedKeys,
    /// A used key that the directory does not know.
    pub unlisted_key: Option<UsedKey>,
}

impl UsageRecords<'_> {
    /// The last used keys of a month. The list of a wrong directory is ignored.
    fn last_used(&self, month: Month) -> Vec<UsedKey> {
        match self.unlisted_key {
            Some(_) => self.remembered.last(month),
            None => self.listed.clone().merged_with(self.remembered).last(month),
        }
    }

    /// Fails if the directory is not the one in use.
    fn check_first_use(&self, directory: &Directory) -> Result<(), KeyError> {
        let path = || directory.path().to_owned();
        self.unlisted_key
            .map_or(Ok(()), |used| Err(KeyError::OtherDirectory { directory: path(), used }))
    }
}

/// The key for a month: the newest in the directory, or a new one if there has been none. `now`: the creation time of a
/// new key; `None`: no key is created.
pub(super) fn choose(
    directory: &Directory,
    month: Month,
    records: &UsageRecords<'_>,
    now: Option<Timestamp>,
) -> Result<MonthKey, KeyError> {
    let slots = directory.slots_of(month)?;
    let last_used = records.last_used(month);
    match (slots.last(), last_used.first()) {
        (None, None) => {
            let Some(now) = now else {
                return Err(KeyError::None { month, directory: directory.path().to_owned() });
            };
            records.check_first_use(directory)?;
            create(directory, Slot::first(month), now)
        }
        (None, Some(used)) => Err(directory.missing(*used)),
        (Some((newest, _)), Some(used)) if used.slot > *newest => Err(directory.missing(*used)),
        (Some((slot, FileKind::Tombstone)), _) => {
            let Tombstone { slot, day, .. } = Tombstone::read(directory, *slot)?;
            Err(KeyError::NoneSinceDestroyed { slot, day, directory: directory.path().to_owned() })
        }
        (Some((slot, FileKind::Key)), _) => {
            let key = directory.load(*slot)?;
            check_last_used(directory, &key, &last_used)?;
            if !records.remembered.has(month, key.id()) {
                records.check_first_use(directory)?;
            }
            Ok(key)
        }
    }
}

/// Creates the key, or loads it if another process was first.
fn create(directory: &Directory, slot: Slot, now: Timestamp) -> Result<MonthKey, KeyError> {
    match create::publish(directory, &create::random(slot, now)?) {
        Ok(()) | Err(KeyError::Exists { .. }) => directory.load(slot),
        Err(error) => Err(error),
    }
}

/// Fails if another key of the same slot was used after this one. If the order of two keys is unknown, the other one
/// must be in the directory too.
fn check_last_used(
    directory: &Directory,
    key: &MonthKey,
    last_used: &[UsedKey],
) -> Result<(), KeyError> {
    let of_slot = || last_used.iter().filter(|used| used.slot == key.slot());
    let is_one = of_slot().any(|used| used.id == key.id());
    for other in of_slot().filter(|used| used.id != key.id()) {
        if !is_one || !has_key(directory, key.month(), other.id)? {
            return Err(directory.replaced(*other, key.id()));
        }
    }
    Ok(())
}

/// Finds a key, the last used one of its month, that the directory does not know: the directory does not list it, does
/// not contain it or its tombstone, and has nothing newer for the month.
pub(super) fn find_unlisted_key(
    directory: &Directory,
    list: &UsedKeys,
    known: &UsedKeys,
) -> Result<Option<UsedKey>, KeyError> {
    for used in known.last_of_all() {
        if !list.has(used.slot.month, used.id) && !has_record_of(directory, used)? {
            return Ok(Some(used));
        }
    }
    Ok(None)
}

fn has_record_of(directory: &Directory, used: UsedKey) -> Result<bool, KeyError> {
    let slots = directory.slots_of(used.slot.month)?;
    let has_newer_slot = slots.iter().any(|(slot, _)| *slot > used.slot);
    let is_destroyed = || {
        let tombstone = Tombstone::read(directory, used.slot);
        slots.contains(&(used.slot, FileKind::Tombstone))
            && tombstone.is_ok_and(|tombstone| tombstone.id.is_none_or(|id| id == used.id))
    };
    Ok(has_newer_slot || is_destroyed() || has_key(directory, used.slot.month, used.id)?)
}

/// Whether any slot of the month contains this key, undamaged.
pub(super) fn has_key(directory: &Directory, month: Month, id: KeyId) -> Result<bool, KeyError> {
    let slots = directory.slots_of(month)?;
    let has_it = |slot: Slot| directory.load(slot).is_ok_and(|key| key.id() == id);
    Ok(slots.iter().any(|(slot, kind)| *kind == FileKind::Key && has_it(*slot)))
}
