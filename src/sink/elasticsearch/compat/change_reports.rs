//! Decides which changes to the names and values of fields are reported to the operator: a bounded number, however many
//! names there are. Pure.

use std::collections::HashSet;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Maximum number of names that are reported one by one.
pub(super) const MOST: usize = 200;
/// Changes to further names are counted: the count is reported at this number and at each tenfold.
const FIRST_SUM: u64 = 1_000;

/// The names reported so far. Stores hashes, because a name may be as long as an event.
#[derive(Debug, Default)]
pub(super) struct ReportedNames {
    names: HashSet<u64>,
    unreported: u64,
}

/// The report that is due for one change.
#[derive(Debug, PartialEq)]
pub(super) enum Report {
    None,
    Name,
    /// The last name that is reported by itself.
    LastName,
    /// The number of changes to names that were not reported.
    Sum(u64),
}

impl ReportedNames {
    /// Records that a field of this name was changed; returns the report that is due.
    pub fn note(&mut self, name: &str) -> Report {
        let mut hasher = SipHasher13::new();
        hasher.write(name.as_bytes());
        let name = hasher.finish();
        if self.names.contains(&name) {
            return Report::None;
        }
        if self.names.len() == MOST {
            self.unreported += 1;
            let is_due = self.unreported >= FIRST_SUM
                && self.unreported.ilog10() != (self.unreported - 1).ilog10();
            return if is_due { Report::Sum(self.unreported) } else { Report::None };
        }
        self.names.insert(name);
        if self.names.len() == MOST { Report::LastName } else { Report::Name }
    }
}
