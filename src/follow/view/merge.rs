//! Merges all files into one timeline: a k-way merge that walks in either direction from any position.
//!
//! A position in the timeline is a [`Frontier`]: per file, the offset between the records before and after it. Records
//! are not numbered and no merged list is kept, so a frontier stays valid while files grow.
//! Records are ordered by key ([`Piece::keys`]: nearly the time), and for equal keys by file. Within one file they stay
//! in file order.

use std::collections::HashSet;
use std::sync::Arc;

use super::file::FileView;
use super::piece::{Piece, has_own_time};
use super::step_budget::Budget;
use crate::base::Timestamp;
use crate::event::{Batch, Event, FileId, Flags, Level};
use crate::follow::file::FileHandle;

/// Maximum memory for the decoded pieces of all files together, in bytes.
const CACHE: usize = 16 * 1024 * 1024;

/// For each file of the timeline, in its order, an offset at which a record begins. A file that has no entry yet is at
/// its beginning.
pub type Frontier = Arc<[u64]>;

/// The position of a record in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub key: i64,
    pub file: FileId,
    pub offset: u64,
}

/// One record of the timeline.
#[derive(Clone, Debug)]
pub struct Entry {
    pub position: Position,
    /// Index of the file in the timeline.
    pub slot: usize,
    pub batch: Arc<Batch>,
    /// Index of the record in `batch`.
    pub index: usize,
    /// Whether the record may still grow.
    pub open: bool,
}

impl Entry {
    pub fn event(&self) -> Event<'_> {
        self.batch.event(self.index)
    }

    /// Whether the record has a timestamp of its own that is more than a minute from its position in the timeline.
    pub fn is_misplaced(&self) -> bool {
        let record = &self.batch.records[self.index];
        const NEAR: i64 = 60_000_000_000;
        has_own_time(record) && record.time.0.abs_diff(self.position.key) > NEAR as u64
    }

    pub fn has_own_time(&self) -> bool {
        has_own_time(&self.batch.records[self.index])
    }

    /// Whether it is a blank line or a hole: shown, but not delivered ([`Flags::QUIET`]).
    pub fn is_quiet(&self) -> bool {
        self.batch.records[self.index].flags.contains(Flags::QUIET)
    }

    pub fn end(&self) -> u64 {
        self.batch.records[self.index].end
    }
}

/// The result of one step of a walk. `at` has been moved past all examined records.
#[derive(Debug)]
pub enum Step {
    Found(Box<Entry>),
    /// The budget is spent: continue from `at`.
    Later,
    /// No more records in this direction.
    Edge,
}

/// The records that a walk may skip unread: those of hidden files, and whole blocks without a wanted level.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Bit 0 is "no level", then trace … fatal.
    pub levels: u8,
    pub hidden: Vec<bool>,
}

impl Scope {
    pub fn all() -> Self {
        Scope { levels: u8::MAX, hidden: Vec::new() }
    }

    pub fn hides(&self, slot: usize) -> bool {
        self.hidden.get(slot).copied().unwrap_or(false)
    }

    pub fn wants(&self, level: Option<Level>) -> bool {
        self.levels & (1 << Level::slot(level)) != 0
    }
}

/// The files in the order in which they were added. When one is removed, all frontiers become invalid.
#[derive(Debug, Default)]
pub struct Timeline {
    pub files: Vec<FileView>,
}

/// The direction of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Backward,
    Forward,
}

/// The next record of one file.
struct NextRecord {
    piece: Arc<Piece>,
    index: usize,
}

impl NextRecord {
    fn order(&self, slot: usize) -> (i64, usize) {
        (self.piece.keys[self.index], slot)
    }

    /// The index of the next complete record of this piece.
    fn next(&self, direction: Direction) -> Option<usize> {
        match direction {
            Direction::Backward => self.index.checked_sub(1),
            Direction::Forward => Some(self.index + 1).filter(|index| *index < self.piece.open),
        }
    }
}

impl Timeline {
    /// Takes over the current list of files and their facts; `true` if the screen may have to change.
    pub fn refresh(&mut self, handles: &[Arc<FileHandle>], now: Timestamp) -> bool {
        let before = self.files.len();
        // Handles of dropped files are released, so that their descriptors are closed.
        let current: HashSet<FileId> = handles.iter().map(|handle| handle.id).collect();
        self.files.retain(|view| current.contains(&view.id()));
        let mut changed = before != self.files.len();
        for view in &mut self.files {
            changed |= view.refresh(now);
        }
        let known: HashSet<FileId> = self.files.iter().map(FileView::id).collect();
        for handle in handles.iter().filter(|handle| !known.contains(&handle.id)) {
            self.files.push(FileView::new(handle.clone(), now));
            changed = true;
        }
        changed
    }

    pub fn start(&self) -> Frontier {
        self.files.iter().map(|_| 0).collect()
    }

    /// The frontier after the last complete record of every file.
    pub fn end(&mut self) -> Frontier {
        self.files.iter_mut().map(FileView::complete_end).collect()
    }

    /// Records that may still grow. They are after [`Timeline::end`], and walks do not return them.
    pub fn open_records(&mut self, scope: &Scope) -> Vec<Entry> {
        let mut open = Vec::new();
        for slot in 0..self.files.len() {
            let view = &mut self.files[slot];
            if scope.hides(slot) {
                continue;
            }
            let Some(piece) = view.tail() else { continue };
            let records = piece.open..piece.batch.records.len();
            let wanted = records.filter(|index| scope.wants(piece.batch.records[*index].level));
            let file = view.id();
            open.extend(wanted.map(|index| entry_of(file, slot, &piece, index)));
        }
        open
    }

    /// Bytes of complete records between `at` and the ends of the files.
    pub fn bytes_behind(&mut self, at: &[u64]) -> u64 {
        let end = self.end();
        let offsets = at.iter().copied().chain(std::iter::repeat(0));
        end.iter().zip(offsets).map(|(end, offset)| end.saturating_sub(offset)).sum()
    }

    /// The frontier before the first record with this key or a higher one. Files for which `keep` returns an offset use
    /// that instead.
    pub fn place(
        &mut self,
        key: i64,
        keep: impl Fn(usize) -> Option<u64>,
        budget: &mut Budget,
    ) -> Frontier {
        self.files
            .iter_mut()
            .enumerate()
            .map(|(slot, view)| keep(slot).unwrap_or_else(|| view.locate(key, budget)))
            .collect()
    }

    /// Walks back from `at` to the nearest record that `accept` accepts.
    pub fn back(
        &mut self,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        self.walk(Direction::Backward, at, scope, accept, budget)
    }

    /// Walks forward from `at` to the nearest record that `accept` accepts; `at` is then after it.
    pub fn forward(
        &mut self,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        self.walk(Direction::Forward, at, scope, accept, budget)
    }

    fn walk(
        &mut self,
        direction: Direction,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        at.resize(self.files.len(), 0);
        let mut heads: Vec<Option<NextRecord>> = (0..at.len())
            .map(|slot| self.next_record(direction, slot, at, scope, budget))
            .collect();
        loop {
            let orders =
                (0..heads.len()).filter_map(|slot| Some((heads[slot].as_ref()?.order(slot), slot)));
            let best = match direction {
                Direction::Backward => orders.max(),
                Direction::Forward => orders.min(),
            };
            let Some((_, slot)) = best else { return self.finish(Step::Edge) };
            let Some(head) = heads[slot].take() else { return Step::Edge };
            let record = &head.piece.batch.records[head.index];
            at[slot] = match direction {
                Direction::Backward => record.start,
                Direction::Forward => record.end,
            };
            if let Some(entry) = self.accepted(slot, &head, scope, accept) {
                return self.finish(Step::Found(Box::new(entry)));
            }
            budget.spend_record();
            if budget.is_spent() {
                return self.finish(Step::Later);
            }
            heads[slot] = match head.next(direction) {
                Some(index) => Some(NextRecord { index, ..head }),
                None => self.next_record(direction, slot, at, scope, budget),
            };
        }
    }

    /// The lowest key of all next records after `at`, over all files that are not hidden.
    pub fn next_key(&mut self, at: &[u64], scope: &Scope, budget: &mut Budget) -> Option<i64> {
        let mut at = at.to_vec();
        at.resize(self.files.len(), 0);
        (0..at.len())
            .filter_map(|slot| {
                let head = self.next_record(Direction::Forward, slot, &mut at, scope, budget)?;
                Some(head.piece.keys[head.index])
            })
            .min()
    }

    fn accepted(
        &self,
        slot: usize,
        head: &NextRecord,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
    ) -> Option<Entry> {
        let record = &head.piece.batch.records[head.index];
        if !scope.wants(record.level) {
            return None;
        }
        let entry = entry_of(self.files[slot].id(), slot, &head.piece, head.index);
        accept(&entry).then_some(entry)
    }

    fn next_record(
        &mut self,
        direction: Direction,
        slot: usize,
        at: &mut [u64],
        scope: &Scope,
        budget: &mut Budget,
    ) -> Option<NextRecord> {
        if scope.hides(slot) {
            return None;
        }
        let view = &mut self.files[slot];
        let unwanted = |view: &FileView, at| match direction {
            Direction::Backward => view.tally.skip_back(at, scope.levels),
            Direction::Forward => view.tally.skip_on(at, scope.levels),
        };
        while let Some(to) = unwanted(view, at[slot]) {
            at[slot] = to;
        }
        let (piece, index) = match direction {
            Direction::Backward => {
                let piece = view.before(at[slot], budget)?;
                let index = piece.last_before(at[slot])?;
                (piece, index)
            }
            Direction::Forward => {
                let piece = view.after(at[slot], budget)?;
                let index = piece.first_from(at[slot]).filter(|index| *index < piece.open)?;
                (piece, index)
            }
        };
        Some(NextRecord { piece, index })
    }

    fn finish(&mut self, step: Step) -> Step {
        let held: usize = self.files.iter().map(FileView::weight).sum();
        if held > CACHE {
            self.files.iter_mut().for_each(FileView::drop_least_used);
        }
        step
    }

    /// Continues counting the records of each level, within the budget; `false` if all files are counted.
    pub fn count_more(&mut self, budget: &mut Budget) -> bool {
        let mut more = false;
        for view in &mut self.files {
            more |= view.count_more(budget);
            if budget.is_spent() {
                return true;
            }
        }
        more
    }
}

fn entry_of(file: FileId, slot: usize, piece: &Piece, index: usize) -> Entry {
    Entry {
        position: Position {
            key: piece.keys[index],
            file,
            offset: piece.batch.records[index].start,
        },
        slot,
        batch: piece.batch.clone(),
        index,
        open: index >= piece.open,
    }
}
