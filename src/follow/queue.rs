//! What a consumer needs of the log: an ordered, replayable queue for each generation.

use std::io;
use std::ops::Range;

use super::{Changes, Log, Read};
use crate::event::{Cursor, GenerationId, Mark};

/// The [`Log`], or what stands for it in a test.
pub trait Queue: Send + Sync {
    /// Walks all there are: asked at the beginning, and where the changes say so.
    fn generations(&self) -> Vec<GenerationId>;
    /// This one is among them.
    fn holds(&self, generation: GenerationId) -> bool;
    /// Where a consumer without a cursor begins, and the end of what was seen.
    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)>;
    fn changes(&self) -> Changes;
    /// Blocking.
    fn read(&self, cursor: Cursor) -> io::Result<Read>;
    /// Every byte that was there at the start is published.
    fn settled(&self) -> bool;
    /// See [`Log::ask_for_look`].
    fn ask_for_look(&self) -> u64 {
        0
    }
    /// See [`Log::has_looked`].
    fn has_looked(&self, _number: u64) -> bool {
        true
    }
    /// Whether the generation holds what this mark says; `None` where that cannot be told now.
    fn bears(&self, _generation: GenerationId, _mark: &Mark) -> Option<bool> {
        None
    }
    /// See [`Log::destroyed`].
    fn destroyed(&self, _cursor: Cursor) -> Option<Range<u64>> {
        None
    }
    /// A file holds it now.
    fn has_file(&self, _generation: GenerationId) -> bool {
        true
    }
}

impl Queue for Log {
    fn generations(&self) -> Vec<GenerationId> {
        Log::generations(self)
    }

    fn holds(&self, generation: GenerationId) -> bool {
        Log::holds(self, generation)
    }

    fn extent(&self, generation: GenerationId) -> Option<(u64, u64)> {
        Log::extent(self, generation)
    }

    fn changes(&self) -> Changes {
        Log::changes(self)
    }

    fn read(&self, cursor: Cursor) -> io::Result<Read> {
        Log::read(self, cursor)
    }

    fn settled(&self) -> bool {
        Log::settled(self)
    }

    fn ask_for_look(&self) -> u64 {
        Log::ask_for_look(self)
    }

    fn has_looked(&self, number: u64) -> bool {
        Log::has_looked(self, number)
    }

    fn bears(&self, generation: GenerationId, mark: &Mark) -> Option<bool> {
        Log::bears(self, generation, mark)
    }

    fn destroyed(&self, cursor: Cursor) -> Option<Range<u64>> {
        Log::destroyed(self, cursor)
    }

    fn has_file(&self, generation: GenerationId) -> bool {
        Log::has_file(self, generation)
    }
}
