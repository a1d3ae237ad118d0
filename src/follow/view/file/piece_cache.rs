//! Caches the decoded pieces of one file for the screen: they are kept while there is memory, and read again from the
//! file if they are needed after they were dropped.

use std::sync::Arc;

use super::{FileView, KnownPiece};
use crate::base::Timestamp;
use crate::follow::view::piece::{DecodedRange, KeyBounds, keys};
use crate::follow::view::{Budget, PIECE, Piece};

impl FileView {
    /// A piece that was read before: from memory, or again from the file.
    pub(super) fn load(&mut self, start: u64, budget: &mut Budget) -> Option<Arc<Piece>> {
        self.uses += 1;
        let known = self.pieces.get_mut(&start)?;
        known.used = self.uses;
        if let Some(piece) = &known.piece {
            return Some(piece.clone());
        }
        let (end, first_key, last_key) = (known.end, known.first_key, known.last_key);
        let found = self.try_read(|view| {
            let (format, ..) = view.format_at(start);
            let decoder = view.decoder(&format, Some(Timestamp(first_key)), start);
            let DecodedRange { batch, open } = decoder.exact(start, end)?;
            let bounds = KeyBounds {
                floor: Some(first_key),
                ceiling: Some(last_key),
                latest: Timestamp(last_key),
                fallback: Timestamp(first_key),
            };
            let keys = keys(&batch.records, bounds);
            Ok(Piece { batch: Arc::new(batch), keys, open })
        });
        let piece = Arc::new(found?);
        budget.spend(piece.batch.bytes.len() as u64);
        self.weight += piece.weight();
        if let Some(known) = self.pieces.get_mut(&start) {
            known.piece = Some(piece.clone());
        }
        Some(piece)
    }

    pub(super) fn insert(
        &mut self,
        piece: Option<Piece>,
        budget: &mut Budget,
    ) -> Option<Arc<Piece>> {
        let piece = Arc::new(piece?);
        budget.spend(piece.batch.bytes.len() as u64);
        let (first_key, last_key) = (*piece.keys.first()?, *piece.keys.last()?);
        self.uses += 1;
        self.weight += piece.weight();
        let known = KnownPiece {
            end: piece.batch.end,
            first_key,
            last_key,
            piece: Some(piece.clone()),
            used: self.uses,
        };
        self.pieces.insert(piece.batch.start, known);
        Some(piece)
    }

    /// Memory used by the decoded pieces, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Drops the least recently used half of the decoded pieces.
    pub fn drop_least_used(&mut self) {
        let mut used: Vec<u64> = self
            .pieces
            .values()
            .filter(|known| known.piece.is_some())
            .map(|known| known.used)
            .collect();
        used.sort_unstable();
        let Some(&middle) = used.get(used.len() / 2) else { return };
        for known in self.pieces.values_mut() {
            if known.used <= middle
                && known.end < self.facts.size
                && let Some(piece) = known.piece.take()
            {
                self.weight -= piece.weight();
            }
        }
    }

    /// Drops the last piece, which ends at the file's end, because that end has moved.
    pub(super) fn drop_tail(&mut self) {
        let Some((&start, known)) = self.pieces.iter().next_back() else { return };
        if known.end < self.facts.size {
            return;
        }
        let Some(known) = self.pieces.remove(&start) else { return };
        let Some(piece) = known.piece else { return };
        self.weight -= piece.weight();
        let open = piece.batch.records.get(piece.open).map_or(known.end, |record| record.start);
        // The boundaries of a full piece are kept, so that a growing file is not read again from far back.
        if piece.open > 0 && open - start >= PIECE {
            let last_key = piece.keys[piece.open - 1];
            let kept = KnownPiece { end: open, last_key, piece: None, ..known };
            self.pieces.insert(start, kept);
        }
    }

    /// Keys of the nearest known records before `start` and from `end` on.
    pub(super) fn neighbour_keys(&self, start: u64, end: u64) -> (Option<i64>, Option<i64>) {
        let floor = self.pieces.range(..start).next_back().map(|(_, known)| known.last_key);
        let ceiling = self.pieces.range(end..).next().map(|(_, known)| known.first_key);
        (floor, ceiling)
    }
}
