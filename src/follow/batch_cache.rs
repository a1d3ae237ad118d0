//! Caches the newest decoded batches (a few MiB), so that consumers at nearby cursors share them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::event::{Batch, Cursor, GenerationId};

/// Memory per batch besides its bytes and records, in bytes: its entries in the maps and the queue of the cache.
const OVERHEAD: usize = 384;

/// Invariant: `weight` is the sum over all cached batches, and at most `budget`, unless a single batch is larger.
#[derive(Debug)]
pub(in crate::follow) struct Cache {
    budget: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    batches: HashMap<GenerationId, BTreeMap<u64, Arc<Batch>>>,
    /// Oldest first.
    order: VecDeque<(GenerationId, u64)>,
    weight: usize,
}

impl Cache {
    pub fn new(budget: usize) -> Self {
        Cache { budget, inner: Mutex::default() }
    }

    /// The batch in which a record begins at the cursor, and the index of that record.
    pub fn find(&self, cursor: Cursor) -> Option<(Arc<Batch>, usize)> {
        let inner = self.inner.lock().expect("no holder of the cache panics");
        let batches = inner.batches.get(&cursor.generation)?;
        let (_, batch) = batches.range(..=cursor.offset).next_back()?;
        let first = batch.index_of(cursor.offset)?;
        Some((batch.clone(), first))
    }

    /// The offset up to which batches from the cursor on are cached without a gap.
    pub fn reach(&self, cursor: Cursor) -> u64 {
        let inner = self.inner.lock().expect("no holder of the cache panics");
        let Some(batches) = inner.batches.get(&cursor.generation) else { return cursor.offset };
        let mut at = cursor.offset;
        while let Some((_, batch)) = batches.range(..=at).next_back()
            && batch.index_of(at).is_some()
        {
            at = batch.end;
        }
        at
    }

    /// Drops all batches of an expired generation.
    pub fn forget(&self, generation: GenerationId) {
        let mut inner = self.inner.lock().expect("no holder of the cache panics");
        if let Some(batches) = inner.batches.remove(&generation) {
            inner.weight -= batches.values().map(|batch| weight(batch)).sum::<usize>();
            inner.order.retain(|(other, _)| *other != generation);
        }
    }

    /// Drops all batches; consumers decode them again from the files.
    pub fn clear(&self) {
        *self.inner.lock().expect("no holder of the cache panics") = Inner::default();
    }

    /// Adds a batch, and drops the oldest ones beyond the budget.
    pub fn put(&self, batch: &Arc<Batch>) {
        let mut inner = self.inner.lock().expect("no holder of the cache panics");
        let (generation, start) = (batch.generation.id, batch.start);
        inner.weight += weight(batch);
        let before = inner.batches.entry(generation).or_default().insert(start, batch.clone());
        match before {
            Some(replaced) => inner.weight -= weight(&replaced),
            None => inner.order.push_back((generation, start)),
        }
        while inner.weight > self.budget && inner.order.len() > 1 {
            inner.drop_oldest();
        }
    }
}

impl Inner {
    fn drop_oldest(&mut self) {
        let Some((generation, start)) = self.order.pop_front() else { return };
        let Some(batches) = self.batches.get_mut(&generation) else { return };
        if let Some(batch) = batches.remove(&start) {
            self.weight -= weight(&batch);
        }
        if batches.is_empty() {
            self.batches.remove(&generation);
        }
    }
}

fn weight(batch: &Batch) -> usize {
    batch.weight() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Generation;
    use crate::event::test_batches;

    /// One line of a generation of its own.
    fn batch(number: u64) -> Arc<Batch> {
        let batch = test_batches::batch("{\"message\":\"line\"}\n", None);
        let generation = Generation { id: GenerationId(number), ..(*batch.generation).clone() };
        Arc::new(Batch { generation: generation.into(), ..batch })
    }

    fn begin(number: u64) -> Cursor {
        Cursor { generation: GenerationId(number), offset: 0 }
    }

    #[test]
    fn the_weight_of_small_batches_includes_the_overhead_of_caching_them() {
        let cache = Cache::new(100 * (batch(0).weight() + 300));
        for number in 0..1_000 {
            cache.put(&batch(number));
        }
        let held = (0..1_000).filter(|number| cache.find(begin(*number)).is_some());
        let held: Vec<u64> = held.collect();
        assert!(held.len() <= 100 && held.contains(&999), "{held:?}");
    }

    #[test]
    fn an_expired_generation_takes_no_memory() {
        let cache = Cache::new(1 << 20);
        for number in [1, 2, 1] {
            cache.put(&batch(number));
        }
        cache.forget(GenerationId(1));
        assert!(cache.find(begin(1)).is_none() && cache.find(begin(2)).is_some());
        cache.forget(GenerationId(2));
        let inner = cache.inner.lock().unwrap();
        assert_eq!((inner.weight, inner.order.len(), inner.batches.len()), (0, 0, 0));
    }
}
