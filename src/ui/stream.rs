//! The part of the merged timeline that is on the screen or near it: rows, selection, following.
//!
//! Plain data. What is missing is asked for by [`super::record_loader`], which looks at what this says it has.

mod moves;
mod rows;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::tz::TimeZone;
use memchr::memmem;

use super::filter::Filters;
use super::mask::Mask;
use super::record_text;
use super::search::{Hunt, Search};
use crate::event::FileId;
use crate::follow::view::{Entry, Frontier, Position, Scope};
use crate::privacy::token;

/// Rows that are kept around the screen, at least.
const SPARE: usize = 150;

/// One shown record.
#[derive(Clone, Debug)]
pub struct Row {
    pub entry: Entry,
    /// The place right before it; an open record has none.
    pub at: Option<Frontier>,
    /// Lines of its text.
    pub lines: u16,
}

impl Row {
    pub fn holds_tokens(&self) -> bool {
        memmem::find(self.entry.event().text(), token::PREFIX.as_bytes()).is_some()
    }
}

/// From where the rows are to be read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    End,
    Start,
    /// Around this record: files that were hidden find their place by its time.
    Around {
        position: Position,
        at: Frontier,
    },
}

#[derive(Debug)]
pub struct Stream {
    pub rows: VecDeque<Row>,
    /// The places before the first and behind the last row. What lies beyond is not known yet.
    pub head: Frontier,
    pub tail: Frontier,
    pub at_head: bool,
    pub at_tail: bool,
    /// The first row on the screen, and how many of its lines stand above the screen.
    pub top: usize,
    pub clip: u16,
    pub selected: usize,
    pub follow: bool,
    /// Rows that the selection should still move when they have been read.
    pub owed: i64,
    /// Columns scrolled to the right.
    pub column: usize,
    /// Lines of the screen for rows.
    pub height: u16,
    pub reset: Option<Reset>,
    /// Files have changed since the tail was looked at.
    pub stale: bool,
    /// Records that came since the screen was held, as far as they are counted.
    pub fresh: u64,
    pub fresh_at: Option<Frontier>,
    /// There may be more of them to count.
    pub fresh_stale: bool,
    /// A record was jumped to: some lines above it are wanted too.
    pub lead: bool,
    /// Records that came since then and belong above the screen.
    pub late: u64,
    pub filters: Filters,
    pub mask: Mask,
    pub hidden: Vec<FileId>,
    /// The files of the timeline, in its order. Invariant: those of the screen's sources, in their order.
    pub files: Vec<FileId>,
    /// The zones of their naive times.
    pub zones: Vec<TimeZone>,
    pub search: Option<Search>,
    pub hunt: Option<Hunt>,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            rows: VecDeque::new(),
            head: Frontier::from([]),
            tail: Frontier::from([]),
            at_head: false,
            at_tail: false,
            top: 0,
            clip: 0,
            selected: 0,
            follow: true,
            owed: 0,
            column: 0,
            height: 0,
            reset: Some(Reset::End),
            stale: true,
            fresh: 0,
            fresh_at: None,
            fresh_stale: false,
            lead: false,
            late: 0,
            filters: Filters::default(),
            mask: Mask::default(),
            hidden: Vec::new(),
            files: Vec::new(),
            zones: Vec::new(),
            search: None,
            hunt: None,
        }
    }
}

impl Stream {
    pub fn scope(&self) -> Scope {
        let hidden = self.files.iter().map(|file| self.hidden.contains(file)).collect();
        Scope { levels: self.filters.mask(), hidden }
    }

    pub fn selected_row(&self) -> Option<&Row> {
        self.rows.get(self.selected)
    }

    /// Lines that a row takes on the screen: a record of many lines shows its beginning.
    pub fn lines_of(&self, index: usize) -> u16 {
        let most = (self.height / 3).max(1);
        self.rows.get(index).map_or(1, |row| row.lines.clamp(1, most))
    }

    /// The first row below the screen; where there is none, how many rows there are.
    pub fn below(&self) -> usize {
        let mut left = i64::from(self.height.max(1)) + i64::from(self.clip);
        let mut index = self.top;
        while left > 0 && index < self.rows.len() {
            left -= i64::from(self.lines_of(index));
            index += 1;
        }
        index
    }

    /// The place behind the last row on the screen.
    pub fn seen(&self) -> &Frontier {
        self.place_of(self.below())
    }

    /// Rows above the screen are too few to go on upwards.
    pub fn needs_back(&self) -> bool {
        !self.at_head && (self.owed < 0 || self.top < usize::from(self.height).max(1))
    }

    /// Rows below the screen are too few to go on downwards.
    pub fn needs_forward(&self) -> bool {
        let below = self.rows.len().saturating_sub(self.top);
        let wanted = usize::from(self.height) * 2 + 1;
        !self.at_tail && (self.follow || self.owed > 0 || below < wanted)
    }

    /// Shows from the end on and goes along with it.
    pub fn follow_end(&mut self) {
        self.follow = true;
        self.owed = 0;
        self.fresh = 0;
        self.fresh_at = None;
        self.late = 0;
        if self.at_tail {
            self.selected = self.rows.len().saturating_sub(1);
            self.settle();
        } else {
            self.restart(Reset::End);
        }
    }

    /// Stands still from now on; what comes is counted.
    pub fn hold(&mut self) {
        if self.follow {
            self.follow = false;
            self.fresh = 0;
            self.late = 0;
            self.fresh_at = self.at_tail.then(|| self.tail.clone());
        }
    }

    pub fn restart(&mut self, reset: Reset) {
        self.rows.clear();
        (self.top, self.clip, self.selected, self.owed) = (0, 0, 0, 0);
        (self.at_head, self.at_tail) = (false, false);
        self.lead = matches!(reset, Reset::Around { .. });
        self.reset = Some(reset);
    }

    /// Reads what is shown anew, around the selected record; at the end while following.
    pub fn reread(&mut self) {
        let around = self.around_selected();
        match around {
            Some(around) if !self.follow => {
                let fresh_at = self.fresh_at.clone();
                self.restart(around);
                self.fresh = 0;
                self.fresh_at = fresh_at;
            }
            _ if self.follow => self.restart(Reset::End),
            // Nothing is shown: what is known of the place is kept.
            _ => {
                let end = self.reset.take().unwrap_or(Reset::End);
                self.restart(end);
            }
        }
    }

    /// A file was hidden or is shown again: its place is not known any more.
    pub fn reread_without(&mut self, file: FileId) {
        let slot = self.files.iter().position(|known| *known == file);
        self.reread();
        if let (Some(Reset::Around { at, .. }), Some(slot)) = (&mut self.reset, slot) {
            let forgotten =
                at.iter().enumerate().map(|(other, at)| if other == slot { 0 } else { *at });
            *at = forgotten.collect();
        }
    }

    /// Files are gone: no place is known any more but that of the selected record.
    pub fn renumber(&mut self) {
        let here = self.rows.get(self.selected).map(|row| row.entry.position);
        self.hunt = None;
        self.fresh_at = None;
        self.restart(match here {
            Some(position) if !self.follow => Reset::Around { position, at: Frontier::from([]) },
            _ => Reset::End,
        });
    }

    fn around_selected(&self) -> Option<Reset> {
        let row = self.rows.get(self.selected)?;
        let at = self.place_of(self.selected).clone();
        Some(Reset::Around { position: row.entry.position, at })
    }

    /// Nothing unbounded: rows far from the screen are dropped and read again when they are wanted.
    pub fn trim(&mut self) {
        let most = usize::from(self.height) * 3 + SPARE;
        let keep = usize::from(self.height) + SPARE;
        while self.rows.len() > most && self.top > keep {
            let removed = self.rows.pop_front();
            let Some(at) = self.rows.front().and_then(|row| row.at.clone()) else {
                if let Some(removed) = removed {
                    self.rows.push_front(removed);
                }
                return;
            };
            self.head = at;
            self.at_head = false;
            self.top -= 1;
            self.selected = self.selected.saturating_sub(1);
        }
        while self.rows.len() > most && self.rows.len() - self.top > 2 * keep {
            let Some(last) = self.rows.pop_back() else { return };
            self.at_tail = false;
            if let Some(at) = last.at {
                self.tail = at;
            }
        }
    }
}

/// A row with the place before it.
pub fn row(entry: Entry, at: &[u64], mask: &Mask) -> Row {
    let mut before: Vec<u64> = at.to_vec();
    before[entry.slot] = entry.position.offset;
    let lines = lines_of(&entry, mask);
    Row { lines, at: Some(Arc::from(before)), entry }
}

/// The row of a record that may still grow.
pub fn open_row(entry: Entry, mask: &Mask) -> Row {
    Row { lines: lines_of(&entry, mask), at: None, entry }
}

// Nobody draws more lines than a screen has.
fn lines_of(entry: &Entry, mask: &Mask) -> u16 {
    record_text::count(&entry.event(), mask).min(500) as u16
}
