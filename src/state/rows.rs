//! The rows as they stand in memory, and as bytes: one version byte, then JSON.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CursorRow, GenerationRow};
use crate::event::{Cuts, GenerationId};

/// The version of every row that this program writes, and the newest it reads.
pub(super) const VERSION: u8 = 2;

/// So many cuts stand in one row of their table.
const BLOCK: usize = 256;

/// Some cuts of a generation: those from `BLOCK` × the number on.
pub(super) type CutsKey = (GenerationId, u32);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CursorKey {
    pub consumer: Arc<str>,
    pub lane: Arc<str>,
    pub generation: GenerationId,
}

/// Everything the state knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub generations: HashMap<GenerationId, GenerationRow>,
    pub cursors: BTreeMap<CursorKey, u64>,
    /// Sources that were started once.
    pub sources: BTreeSet<String>,
    /// Month keys that something was sealed with.
    pub keys: BTreeSet<String>,
}

impl Rows {
    /// In the order in which they were first seen.
    pub fn generations(&self) -> Vec<GenerationRow> {
        let mut rows: Vec<GenerationRow> = self.generations.values().cloned().collect();
        rows.sort_by_key(|row| (row.first_seen, row.id));
        rows
    }

    /// Each consumer that has read in this generation, and how far its slowest lane is there.
    pub fn readers_of(&self, generation: GenerationId) -> BTreeMap<Arc<str>, u64> {
        let mut readers = BTreeMap::new();
        let mut next = self.cursors.keys().next();
        while let Some(CursorKey { consumer, lane, .. }) = next {
            let at = |generation| CursorKey {
                consumer: consumer.clone(),
                lane: lane.clone(),
                generation,
            };
            if let Some(offset) = self.cursors.get(&at(generation)) {
                let slowest = readers.entry(consumer.clone()).or_insert(*offset);
                *slowest = (*slowest).min(*offset);
            }
            let behind = (Bound::Excluded(at(GenerationId(u64::MAX))), Bound::Unbounded);
            next = self.cursors.range(behind).next().map(|(key, _)| key);
        }
        readers
    }

    /// Everybody who has read anything.
    pub fn readers(&self) -> BTreeSet<Arc<str>> {
        self.cursors.keys().map(|key| key.consumer.clone()).collect()
    }

    pub fn all_cursors(&self) -> Vec<CursorRow> {
        self.cursors.iter().map(cursor_row).collect()
    }

    pub fn cursors_of(&self, consumer: &str) -> Vec<CursorRow> {
        let first =
            CursorKey { consumer: consumer.into(), lane: "".into(), generation: GenerationId(0) };
        self.cursors
            .range(first..)
            .take_while(|(key, _)| &*key.consumer == consumer)
            .map(cursor_row)
            .collect()
    }

    /// `None` where there are none of that number.
    fn block_of_cuts(&self, (id, block): &CutsKey) -> Option<&[u64]> {
        let cuts = &self.generations.get(id)?.cuts;
        cuts.chunks(BLOCK).nth(*block as usize)
    }

    /// The next ones of a generation, in their order.
    pub fn add_cuts(&mut self, id: GenerationId, cuts: Vec<u64>) {
        if let Some(row) = self.generations.get_mut(&id) {
            cuts.into_iter().for_each(|cut| row.cuts.push(cut));
        }
    }

    pub fn put_cursor(&mut self, row: CursorRow) {
        let key = CursorKey {
            consumer: row.consumer.into(),
            lane: row.lane.into(),
            generation: row.generation,
        };
        self.cursors.insert(key, row.offset);
    }
}

fn cursor_row((key, offset): (&CursorKey, &u64)) -> CursorRow {
    CursorRow {
        consumer: key.consumer.to_string(),
        lane: key.lane.to_string(),
        generation: key.generation,
        offset: *offset,
    }
}

/// Names of the rows that are not durable yet; what they hold stands in [`Rows`].
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pub generations: HashSet<GenerationId>,
    pub cuts: HashSet<CutsKey>,
    pub cursors: HashSet<CursorKey>,
    pub sources: BTreeSet<String>,
    pub keys: BTreeSet<String>,
}

impl Dirty {
    /// The cuts of a generation are others than they were.
    pub fn change_cuts(&mut self, id: GenerationId, before: &Cuts, now: &Cuts) {
        let blocks = before.common(now) / BLOCK..before.len().max(now.len()).div_ceil(BLOCK);
        if before.len() != now.len() || before != now {
            self.cuts.extend(blocks.map(|block| (id, block as u32)));
        }
    }

    pub fn all(rows: &Rows) -> Self {
        let mut dirty = Dirty {
            generations: rows.generations.keys().copied().collect(),
            cursors: rows.cursors.keys().cloned().collect(),
            sources: rows.sources.clone(),
            keys: rows.keys.clone(),
            cuts: HashSet::new(),
        };
        for (id, row) in &rows.generations {
            dirty.change_cuts(*id, &Cuts::default(), &row.cuts);
        }
        dirty
    }

    pub fn merge(&mut self, other: Dirty) {
        self.generations.extend(other.generations);
        self.cuts.extend(other.cuts);
        self.cursors.extend(other.cursors);
        self.sources.extend(other.sources);
        self.keys.extend(other.keys);
    }

    /// The same rows as bytes; `None`: the row is gone.
    pub fn changes(&self, rows: &Rows) -> Changes {
        let generation = |id: &GenerationId| (*id, rows.generations.get(id).map(encode_generation));
        let cuts = |key: &CutsKey| (*key, rows.block_of_cuts(key).map(|block| encode(&block)));
        let cursor = |key: &CursorKey| (key.clone(), rows.cursors.get(key).map(encode));
        Changes {
            generations: self.generations.iter().map(generation).collect(),
            cuts: self.cuts.iter().map(cuts).collect(),
            cursors: self.cursors.iter().map(cursor).collect(),
            sources: self.sources.iter().cloned().collect(),
            keys: self.keys.iter().cloned().collect(),
        }
    }
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub generations: Vec<(GenerationId, Option<Vec<u8>>)>,
    pub cuts: Vec<(CutsKey, Option<Vec<u8>>)>,
    pub cursors: Vec<(CursorKey, Option<Vec<u8>>)>,
    pub sources: Vec<String>,
    pub keys: Vec<String>,
}

/// Without its cuts.
fn encode_generation(row: &GenerationRow) -> Vec<u8> {
    encode(&GenerationRow { cuts: Cuts::default(), ..row.clone() })
}

/// Why the bytes of a row cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowError {
    Newer(u32),
    Malformed(String),
}

pub(super) fn encode(row: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, row).expect("rows are plain data and a Vec takes any write");
    bytes
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RowError> {
    match bytes.split_first() {
        Some((1..=VERSION, json)) => {
            serde_json::from_slice(json).map_err(|error| RowError::Malformed(error.to_string()))
        }
        Some((&version, _)) if version > VERSION => Err(RowError::Newer(version.into())),
        Some((version, _)) => Err(RowError::Malformed(format!("row of version {version}"))),
        None => Err(RowError::Malformed("empty row".into())),
    }
}
