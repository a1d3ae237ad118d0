//! What can be put into the state: into memory at once, onto the disk with the next commit.

use super::GenerationRow;
use super::rows::CursorKey;
use super::store::Memory;
use crate::event::{Cursor, Cuts, GenerationId};

/// See [`super::Store::apply`].
#[derive(Debug)]
pub struct Puts<'a> {
    pub(super) memory: &'a mut Memory,
}

impl Puts<'_> {
    pub fn generation(&mut self, row: GenerationRow) {
        let memory = &mut *self.memory;
        let before = memory.rows.generations.get(&row.id);
        if before == Some(&row) {
            return;
        }
        let cuts = before.map(|row| row.cuts.clone()).unwrap_or_default();
        memory.dirty.change_cuts(row.id, &cuts, &row.cuts);
        memory.dirty.generations.insert(row.id);
        memory.rows.generations.insert(row.id, row);
        memory.put += 1;
    }

    /// Forgets the generation and every cursor in it.
    pub fn without_generation(&mut self, id: GenerationId) {
        self.without_cursors(|key| key.generation == id);
        let memory = &mut *self.memory;
        if let Some(row) = memory.rows.generations.remove(&id) {
            memory.dirty.change_cuts(id, &row.cuts, &Cuts::default());
        }
        memory.dirty.generations.insert(id);
        memory.put += 1;
    }

    pub fn cursor(&mut self, consumer: &str, lane: &str, cursor: Cursor) {
        self.cursor_where(consumer, lane, cursor, |known| known != Some(cursor.offset));
    }

    /// Where there is none yet.
    pub fn cursor_if_none(&mut self, consumer: &str, lane: &str, cursor: Cursor) {
        self.cursor_where(consumer, lane, cursor, |known| known.is_none());
    }

    fn cursor_where(
        &mut self,
        consumer: &str,
        lane: &str,
        cursor: Cursor,
        wanted: impl FnOnce(Option<u64>) -> bool,
    ) {
        let generation = cursor.generation;
        let key = CursorKey { consumer: consumer.into(), lane: lane.into(), generation };
        let memory = &mut *self.memory;
        if !wanted(memory.rows.cursors.get(&key).copied()) {
            return;
        }
        memory.dirty.cursors.insert(key.clone());
        memory.rows.cursors.insert(key, cursor.offset);
        memory.put += 1;
    }

    /// Forgets every cursor of one lane.
    pub fn without_lane(&mut self, consumer: &str, lane: &str) {
        self.without_cursors(|key| &*key.consumer == consumer && &*key.lane == lane);
    }

    fn without_cursors(&mut self, is_over: impl Fn(&CursorKey) -> bool) {
        let memory = &mut *self.memory;
        let keys: Vec<CursorKey> =
            memory.rows.cursors.keys().filter(|key| is_over(key)).cloned().collect();
        for key in keys {
            memory.rows.cursors.remove(&key);
            memory.dirty.cursors.insert(key);
            memory.put += 1;
        }
    }

    /// `true` where the source was not known.
    pub fn source(&mut self, source: &str) -> bool {
        let memory = &mut *self.memory;
        let first = memory.rows.sources.insert(source.into());
        if first {
            memory.dirty.sources.insert(source.into());
            memory.put += 1;
        }
        first
    }

    pub fn used_key(&mut self, key: &str) {
        let memory = &mut *self.memory;
        if memory.rows.keys.insert(key.into()) {
            memory.dirty.keys.insert(key.into());
            memory.put += 1;
        }
    }
}
