//! Counts the records of one file by level, one range at a time.

use super::file::FileView;
use super::level_tally::{BLOCK, Block, BlockCount, Tally};
use super::piece::DecodedRange;
use super::step_budget::Budget;
use crate::event::Level;

impl FileView {
    /// Counts records until the budget is spent; `false` if there is nothing more to count now.
    pub fn count_more(&mut self, budget: &mut Budget) -> bool {
        if self.ensure_encoding().is_err() {
            return false;
        }
        let mut tally = std::mem::take(&mut self.tally);
        let more = tally.advance(self, budget);
        self.tally = tally;
        more
    }
}

impl Tally {
    /// As [`FileView::count_more`].
    fn advance(&mut self, view: &FileView, budget: &mut Budget) -> bool {
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

    /// The start of the first record that begins at `from` or later.
    fn first_record(&self, view: &FileView, from: u64) -> u64 {
        let from = from.max(view.begin());
        if from == view.begin() || from >= view.size() {
            return from.min(view.size());
        }
        match view.read_uncached(from - view.encoding().unit(), false) {
            Ok(decoded) => decoded.batch.start,
            Err(_) => from,
        }
    }

    /// Counts one range of new records at the end of the file; `false` if all are counted.
    fn count_live(&mut self, view: &FileView, budget: &mut Budget) -> bool {
        if self.live >= view.size() {
            return false;
        }
        let Ok(DecodedRange { batch, open }) = view.read_uncached(self.live, true) else {
            return false;
        };
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

    /// Counts one range of the newest block before the counted ones; `false` if all blocks are counted.
    fn count_older(&mut self, view: &FileView, budget: &mut Budget) -> bool {
        let mut pass = match self.current.take() {
            Some(pass) => pass,
            None if self.oldest == 0 => return false,
            None => {
                let number = self.oldest / BLOCK - 1;
                let at = self.first_record(view, number * BLOCK);
                let block = Block { first: at, end: at, levels: [0; 8] };
                BlockCount { number, at, block }
            }
        };
        let end = (pass.number + 1) * BLOCK;
        let found = match pass.at < end {
            true => view.read_uncached(pass.at, true).ok(),
            false => None,
        };
        let records =
            found.as_ref().map_or(&[][..], |decoded| &decoded.batch.records[..decoded.open]);
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
