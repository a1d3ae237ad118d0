//! The rows in memory, and the names of those that are not in the journal yet, or in the journal but not in the
//! database.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use super::rows::Rows;
use super::tables::{Changes, Dirty, NameRange, RowName};

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub rows: Rows,
    /// Rows of tables on disk that are not in the database yet.
    pub uncheckpointed: Changes,
    /// Rows that are not in the journal yet.
    pub dirty: Dirty,
    /// Invariant: exactly the rows that are in the journal and not in the database. Some may be dirty again.
    journaled: Dirty,
    /// Number of puts so far.
    pub put: u64,
    /// Invariant: every put up to this one is durable.
    pub durable: u64,
    /// A commit is running.
    pub committing: bool,
    /// The number of the last record or checkpoint for which rows were taken. `rows` contains all changes before it.
    pub number: u64,
}

/// The rows that one record, or one transaction, makes durable.
#[derive(Debug)]
pub(super) struct Batch {
    pub number: u64,
    /// Puts up to this one are included.
    pub upto: u64,
    pub changes: Changes,
    /// The names of its rows: some were in no record yet, the others in the journal.
    dirty: Dirty,
    journaled: Dirty,
}

impl Memory {
    /// The rows as read at the start, all of them durable; `number` is that of the last record or checkpoint.
    pub fn durable(rows: Rows, number: u64) -> Self {
        Memory { rows, number, ..Memory::default() }
    }

    /// Notes that the row was changed.
    pub fn mark_dirty(&mut self, name: RowName) {
        self.dirty.insert(name);
        self.put += 1;
    }

    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Whether the journal holds rows that the database does not have.
    pub fn has_journaled(&self) -> bool {
        !self.journaled.is_empty()
    }

    /// Takes all dirty rows for the next record; then call [`Self::recorded`] or [`Self::put_back`]. The record's
    /// number is used only once, written or not.
    pub fn take_for_record(&mut self) -> Batch {
        let dirty = std::mem::take(&mut self.dirty);
        self.batch(dirty, Dirty::new())
    }

    /// Takes all rows that the database does not have; then call [`Self::checkpointed`] or [`Self::put_back`].
    pub fn take_for_checkpoint(&mut self) -> Batch {
        let dirty = std::mem::take(&mut self.dirty);
        let journaled = std::mem::take(&mut self.journaled);
        self.batch(dirty, journaled)
    }

    fn batch(&mut self, dirty: Dirty, journaled: Dirty) -> Batch {
        self.number += 1;
        let row = |name: &RowName| match self.uncheckpointed.get(name) {
            Some(row) => row.clone(),
            None => self.rows.row(name),
        };
        let changes = dirty.union(&journaled).map(|name| (name.clone(), row(name))).collect();
        Batch { number: self.number, upto: self.put, changes, dirty, journaled }
    }

    /// Notes that the batch is in the journal, and durable.
    pub fn recorded(&mut self, batch: Batch) {
        self.durable = batch.upto;
        self.journaled.extend(batch.dirty);
    }

    /// Notes that the batch is in the database, and durable.
    pub fn checkpointed(&mut self, batch: Batch) {
        self.durable = batch.upto;
        // Rows that were put meanwhile are dirty again.
        self.uncheckpointed
            .retain(|name, _| !batch.changes.contains_key(name) || self.dirty.contains(name));
    }

    /// Marks the rows of a batch again that could not be written.
    pub fn put_back(&mut self, batch: Batch) {
        self.dirty.extend(batch.dirty);
        self.journaled.extend(batch.journaled);
    }

    /// All rows, for a new database, which needs no removals.
    pub fn everything(&self) -> Changes {
        let mut everything = self.rows.all();
        everything.extend(self.uncheckpointed.clone());
        everything
    }

    /// The rows of this range that are not in the database yet, in the order of their encoded keys; `None`: removed.
    pub fn uncheckpointed_in(&self, range: &NameRange) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let first = RowName { table: range.table.into(), key: range.first().to_vec() };
        let names =
            self.uncheckpointed.range(first..).take_while(|(name, _)| name.table == range.table);
        let rows = names.filter(|(name, _)| range.keys.contains(&name.key));
        rows.map(|(name, row)| (name.key.clone(), row.clone())).collect()
    }
}
