//! The rows of the tables that are kept in memory, and their encoding as bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::tables::{Changes, Dirty, Key, RowError, RowName, decode, encode, key_of};
use super::{CursorRow, GenerationRow};
use crate::event::{Cuts, GenerationId};

const GENERATIONS: &str = "generations";
const CUTS: &str = "cuts";
const CURSORS: &str = "cursors";
const SOURCES: &str = "sources";
const KEYS: &str = "keys";
/// The tables that are kept in [`Rows`].
pub(super) const IN_MEMORY: [&str; 5] = [GENERATIONS, CUTS, CURSORS, SOURCES, KEYS];

/// Number of cuts per row of their table.
const BLOCK: usize = 256;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CursorKey {
    pub consumer: Arc<str>,
    pub lane: Arc<str>,
    pub generation: GenerationId,
}

impl CursorKey {
    pub fn new(consumer: &str, lane: &str, generation: GenerationId) -> Self {
        CursorKey { consumer: consumer.into(), lane: lane.into(), generation }
    }
}

/// The whole state, except the tables on disk.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    pub generations: HashMap<GenerationId, GenerationRow>,
    pub cursors: BTreeMap<CursorKey, u64>,
    /// Sources that were started at least once.
    pub sources: BTreeSet<String>,
    /// Month keys that were used for sealing.
    pub keys: BTreeSet<String>,
}

/// Queries.
impl Rows {
    /// In the order in which they were first seen.
    pub fn generations(&self) -> Vec<GenerationRow> {
        let mut rows: Vec<GenerationRow> = self.generations.values().cloned().collect();
        rows.sort_by_key(|row| (row.first_seen, row.id));
        rows
    }

    /// Each consumer that has read from this generation, and the offset of its slowest lane in it.
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

    /// All consumers that have a cursor.
    pub fn readers(&self) -> BTreeSet<Arc<str>> {
        self.cursors.keys().map(|key| key.consumer.clone()).collect()
    }

    pub fn all_cursors(&self) -> Vec<CursorRow> {
        self.cursors.iter().map(cursor_row).collect()
    }

    pub fn cursors_of(&self, consumer: &str) -> Vec<CursorRow> {
        self.cursors
            .range(CursorKey::new(consumer, "", GenerationId(0))..)
            .take_while(|(key, _)| &*key.consumer == consumer)
            .map(cursor_row)
            .collect()
    }

    pub fn put_cursor(&mut self, row: CursorRow) {
        let key = CursorKey::new(&row.consumer, &row.lane, row.generation);
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

/// Encoding.
impl Rows {
    /// The current content of a row of a table in memory; `None`: the row does not exist.
    pub fn row(&self, name: &RowName) -> Option<Vec<u8>> {
        let key = name.key.as_slice();
        match &*name.table {
            GENERATIONS => self.generations.get(&Key::decode(key)?).map(encode_generation),
            CUTS => self.block_of_cuts(&Key::decode(key)?).map(encode),
            CURSORS => self.cursors.get(&Key::decode(key)?).map(encode),
            SOURCES => self.sources.contains(&String::decode(key)?).then(|| encode(&true)),
            KEYS => self.keys.contains(&String::decode(key)?).then(|| encode(&true)),
            _ => None,
        }
    }

    /// All rows.
    pub fn all(&self) -> Changes {
        let mut names: Dirty = self.cursors.keys().map(name_of_cursor).collect();
        names.extend(self.sources.iter().map(name_of_source));
        names.extend(self.keys.iter().map(name_of_key));
        for (id, row) in &self.generations {
            names.insert(name_of_generation(id));
            names.extend(changed_cuts(*id, &Cuts::default(), &row.cuts));
        }
        names.into_iter().map(|name| (name.clone(), self.row(&name))).collect()
    }

    /// Decodes the rows; those of other tables are ignored.
    pub fn read(rows: &Changes) -> Result<Rows, RowError> {
        let mut read = Rows::default();
        let mut cuts = Vec::new();
        for (name, row) in rows.iter().filter_map(|(name, row)| Some((name, row.as_ref()?))) {
            let key = name.key.as_slice();
            match &*name.table {
                GENERATIONS => _ = read.generations.insert(key_of(key)?, decode(row)?),
                CUTS => cuts.push((key_of::<CutsKey>(key)?, decode::<Vec<u64>>(row)?)),
                CURSORS => _ = read.cursors.insert(key_of(key)?, decode(row)?),
                SOURCES => _ = read.sources.insert(key_of(key)?),
                KEYS => _ = read.keys.insert(key_of(key)?),
                _ => {}
            }
        }
        // In the order of their blocks, because keys are ordered so.
        for (CutsKey(id, _), block) in cuts {
            if let Some(row) = read.generations.get_mut(&id) {
                block.into_iter().for_each(|cut| row.cuts.push(cut));
            }
        }
        Ok(read)
    }

    /// `None` if there is no block of that number.
    fn block_of_cuts(&self, CutsKey(id, block): &CutsKey) -> Option<&[u64]> {
        let cuts = &self.generations.get(id)?.cuts;
        cuts.chunks(BLOCK).nth(*block as usize)
    }
}

/// Encodes the row without its cuts, which have rows of their own.
fn encode_generation(row: &GenerationRow) -> Vec<u8> {
    encode(&GenerationRow { cuts: Cuts::default(), ..row.clone() })
}

pub(super) fn name_of_generation(id: &GenerationId) -> RowName {
    RowName::new(GENERATIONS, id)
}

pub(super) fn name_of_cursor(key: &CursorKey) -> RowName {
    RowName::new(CURSORS, key)
}

pub(super) fn name_of_source(name: &String) -> RowName {
    RowName::new(SOURCES, name)
}

pub(super) fn name_of_key(name: &String) -> RowName {
    RowName::new(KEYS, name)
}

/// The names of the rows of cuts that have changed.
pub(super) fn changed_cuts(
    id: GenerationId,
    before: &Cuts,
    now: &Cuts,
) -> impl Iterator<Item = RowName> + use<> {
    let end = match before == now {
        true => 0,
        false => before.len().max(now.len()).div_ceil(BLOCK),
    };
    let first = before.common(now) / BLOCK;
    (first..end).map(move |block| name_of_cuts(id, block as u32))
}

pub(super) fn name_of_cuts(id: GenerationId, block: u32) -> RowName {
    RowName::new(CUTS, &CutsKey(id, block))
}

/// The key of a row of cuts: the generation and the number of the block, which begins at index [`BLOCK`] × number.
struct CutsKey(GenerationId, u32);

impl Key for CutsKey {
    fn encode(&self) -> Vec<u8> {
        [self.0.encode().as_slice(), &self.1.to_be_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, block) = bytes.split_at_checked(8)?;
        Some(CutsKey(GenerationId::decode(id)?, u32::from_be_bytes(block.try_into().ok()?)))
    }
}

/// Ends a text in a key; a 0 in the text is followed by 0xff.
const END: [u8; 2] = [0, 0];

impl Key for CursorKey {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [&self.consumer, &self.lane] {
            for byte in text.bytes() {
                bytes.push(byte);
                bytes.extend((byte == 0).then_some(0xff));
            }
            bytes.extend(END);
        }
        bytes.extend(self.generation.encode());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (consumer, bytes) = text_of_key(bytes)?;
        let (lane, bytes) = text_of_key(bytes)?;
        Some(CursorKey { consumer, lane, generation: Key::decode(bytes)? })
    }
}

/// Decodes a text at the beginning of a key; also returns the bytes after it.
fn text_of_key(mut bytes: &[u8]) -> Option<(Arc<str>, &[u8])> {
    let mut text = Vec::new();
    loop {
        if let Some(behind) = bytes.strip_prefix(&END) {
            return Some((String::from_utf8(text).ok()?.into(), behind));
        }
        let (byte, behind) = bytes.split_first()?;
        text.push(*byte);
        bytes = match byte {
            0 => behind.strip_prefix(&[0xff])?,
            _ => behind,
        };
    }
}
