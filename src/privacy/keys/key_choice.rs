//! Which key a month is sealed with.
//!
//! A key that we do not know to have been used is taken into use, or made, only in a directory that knows the keys of
//! which we do know it. A directory that does not is not the one that was used: it is empty because nothing is mounted
//! there, an old copy, or another machine's. What would be sealed in it could not be opened with the right one.

use super::create;
use super::destroy::Tombstone;
use super::directory::Directory;
use super::file_names::Kept;
use super::usage::Uses;
use super::{KeyError, KeyId, Month, MonthKey, Slot, UsedKey};
use crate::base::Timestamp;

/// What is known of used keys when a key is chosen.
pub(super) struct Knowledge<'a> {
    /// By the directory.
    pub list: &'a Uses,
    /// By us, without the directory.
    pub known: &'a Uses,
    /// One that was used and of which the directory knows nothing.
    pub unknown: Option<UsedKey>,
}

impl Knowledge<'_> {
    /// What a directory lists that is not the one that was used says nothing of our keys.
    fn last_used(&self, month: Month) -> Vec<UsedKey> {
        match self.unknown {
            Some(_) => self.known.last(month),
            None => self.list.clone().and(self.known).last(month),
        }
    }

    /// Refused where the directory is not the one that was used.
    fn allows_another(&self, directory: &Directory) -> Result<(), KeyError> {
        let path = || directory.path().to_owned();
        self.unknown
            .map_or(Ok(()), |used| Err(KeyError::OtherDirectory { directory: path(), used }))
    }
}

/// `now`: of a key that is made; `None`: none is made.
pub(super) fn choose(
    directory: &Directory,
    month: Month,
    knowledge: &Knowledge<'_>,
    now: Option<Timestamp>,
) -> Result<MonthKey, KeyError> {
    let slots = directory.slots_of(month)?;
    let last_used = knowledge.last_used(month);
    match (slots.last(), last_used.first()) {
        (None, None) => {
            let Some(now) = now else {
                return Err(KeyError::None { month, directory: directory.path().to_owned() });
            };
            knowledge.allows_another(directory)?;
            create(directory, Slot::first(month), now)
        }
        (None, Some(used)) => Err(directory.missing(*used)),
        (Some((newest, _)), Some(used)) if used.slot > *newest => Err(directory.missing(*used)),
        (Some((slot, Kept::Tombstone)), _) => {
            let Tombstone { slot, day, .. } = Tombstone::read(directory, *slot)?;
            Err(KeyError::NoneSinceDestroyed { slot, day, directory: directory.path().to_owned() })
        }
        (Some((slot, Kept::Key)), _) => {
            let key = directory.load(*slot)?;
            is_last_used(directory, &key, &last_used)?;
            if !knowledge.known.has(month, key.id()) {
                knowledge.allows_another(directory)?;
            }
            Ok(key)
        }
    }
}

/// Ours, or that of whoever was first.
fn create(directory: &Directory, slot: Slot, now: Timestamp) -> Result<MonthKey, KeyError> {
    match create::publish(directory, &create::random(slot, now)?) {
        Ok(()) | Err(KeyError::Exists { .. }) => directory.load(slot),
        Err(error) => Err(error),
    }
}

/// The key of a slot goes on only if nothing was sealed after it with another one of that slot. Where nobody knows
/// which of two was the last, the other one has to be in the directory too.
fn is_last_used(
    directory: &Directory,
    key: &MonthKey,
    last_used: &[UsedKey],
) -> Result<(), KeyError> {
    let of_slot = || last_used.iter().filter(|used| used.slot == key.slot());
    let is_one = of_slot().any(|used| used.id == key.id());
    for other in of_slot().filter(|used| used.id != key.id()) {
        if !is_one || !holds(directory, key.month(), other.id)? {
            return Err(directory.replaced(*other, key.id()));
        }
    }
    Ok(())
}

/// A key that was used last in its month and of which the directory knows nothing: it neither lists it nor has it nor
/// has gone on behind it.
pub(super) fn unknown_to(
    directory: &Directory,
    list: &Uses,
    known: &Uses,
) -> Result<Option<UsedKey>, KeyError> {
    for used in known.last_of_all() {
        if !list.has(used.slot.month, used.id) && !has_trace(directory, used)? {
            return Ok(Some(used));
        }
    }
    Ok(None)
}

fn has_trace(directory: &Directory, used: UsedKey) -> Result<bool, KeyError> {
    let slots = directory.slots_of(used.slot.month)?;
    let went_on = slots.iter().any(|(slot, _)| *slot > used.slot);
    let is_destroyed = || {
        let tombstone = Tombstone::read(directory, used.slot);
        slots.contains(&(used.slot, Kept::Tombstone))
            && tombstone.is_ok_and(|tombstone| tombstone.id.is_none_or(|id| id == used.id))
    };
    Ok(went_on || is_destroyed() || holds(directory, used.slot.month, used.id)?)
}

/// In any slot of the month, and in order.
pub(super) fn holds(directory: &Directory, month: Month, id: KeyId) -> Result<bool, KeyError> {
    let slots = directory.slots_of(month)?;
    let has_it = |slot: Slot| directory.load(slot).is_ok_and(|key| key.id() == id);
    Ok(slots.iter().any(|(slot, kept)| *kept == Kept::Key && has_it(*slot)))
}
