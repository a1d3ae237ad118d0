//! How far a worker is in each generation.

mod cursors;
mod destroyed;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::WorkerConfig;
use super::batch_encoder::Position;
use super::bulk::Place;
use super::byte_accounting::{Fate, Ledger};
use super::confirmed_prefix::Prefix;
use super::generation_progress::Track;
use super::inspected_event::Looked;
use super::lane_bytes;
use super::totals::{Mood, Share, Sums};
use crate::base::blocking;
use crate::event::{Cursor, GenerationId, Mark, SourceName};
use crate::follow::{News, Reading};
use crate::sink::Cursors;

#[derive(Debug, Default)]
pub(super) struct Tracks {
    /// By the index that places name; `None`: forgotten, for another one.
    all: Vec<Option<Track>>,
    free: Vec<usize>,
    /// Invariant: what all of them come to.
    sums: Sums,
    known: HashMap<GenerationId, usize>,
    /// How far those are that the log does not know (yet).
    elsewhere: HashMap<GenerationId, Prefix>,
    /// The sink keeps its own cursors, and gives up those of generations that nobody knows any more itself: what
    /// `elsewhere` has of them waits until the log knows the generation.
    own: bool,
    /// What the sink's own cursors of those speak of.
    marks: HashMap<GenerationId, Mark>,
    /// Generations that hold other bytes than the sink's own cursor speaks of.
    disbelieved: Vec<GenerationId>,
    begun: HashMap<GenerationId, u64>,
    earlier: HashMap<GenerationId, u64>,
    /// What was seen of those that are forgotten.
    forgotten: u64,
    /// The log does not know them any more.
    lapsed: BTreeSet<GenerationId>,
    /// Their cursors stand beyond what was seen: decided when everything is found.
    doubtful: BTreeSet<GenerationId>,
    /// New, or read further, since somebody asked.
    advanced: BTreeSet<usize>,
    /// Lane of the rows in the state.
    lane: Arc<str>,
    /// Of a lane.
    share: Option<lane_bytes::Share>,
    ledger: Ledger,
    /// As it was at the last commit of a sink that commits.
    durable: Ledger,
    /// The event that somebody looks at.
    pub(super) looked: Option<Looked>,
    suspects: destroyed::Suspects,
}

impl Tracks {
    /// `earlier`: events before these were left to this worker by an earlier run.
    /// `share`: of a lane, what was left to it.
    pub(super) fn new(
        lane: Arc<str>,
        earlier: HashMap<GenerationId, u64>,
        share: Option<lane_bytes::Share>,
    ) -> Self {
        Tracks { lane, earlier, share, ..Tracks::default() }
    }

    /// Begins again from these cursors. `own`: the sink keeps them, and what they speak of, where it says so.
    pub(super) fn reset(
        &mut self,
        cursors: Cursors,
        own: Option<HashMap<GenerationId, Mark>>,
        config: &WorkerConfig,
    ) {
        self.own = own.is_some();
        self.marks = own.unwrap_or_default();
        let prefix = |cursor: Cursor| (cursor.generation, Prefix::at(cursor.offset));
        self.begin(cursors.into_iter().map(prefix).collect(), config);
    }

    /// Begins where a lane begins.
    pub(super) fn inherit(&mut self, done: HashMap<GenerationId, Prefix>, config: &WorkerConfig) {
        self.begin(done, config);
    }

    fn begin(&mut self, done: HashMap<GenerationId, Prefix>, config: &WorkerConfig) {
        let before: Vec<_> =
            self.iter().map(|track| (track.reading.generation, track.done())).collect();
        self.all.clear();
        self.free.clear();
        self.known.clear();
        self.lapsed.clear();
        self.doubtful.clear();
        self.advanced.clear();
        self.sums = Sums::default();
        self.elsewhere = done;
        self.discover(config, &News::everything());
        // Not there at this moment: if it comes back, its account begins anew.
        for (id, done) in before.into_iter().filter(|(id, _)| !self.known.contains_key(id)) {
            self.begun.remove(&id);
            self.forgotten += done;
        }
        self.ledger = self.durable;
        self.ledger.settle(self.seen().saturating_sub(self.outstanding()));
    }

    /// Generations that are new, and how far those reach that have changed. Each has a row in the state from then
    /// on: the follower keeps for whoever has a row, however long ago he stood there.
    pub(super) fn discover(&mut self, config: &WorkerConfig, news: &News) {
        self.suspects.hear(news);
        if news.all {
            for generation in config.queue.generations() {
                self.hear(config, generation);
            }
            let is_gone = |id: &&GenerationId| config.queue.extent(**id).is_none();
            self.lapsed.extend(self.known.keys().filter(is_gone));
        }
        for generation in &news.generations {
            if self.known.contains_key(generation) || config.queue.holds(*generation) {
                self.hear(config, *generation);
            } else {
                self.lapsed.insert(*generation);
            }
        }
        if config.queue.settled() {
            for generation in std::mem::take(&mut self.doubtful) {
                self.hear(config, generation);
            }
        }
    }

    fn hear(&mut self, config: &WorkerConfig, generation: GenerationId) {
        let Some((start, end)) = config.queue.extent(generation) else {
            self.lapsed.insert(generation);
            return;
        };
        match self.known.get(&generation) {
            Some(&index) => self.change(index, |track| track.hear(end)),
            None => self.add(config, generation, start, end),
        }
    }

    fn add(&mut self, config: &WorkerConfig, generation: GenerationId, start: u64, end: u64) {
        let beyond = self.elsewhere.get(&generation).is_some_and(|done| done.end() > end);
        // What was seen of it may not be in the state yet: the file itself will tell, or that there is none.
        let may_come = || !config.queue.has_file(generation) && !config.is_gone(generation);
        if beyond && (!config.queue.settled() || may_come()) {
            self.doubtful.insert(generation);
            return;
        }
        let done = self.elsewhere.remove(&generation);
        let mark = self.marks.remove(&generation);
        let holds = mark.and_then(|mark| blocking(|| config.queue.bears(generation, &mark)));
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
        let begun =
            *self.begun.entry(generation).and_modify(|at| *at = known.min(*at)).or_insert(known);
        // Where no round is, nothing is wanted for it.
        let reading = Reading::new(cursor, end.max(prefix.reach())).up_to(0);
        self.insert(Track {
            reading,
            source: SourceName::default(),
            prefix,
            committed: from,
            begun,
            earlier: self.earlier.get(&generation).copied().unwrap_or(0),
        });
    }

    /// The event at this place.
    pub(super) fn event(&self, place: Place) -> Cursor {
        Cursor { generation: self.generation(place.track), offset: place.start }
    }

    fn insert(&mut self, track: Track) {
        let index = self.free.pop().unwrap_or(self.all.len());
        if index == self.all.len() {
            self.all.push(None);
        }
        self.known.insert(track.reading.generation, index);
        self.sums.replace(index, Share::default(), track.share());
        self.advanced.insert(index);
        self.all[index] = Some(track);
    }

    /// Generations of which neither the log nor the state knows anything: they never come back, and what became of
    /// their bytes stays in the account. Call it while nothing is being read. Returns those that are forgotten.
    pub(super) fn forget(&mut self, config: &WorkerConfig) -> Vec<GenerationId> {
        let mut over = Vec::new();
        let mut lapsed = std::mem::take(&mut self.lapsed);
        lapsed.retain(|id| {
            let known =
                config.queue.extent(*id).is_some() || config.store.generation(*id).is_some();
            if known || !self.forget_one(*id) {
                return !known;
            }
            over.push(*id);
            false
        });
        self.lapsed = lapsed;
        over
    }

    /// `false` where something of it is under way or waits.
    fn forget_one(&mut self, id: GenerationId) -> bool {
        if let Some(&index) = self.known.get(&id) {
            let is_done = |track: &&mut Option<Track>| {
                let track = track.as_ref();
                track.is_some_and(|track| track.is_at_rest() && track.outstanding() == 0)
            };
            let Some(track) = self.all.get_mut(index).filter(is_done).and_then(Option::take) else {
                return false;
            };
            self.forgotten += track.seen();
            self.sums.replace(index, track.share(), Share::default());
            self.advanced.remove(&index);
            self.free.push(index);
            self.known.remove(&id);
        }
        if !self.own {
            self.elsewhere.remove(&id);
        }
        self.begun.remove(&id);
        self.earlier.remove(&id);
        true
    }

    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut Track) -> R) -> R {
        let track = self.all[index].as_mut().expect("a track is kept while a place names it");
        let (before, read) = (track.share(), track.reading.offset);
        let result = change(track);
        if read != track.reading.offset {
            self.advanced.insert(index);
        }
        self.sums.replace(index, before, track.share());
        result
    }

    fn change_each(&mut self, indices: Vec<usize>, change: impl Fn(&mut Track)) {
        for index in indices {
            self.change(index, &change);
        }
    }

    fn at(&self, index: usize) -> &Track {
        self.all[index].as_ref().expect("a track is kept while a place names it")
    }

    fn iter(&self) -> impl Iterator<Item = &Track> {
        self.all.iter().flatten()
    }

    fn of_mood(&self, mood: Mood) -> impl Iterator<Item = (usize, &Track)> {
        self.sums.of(mood).iter().map(|index| (*index, self.at(*index)))
    }

    /// The bytes of this place are done. Returns how many of them were not before.
    pub(super) fn complete(&mut self, place: Place, fate: Fate) -> u64 {
        let is_it = self.looked.as_ref().is_some_and(|looked| self.is_at(place, looked.place));
        if is_it && let Some(looked) = &mut self.looked {
            looked.fate = Some(fate);
        }
        let track = self.at(place.track);
        let earlier = track.earlier.clamp(place.start, place.end);
        // Events of others are done where they are read.
        let under_way = track.prefix.missing_before(place.start);
        let mut done = |from, to| self.change(place.track, |track| track.complete(from, to));
        let old = if place.start < earlier { done(place.start, earlier) } else { 0 };
        let new = done(earlier, place.end);
        let ours = match (&self.share, fate) {
            (None, _) | (_, Fate::Filtered | Fate::Elsewhere) => new,
            (Some(share), Fate::Lost) => share.lost(self.generation(place.track), new, under_way),
            (Some(share), _) => share.done(self.generation(place.track), new),
        };
        self.ledger.add(fate, old, true);
        self.ledger.add(fate, ours, false);
        self.ledger.add(Fate::Elsewhere, new - ours, false);
        old + new
    }

    /// It was read so far.
    pub(super) fn follow(&mut self, index: usize, read: &Reading) {
        self.change(index, |track| track.reading.follow(read));
    }

    pub(super) fn is_at(&self, place: Place, event: Cursor) -> bool {
        (place.start..place.end).contains(&event.offset)
            && self.generation(place.track) == event.generation
    }

    pub(super) fn generation(&self, index: usize) -> GenerationId {
        self.at(index).reading.generation
    }

    pub(super) fn source(&self, index: usize) -> SourceName {
        self.at(index).source.clone()
    }

    pub(super) fn name_source(&mut self, index: usize, source: SourceName) {
        self.change(index, |track| track.source = source);
    }

    pub(super) fn of(&self, generation: GenerationId) -> Option<&Track> {
        self.known.get(&generation).map(|index| self.at(*index))
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
        self.sums.seen + self.forgotten
    }

    /// … and those that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        self.sums.outstanding
    }

    /// The ends of a round. Where nothing is unread there is nothing to end.
    pub(super) fn fix_ends(&mut self) {
        let moods = [Mood::Open, Mood::Waiting, Mood::Unread];
        let unread: BTreeSet<usize> =
            moods.iter().flat_map(|mood| self.sums.of(*mood)).copied().collect();
        self.change_each(unread.into_iter().collect(), |track| {
            track.reading.until = track.reading.end;
            track.reading.look_again();
        });
    }

    /// Where there may be something to read.
    pub(super) fn positions(&self, round: bool) -> Vec<Position> {
        let position = |(index, track): (usize, &Track)| {
            let Reading { until, end, .. } = track.reading;
            let reading = track.reading.up_to(if round { until } else { end });
            let position = || Position { track: index, reading, done: track.prefix.clone() };
            reading.is_due().then(position)
        };
        self.of_mood(Mood::Open).filter_map(position).collect()
    }

    /// Every generation is read up to the end of the round, or as far as anything complete is there.
    pub(super) fn are_read(&self) -> bool {
        self.of_mood(Mood::Unread).all(|(_, track)| track.reading.is_through())
    }

    /// An unfinished record may have been closed by time since.
    pub(super) fn look_again(&mut self) {
        let waiting = self.sums.of(Mood::Waiting).iter().copied().collect();
        self.change_each(waiting, |track| track.reading.look_again());
    }

    pub(super) fn some_wait(&self) -> bool {
        !self.sums.of(Mood::Waiting).is_empty()
    }

    /// Some generation could not be read at the last try.
    pub(super) fn some_are_troubled(&self) -> bool {
        let mut unread = self.of_mood(Mood::Open).chain(self.of_mood(Mood::Waiting));
        unread.any(|(_, track)| track.reading.fails())
    }
}

#[cfg(test)]
mod tests;
