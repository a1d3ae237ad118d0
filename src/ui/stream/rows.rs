//! Inserts rows into the loaded stream out of order: incomplete records, and records that arrived late.
//!
//! Invariant: rows are in timeline order, and the offsets of each row (and of `head` and `tail`) are before that row
//! in every file. Inserting a row therefore updates the offsets of all rows after it.

use super::{Row, Stream};
use crate::follow::view::{Frontier, Position};

impl Stream {
    /// The offsets before this row. For an incomplete record, those of the next complete row.
    pub fn offsets_before(&self, index: usize) -> &Frontier {
        self.rows.iter().skip(index).find_map(|row| row.at.as_ref()).unwrap_or(&self.tail)
    }

    /// Adds a record from after `tail`. A record with an older time is inserted in timeline order; if it belongs
    /// above the loaded rows, it is loaded when the operator scrolls up.
    pub fn add(&mut self, mut row: Row) {
        let key = row.entry.position.key;
        let mut index = self.rows.len();
        while index > 0 && self.rows[index - 1].entry.position.key > key {
            index -= 1;
        }
        if index == self.rows.len() {
            self.rows.push_back(row);
            return;
        }
        let (slot, start, end) = (row.entry.slot, row.entry.position.offset, row.entry.end());
        let mut at = self.offsets_before(index).to_vec();
        if let Some(offset) = at.get_mut(slot) {
            *offset = start;
        }
        row.at = Some(at.into());
        for later in self.rows.iter_mut().skip(index) {
            later.at = later.at.take().map(|at| advanced(&at, slot, end));
        }
        if index == 0 && !self.at_head {
            self.head = advanced(&self.head, slot, end);
        } else {
            self.insert(index, row);
        }
    }

    /// Removes the incomplete records: every read of the tail returns them again.
    pub fn remove_incomplete(&mut self) {
        let selected = self.rows.get(self.selected).map(|row| row.entry.position);
        let open_above = self.rows.iter().take(self.top).filter(|row| row.at.is_none()).count();
        self.rows.retain(|row| row.at.is_some());
        self.top -= open_above;
        if let Some(position) = selected
            && let Some(index) = self.rows.iter().rposition(|row| row.entry.position <= position)
        {
            self.selected = index;
        }
    }

    /// Inserts incomplete records in timeline order, if they belong among the loaded rows.
    pub fn insert_incomplete(&mut self, open: Vec<Row>) {
        for row in open {
            let position = row.entry.position;
            let mut index = self.rows.len();
            while index > 0 && self.rows[index - 1].entry.position > position {
                index -= 1;
            }
            let is_above = index == 0 && !self.at_head && !self.rows.is_empty();
            let is_below = index == self.rows.len() && !self.at_tail;
            if !is_above && !is_below {
                self.insert(index, row);
            }
        }
    }

    /// Inserts a row without moving the visible rows.
    fn insert(&mut self, index: usize, row: Row) {
        self.rows.insert(index, row);
        if index <= self.top && !self.is_following && self.rows.len() > 1 {
            self.top += 1;
        }
        if index <= self.selected && !self.is_following && self.rows.len() > 1 {
            self.selected += 1;
        }
    }

    /// The index of the loaded row with this file and offset.
    pub fn find(&self, position: Position) -> Option<usize> {
        let same = |row: &Row| {
            let found = row.entry.position;
            found.file == position.file && found.offset == position.offset
        };
        self.rows.iter().position(same)
    }
}

/// The offsets, moved past a record of file `slot` that ends at `end`.
fn advanced(at: &Frontier, slot: usize, end: u64) -> Frontier {
    let mut at = at.to_vec();
    if let Some(offset) = at.get_mut(slot) {
        *offset = (*offset).max(end);
    }
    at.into()
}
