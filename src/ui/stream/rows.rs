//! Rows that do not simply stand behind the others: records that may still grow, and records that came late.
//!
//! Invariant: rows are in the order of the timeline, and the places of each row (and of `head` and `tail`) are
//! before that row in every file. A row that is put among others is added to the places of those behind it.

use super::{Row, Stream};
use crate::follow::view::{Frontier, Position};

impl Stream {
    /// The place before this row. An open record has none: that of the next row is right behind it.
    pub fn place_of(&self, index: usize) -> &Frontier {
        self.rows.iter().skip(index).find_map(|row| row.at.as_ref()).unwrap_or(&self.tail)
    }

    /// Adds what came behind `tail`. A record of an older time is put where it belongs; if that is above the rows that
    /// are loaded, it is met there by who scrolls up.
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
        let mut at = self.place_of(index).to_vec();
        if let Some(place) = at.get_mut(slot) {
            *place = start;
        }
        row.at = Some(at.into());
        for behind in self.rows.iter_mut().skip(index) {
            behind.at = behind.at.take().map(|at| passed(&at, slot, end));
        }
        if index == 0 && !self.at_head {
            self.head = passed(&self.head, slot, end);
        } else {
            self.insert(index, row);
        }
    }

    /// Takes away the open records, which are given anew at every look at the tail.
    pub fn drop_open(&mut self) {
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

    /// Puts open records where their time belongs, if that is among the rows.
    pub fn insert_open(&mut self, open: Vec<Row>) {
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

    /// The screen stands still around the selected row.
    fn insert(&mut self, index: usize, row: Row) {
        self.rows.insert(index, row);
        if index <= self.top && !self.follow && self.rows.len() > 1 {
            self.top += 1;
        }
        if index <= self.selected && !self.follow && self.rows.len() > 1 {
            self.selected += 1;
        }
    }

    pub fn find(&self, position: Position) -> Option<usize> {
        let same = |row: &Row| {
            let found = row.entry.position;
            found.file == position.file && found.offset == position.offset
        };
        self.rows.iter().position(same)
    }
}

/// The place behind a record that ends there.
fn passed(at: &Frontier, slot: usize, end: u64) -> Frontier {
    let mut at = at.to_vec();
    if let Some(place) = at.get_mut(slot) {
        *place = (*place).max(end);
    }
    at.into()
}
