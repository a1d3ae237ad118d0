//! The data that the decoding of one generation keeps between two reads.

use std::collections::VecDeque;

use crate::base::Timestamp;

/// Number of offsets for which a [`CarriedContext`] is kept.
const REMEMBERED: usize = 64;

/// The decoding state of one generation, behind one lock, so that consumers at nearby offsets decode the bytes only
/// once.
#[derive(Debug, Default)]
pub(in crate::follow) struct DecodeState {
    /// The highest offset up to which batches were handed out.
    pub handed_out: u64,
    /// Consecutive records before `handed_out` that did not fit the format.
    pub misfits: u32,
    /// The range [from, to) holds no line end, so that a growing line is not scanned again from its beginning.
    pub unfinished: Option<(u64, u64)>,
    /// The context before the record at each offset; oldest entry first.
    carried: VecDeque<(u64, CarriedContext)>,
}

/// The part of a [`Context`](crate::format::Context) that one record passes to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::follow) struct CarriedContext {
    pub last: Option<Timestamp>,
    pub since_last: u32,
}

impl DecodeState {
    pub fn remember(&mut self, offset: u64, carried: CarriedContext) {
        if self.recall(offset).is_some() {
            return;
        }
        if self.carried.len() == REMEMBERED {
            self.carried.pop_front();
        }
        self.carried.push_back((offset, carried));
    }

    pub fn recall(&self, offset: u64) -> Option<CarriedContext> {
        self.carried.iter().rev().find(|(at, _)| *at == offset).map(|(_, carried)| *carried)
    }
}
