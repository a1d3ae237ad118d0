//! Keeps the newest matches of a search over several files in memory.

use std::collections::BinaryHeap;
use std::io;

use crate::base::Timestamp;
use crate::search::Each;

/// The newest `size` documents; of two with equal times, the one added later counts as newer.
#[derive(Debug)]
pub struct Newest {
    size: usize,
    count: u64,
    kept: BinaryHeap<std::cmp::Reverse<(Timestamp, u64, String)>>,
}

impl Newest {
    pub fn new(size: u64) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        Newest { size, count: 0, kept: BinaryHeap::new() }
    }

    /// Whether a document with this time would be kept.
    pub fn wants(&self, time: Timestamp) -> bool {
        let oldest = self.kept.peek().map(|oldest| oldest.0.0);
        self.kept.len() < self.size || (self.size > 0 && oldest.is_some_and(|old| time >= old))
    }

    pub fn add(&mut self, time: Timestamp, document: String) {
        self.count += 1;
        self.kept.push(std::cmp::Reverse((time, self.count, document)));
        if self.kept.len() > self.size {
            self.kept.pop();
        }
    }

    /// Passes the documents to `each`, newest first; returns their number.
    pub fn hand_out(self, each: Each<'_>) -> io::Result<u64> {
        // Ascending in the reversed order: the newest first.
        let kept = self.kept.into_sorted_vec();
        for newest in &kept {
            each(&newest.0.2)?;
        }
        Ok(kept.len() as u64)
    }
}
