//! Changes to the state: visible in memory immediately, durable with the next commit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::GenerationRow;
use super::memory::Memory;
use super::rows::{
    CursorKey, changed_cuts, name_of_cursor, name_of_generation, name_of_key, name_of_source,
};
use super::tables::{Key, Table, encode};
use crate::event::{Cursor, Cuts, GenerationId};

/// The changes of one call of [`super::Store::apply`].
#[derive(Debug)]
pub struct Transaction<'a> {
    pub(super) memory: &'a mut Memory,
}

impl Transaction<'_> {
    /// Writes the row of a generation, with its cuts.
    pub fn generation(&mut self, row: GenerationRow) {
        let memory = &mut *self.memory;
        let before = memory.rows.generations.get(&row.id);
        if before == Some(&row) {
            return;
        }
        let cuts = before.map(|row| row.cuts.clone()).unwrap_or_default();
        memory.dirty.extend(changed_cuts(row.id, &cuts, &row.cuts));
        memory.mark_dirty(name_of_generation(&row.id));
        memory.rows.generations.insert(row.id, row);
    }

    /// Removes the generation and every cursor in it.
    pub fn remove_generation(&mut self, id: GenerationId) {
        self.remove_cursors(|key| key.generation == id);
        let memory = &mut *self.memory;
        if let Some(row) = memory.rows.generations.remove(&id) {
            memory.dirty.extend(changed_cuts(id, &row.cuts, &Cuts::default()));
        }
        memory.mark_dirty(name_of_generation(&id));
    }

    /// Writes a cursor.
    pub fn cursor(&mut self, consumer: &str, lane: &str, cursor: Cursor) {
        self.cursor_where(consumer, lane, cursor, |known| known != Some(cursor.offset));
    }

    /// Writes a cursor, unless one exists.
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
        let key = CursorKey::new(consumer, lane, cursor.generation);
        let memory = &mut *self.memory;
        if wanted(memory.rows.cursors.get(&key).copied()) {
            memory.mark_dirty(name_of_cursor(&key));
            memory.rows.cursors.insert(key, cursor.offset);
        }
    }

    /// Removes every cursor of one lane.
    pub fn remove_lane(&mut self, consumer: &str, lane: &str) {
        self.remove_cursors(|key| &*key.consumer == consumer && &*key.lane == lane);
    }

    fn remove_cursors(&mut self, is_over: impl Fn(&CursorKey) -> bool) {
        let memory = &mut *self.memory;
        let keys: Vec<CursorKey> =
            memory.rows.cursors.keys().filter(|key| is_over(key)).cloned().collect();
        for key in keys {
            memory.mark_dirty(name_of_cursor(&key));
            memory.rows.cursors.remove(&key);
        }
    }

    /// Records that a source was started. `true`: for the first time.
    pub fn source(&mut self, source: &str) -> bool {
        let memory = &mut *self.memory;
        let source = source.to_owned();
        let first = !memory.rows.sources.contains(&source);
        if first {
            memory.mark_dirty(name_of_source(&source));
            memory.rows.sources.insert(source);
        }
        first
    }

    /// Records that a month key was used for sealing.
    pub fn used_key(&mut self, key: &str) {
        let memory = &mut *self.memory;
        let key = key.to_owned();
        if !memory.rows.keys.contains(&key) {
            memory.mark_dirty(name_of_key(&key));
            memory.rows.keys.insert(key);
        }
    }

    /// Writes a row of a table on disk.
    pub fn row<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        row: &V,
    ) {
        self.change(table.name_of(key), Some(encode(row)));
    }

    /// Removes a row of a table on disk.
    pub fn remove_row<K: Key, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
    ) {
        self.change(table.name_of(key), None);
    }

    fn change(&mut self, name: super::tables::RowName, row: Option<Vec<u8>>) {
        self.memory.uncheckpointed.insert(name.clone(), row);
        self.memory.mark_dirty(name);
    }
}
