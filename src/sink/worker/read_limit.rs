//! How far a lane may read: as far as the main worker has read. And how much of that it has still to deliver.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::event::{Cursor, GenerationId, Mark};
use crate::follow::{Changes, Hub, News, Queue, Read};

/// How far the main worker has read: no lane goes further.
#[derive(Debug)]
pub(super) struct Fence {
    upto: Mutex<HashMap<GenerationId, u64>>,
    changes: Hub,
}

impl Fence {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Fence { upto: Mutex::default(), changes: Hub::default() })
    }

    /// Never goes back.
    pub(super) fn raise(&self, places: impl Iterator<Item = (GenerationId, u64)>) {
        let mut upto = self.upto.lock().expect("no holder of the fence panics");
        let mut raised = Vec::new();
        for (generation, offset) in places {
            let known = upto.get(&generation).copied();
            if known.is_none_or(|known| known < offset) {
                upto.insert(generation, offset);
                raised.push(generation);
            }
        }
        drop(upto);
        if !raised.is_empty() {
            self.pass_on(&News::of(raised));
        }
    }

    /// The log has news, perhaps of a generation that had its fence before it was found.
    pub(super) fn pass_on(&self, news: &News) {
        self.changes.mark(news);
        self.changes.tell();
    }

    /// Nothing of these comes back.
    pub(super) fn forget(&self, generations: &[GenerationId]) {
        let mut upto = self.upto.lock().expect("no holder of the fence panics");
        generations.iter().for_each(|id| _ = upto.remove(id));
    }

    /// The row of a lane has moved there.
    pub(super) fn note(&self, generation: GenerationId) {
        self.changes.mark(&News::of([generation]));
    }

    pub(super) fn subscribe(&self) -> Changes {
        self.changes.subscribe()
    }

    pub(super) fn of(&self, generation: GenerationId) -> Option<u64> {
        self.upto.lock().expect("no holder of the fence panics").get(&generation).copied()
    }

    fn all(&self) -> Vec<GenerationId> {
        self.upto.lock().expect("no holder of the fence panics").keys().copied().collect()
    }
}

/// What a lane has still to deliver, in bytes: looked up again only where the fence or its row has moved.
#[derive(Debug)]
pub(super) struct Left {
    changes: Changes,
    by_generation: HashMap<GenerationId, u64>,
    /// Invariant: the sum of these.
    bytes: u64,
}

impl Left {
    pub(super) fn new(fence: &Fence) -> Self {
        Left { changes: fence.subscribe(), by_generation: HashMap::new(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `of`: between the lane's row and the fence.
    pub(super) fn look(&mut self, fence: &Fence, of: impl Fn(GenerationId) -> u64) {
        let news = self.changes.take();
        if news.all {
            (self.by_generation, self.bytes) = (HashMap::new(), 0);
        }
        let all = if news.all { fence.all() } else { Vec::new() };
        for generation in all.into_iter().chain(news.generations) {
            let now = of(generation);
            let before = match now {
                0 => self.by_generation.remove(&generation),
                now => self.by_generation.insert(generation, now),
            };
            self.bytes = self.bytes - before.unwrap_or(0) + now;
        }
    }
}

/// The log up to the fence.
pub(super) struct Fenced {
    pub queue: Arc<dyn Queue>,
    pub fence: Arc<Fence>,
}

impl Queue for Fenced {
    fn generations(&self) -> Vec<GenerationId> {
        let behind = |id: &GenerationId| self.fence.of(*id).is_some();
        self.queue.generations().into_iter().filter(behind).collect()
    }

    fn holds(&self, generation: GenerationId) -> bool {
        self.fence.of(generation).is_some() && self.queue.holds(generation)
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        let (start, end) = self.queue.extent(generation)?;
        Some((start, self.fence.of(generation)?.clamp(start, end.max(start))))
    }

    fn changes(&self) -> Changes {
        self.fence.subscribe()
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        self.queue.read(cursor)
    }

    fn settled(&self) -> bool {
        self.queue.settled()
    }

    fn ask_for_look(&self) -> u64 {
        self.queue.ask_for_look()
    }

    fn has_looked(&self, number: u64) -> bool {
        self.queue.has_looked(number)
    }

    fn bears(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        self.queue.bears(generation, mark)
    }

    fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        let upto = self.fence.of(cursor.generation).filter(|upto| *upto > cursor.offset)?;
        let lost = self.queue.destroyed(cursor)?;
        (lost.start < upto).then(|| lost.start..lost.end.min(upto))
    }

    fn has_file(&self, generation: GenerationId) -> bool {
        self.queue.has_file(generation)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_a_lane_has_left_is_what_a_walk_would_find(
            steps in prop::collection::vec((0u64..5, 0u64..50, 0..3u8), 0..60),
        ) {
            let fence = Fence::new();
            let mut left = Left::new(&fence);
            let mut rows = [0u64; 5];
            for (id, offset, what) in steps {
                let generation = GenerationId(id);
                let row = rows[id as usize];
                match what {
                    0 => fence.raise([(generation, offset)].into_iter()),
                    1 => {
                        rows[id as usize] = fence.of(generation).unwrap_or(0).min(offset).max(row);
                        fence.note(generation);
                    }
                    _ => {
                        fence.forget(&[generation]);
                        fence.pass_on(&News::of([generation]));
                    }
                }
                let of = |id: GenerationId| {
                    let upto = fence.of(id).unwrap_or(0);
                    upto.saturating_sub(rows[id.0 as usize])
                };
                left.look(&fence, of);
                prop_assert_eq!(left.bytes(), (0..5).map(|id| of(GenerationId(id))).sum::<u64>());
            }
        }
    }
}
