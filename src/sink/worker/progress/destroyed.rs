//! Counts bytes that were destroyed before they were delivered as lost, as soon as they no longer exist: not only when
//! a target that was down for hours is back.

use std::collections::BTreeSet;

use super::Progress;
use crate::event::GenerationId;
use crate::follow::{ChangeSet, Queue};
use crate::sink::worker::bulk::Span;
use crate::sink::worker::byte_accounting::ByteOutcome;
use crate::sink::worker::generation_progress::GenerationProgress;

/// Generations that may have lost bytes since the last check.
#[derive(Debug, Default)]
pub(super) struct MaybeDestroyed {
    all: bool,
    some: BTreeSet<GenerationId>,
}

impl MaybeDestroyed {
    /// Adds the generations that the log has reported as changed.
    pub(super) fn note(&mut self, news: &ChangeSet) {
        self.all |= news.all;
        self.some.extend(news.generations.iter().copied());
    }
}

impl Progress {
    /// Counts bytes that no longer exist as lost. Events in flight are in memory and therefore not lost. Call it while
    /// no read is running. `true`: some bytes were counted.
    pub(in crate::sink::worker) fn count_destroyed(&mut self, queue: &dyn Queue) -> bool {
        let MaybeDestroyed { all, mut some } = std::mem::take(&mut self.maybe_destroyed);
        if all {
            some.extend(self.slot_of.keys());
        }
        let mut found = false;
        for id in some {
            let Some(&index) = self.slot_of.get(&id) else {
                // It gets a slot once it is known whether its file still exists.
                if self.undecided.contains(&id) {
                    self.maybe_destroyed.some.insert(id);
                }
                continue;
            };
            let progress = self.at(index);
            if progress.outstanding() == 0 {
                continue;
            }
            if !progress.reading.is_unread() {
                // All its events are in memory, but they may have to be read again: check it then.
                self.maybe_destroyed.some.insert(id);
                continue;
            }
            let Some(lost) = queue.destroyed(progress.reading.cursor()) else { continue };
            self.complete(
                Span { slot: index, start: lost.start, end: lost.end },
                ByteOutcome::Lost,
            );
            found = true;
        }
        found
    }

    /// A lane has ended, and this many bytes that were left to it no longer exist.
    pub(in crate::sink::worker) fn lose_left_to_lane(&mut self, bytes: u64) {
        self.account.lose_left_to_lane(bytes);
    }

    /// Moves reading back to the first event that is not done, in every generation. Events that were in memory may be
    /// destroyed in the log by now.
    pub(in crate::sink::worker) fn rewind(&mut self) {
        let all = self.slot_of.values().copied().collect();
        self.change_all(all, GenerationProgress::rewind);
        self.maybe_destroyed.all = true;
    }
}
