//! Where records end although their bytes would go on.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Offsets in a generation, ascending; a record ends at each of them. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(Arc<Vec<u64>>);

impl Cuts {
    /// `at` is behind all that are there.
    pub fn push(&mut self, at: u64) {
        debug_assert!(self.last().is_none_or(|last| *last < at));
        Arc::make_mut(&mut self.0).push(at);
    }

    /// Unless there is one there, or behind. `true` where it is new.
    pub fn end_at(&mut self, at: u64) -> bool {
        let is_behind = self.last().is_none_or(|last| *last < at);
        if is_behind {
            self.push(at);
        }
        is_behind
    }

    pub fn pop(&mut self) {
        Arc::make_mut(&mut self.0).pop();
    }

    /// How many at the beginning are the same in both.
    pub fn common(&self, other: &Cuts) -> usize {
        match Arc::ptr_eq(&self.0, &other.0) {
            true => self.len(),
            false => self.iter().zip(other.iter()).take_while(|(one, other)| one == other).count(),
        }
    }
}

impl Deref for Cuts {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0
    }
}

impl From<Vec<u64>> for Cuts {
    fn from(cuts: Vec<u64>) -> Self {
        Cuts(Arc::new(cuts))
    }
}

impl Serialize for Cuts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cuts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Cuts::from)
    }
}
