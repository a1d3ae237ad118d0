//! Limits how far a lane reads: no further than the main worker. Counts how many of these bytes the lane still has to
//! deliver.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::event::{Cursor, GenerationId, Mark};
use crate::follow::{ChangeHub, ChangeSet, Changes, Queue, Read};

/// How far the main worker has read; no lane reads further.
#[derive(Debug)]
pub(super) struct ReadLimit {
    limits: Mutex<HashMap<GenerationId, u64>>,
    changes: ChangeHub,
}

impl ReadLimit {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(ReadLimit { limits: Mutex::default(), changes: ChangeHub::default() })
    }

    /// Raises limits; a lower offset changes nothing.
    pub(super) fn raise(&self, spans: impl Iterator<Item = (GenerationId, u64)>) {
        let mut limits = self.limits.lock().expect("no holder of the lock panics");
        let mut raised = Vec::new();
        for (generation, offset) in spans {
            let known = limits.get(&generation).copied();
            if known.is_none_or(|known| known < offset) {
                limits.insert(generation, offset);
                raised.push(generation);
            }
        }
        drop(limits);
        if !raised.is_empty() {
            self.forward_news(&ChangeSet::of(raised));
        }
    }

    /// Forwards changes of the log, perhaps of a generation whose limit was set before the file was found.
    pub(super) fn forward_news(&self, news: &ChangeSet) {
        self.changes.mark(news);
        self.changes.notify();
    }

    /// Removes the limits of generations that no longer exist.
    pub(super) fn forget(&self, generations: &[GenerationId]) {
        let mut limits = self.limits.lock().expect("no holder of the lock panics");
        generations.iter().for_each(|id| _ = limits.remove(id));
    }

    /// Records that the cursor row of a lane has moved in this generation.
    pub(super) fn note_row_moved(&self, generation: GenerationId) {
        self.changes.mark(&ChangeSet::of([generation]));
    }

    pub(super) fn subscribe(&self) -> Changes {
        self.changes.subscribe()
    }

    pub(super) fn of(&self, generation: GenerationId) -> Option<u64> {
        self.limits.lock().expect("no holder of the lock panics").get(&generation).copied()
    }

    fn all(&self) -> Vec<GenerationId> {
        self.limits.lock().expect("no holder of the lock panics").keys().copied().collect()
    }
}

/// The bytes that a lane still has to deliver; computed again only for generations whose limit or row has moved.
#[derive(Debug)]
pub(super) struct LaneBacklog {
    changes: Changes,
    by_generation: HashMap<GenerationId, u64>,
    /// Invariant: the sum of `by_generation`.
    bytes: u64,
}

impl LaneBacklog {
    pub(super) fn new(read_limit: &ReadLimit) -> Self {
        LaneBacklog { changes: read_limit.subscribe(), by_generation: HashMap::new(), bytes: 0 }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Brings the numbers up to date. `of`: the bytes between the lane's row and the limit.
    pub(super) fn update(&mut self, read_limit: &ReadLimit, of: impl Fn(GenerationId) -> u64) {
        let news = self.changes.take();
        if news.all {
            (self.by_generation, self.bytes) = (HashMap::new(), 0);
        }
        let all = if news.all { read_limit.all() } else { Vec::new() };
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

/// The log files as a lane reads them: up to the read limit.
pub(super) struct LimitedQueue {
    pub queue: Arc<dyn Queue>,
    pub read_limit: Arc<ReadLimit>,
}

impl Queue for LimitedQueue {
    fn generations(&self) -> Vec<GenerationId> {
        let behind = |id: &GenerationId| self.read_limit.of(*id).is_some();
        self.queue.generations().into_iter().filter(behind).collect()
    }

    fn holds(&self, generation: GenerationId) -> bool {
        self.read_limit.of(generation).is_some() && self.queue.holds(generation)
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        let (start, end) = self.queue.extent(generation)?;
        Some((start, self.read_limit.of(generation)?.clamp(start, end.max(start))))
    }

    fn changes(&self) -> Changes {
        self.read_limit.subscribe()
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        self.queue.read(cursor)
    }

    fn settled(&self) -> bool {
        self.queue.settled()
    }

    fn request_check(&self) -> u64 {
        self.queue.request_check()
    }

    fn is_check_done(&self, number: u64) -> bool {
        self.queue.is_check_done(number)
    }

    fn matches_mark(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        self.queue.matches_mark(generation, mark)
    }

    fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        let upto = self.read_limit.of(cursor.generation).filter(|upto| *upto > cursor.offset)?;
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
        fn the_backlog_equals_the_sum_over_all_generations(
            steps in prop::collection::vec((0u64..5, 0u64..50, 0..3u8), 0..60),
        ) {
            let read_limit = ReadLimit::new();
            let mut backlog = LaneBacklog::new(&read_limit);
            let mut rows = [0u64; 5];
            for (id, offset, what) in steps {
                let generation = GenerationId(id);
                let row = rows[id as usize];
                match what {
                    0 => read_limit.raise([(generation, offset)].into_iter()),
                    1 => {
                        rows[id as usize] = read_limit.of(generation).unwrap_or(0).min(offset).max(row);
                        read_limit.note_row_moved(generation);
                    }
                    _ => {
                        read_limit.forget(&[generation]);
                        read_limit.forward_news(&ChangeSet::of([generation]));
                    }
                }
                let of = |id: GenerationId| {
                    let upto = read_limit.of(id).unwrap_or(0);
                    upto.saturating_sub(rows[id.0 as usize])
                };
                backlog.update(&read_limit, of);
                prop_assert_eq!(backlog.bytes(), (0..5).map(|id| of(GenerationId(id))).sum::<u64>());
            }
        }
    }
}
