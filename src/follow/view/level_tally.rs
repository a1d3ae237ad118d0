//! The number of records per level in one file, counted block by block in the background.
//!
//! Block k holds the records that begin in [k, k+1) MiB. Counting starts with the newest block; the last one
//! grows with the file. Blocks without the wanted levels are skipped without reading them.

use std::collections::BTreeMap;

use crate::event::level::LevelCounts;

/// Bytes per block.
pub const BLOCK: u64 = 1024 * 1024;

/// The record counts of one block; 48 bytes per MiB of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// The start of its first record.
    pub first: u64,
    /// The start of the first record after the block.
    pub end: u64,
    pub levels: [u32; 8],
}

/// The counts of one file, per block and in total.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) blocks: BTreeMap<u64, Block>,
    pub(super) totals: LevelCounts,
    pub(super) counted: u64,
    /// All records that begin between here and `live` are counted.
    pub(super) oldest: u64,
    /// Records that begin before this offset (and after `oldest`) are counted.
    pub(super) live: u64,
    pub(super) started: bool,
    pub(super) current: Option<BlockCount>,
}

/// A block that is being counted, up to `at`.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockCount {
    pub number: u64,
    pub at: u64,
    pub block: Block,
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

    /// All records except an incomplete last one are counted.
    pub fn is_complete(&self) -> bool {
        self.started && self.oldest == 0 && self.current.is_none()
    }

    /// The beginning of the block before `offset`, if that block has no record of a level in `mask` and can be skipped
    /// on the way back.
    pub fn skip_back(&self, offset: u64, mask: u8) -> Option<u64> {
        let block = self.block_of(offset.checked_sub(1)?, mask)?;
        (block.first < offset).then_some(block.first)
    }

    /// Like [`Tally::skip_back`], but forwards: the end of the block that contains `offset`.
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
}
