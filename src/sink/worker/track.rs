//! How far a worker is in each generation.

use std::collections::HashMap;

use super::WorkerConfig;
use super::fill::Position;
use super::prefix::Prefix;
use crate::event::{Cursor, GenerationId};
use crate::sink::Cursors;

/// A round goes on without a file that could not be read so often in a row.
const TRIES: u32 = 5;

/// One generation, as one worker sees it.
#[derive(Debug)]
pub(super) struct Track {
    pub generation: GenerationId,
    /// Where to read on.
    pub read: u64,
    /// Delivered, accepted, filtered or kept as dead letters.
    pub prefix: Prefix,
    /// What the cursor says.
    pub committed: u64,
    /// The end of what was seen.
    pub end: u64,
    /// Nothing complete stood behind `read` when the end was this.
    pub waiting: Option<u64>,
    /// How often in a row it could not be read.
    pub troubled: u32,
    /// Where the round ends.
    pub until: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tracks {
    pub all: Vec<Track>,
    known: HashMap<GenerationId, usize>,
    /// Cursors of generations that the log does not know (yet).
    elsewhere: HashMap<GenerationId, u64>,
}

impl Tracks {
    /// Begins again from these cursors.
    pub(super) fn reset(&mut self, cursors: Cursors) {
        self.all.clear();
        self.known.clear();
        self.elsewhere =
            cursors.into_iter().map(|cursor| (cursor.generation, cursor.offset)).collect();
    }

    /// Generations that are new, and how far all of them reach.
    pub(super) fn discover(&mut self, config: &WorkerConfig) {
        for generation in config.queue.generations() {
            let Some((start, end)) = config.queue.extent(generation) else { continue };
            if let Some(&index) = self.known.get(&generation) {
                self.all[index].end = end;
                continue;
            }
            // A cursor beyond all that is there speaks of bytes that are gone: read again rather than never.
            let cursor = self.elsewhere.remove(&generation).filter(|offset| *offset <= end);
            let from = cursor.unwrap_or(start);
            self.known.insert(generation, self.all.len());
            self.all.push(Track {
                generation,
                read: from,
                prefix: Prefix::at(from),
                committed: from,
                end,
                waiting: None,
                troubled: 0,
                until: 0,
            });
        }
    }

    /// The ends of a round.
    pub(super) fn fix_ends(&mut self) {
        for track in &mut self.all {
            track.until = track.end;
            track.waiting = None;
        }
    }

    /// Where there may be something to read.
    pub(super) fn positions(&self, round: bool) -> Vec<Position> {
        let open = |track: &Track| {
            let end = if round { track.until.min(track.end) } else { track.end };
            track.read < end && track.waiting != Some(track.end)
        };
        let position = |(index, track): (usize, &Track)| Position {
            track: index,
            cursor: Cursor { generation: track.generation, offset: track.read },
            seen: track.end,
            until: if round { track.until } else { u64::MAX },
            done: track.prefix.clone(),
        };
        self.all.iter().enumerate().filter(|(_, track)| open(track)).map(position).collect()
    }

    /// Every generation is read up to the end of the round, or as far as anything complete is there.
    pub(super) fn are_read(&self) -> bool {
        let through = |track: &Track| {
            let gave_up = track.troubled == 0 || track.troubled >= TRIES;
            track.read >= track.until || (track.waiting == Some(track.end) && gave_up)
        };
        self.all.iter().all(through)
    }

    /// An unfinished record may have been closed by time since.
    pub(super) fn look_again(&mut self) {
        for track in &mut self.all {
            if track.read < track.end {
                track.waiting = None;
            }
        }
    }

    pub(super) fn some_wait(&self) -> bool {
        self.all.iter().any(|track| track.read < track.end && track.waiting == Some(track.end))
    }

    /// Reads again whatever is not done.
    pub(super) fn rewind(&mut self) {
        for track in &mut self.all {
            track.read = track.prefix.end();
            track.waiting = None;
        }
    }

    /// The cursors say what the prefixes say. Hands out those that moved.
    pub(super) fn commit(&mut self, each: &mut dyn FnMut(Cursor)) {
        for track in &mut self.all {
            if track.committed != track.prefix.end() {
                track.committed = track.prefix.end();
                each(Cursor { generation: track.generation, offset: track.committed });
            }
        }
    }

    /// Some cursor may move.
    pub(super) fn moved(&self) -> bool {
        self.all.iter().any(|track| track.prefix.end() > track.committed)
    }

    /// Every generation that is known, each at the end of its prefix.
    pub(super) fn cursors(&self) -> Cursors {
        let here = self.all.iter();
        let here =
            here.map(|track| Cursor { generation: track.generation, offset: track.prefix.end() });
        let elsewhere = self.elsewhere.iter();
        here.chain(elsewhere.map(|(&generation, &offset)| Cursor { generation, offset })).collect()
    }

    /// Bytes that are in the files and not behind the cursor.
    pub(super) fn behind(&self) -> u64 {
        self.all.iter().map(|track| track.end.saturating_sub(track.committed)).sum()
    }
}
