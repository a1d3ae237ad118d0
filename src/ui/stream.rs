//! The loaded part of the merged timeline, on the screen and around it: rows, selection, following.
//!
//! Plain data: [`super::record_loader`] checks it for missing rows and loads them.

mod moves;
mod rows;

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::tz::TimeZone;
use memchr::memmem;

use super::filter::Filters;
use super::mask::Mask;
use super::record_text;
use super::search::{RunningSearch, Search};
use crate::event::FileId;
use crate::follow::view::{Entry, Frontier, Position, Scope};
use crate::privacy::token;

/// Minimum number of rows kept above and below the screen.
const SPARE_ROWS: usize = 150;

/// One record of the timeline.
#[derive(Clone, Debug)]
pub struct Row {
    pub entry: Entry,
    /// Its position in the timeline: for every file, the offset of the first record that does not come before it.
    /// `None` for an incomplete record.
    pub at: Option<Frontier>,
    /// Number of lines of its text.
    pub lines: u16,
}

impl Row {
    pub fn holds_tokens(&self) -> bool {
        memmem::find(self.entry.event().text(), token::PREFIX.as_bytes()).is_some()
    }
}

/// Where to load the rows again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    End,
    Start,
    /// Around this record. Files without a known offset are positioned by its time.
    Around {
        position: Position,
        at: Frontier,
    },
}

/// The state of the pane that shows the timeline.
#[derive(Debug)]
pub struct Stream {
    pub rows: VecDeque<Row>,
    /// The offsets in every file before the first and behind the last row; records beyond them are not loaded.
    pub head: Frontier,
    pub tail: Frontier,
    pub at_head: bool,
    pub at_tail: bool,
    /// Index of the first row on the screen, and how many of its lines are above the screen.
    pub top: usize,
    pub clip: u16,
    pub selected: usize,
    pub is_following: bool,
    /// A move of the selection, in rows, that continues once more rows are loaded.
    pub pending_move: i64,
    /// Number of columns scrolled to the right.
    pub column: usize,
    /// Height of the pane in lines.
    pub height: u16,
    pub reset: Option<Reset>,
    /// Whether files have changed since the rows at the tail were read.
    pub stale: bool,
    /// Number of records counted so far that arrived since the screen was paused.
    pub new_below: u64,
    /// The offsets up to which they are counted.
    pub new_counted_to: Option<Frontier>,
    /// Whether there may be more such records to count.
    pub new_count_stale: bool,
    /// Set after a jump: some rows above the target are wanted as context.
    pub wants_context: bool,
    /// Number of records that arrived since the pause and belong above the screen.
    pub late_above: u64,
    pub filters: Filters,
    pub mask: Mask,
    pub hidden: Vec<FileId>,
    /// Invariant: the files of [`super::state::State::files`], in the same order.
    pub files: Vec<FileId>,
    /// Time zone of each file, for timestamps without one.
    pub zones: Vec<TimeZone>,
    pub search: Option<Search>,
    pub running_search: Option<RunningSearch>,
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
            is_following: true,
            pending_move: 0,
            column: 0,
            height: 0,
            reset: Some(Reset::End),
            stale: true,
            new_below: 0,
            new_counted_to: None,
            new_count_stale: false,
            wants_context: false,
            late_above: 0,
            filters: Filters::default(),
            mask: Mask::default(),
            hidden: Vec::new(),
            files: Vec::new(),
            zones: Vec::new(),
            search: None,
            running_search: None,
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

    /// Number of lines that a row takes on the screen: of a long record only the start is shown.
    pub fn lines_of(&self, index: usize) -> u16 {
        let most = (self.height / 3).max(1);
        self.rows.get(index).map_or(1, |row| row.lines.clamp(1, most))
    }

    /// Index of the first row below the screen; the number of rows if there is none.
    pub fn below(&self) -> usize {
        let mut left = i64::from(self.height.max(1)) + i64::from(self.clip);
        let mut index = self.top;
        while left > 0 && index < self.rows.len() {
            left -= i64::from(self.lines_of(index));
            index += 1;
        }
        index
    }

    /// The offsets behind the last visible row.
    pub fn offsets_below(&self) -> &Frontier {
        self.offsets_before(self.below())
    }

    /// Whether too few rows are loaded above the screen.
    pub fn needs_older(&self) -> bool {
        !self.at_head && (self.pending_move < 0 || self.top < usize::from(self.height).max(1))
    }

    /// Whether too few rows are loaded below the screen.
    pub fn needs_newer(&self) -> bool {
        let below = self.rows.len().saturating_sub(self.top);
        let wanted = usize::from(self.height) * 2 + 1;
        !self.at_tail && (self.is_following || self.pending_move > 0 || below < wanted)
    }

    /// Jumps to the end and follows it.
    pub fn follow_end(&mut self) {
        self.is_following = true;
        self.pending_move = 0;
        self.new_below = 0;
        self.new_counted_to = None;
        self.late_above = 0;
        if self.at_tail {
            self.selected = self.rows.len().saturating_sub(1);
            self.scroll_to_selection();
        } else {
            self.restart(Reset::End);
        }
    }

    /// Pauses scrolling; new records are counted from now on.
    pub fn pause(&mut self) {
        if self.is_following {
            self.is_following = false;
            self.new_below = 0;
            self.late_above = 0;
            self.new_counted_to = self.at_tail.then(|| self.tail.clone());
        }
    }

    /// Drops all rows; they are loaded again at `reset`.
    pub fn restart(&mut self, reset: Reset) {
        self.rows.clear();
        (self.top, self.clip, self.selected, self.pending_move) = (0, 0, 0, 0);
        (self.at_head, self.at_tail) = (false, false);
        self.wants_context = matches!(reset, Reset::Around { .. });
        self.reset = Some(reset);
    }

    /// Loads the rows again, around the selected record or, while following, at the end.
    pub fn reload(&mut self) {
        let around = self.around_selected();
        match around {
            Some(around) if !self.is_following => {
                let new_counted_to = self.new_counted_to.clone();
                self.restart(around);
                self.new_below = 0;
                self.new_counted_to = new_counted_to;
            }
            _ if self.is_following => self.restart(Reset::End),
            // No row is loaded: a pending reset keeps its position.
            _ => {
                let end = self.reset.take().unwrap_or(Reset::End);
                self.restart(end);
            }
        }
    }

    /// Loads the rows again after a file was hidden or shown: its offset in the timeline is no longer known.
    pub fn reload_around_file(&mut self, file: FileId) {
        let slot = self.files.iter().position(|known| *known == file);
        self.reload();
        if let (Some(Reset::Around { at, .. }), Some(slot)) = (&mut self.reset, slot) {
            let offsets =
                at.iter().enumerate().map(|(other, at)| if other == slot { 0 } else { *at });
            *at = offsets.collect();
        }
    }

    /// Loads the rows again after files were removed: only the offset of the selected record is still valid.
    pub fn reload_after_removal(&mut self) {
        let here = self.rows.get(self.selected).map(|row| row.entry.position);
        self.running_search = None;
        self.new_counted_to = None;
        self.restart(match here {
            Some(position) if !self.is_following => {
                Reset::Around { position, at: Frontier::from([]) }
            }
            _ => Reset::End,
        });
    }

    fn around_selected(&self) -> Option<Reset> {
        let row = self.rows.get(self.selected)?;
        let at = self.offsets_before(self.selected).clone();
        Some(Reset::Around { position: row.entry.position, at })
    }

    /// Drops rows far from the screen, to limit memory. They are loaded again when needed.
    pub fn trim(&mut self) {
        let most = usize::from(self.height) * 3 + SPARE_ROWS;
        let keep = usize::from(self.height) + SPARE_ROWS;
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

/// A row with the offsets before it.
pub fn row(entry: Entry, at: &[u64], mask: &Mask) -> Row {
    let mut before: Vec<u64> = at.to_vec();
    before[entry.slot] = entry.position.offset;
    let lines = lines_of(&entry, mask);
    Row { lines, at: Some(Arc::from(before)), entry }
}

/// The row of an incomplete record.
pub fn incomplete_row(entry: Entry, mask: &Mask) -> Row {
    Row { lines: lines_of(&entry, mask), at: None, entry }
}

/// Number of lines of the record's text, at most 500: a screen never shows more.
fn lines_of(entry: &Entry, mask: &Mask) -> u16 {
    record_text::count(&entry.event(), mask).min(500) as u16
}
