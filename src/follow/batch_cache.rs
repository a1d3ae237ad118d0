//! Decoded batches that several consumers want: the newest few MiB of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::event::{Batch, Cursor, GenerationId};

/// What it takes to hold a batch beside its bytes and records: a node of its tree, its places in the maps.
const PLACE: usize = 384;

/// Invariant: `weight` is the sum over all batches it holds, and at most `budget` (but for a single batch).
#[derive(Debug)]
pub(in crate::follow) struct Cache {
    budget: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    batches: HashMap<GenerationId, BTreeMap<u64, Arc<Batch>>>,
    /// Oldest first.
    order: VecDeque<(GenerationId, u64)>,
    weight: usize,
}

impl Cache {
    pub fn new(budget: usize) -> Self {
        Cache { budget, shelf: Mutex::default() }
    }

    /// The batch in which a record begins at the cursor, and which record that is.
    pub fn find(&self, cursor: Cursor) -> Option<(Arc<Batch>, usize)> {
        let shelf = self.shelf.lock().expect("no holder of the cache panics");
        let batches = shelf.batches.get(&cursor.generation)?;
        let (_, batch) = batches.range(..=cursor.offset).next_back()?;
        let first = batch.index_of(cursor.offset)?;
        Some((batch.clone(), first))
    }

    /// How far one can read on from the cursor without the file.
    pub fn reach(&self, cursor: Cursor) -> u64 {
        let shelf = self.shelf.lock().expect("no holder of the cache panics");
        let Some(batches) = shelf.batches.get(&cursor.generation) else { return cursor.offset };
        let mut at = cursor.offset;
        while let Some((_, batch)) = batches.range(..=at).next_back()
            && batch.index_of(at).is_some()
        {
            at = batch.end;
        }
        at
    }

    /// Nobody needs a batch of this generation any more.
    pub fn forget(&self, generation: GenerationId) {
        let mut shelf = self.shelf.lock().expect("no holder of the cache panics");
        if let Some(batches) = shelf.batches.remove(&generation) {
            shelf.weight -= batches.values().map(|batch| weight(batch)).sum::<usize>();
            shelf.order.retain(|(other, _)| *other != generation);
        }
    }

    /// What others read of them comes to them again.
    pub fn clear(&self) {
        *self.shelf.lock().expect("no holder of the cache panics") = Shelf::default();
    }

    pub fn put(&self, batch: &Arc<Batch>) {
        let mut shelf = self.shelf.lock().expect("no holder of the cache panics");
        let (generation, start) = (batch.generation.id, batch.start);
        shelf.weight += weight(batch);
        let held = shelf.batches.entry(generation).or_default().insert(start, batch.clone());
        match held {
            Some(replaced) => shelf.weight -= weight(&replaced),
            None => shelf.order.push_back((generation, start)),
        }
        while shelf.weight > self.budget && shelf.order.len() > 1 {
            shelf.drop_oldest();
        }
    }
}

impl Shelf {
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
    batch.weight() + PLACE
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
    fn a_thousand_small_batches_weigh_what_it_takes_to_hold_them() {
        let cache = Cache::new(100 * (batch(0).weight() + 300));
        for number in 0..1_000 {
            cache.put(&batch(number));
        }
        let held = (0..1_000).filter(|number| cache.find(begin(*number)).is_some());
        let held: Vec<u64> = held.collect();
        assert!(held.len() <= 100 && held.contains(&999), "{held:?}");
    }

    #[test]
    fn a_generation_that_expired_takes_no_room() {
        let cache = Cache::new(1 << 20);
        for number in [1, 2, 1] {
            cache.put(&batch(number));
        }
        cache.forget(GenerationId(1));
        assert!(cache.find(begin(1)).is_none() && cache.find(begin(2)).is_some());
        cache.forget(GenerationId(2));
        let shelf = cache.shelf.lock().unwrap();
        assert_eq!((shelf.weight, shelf.order.len(), shelf.batches.len()), (0, 0, 0));
    }
}
