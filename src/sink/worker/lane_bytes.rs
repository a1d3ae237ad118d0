//! Counts the bytes that the main worker left to its lanes, so that each lost byte is counted once even if several
//! workers find it destroyed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::event::GenerationId;

/// By target: bytes left to the lane and neither done nor lost there. Never 0.
type OfGeneration = HashMap<Arc<str>, u64>;

/// By generation and target.
#[derive(Debug, Default)]
pub(super) struct LaneBytes(Mutex<HashMap<GenerationId, OfGeneration>>);

impl LaneBytes {
    /// Records that the main worker leaves this many bytes of events to the lane of this target.
    pub(super) fn add(&self, target: &Arc<str>, generation: GenerationId, bytes: u64) {
        if bytes > 0 {
            let mut all = self.lock();
            *all.entry(generation).or_default().entry(target.clone()).or_default() += bytes;
        }
    }

    /// Records that this many bytes are done or lost in the lane, while `in_flight` bytes that were left to it are
    /// neither. Returns how many of the bytes were left to it.
    fn take(&self, target: &str, generation: GenerationId, bytes: u64, in_flight: u64) -> u64 {
        let mut all = self.lock();
        let Some(of_generation) = all.get_mut(&generation) else { return 0 };
        let Some(left) = of_generation.get_mut(target) else { return 0 };
        let taken = bytes.min(left.saturating_sub(in_flight));
        *left -= taken;
        if *left == 0 {
            of_generation.remove(target);
        }
        if of_generation.is_empty() {
            all.remove(&generation);
        }
        taken
    }

    /// Records that the lane has ended. Returns the number of bytes that were left to it and are neither done nor lost.
    pub(super) fn end(&self, target: &str) -> u64 {
        let mut rest = 0;
        self.lock().retain(|_, of_generation| {
            rest += of_generation.remove(target).unwrap_or(0);
            !of_generation.is_empty()
        });
        rest
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GenerationId, OfGeneration>> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

/// The bytes that were left to one lane.
#[derive(Clone, Debug)]
pub(super) struct LaneShare {
    pub target: Arc<str>,
    pub lane_bytes: Arc<LaneBytes>,
}

impl LaneShare {
    /// Records that this many bytes of the lane's events are done. Returns how many of them were left to it.
    pub(super) fn done(&self, generation: GenerationId, bytes: u64) -> u64 {
        self.lane_bytes.take(&self.target, generation, bytes, 0)
    }

    /// Records that this many bytes, of this lane's events and others, are destroyed; `in_flight`: bytes that the lane
    /// has read but not delivered. Returns how many of the destroyed bytes were left to it.
    pub(super) fn lost(&self, generation: GenerationId, bytes: u64, in_flight: u64) -> u64 {
        self.lane_bytes.take(&self.target, generation, bytes, in_flight)
    }
}
