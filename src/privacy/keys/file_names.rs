//! File names in a keys directory: slots, keys and tombstones.

use std::fmt;

use super::Month;

/// The month of a key, and its number among the keys of that month, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    pub month: Month,
    pub number: u16,
}

/// The kind of a file in a slot. A tombstone takes precedence over a key beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    Key,
    /// Shows that the key of this slot was destroyed.
    Tombstone,
}

impl FileKind {
    fn extension(self) -> &'static str {
        match self {
            FileKind::Key => "key",
            FileKind::Tombstone => "destroyed",
        }
    }
}

impl Slot {
    pub fn first(month: Month) -> Slot {
        Slot { month, number: 1 }
    }

    pub fn file_name(self, kind: FileKind) -> String {
        format!("{self}.{}", kind.extension())
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

    /// `None` if it is not the name of a key or tombstone.
    pub fn of_file(name: &str) -> Option<(Slot, FileKind)> {
        let (slot, extension) = name.rsplit_once('.')?;
        let kind = [FileKind::Key, FileKind::Tombstone]
            .into_iter()
            .find(|kind| kind.extension() == extension)?;
        Some((Slot::parse(slot)?, kind))
    }
}

/// The file name without its extension.
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
    fn each_file_name_belongs_to_exactly_one_slot() {
        let slot = |text: &str| Slot::of_file(text).map(|(slot, kind)| slot.file_name(kind));
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
