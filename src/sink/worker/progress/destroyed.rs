//! Bytes that were destroyed before they were delivered: counted as lost once nobody can read them any more, and not
//! when a target is back that was away for hours.

use std::collections::BTreeSet;

use super::Tracks;
use crate::event::GenerationId;
use crate::follow::{News, Queue};
use crate::sink::worker::bulk::Place;
use crate::sink::worker::byte_accounting::Fate;
use crate::sink::worker::generation_progress::Track;

/// Generations of which something may have been destroyed since the last look.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    all: bool,
    some: BTreeSet<GenerationId>,
}

impl Suspects {
    pub(super) fn hear(&mut self, news: &News) {
        self.all |= news.all;
        self.some.extend(news.generations.iter().copied());
    }
}

impl Tracks {
    /// What is read and not delivered is in memory, and not lost. Call it while nothing is being read. `true`:
    /// something is lost.
    pub(in crate::sink::worker) fn count_destroyed(&mut self, queue: &dyn Queue) -> bool {
        let Suspects { all, mut some } = std::mem::take(&mut self.suspects);
        if all {
            some.extend(self.known.keys());
        }
        let mut found = false;
        for id in some {
            let Some(&index) = self.known.get(&id) else {
                // It has a track when it is known what became of its file.
                if self.doubtful.contains(&id) {
                    self.suspects.some.insert(id);
                }
                continue;
            };
            let track = self.at(index);
            if track.outstanding() == 0 {
                continue;
            }
            if !track.reading.is_unread() {
                // In memory, and perhaps read again: judged then.
                self.suspects.some.insert(id);
                continue;
            }
            let Some(lost) = queue.destroyed(track.reading.cursor()) else { continue };
            self.complete(Place { track: index, start: lost.start, end: lost.end }, Fate::Lost);
            found = true;
        }
        found
    }

    /// A lane has ended, and so much of what was left to it is gone.
    pub(in crate::sink::worker) fn lose_left(&mut self, bytes: u64) {
        self.ledger.lose_left(bytes);
    }

    /// Reads again whatever is not done: what was in memory may be destroyed in the log.
    pub(in crate::sink::worker) fn rewind(&mut self) {
        let all = self.known.values().copied().collect();
        self.change_each(all, Track::rewind);
        self.suspects.all = true;
    }
}
