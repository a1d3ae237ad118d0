//! What the main worker has left to its lanes, in bytes: so that a byte counts once, whoever finds that it is
//! destroyed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::event::GenerationId;

/// Left to a lane, and neither done nor lost there. None of these is 0.
type OfGeneration = HashMap<Arc<str>, u64>;

/// By generation and target.
#[derive(Debug, Default)]
pub(super) struct Owed(Mutex<HashMap<GenerationId, OfGeneration>>);

impl Owed {
    /// The main worker has passed so many bytes of events of this target.
    pub(super) fn add(&self, target: &Arc<str>, generation: GenerationId, bytes: u64) {
        if bytes > 0 {
            let mut all = self.lock();
            *all.entry(generation).or_default().entry(target.clone()).or_default() += bytes;
        }
    }

    /// The lane is done with so many bytes, or cannot read them any more; `under_way` of what was left to it are
    /// neither. Returns how many of these bytes were left to it.
    fn take(&self, target: &str, generation: GenerationId, bytes: u64, under_way: u64) -> u64 {
        let mut all = self.lock();
        let Some(of_generation) = all.get_mut(&generation) else { return 0 };
        let Some(left) = of_generation.get_mut(target) else { return 0 };
        let taken = bytes.min(left.saturating_sub(under_way));
        *left -= taken;
        if *left == 0 {
            of_generation.remove(target);
        }
        if of_generation.is_empty() {
            all.remove(&generation);
        }
        taken
    }

    /// The lane has ended. Returns what was left to it and is neither done nor lost.
    pub(super) fn end(&self, target: &str) -> u64 {
        let mut rest = 0;
        self.lock().retain(|_, of_generation| {
            rest += of_generation.remove(target).unwrap_or(0);
            !of_generation.is_empty()
        });
        rest
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GenerationId, OfGeneration>> {
        self.0.lock().expect("no holder of what is owed panics")
    }
}

/// What one lane was left.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub target: Arc<str>,
    pub owed: Arc<Owed>,
}

impl Share {
    /// Events of the lane, with so many bytes, are done. Returns how many of these were left to it.
    pub(super) fn done(&self, generation: GenerationId, bytes: u64) -> u64 {
        self.owed.take(&self.target, generation, bytes, 0)
    }

    /// So many bytes are destroyed, of events of this lane and of others; `under_way`: what the lane has read of its
    /// own and has not delivered. Returns how many of them were left to it.
    pub(super) fn lost(&self, generation: GenerationId, bytes: u64, under_way: u64) -> u64 {
        self.owed.take(&self.target, generation, bytes, under_way)
    }
}
