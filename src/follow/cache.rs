//! Decoded batches that several consumers want: the newest few MiB of them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::event::{Batch, Cursor, GenerationId};

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

    /// What others read of them comes to them again.
    pub fn clear(&self) {
        *self.shelf.lock().expect("no holder of the cache panics") = Shelf::default();
    }

    pub fn put(&self, batch: &Arc<Batch>) {
        let mut shelf = self.shelf.lock().expect("no holder of the cache panics");
        let (generation, start) = (batch.generation.id, batch.start);
        shelf.weight += batch.weight();
        let held = shelf.batches.entry(generation).or_default().insert(start, batch.clone());
        match held {
            Some(replaced) => shelf.weight -= replaced.weight(),
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
            self.weight -= batch.weight();
        }
        if batches.is_empty() {
            self.batches.remove(&generation);
        }
    }
}
