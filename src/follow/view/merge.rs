//! All files as one timeline: a k-way merge that walks in either direction from any place.
//!
//! A place is a [`Frontier`]: for each file, the offset that divides what stands before from what stands
//! after. Nothing is numbered and no merged list is kept, so a place stays true while files grow.
//! Order: key, then source, then offset. Within one file, file order stands.

use std::collections::HashSet;
use std::sync::Arc;

use super::file::FileView;
use super::piece::{Piece, has_own_time};
use super::step_budget::Budget;
use crate::base::Timestamp;
use crate::event::{Batch, Event, FileId, Flags, Level};
use crate::follow::file::FileHandle;

/// Decoded pieces of all files together, in bytes.
const CACHE: usize = 16 * 1024 * 1024;

/// For each file of the timeline, in its order, an offset at which a record begins. A file that is not in it
/// yet stands at its beginning.
pub type Frontier = Arc<[u64]>;

/// Where a record stands in the timeline.
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
    /// Which file of the timeline.
    pub slot: usize,
    pub batch: Arc<Batch>,
    pub index: usize,
    /// May still grow.
    pub open: bool,
}

impl Entry {
    pub fn event(&self) -> Event<'_> {
        self.batch.event(self.index)
    }

    /// Its own time is shown, but it does not stand where that time belongs.
    pub fn is_misplaced(&self) -> bool {
        let record = &self.batch.records[self.index];
        const NEAR: i64 = 60_000_000_000;
        has_own_time(record) && record.time.0.abs_diff(self.position.key) > NEAR as u64
    }

    pub fn has_own_time(&self) -> bool {
        has_own_time(&self.batch.records[self.index])
    }

    pub fn is_quiet(&self) -> bool {
        self.batch.records[self.index].flags.contains(Flags::QUIET)
    }

    pub fn end(&self) -> u64 {
        self.batch.records[self.index].end
    }
}

/// What a step of a walk found. `at` has been moved over it.
#[derive(Debug)]
pub enum Step {
    Found(Box<Entry>),
    /// The budget is spent: go on from `at`.
    Later,
    /// Nothing more in this direction.
    Edge,
}

/// What a walk may pass over without looking: hidden files, and whole blocks without a wanted level.
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

/// Files in the order of their first appearance. When one is gone, every frontier is void.
#[derive(Debug, Default)]
pub struct Timeline {
    pub files: Vec<FileView>,
}

/// In which direction a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Back,
    On,
}

/// The record that a file would give next.
struct Head {
    piece: Arc<Piece>,
    index: usize,
}

impl Head {
    fn order(&self, slot: usize) -> (i64, usize) {
        (self.piece.keys[self.index], slot)
    }

    /// The complete record of this piece that comes next.
    fn next(&self, way: Way) -> Option<usize> {
        match way {
            Way::Back => self.index.checked_sub(1),
            Way::On => Some(self.index + 1).filter(|index| *index < self.piece.open),
        }
    }
}

impl Timeline {
    /// Takes over files and their ends as they are now; says whether anything could look different.
    pub fn refresh(&mut self, handles: &[Arc<FileHandle>], now: Timestamp) -> bool {
        let before = self.files.len();
        // Whoever gave a file up wants its descriptor closed.
        let given: HashSet<FileId> = handles.iter().map(|handle| handle.id).collect();
        self.files.retain(|view| given.contains(&view.id()));
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

    /// Behind the last complete record of every file.
    pub fn end(&mut self) -> Frontier {
        self.files.iter_mut().map(FileView::complete_end).collect()
    }

    /// Records that may still grow: they stand behind [`Timeline::end`], and no walk meets them.
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
        let places = at.iter().copied().chain(std::iter::repeat(0));
        end.iter().zip(places).map(|(end, place)| end.saturating_sub(place)).sum()
    }

    /// The place before the first record with this key, for the files that `keep` says nothing about.
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

    /// Walks back from `at` to the nearest record that `accept` takes.
    pub fn back(
        &mut self,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        self.walk(Way::Back, at, scope, accept, budget)
    }

    /// Walks on from `at` to the nearest record that `accept` takes; `at` then stands behind it.
    pub fn forward(
        &mut self,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        self.walk(Way::On, at, scope, accept, budget)
    }

    fn walk(
        &mut self,
        way: Way,
        at: &mut Vec<u64>,
        scope: &Scope,
        accept: &mut dyn FnMut(&Entry) -> bool,
        budget: &mut Budget,
    ) -> Step {
        at.resize(self.files.len(), 0);
        let mut heads: Vec<Option<Head>> =
            (0..at.len()).map(|slot| self.head(way, slot, at, scope, budget)).collect();
        loop {
            let orders =
                (0..heads.len()).filter_map(|slot| Some((heads[slot].as_ref()?.order(slot), slot)));
            let best = match way {
                Way::Back => orders.max(),
                Way::On => orders.min(),
            };
            let Some((_, slot)) = best else { return self.finish(Step::Edge) };
            let Some(head) = heads[slot].take() else { return Step::Edge };
            let record = &head.piece.batch.records[head.index];
            at[slot] = match way {
                Way::Back => record.start,
                Way::On => record.end,
            };
            if let Some(entry) = self.take(slot, &head, scope, accept) {
                return self.finish(Step::Found(Box::new(entry)));
            }
            budget.spend_record();
            if budget.is_spent() {
                return self.finish(Step::Later);
            }
            heads[slot] = match head.next(way) {
                Some(index) => Some(Head { index, ..head }),
                None => self.head(way, slot, at, scope, budget),
            };
        }
    }

    /// The key of the first record behind `at`, over all files that are shown.
    pub fn next_key(&mut self, at: &[u64], scope: &Scope, budget: &mut Budget) -> Option<i64> {
        let mut at = at.to_vec();
        at.resize(self.files.len(), 0);
        (0..at.len())
            .filter_map(|slot| {
                let head = self.head(Way::On, slot, &mut at, scope, budget)?;
                Some(head.piece.keys[head.index])
            })
            .min()
    }

    fn take(
        &self,
        slot: usize,
        head: &Head,
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

    fn head(
        &mut self,
        way: Way,
        slot: usize,
        at: &mut [u64],
        scope: &Scope,
        budget: &mut Budget,
    ) -> Option<Head> {
        if scope.hides(slot) {
            return None;
        }
        let view = &mut self.files[slot];
        let unwanted = |view: &FileView, at| match way {
            Way::Back => view.tally.skip_back(at, scope.levels),
            Way::On => view.tally.skip_on(at, scope.levels),
        };
        while let Some(to) = unwanted(view, at[slot]) {
            at[slot] = to;
        }
        let (piece, index) = match way {
            Way::Back => {
                let piece = view.before(at[slot], budget)?;
                let index = piece.last_before(at[slot])?;
                (piece, index)
            }
            Way::On => {
                let piece = view.after(at[slot], budget)?;
                let index = piece.first_from(at[slot]).filter(|index| *index < piece.open)?;
                (piece, index)
            }
        };
        Some(Head { piece, index })
    }

    fn finish(&mut self, step: Step) -> Step {
        let held: usize = self.files.iter().map(FileView::weight).sum();
        if held > CACHE {
            self.files.iter_mut().for_each(FileView::shed);
        }
        step
    }

    /// Counts levels for at most `budget`; `false` when all files are counted.
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
