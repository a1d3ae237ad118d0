//! Which changes are told: bounded, however many names come. Pure.

use std::collections::HashSet;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Names that are told of, at most.
pub(super) const MOST: usize = 200;
/// Changes under further names: their number is told when there are so many, and each time it has grown tenfold.
const FIRST_SUM: u64 = 1_000;

/// By their hashes: a name may be as long as an event.
#[derive(Debug, Default)]
pub(super) struct Told {
    names: HashSet<u64>,
    untold: u64,
}

#[derive(Debug, PartialEq)]
pub(super) enum Telling {
    Nothing,
    Name,
    LastName,
    /// So many changes were under names that were not told.
    Sum(u64),
}

impl Told {
    /// A field of this name was changed.
    pub fn note(&mut self, name: &str) -> Telling {
        let mut hasher = SipHasher13::new();
        hasher.write(name.as_bytes());
        let name = hasher.finish();
        if self.names.contains(&name) {
            return Telling::Nothing;
        }
        if self.names.len() == MOST {
            self.untold += 1;
            let is_due =
                self.untold >= FIRST_SUM && self.untold.ilog10() != (self.untold - 1).ilog10();
            return if is_due { Telling::Sum(self.untold) } else { Telling::Nothing };
        }
        self.names.insert(name);
        if self.names.len() == MOST { Telling::LastName } else { Telling::Name }
    }
}
