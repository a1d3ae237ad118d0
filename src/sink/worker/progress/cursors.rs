//! The cursors that follow from how far everything is done.

use std::collections::HashMap;

use super::Tracks;
use crate::event::{Cursor, GenerationId};
use crate::sink::Cursors;
use crate::sink::worker::confirmed_prefix::Prefix;
use crate::sink::worker::totals::Mood;

impl Tracks {
    /// Of the bytes that an earlier run left to this lane: those that are not done.
    pub(in crate::sink::worker) fn left_from_earlier(&self) -> u64 {
        self.sums.left
    }

    pub(in crate::sink::worker) fn prefixes(&self) -> HashMap<GenerationId, Prefix> {
        let here = self.iter().map(|track| (track.reading.generation, track.prefix.clone()));
        let elsewhere = self.elsewhere.iter().map(|(id, done)| (*id, done.clone()));
        here.chain(elsewhere).collect()
    }

    /// Generations whose events are new to the sink, whatever its own cursors say.
    pub(in crate::sink::worker) fn take_disbelieved(&mut self) -> Vec<GenerationId> {
        std::mem::take(&mut self.disbelieved)
    }

    /// The cursors say what the prefixes say. Hands out those that moved.
    pub(in crate::sink::worker) fn commit(&mut self, each: &mut dyn FnMut(Cursor)) {
        for index in self.sums.of(Mood::Moved).iter().copied().collect::<Vec<_>>() {
            let (generation, offset) = self.change(index, |track| {
                track.committed = track.prefix.end();
                (track.reading.generation, track.committed)
            });
            each(Cursor { generation, offset });
        }
    }

    /// Some cursor may move.
    pub(in crate::sink::worker) fn moved(&self) -> bool {
        !self.sums.of(Mood::Moved).is_empty()
    }

    /// How far everything is read.
    pub(in crate::sink::worker) fn reads(&self) -> impl Iterator<Item = (GenerationId, u64)> {
        self.iter().map(|track| (track.reading.generation, track.reading.offset))
    }

    /// The same of what is new or was read since the last call.
    pub(in crate::sink::worker) fn take_advanced(&mut self) -> Vec<(GenerationId, u64)> {
        let advanced = std::mem::take(&mut self.advanced).into_iter();
        let read = advanced.map(|index| &self.at(index).reading);
        read.map(|reading| (reading.generation, reading.offset)).collect()
    }

    /// Every generation that is known, each at the end of its prefix.
    pub(in crate::sink::worker) fn cursors(&self) -> Cursors {
        let elsewhere = self.elsewhere.iter().map(|(id, done)| cursor(*id, done));
        self.cursors_here().into_iter().chain(elsewhere).collect()
    }

    /// The same without those that the log does not know (yet): a sink that keeps its own cursors has them.
    pub(in crate::sink::worker) fn cursors_here(&self) -> Cursors {
        self.iter().map(|track| cursor(track.reading.generation, &track.prefix)).collect()
    }
}

fn cursor(generation: GenerationId, prefix: &Prefix) -> Cursor {
    Cursor { generation, offset: prefix.end() }
}
