//! The used keys: which key was used for sealing in which slot (a month, and a number in it), and when.
//!
//! This is known from the list in the directory, from the state, or from this process. Pure values; no I/O.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::file_names::FileKind;
use super::{KeyId, Month, Slot};
use crate::base::Timestamp;

/// A key that was used for sealing, and its slot at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedKey {
    pub slot: Slot,
    pub id: KeyId,
}

impl fmt::Display for UsedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.slot.file_name(FileKind::Key))
    }
}

impl UsedKey {
    /// Parses the displayed form.
    pub fn parse(text: &str) -> Option<UsedKey> {
        let (id, file) = text.split_once(' ')?;
        let (slot, kind) = Slot::of_file(file)?;
        Some(UsedKey { slot, id: KeyId::parse(id)? }).filter(|_| kind == FileKind::Key)
    }

    /// Parses a list; invalid entries are skipped.
    pub fn parse_all(texts: &[String]) -> Vec<UsedKey> {
        texts.iter().filter_map(|text| UsedKey::parse(text)).collect()
    }
}

/// Used keys with the time of their first use; `None` if the time is unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UsedKeys(BTreeMap<UsedKey, Option<Timestamp>>);

impl UsedKeys {
    /// Adds a key; of several times, the latest is kept.
    pub fn put(&mut self, key: UsedKey, time: Option<Timestamp>) {
        let known = self.0.entry(key).or_default();
        *known = (*known).max(time);
    }

    pub fn merge(&mut self, others: &UsedKeys) {
        others.iter().for_each(|(key, time)| self.put(key, time));
    }

    pub fn merged_with(mut self, others: &UsedKeys) -> UsedKeys {
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

    /// Whether a key with this id was used in any slot of the month.
    pub fn has(&self, month: Month, id: KeyId) -> bool {
        self.of_month(month).any(|(key, _)| key.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (UsedKey, Option<Timestamp>)> {
        self.0.iter().map(|(key, time)| (*key, *time))
    }

    /// In slot order.
    pub fn keys(&self) -> impl Iterator<Item = UsedKey> {
        self.0.keys().copied()
    }

    /// The key used last in the newest used slot of the month. Several keys, if two were used in one slot (directories
    /// were merged, a key was replaced) and their order is unknown.
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

    /// A key to name in a message: of this month if it has one, else of the newest month.
    pub fn example(&self, month: Option<Month>) -> Option<UsedKey> {
        let of_month = month.and_then(|month| self.last(month).last().copied());
        of_month.or_else(|| self.last_of_all().first().copied())
    }

    /// [`UsedKeys::last`] of each month, newest month first. The key of [`Month::ALWAYS`] comes last: a person who must
    /// replace one key should not start with it.
    pub fn last_of_all(&self) -> Vec<UsedKey> {
        let months: BTreeSet<Month> = self.keys().map(|key| key.slot.month).collect();
        let (always, months): (Vec<Month>, Vec<Month>) =
            months.into_iter().rev().partition(|month| *month == Month::ALWAYS);
        months.into_iter().chain(always).flat_map(|month| self.last(month)).collect()
    }

    /// The keys of `self` to add to `list`, which was lost in whole or in part. Of several keys in one slot only those
    /// with a time, because their order must not be invented.
    pub fn missing_in(&self, list: &UsedKeys) -> UsedKeys {
        let is_alone = |slot| {
            list.of_slots(slot, slot).next().is_none() && self.of_slots(slot, slot).count() == 1
        };
        let missing = self
            .iter()
            .filter(|(key, time)| !list.contains(*key) && (time.is_some() || is_alone(key.slot)));
        UsedKeys(missing.collect())
    }

    /// The time to record for a key at its first use: later than all others in its slot, so that a clock that was set
    /// back does not change their order.
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

impl FromIterator<UsedKey> for UsedKeys {
    fn from_iter<T: IntoIterator<Item = UsedKey>>(keys: T) -> UsedKeys {
        UsedKeys(keys.into_iter().map(|key| (key, None)).collect())
    }
}

#[cfg(test)]
mod tests;
