//! The names inside a keys directory.

use std::fmt;

use super::Month;

/// A place for one key: its month, and which of the month's keys it is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub month: Month,
    pub number: u16,
}

/// What stands in a slot. A tombstone is stronger than a key beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    Key,
    Tombstone,
}

impl Kept {
    fn ending(self) -> &'static str {
        match self {
            Kept::Key => "key",
            Kept::Tombstone => "destroyed",
        }
    }
}

impl Slot {
    pub fn first(month: Month) -> Slot {
        Slot { month, number: 1 }
    }

    pub fn file_name(self, kept: Kept) -> String {
        format!("{self}.{}", kept.ending())
    }

    /// `2021_April` or `2021_April.2`.
    pub fn parse(text: &str) -> Option<Slot> {
        let (month, number) = match text.rsplit_once('.') {
            Some((month, number)) => (month, number.parse().ok()?),
            None => (text, 1),
        };
        let slot = Slot { month: Month::typed(month)?, number };
        (slot.to_string() == text && number > 0).then_some(slot)
    }

    /// `None` for a name that this program gives to no key.
    pub fn of_file(name: &str) -> Option<(Slot, Kept)> {
        let (slot, ending) = name.rsplit_once('.')?;
        let kept = [Kept::Key, Kept::Tombstone].into_iter().find(|kept| kept.ending() == ending)?;
        Some((Slot::parse(slot)?, kept))
    }
}

/// The beginning of its file's name.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            1 => write!(f, "{}", self.month),
            number => write!(f, "{}.{number}", self.month),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_is_that_of_one_slot() {
        let slot = |text: &str| Slot::of_file(text).map(|(slot, kept)| slot.file_name(kept));
        for name in ["2021_April.key", "2021_April.2.key", "always.key", "2021_May.3.destroyed"] {
            assert_eq!(slot(name).as_deref(), Some(name));
        }
        for name in [
            "2021_April.1.key",
            "2021_April.0.key",
            "2021_April.02.key",
            "2021_April.99999.key",
            "2021_april.key",
            "2021-04.key",
            "2021_April",
            "2021_April.key.bak",
            ".key",
            "used",
        ] {
            assert_eq!(slot(name), None, "{name}");
        }
    }
}
