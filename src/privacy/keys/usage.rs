//! What is known of used keys, wherever it was learnt: from the list in the directory, from the state, or because this
//! process sealed with them. Values only; reads and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::file_names::Kept;
use super::{KeyId, Month, Slot};
use crate::base::Timestamp;

/// A key, and the slot from which something was sealed with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedKey {
    pub slot: Slot,
    pub id: KeyId,
}

impl fmt::Display for UsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.slot.file_name(Kept::Key))
    }
}

impl UsedKey {
    /// As it is displayed.
    pub fn parse(text: &str) -> Option<UsedKey> {
        let (id, file) = text.split_once(' ')?;
        let (slot, kept) = Slot::of_file(file)?;
        Some(UsedKey { slot, id: KeyId::parse(id)? }).filter(|_| kept == Kept::Key)
    }

    /// Those of a list; what is no such name is passed over.
    pub fn parse_all(texts: &[String]) -> Vec<UsedKey> {
        texts.iter().filter_map(|text| UsedKey::parse(text)).collect()
    }
}

/// Each used key, and when it was taken into use; `None` where only the fact is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses(BTreeMap<UsedKey, Option<Timestamp>>);

impl Uses {
    /// Of several times, the latest counts.
    pub fn put(&mut self, key: UsedKey, time: Option<Timestamp>) {
        let known = self.0.entry(key).or_default();
        *known = (*known).max(time);
    }

    pub fn merge(&mut self, others: &Uses) {
        others.iter().for_each(|(key, time)| self.put(key, time));
    }

    pub fn and(mut self, others: &Uses) -> Uses {
        self.merge(others);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, key: UsedKey) -> bool {
        self.0.contains_key(&key)
    }

    pub fn time_of(&self, key: UsedKey) -> Option<Timestamp> {
        self.0.get(&key).copied().flatten()
    }

    /// In any of the month's slots.
    pub fn has(&self, month: Month, id: KeyId) -> bool {
        self.of_month(month).any(|(key, _)| key.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (UsedKey, Option<Timestamp>)> {
        self.0.iter().map(|(key, time)| (*key, *time))
    }

    /// In the order of their slots.
    pub fn keys(&self) -> impl Iterator<Item = UsedKey> {
        self.0.keys().copied()
    }

    /// The keys of which each may be the one that sealed last in the newest slot of the month that was used. It is
    /// one but where two were used in one slot (directories were merged, a key was replaced) and their order is not
    /// known.
    pub fn last(&self, month: Month) -> Vec<UsedKey> {
        let Some(slot) = self.of_month(month).map(|(key, _)| key.slot).max() else {
            return Vec::new();
        };
        let latest = self.latest(slot);
        self.of_slots(slot, slot)
            .filter(|(_, time)| time.is_none() || *time == latest)
            .map(|(key, _)| key)
            .collect()
    }

    /// One to be named: of this month if there is any, else of the newest.
    pub fn example(&self, month: Option<Month>) -> Option<UsedKey> {
        let of_month = month.and_then(|month| self.last(month).last().copied());
        of_month.or_else(|| self.last_of_all().first().copied())
    }

    /// [`Uses::last`] of each month, the newest month first. The key of what looks alike in all months comes last: a
    /// person who is told to replace one key should not begin with that.
    pub fn last_of_all(&self) -> Vec<UsedKey> {
        let months: BTreeSet<Month> = self.keys().map(|key| key.slot.month).collect();
        let (always, months): (Vec<Month>, Vec<Month>) =
            months.into_iter().rev().partition(|month| *month == Month::ALWAYS);
        months.into_iter().chain(always).flat_map(|month| self.last(month)).collect()
    }

    /// What a list that was lost should hold again. Not where an order would be made up: of several keys in one slot
    /// only those with a time.
    pub fn missing_in(&self, list: &Uses) -> Uses {
        let is_alone = |slot| {
            list.of_slots(slot, slot).next().is_none() && self.of_slots(slot, slot).count() == 1
        };
        let missing = self
            .iter()
            .filter(|(key, time)| !list.contains(*key) && (time.is_some() || is_alone(key.slot)));
        Uses(missing.collect())
    }

    /// The time to write down for a key that is taken into use: later than that of every other in its slot, so that a
    /// clock that was set back does not change their order.
    pub fn time_of_next(&self, slot: Slot, now: Timestamp) -> Timestamp {
        self.latest(slot).map_or(now, |latest| now.max(latest.plus(Duration::from_secs(1))))
    }

    fn latest(&self, slot: Slot) -> Option<Timestamp> {
        self.of_slots(slot, slot).filter_map(|(_, time)| time).max()
    }

    fn of_month(&self, month: Month) -> impl Iterator<Item = (UsedKey, Option<Timestamp>)> {
        self.of_slots(Slot { month, number: 0 }, Slot { month, number: u16::MAX })
    }

    fn of_slots(
        &self,
        first: Slot,
        last: Slot,
    ) -> impl Iterator<Item = (UsedKey, Option<Timestamp>)> {
        let first = UsedKey { slot: first, id: KeyId([0; 8]) };
        let last = UsedKey { slot: last, id: KeyId([u8::MAX; 8]) };
        self.0.range(first..=last).map(|(key, time)| (*key, *time))
    }
}

impl FromIterator<UsedKey> for Uses {
    fn from_iter<T: IntoIterator<Item = UsedKey>>(keys: T) -> Uses {
        Uses(keys.into_iter().map(|key| (key, None)).collect())
    }
}

#[cfg(test)]
mod tests;
