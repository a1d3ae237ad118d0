//! What decoding one generation remembers between two reads.

use std::collections::VecDeque;

use crate::base::Timestamp;

/// Places of which the context is remembered.
const REMEMBERED: usize = 64;

/// Guarded by one lock per generation, so that consumers that are near each other decode once.
#[derive(Debug, Default)]
pub(in crate::follow) struct Front {
    /// The furthest byte that was handed out.
    pub handed: u64,
    /// Records in a row, up to there, that did not fit the format.
    pub misfits: u32,
    /// [from, to) holds no line end; a line that grows is not scanned again from its beginning.
    pub unfinished: Option<(u64, u64)>,
    carried: VecDeque<(u64, Carried)>,
}

/// The part of a context that goes from record to record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::follow) struct Carried {
    pub last: Option<Timestamp>,
    pub since_last: u32,
}

impl Front {
    pub fn remember(&mut self, offset: u64, carried: Carried) {
        if self.recall(offset).is_some() {
            return;
        }
        if self.carried.len() == REMEMBERED {
            self.carried.pop_front();
        }
        self.carried.push_back((offset, carried));
    }

    pub fn recall(&self, offset: u64) -> Option<Carried> {
        self.carried.iter().rev().find(|(at, _)| *at == offset).map(|(_, carried)| *carried)
    }
}
