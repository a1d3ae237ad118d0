//! Finds the first record of a time in one file by binary search, reading only a few pieces of the file.

use std::sync::Arc;

use super::FileView;
use crate::follow::view::{Budget, PIECE, Piece};

impl FileView {
    /// The offset of the first record with this sort key or a higher one (see [`Piece`]).
    pub fn locate(&mut self, key: i64, budget: &mut Budget) -> u64 {
        let (mut low, mut high) = (self.facts.begin, self.facts.size);
        while high - low > PIECE {
            let Some(piece) = self.piece_near(low + (high - low) / 2, budget) else { break };
            let (start, end) = (piece.batch.start, piece.batch.end);
            if piece.keys.first().is_none_or(|first| *first >= key) {
                if start >= high {
                    break;
                }
                high = start.max(low);
            } else if piece.keys.last().is_some_and(|last| *last < key) {
                low = end.min(high);
            } else {
                let index = piece.keys.partition_point(|found| *found < key);
                return piece.batch.records[index].start;
            }
        }
        self.locate_linearly(low, high, key, budget)
    }

    fn locate_linearly(&mut self, low: u64, high: u64, key: i64, budget: &mut Budget) -> u64 {
        let mut at = low;
        while at < high {
            let Some(piece) = self.after(at, budget) else { break };
            let index = piece.keys.partition_point(|found| *found < key);
            match piece.batch.records.get(index) {
                Some(record) => return record.start.max(at),
                None if piece.batch.end <= at => break,
                None => at = piece.batch.end,
            }
        }
        at
    }

    /// A piece at or right after `offset`, which need not be the beginning of a record.
    fn piece_near(&mut self, offset: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        let left =
            self.pieces.range(..=offset).next_back().map(|(start, known)| (*start, known.end));
        let left_end = match left {
            Some((start, end)) if end > offset => return self.load(start, budget),
            Some((_, end)) => end,
            None => self.facts.begin,
        };
        if offset - left_end <= PIECE {
            return self.after(left_end, budget);
        }
        let right = self.pieces.range(offset..).next().map_or(self.facts.size, |(start, _)| *start);
        if right - offset <= PIECE {
            // Too close to a known record: no other record may begin in between.
            return self.before(right, budget);
        }
        let found = self.try_read(|view| view.read_forwards(offset, false, right));
        self.insert(found, budget)
    }
}
