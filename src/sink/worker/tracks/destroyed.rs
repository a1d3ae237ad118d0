//! Bytes that were destroyed before they were delivered: counted as lost once nobody can read them any more, and not when
//! a target is back that was away for hours.

use std::collections::BTreeSet;

use super::Tracks;
use crate::event::GenerationId;
use crate::follow::{News, Queue};
use crate::sink::worker::bulk::Place;
use crate::sink::worker::ledger::Fate;
use crate::sink::worker::track::Track;

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
    /// What is read and not delivered is in memory, and not lost. Call it while nothing is being read. `true`: something
    /// is lost.
    pub(in crate::sink::worker) fn count_destroyed(&mut self, queue: &dyn Queue) -> bool {
        let Suspects { all, some } = std::mem::take(&mut self.suspects);
        let indices: Vec<usize> = match all {
            true => self.known.values().copied().collect(),
            false => some.iter().filter_map(|id| self.known.get(id).copied()).collect(),
        };
        let mut found = false;
        for index in indices {
            let track = self.at(index);
            if track.outstanding() == 0 || !track.reading.is_unread() {
                continue;
            }
            let Some(lost) = queue.destroyed(track.reading.cursor()) else { continue };
            self.complete(Place { track: index, start: lost.start, end: lost.end }, Fate::Lost);
            found = true;
        }
        found
    }

    /// Reads again whatever is not done: what was in memory may be destroyed in the log.
    pub(in crate::sink::worker) fn rewind(&mut self) {
        let all = self.known.values().copied().collect();
        self.change_each(all, Track::rewind);
        self.suspects.all = true;
    }
}
