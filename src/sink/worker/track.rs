//! How far a worker is in each generation.

use std::collections::HashMap;
use std::sync::Arc;

use super::WorkerConfig;
use super::bulk::Place;
use super::fill::Position;
use super::ledger::{Fate, Ledger};
use super::prefix::Prefix;
use crate::event::{Cursor, GenerationId, Mark, SourceName};
use crate::sink::Cursors;

/// A round goes on without a file that could not be read so often in a row.
const TRIES: u32 = 5;

/// One generation, as one worker sees it.
#[derive(Debug)]
pub(super) struct Track {
    pub generation: GenerationId,
    /// Known once something was read.
    pub source: SourceName,
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
    /// Where the account begins.
    begun: u64,
    /// What begins before this was left to a lane by an earlier run.
    earlier: u64,
}

#[derive(Debug, Default)]
pub(super) struct Tracks {
    pub all: Vec<Track>,
    known: HashMap<GenerationId, usize>,
    /// How far those are that the log does not know (yet).
    elsewhere: HashMap<GenerationId, Prefix>,
    /// What the sink's own cursors of those speak of.
    marks: HashMap<GenerationId, Mark>,
    /// Generations that hold other bytes than the sink's own cursor speaks of.
    disbelieved: Vec<GenerationId>,
    begun: HashMap<GenerationId, u64>,
    earlier: HashMap<GenerationId, u64>,
    /// Lane of the rows in the state.
    lane: Arc<str>,
    ledger: Ledger,
    /// As it was at the last commit of a sink that commits.
    durable: Ledger,
    /// The event that somebody looks at, and what became of it since.
    watched: Option<(Cursor, Option<Fate>)>,
}

impl Tracks {
    /// `earlier`: events before these were left to this worker by an earlier run.
    pub(super) fn new(lane: Arc<str>, earlier: HashMap<GenerationId, u64>) -> Self {
        Tracks { lane, earlier, ..Tracks::default() }
    }

    /// Begins again from these cursors.
    /// `marks`: what a sink's own cursors speak of, where it says so.
    pub(super) fn reset(
        &mut self,
        cursors: Cursors,
        marks: HashMap<GenerationId, Mark>,
        config: &WorkerConfig,
    ) {
        self.marks = marks;
        let prefix = |cursor: Cursor| (cursor.generation, Prefix::at(cursor.offset));
        self.begin(cursors.into_iter().map(prefix).collect(), config);
    }

    /// Begins where a lane begins.
    pub(super) fn inherit(&mut self, done: HashMap<GenerationId, Prefix>, config: &WorkerConfig) {
        self.begin(done, config);
    }

    fn begin(&mut self, done: HashMap<GenerationId, Prefix>, config: &WorkerConfig) {
        self.all.clear();
        self.known.clear();
        self.elsewhere = done;
        self.discover(config);
        self.ledger = self.durable;
        self.ledger.settle(self.seen().saturating_sub(self.outstanding()));
    }

    /// Generations that are new, and how far all of them reach. Each has a row in the state from then on: the
    /// follower keeps for whoever has a row, however long ago he stood there.
    pub(super) fn discover(&mut self, config: &WorkerConfig) {
        for generation in config.queue.generations() {
            let Some((start, end)) = config.queue.extent(generation) else { continue };
            if let Some(&index) = self.known.get(&generation) {
                self.all[index].end = end;
                continue;
            }
            let beyond = self.elsewhere.get(&generation).is_some_and(|done| done.end() > end);
            // What was seen of it may not be in the state yet: the file itself will tell.
            if beyond && !config.queue.settled() {
                continue;
            }
            let done = self.elsewhere.remove(&generation);
            let mark = self.marks.remove(&generation);
            let holds = mark.and_then(|mark| config.queue.bears(generation, &mark));
            let again = holds == Some(false) || (beyond && !config.is_gone(generation));
            if again && done.is_some() {
                self.disbelieved.push(generation);
            }
            let prefix = match beyond {
                // Other bytes than it was told of: read again rather than never.
                _ if holds == Some(false) => Prefix::at(start),
                // Nobody can read it any more.
                true if config.is_gone(generation) => Prefix::at(end),
                // A cursor beyond all that is there speaks of bytes that are gone: read again rather than never.
                true => Prefix::at(start),
                false => done.unwrap_or(Prefix::at(start)),
            };
            let from = prefix.end();
            let cursor = Cursor { generation, offset: from };
            match again {
                true => config.store.put_cursor(&config.name, &self.lane, cursor),
                false => config.store.put_cursor_if_none(&config.name, &self.lane, cursor),
            }
            // What was done beyond it at the beginning is no part of the account.
            let known = from + prefix.beyond();
            let begun = *self
                .begun
                .entry(generation)
                .and_modify(|at| *at = known.min(*at))
                .or_insert(known);
            self.known.insert(generation, self.all.len());
            self.all.push(Track {
                generation,
                source: SourceName::default(),
                read: from,
                prefix,
                committed: from,
                end,
                waiting: None,
                troubled: 0,
                until: 0,
                begun,
                earlier: self.earlier.get(&generation).copied().unwrap_or(0),
            });
        }
    }

    /// Generations whose events are new to the sink, whatever its own cursors say.
    pub(super) fn take_disbelieved(&mut self) -> Vec<GenerationId> {
        std::mem::take(&mut self.disbelieved)
    }

    /// The bytes of this place are done.
    pub(super) fn complete(&mut self, place: Place, fate: Fate) {
        if let Some((event, _)) = self.watched
            && self.is_at(place, event)
        {
            self.watched = Some((event, Some(fate)));
        }
        let track = &mut self.all[place.track];
        let bytes = track.prefix.complete(place.start, place.end);
        self.ledger.add(fate, bytes, place.start < track.earlier);
    }

    /// The event at this place.
    pub(super) fn event(&self, place: Place) -> Cursor {
        Cursor { generation: self.all[place.track].generation, offset: place.start }
    }

    /// From now on it is noted what becomes of this event.
    pub(super) fn watch(&mut self, event: Cursor) {
        self.watched = Some((event, None));
    }

    pub(super) fn watched_fate(&self) -> Option<Fate> {
        self.watched.and_then(|(_, fate)| fate)
    }

    pub(super) fn is_at(&self, place: Place, event: Cursor) -> bool {
        (place.start..place.end).contains(&event.offset)
            && self.all[place.track].generation == event.generation
    }

    pub(super) fn of(&self, generation: GenerationId) -> Option<&Track> {
        self.known.get(&generation).map(|index| &self.all[*index])
    }

    /// What was accepted is durable.
    pub(super) fn confirm_accepted(&mut self) {
        self.ledger.commit();
        self.durable = self.ledger;
    }

    pub(super) fn take_over(&mut self, other: &Ledger) {
        self.ledger.take_over(other);
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Bytes of which the account speaks.
    pub(super) fn seen(&self) -> u64 {
        self.all.iter().map(|track| track.end.saturating_sub(track.begun)).sum()
    }

    /// … and those that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        let open = |track: &Track| {
            track.end.saturating_sub(track.prefix.end()).saturating_sub(track.prefix.beyond())
        };
        self.all.iter().map(open).sum()
    }

    /// Of the bytes that an earlier run left to this lane: those that are not done.
    pub(super) fn left_from_earlier(&self) -> u64 {
        self.all.iter().map(|track| track.earlier.saturating_sub(track.prefix.end())).sum()
    }

    pub(super) fn prefixes(&self) -> HashMap<GenerationId, Prefix> {
        let here = self.all.iter().map(|track| (track.generation, track.prefix.clone()));
        let elsewhere = self.elsewhere.iter().map(|(id, done)| (*id, done.clone()));
        here.chain(elsewhere).collect()
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
            until: if round { track.until } else { track.end },
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
        let elsewhere =
            elsewhere.map(|(&generation, done)| Cursor { generation, offset: done.end() });
        here.chain(elsewhere).collect()
    }
}
