//! Cuts: offsets at which a record ends because of a timeout, not because of its bytes.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Cuts of a generation: ascending offsets at each of which a record ends. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cuts(Arc<Vec<u64>>);

impl Cuts {
    /// Adds a cut at `at`, which must be greater than all existing cuts.
    pub fn push(&mut self, at: u64) {
        debug_assert!(self.last().is_none_or(|last| *last < at));
        Arc::make_mut(&mut self.0).push(at);
    }

    /// Adds a cut at `at`, unless one exists there or after it. `true` if it was added.
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

    /// Number of cuts at the beginning that are equal in both.
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
