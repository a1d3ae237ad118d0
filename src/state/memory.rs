//! What is known in memory, and which rows of it are in neither journal nor database yet.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use super::rows::Rows;
use super::tables::{Changes, Dirty, NameRange, RowName};

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub rows: Rows,
    /// Rows of tables on disk that the database does not have yet.
    pub ahead: Changes,
    /// Rows that are in no record of the journal yet.
    pub dirty: Dirty,
    /// Invariant: every row that the journal holds and the database does not. May also be dirty again.
    journaled: Dirty,
    /// Counts puts.
    pub put: u64,
    /// Invariant: every put up to this one is durable.
    pub durable: u64,
    pub committing: bool,
    /// Of the last record, or checkpoint, for which rows were taken. Everything put before that is in `rows`.
    pub number: u64,
}

/// What one record, or one transaction, makes durable.
#[derive(Debug)]
pub(super) struct Batch {
    pub number: u64,
    /// Puts up to this one are in it.
    pub upto: u64,
    pub changes: Changes,
    /// Of these rows some were in no record, the others in the journal.
    dirty: Dirty,
    journaled: Dirty,
}

impl Memory {
    /// All of it is durable as of this number.
    pub fn durable(rows: Rows, number: u64) -> Self {
        Memory { rows, number, ..Memory::default() }
    }

    pub fn touch(&mut self, name: RowName) {
        self.dirty.insert(name);
        self.put += 1;
    }

    pub fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// The journal holds what the database does not.
    pub fn has_journaled(&self) -> bool {
        !self.journaled.is_empty()
    }

    /// The next record: for [`Self::recorded`] or [`Self::give_back`]. Written or not, a number is used once.
    pub fn take_for_record(&mut self) -> Batch {
        let dirty = std::mem::take(&mut self.dirty);
        self.batch(dirty, Dirty::new())
    }

    /// Everything that the database does not have: for [`Self::checkpointed`] or [`Self::give_back`].
    pub fn take_for_checkpoint(&mut self) -> Batch {
        let dirty = std::mem::take(&mut self.dirty);
        let journaled = std::mem::take(&mut self.journaled);
        self.batch(dirty, journaled)
    }

    fn batch(&mut self, dirty: Dirty, journaled: Dirty) -> Batch {
        self.number += 1;
        let row = |name: &RowName| match self.ahead.get(name) {
            Some(row) => row.clone(),
            None => self.rows.row(name),
        };
        let changes = dirty.union(&journaled).map(|name| (name.clone(), row(name))).collect();
        Batch { number: self.number, upto: self.put, changes, dirty, journaled }
    }

    /// The batch is in the journal.
    pub fn recorded(&mut self, batch: Batch) {
        self.durable = batch.upto;
        self.journaled.extend(batch.dirty);
    }

    /// The batch is in the database.
    pub fn checkpointed(&mut self, batch: Batch) {
        self.durable = batch.upto;
        // What was put meanwhile is dirty again.
        self.ahead.retain(|name, _| !batch.changes.contains_key(name) || self.dirty.contains(name));
    }

    /// The batch could not be written.
    pub fn give_back(&mut self, batch: Batch) {
        self.dirty.extend(batch.dirty);
        self.journaled.extend(batch.journaled);
    }

    /// For a new database; what was removed is not there anyway.
    pub fn everything(&self) -> Changes {
        let mut everything = self.rows.all();
        everything.extend(self.ahead.clone());
        everything
    }

    /// By the bytes of the keys.
    pub fn ahead_in(&self, range: &NameRange) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        let first = RowName { table: range.table.into(), key: range.first().to_vec() };
        let names = self.ahead.range(first..).take_while(|(name, _)| name.table == range.table);
        let rows = names.filter(|(name, _)| range.keys.contains(&name.key));
        rows.map(|(name, row)| (name.key.clone(), row.clone())).collect()
    }
}
