//! Methods of [`Progress`] that return its cursors, which are at the ends of the confirmed prefixes, and the offsets up
//! to which the worker has read.

use std::collections::HashMap;

use super::Progress;
use crate::event::{Cursor, GenerationId};
use crate::sink::Cursors;
use crate::sink::worker::confirmed_prefix::Prefix;
use crate::sink::worker::totals::Flag;

impl Progress {
    /// Bytes that an earlier run left to this lane and that are not done.
    pub(in crate::sink::worker) fn left_from_earlier(&self) -> u64 {
        self.totals.left
    }

    /// The confirmed prefix of each known generation.
    pub(in crate::sink::worker) fn prefixes(&self) -> HashMap<GenerationId, Prefix> {
        let here =
            self.iter().map(|progress| (progress.reading.generation, progress.prefix.clone()));
        let unlisted = self.unlisted.iter().map(|(id, done)| (*id, done.clone()));
        here.chain(unlisted).collect()
    }

    /// Returns and clears the list of generations whose events are new to the sink, although it has cursors of its own
    /// for them.
    pub(in crate::sink::worker) fn take_mismatched(&mut self) -> Vec<GenerationId> {
        std::mem::take(&mut self.mismatched)
    }

    /// Moves the cursors to the ends of the prefixes and calls `each` for those that moved.
    pub(in crate::sink::worker) fn commit(&mut self, each: &mut dyn FnMut(Cursor)) {
        for index in self.totals.of(Flag::CursorBehind).iter().copied().collect::<Vec<_>>() {
            let (generation, offset) = self.change(index, |progress| {
                progress.committed = progress.prefix.end();
                (progress.reading.generation, progress.committed)
            });
            each(Cursor { generation, offset });
        }
    }

    /// Whether any stored cursor is behind the end of its prefix.
    pub(in crate::sink::worker) fn has_cursor_behind(&self) -> bool {
        !self.totals.of(Flag::CursorBehind).is_empty()
    }

    /// How far every generation is read.
    pub(in crate::sink::worker) fn read_offsets(
        &self,
    ) -> impl Iterator<Item = (GenerationId, u64)> {
        self.iter().map(|progress| (progress.reading.generation, progress.reading.offset))
    }

    /// Like [`Progress::read_offsets`], but only for generations that are new or were read since the last call.
    pub(in crate::sink::worker) fn take_advanced(&mut self) -> Vec<(GenerationId, u64)> {
        let advanced = std::mem::take(&mut self.advanced).into_iter();
        let read = advanced.map(|index| &self.at(index).reading);
        read.map(|reading| (reading.generation, reading.offset)).collect()
    }

    /// The cursors of all known generations, at the ends of their prefixes.
    pub(in crate::sink::worker) fn cursors(&self) -> Cursors {
        let unlisted = self.unlisted.iter().map(|(id, done)| cursor(*id, done));
        self.listed_cursors().into_iter().chain(unlisted).collect()
    }

    /// Like [`Progress::cursors`], but without generations that the log does not list (yet): a sink that keeps its own
    /// cursors has those.
    pub(in crate::sink::worker) fn listed_cursors(&self) -> Cursors {
        self.iter().map(|progress| cursor(progress.reading.generation, &progress.prefix)).collect()
    }
}

fn cursor(generation: GenerationId, prefix: &Prefix) -> Cursor {
    Cursor { generation, offset: prefix.end() }
}
