//! Records per level of one file, counted block by block in the background.
//!
//! Block k holds the records that begin in [k, k+1) MiB. Counting begins with the newest block; the last one
//! grows with the file. A block without the wanted levels need not be read at all.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::file::FileView;
use super::piece::Cut;
use crate::event::Level;
use crate::event::level::LevelCounts;

pub const BLOCK: u64 = 1024 * 1024;

/// 48 bytes a MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Block {
    /// Where its first record begins.
    first: u64,
    /// Where the first record behind it begins.
    end: u64,
    levels: [u32; 8],
}

#[derive(Debug, Default)]
pub struct Tally {
    blocks: BTreeMap<u64, Block>,
    totals: LevelCounts,
    counted: u64,
    /// What is counted is complete from here to `live`.
    oldest: u64,
    /// Everything that begins before this offset (and after `oldest`) is counted.
    live: u64,
    started: bool,
    current: Option<Pass>,
}

/// A block that is being counted, up to `at`.
#[derive(Clone, Copy, Debug)]
struct Pass {
    number: u64,
    at: u64,
    block: Block,
}

impl Tally {
    pub fn new(size: u64) -> Self {
        let oldest = size / BLOCK * BLOCK;
        Tally { oldest, ..Tally::default() }
    }

    pub fn totals(&self) -> &LevelCounts {
        &self.totals
    }

    /// Bytes that have been counted so far.
    pub fn counted_bytes(&self) -> u64 {
        self.counted
    }

    /// Everything but the open record is counted.
    pub fn is_complete(&self) -> bool {
        self.started && self.oldest == 0 && self.current.is_none()
    }

    /// Where to go on backwards from `offset` when only levels of `mask` are wanted: the beginning of
    /// the block, if nothing in it is wanted.
    pub fn skip_back(&self, offset: u64, mask: u8) -> Option<u64> {
        let block = self.block_of(offset.checked_sub(1)?, mask)?;
        (block.first < offset).then_some(block.first)
    }

    /// The same, forwards.
    pub fn skip_on(&self, offset: u64, mask: u8) -> Option<u64> {
        let block = self.block_of(offset, mask)?;
        (block.end > offset).then_some(block.end)
    }

    fn block_of(&self, offset: u64, mask: u8) -> Option<&Block> {
        let (_, block) = self.blocks.range(..=offset / BLOCK).next_back()?;
        let inside = block.first <= offset && offset < block.end;
        let unwanted = (0..8).all(|slot| mask & (1 << slot) == 0 || block.levels[slot] == 0);
        (inside && unwanted).then_some(block)
    }

    /// Counts on; `false` when there is nothing to count now.
    pub(super) fn advance(&mut self, view: &FileView, budget: &mut Budget) -> bool {
        if !self.started {
            self.started = true;
            self.live = self.oldest;
            self.live = self.first_record(view, self.oldest);
        }
        while !budget.is_spent() {
            if self.count_live(view, budget) {
                continue;
            }
            if !self.count_older(view, budget) {
                return false;
            }
        }
        true
    }

    fn first_record(&self, view: &FileView, from: u64) -> u64 {
        let from = from.max(view.begin());
        if from == view.begin() || from >= view.size() {
            return from.min(view.size());
        }
        match view.glance(from - view.encoding().unit(), false) {
            Ok(cut) => cut.batch.start,
            Err(_) => from,
        }
    }

    /// The growing end; `false` when it has been reached.
    fn count_live(&mut self, view: &FileView, budget: &mut Budget) -> bool {
        if self.live >= view.size() {
            return false;
        }
        let Ok(Cut { batch, open }) = view.glance(self.live, true) else { return false };
        let records = &batch.records[..open];
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return false };
        budget.spend(last.end - first.start);
        for record in records {
            let number = record.start / BLOCK;
            let block = self.blocks.entry(number).or_insert(Block {
                first: record.start,
                end: record.start,
                levels: [0; 8],
            });
            block.end = record.end;
            block.levels[Level::slot(record.level)] += 1;
            self.totals[Level::slot(record.level)] += 1;
        }
        self.counted += last.end - first.start;
        self.live = last.end;
        true
    }

    /// The blocks before those that are counted, newest first.
    fn count_older(&mut self, view: &FileView, budget: &mut Budget) -> bool {
        let mut pass = match self.current.take() {
            Some(pass) => pass,
            None if self.oldest == 0 => return false,
            None => {
                let number = self.oldest / BLOCK - 1;
                let at = self.first_record(view, number * BLOCK);
                let block = Block { first: at, end: at, levels: [0; 8] };
                Pass { number, at, block }
            }
        };
        let end = (pass.number + 1) * BLOCK;
        let found = match pass.at < end {
            true => view.glance(pass.at, true).ok(),
            false => None,
        };
        let records = found.as_ref().map_or(&[][..], |cut| &cut.batch.records[..cut.open]);
        let inside = records.iter().take_while(|record| record.start < end);
        let before = pass.at;
        for record in inside {
            pass.block.levels[Level::slot(record.level)] += 1;
            self.totals[Level::slot(record.level)] += 1;
            pass.at = record.end;
        }
        budget.spend((pass.at - before).max(1));
        self.counted += pass.at - before;
        pass.block.end = pass.at;
        if pass.at >= end || pass.at == before {
            self.oldest = pass.number * BLOCK;
            if self.oldest <= view.begin() {
                self.oldest = 0;
            }
            self.blocks.insert(pass.number, pass.block);
        } else {
            self.current = Some(pass);
        }
        true
    }
}
