//! How far a worker is in each generation, and how many bytes had which outcome.

mod cursors;
mod destroyed;
mod unread;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::WorkerConfig;
use super::bulk::Span;
use super::byte_accounting::{ByteAccount, ByteOutcome};
use super::confirmed_prefix::Prefix;
use super::generation_progress::GenerationProgress;
use super::inspected_event::InspectedEvent;
use super::lane_bytes;
use super::totals::{Contribution, Flag, Totals};
use crate::base::blocking;
use crate::event::{Cursor, GenerationId, Mark, SourceName};
use crate::follow::{ChangeSet, Reading};
use crate::sink::Cursors;

#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Indexed by [`Span::slot`]; `None`: forgotten, free for another generation.
    slots: Vec<Option<GenerationProgress>>,
    free_slots: Vec<usize>,
    /// Invariant: the sum over all slots.
    totals: Totals,
    slot_of: HashMap<GenerationId, usize>,
    /// Prefixes of generations that the log does not list (yet).
    unlisted: HashMap<GenerationId, Prefix>,
    /// The sink keeps its own cursors and expires those of old generations itself, so entries of `unlisted` stay
    /// until the log lists the generation.
    sink_keeps_cursors: bool,
    /// The marks that belong to the sink's own cursors in `unlisted`.
    marks: HashMap<GenerationId, Mark>,
    /// Generations whose bytes differ from those of the sink's own cursor.
    mismatched: Vec<GenerationId>,
    /// As [`GenerationProgress::accounted_from`].
    accounted_from: HashMap<GenerationId, u64>,
    /// As [`GenerationProgress::earlier_end`].
    earlier_ends: HashMap<GenerationId, u64>,
    /// Bytes of forgotten generations that the byte accounting covers.
    forgotten_bytes: u64,
    /// Generations that the log no longer lists.
    delisted: BTreeSet<GenerationId>,
    /// Generations whose cursor is beyond the known end: added once all files have been found.
    undecided: BTreeSet<GenerationId>,
    /// Slots that are new or were read further since the last call of `take_advanced`.
    advanced: BTreeSet<usize>,
    /// Lane name of the cursor rows in the state.
    lane: Arc<str>,
    /// The bytes left to the lane; only for the worker of a lane.
    lane_share: Option<lane_bytes::LaneShare>,
    account: ByteAccount,
    /// The account at the last commit, for a sink that commits.
    committed_account: ByteAccount,
    /// The event whose delivery state was asked for.
    pub(super) inspected: Option<InspectedEvent>,
    maybe_destroyed: destroyed::MaybeDestroyed,
}

impl Progress {
    /// `earlier`: events before these offsets were left to this worker by an earlier run. `share`: the bytes left to
    /// a lane, for its worker.
    pub(super) fn new(
        lane: Arc<str>,
        earlier: HashMap<GenerationId, u64>,
        share: Option<lane_bytes::LaneShare>,
    ) -> Self {
        Progress { lane, earlier_ends: earlier, lane_share: share, ..Progress::default() }
    }

    /// Starts again from these cursors. `own`: `Some` if the sink keeps its own cursors; their marks, if it stores
    /// marks.
    pub(super) fn reset(
        &mut self,
        cursors: Cursors,
        own: Option<HashMap<GenerationId, Mark>>,
        config: &WorkerConfig,
    ) {
        self.sink_keeps_cursors = own.is_some();
        self.marks = own.unwrap_or_default();
        let prefix = |cursor: Cursor| (cursor.generation, Prefix::at(cursor.offset));
        self.restart(cursors.into_iter().map(prefix).collect(), config);
    }

    /// Starts a lane from the main worker's prefixes.
    pub(super) fn reset_to_prefixes(
        &mut self,
        done: HashMap<GenerationId, Prefix>,
        config: &WorkerConfig,
    ) {
        self.restart(done, config);
    }

    fn restart(&mut self, done: HashMap<GenerationId, Prefix>, config: &WorkerConfig) {
        let before: Vec<_> =
            self.iter().map(|progress| (progress.reading.generation, progress.done())).collect();
        self.slots.clear();
        self.free_slots.clear();
        self.slot_of.clear();
        self.delisted.clear();
        self.undecided.clear();
        self.advanced.clear();
        self.totals = Totals::default();
        self.unlisted = done;
        self.discover(config, &ChangeSet::everything());
        // Not listed now: if it comes back, its accounting starts again.
        for (id, done) in before.into_iter().filter(|(id, _)| !self.slot_of.contains_key(id)) {
            self.accounted_from.remove(&id);
            self.forgotten_bytes += done;
        }
        self.account = self.committed_account;
        self.account.correct_to(self.seen().saturating_sub(self.outstanding()));
    }

    /// Adds new generations, updates the ends of changed ones, and notes those that the log no longer lists. Each new
    /// one gets a cursor row in the state: the follower keeps bytes for every consumer with a row, however old it is.
    pub(super) fn discover(&mut self, config: &WorkerConfig, news: &ChangeSet) {
        self.maybe_destroyed.note(news);
        if news.all {
            for generation in config.queue.generations() {
                self.update_generation(config, generation);
            }
            let is_gone = |id: &&GenerationId| config.queue.extent(**id).is_none();
            self.delisted.extend(self.slot_of.keys().filter(is_gone));
        }
        for generation in &news.generations {
            if self.slot_of.contains_key(generation) || config.queue.holds(*generation) {
                self.update_generation(config, *generation);
            } else {
                self.delisted.insert(*generation);
            }
        }
        if config.queue.settled() {
            for generation in std::mem::take(&mut self.undecided) {
                self.update_generation(config, generation);
            }
        }
    }

    fn update_generation(&mut self, config: &WorkerConfig, generation: GenerationId) {
        let Some((start, end)) = config.queue.extent(generation) else {
            self.delisted.insert(generation);
            return;
        };
        match self.slot_of.get(&generation) {
            Some(&index) => self.change(index, |progress| progress.note_end(end)),
            None => self.add(config, generation, start, end),
        }
    }

    fn add(&mut self, config: &WorkerConfig, generation: GenerationId, start: u64, end: u64) {
        let beyond = self.unlisted.get(&generation).is_some_and(|done| done.end() > end);
        // The state may lack bytes that were seen before: the file shows that, or that it no longer exists.
        let may_come = || !config.queue.has_file(generation) && !config.is_gone(generation);
        if beyond && (!config.queue.settled() || may_come()) {
            self.undecided.insert(generation);
            return;
        }
        let done = self.unlisted.remove(&generation);
        let mark = self.marks.remove(&generation);
        let holds = mark.and_then(|mark| blocking(|| config.queue.matches_mark(generation, &mark)));
        let again = holds == Some(false) || (beyond && !config.is_gone(generation));
        if again && done.is_some() {
            self.mismatched.push(generation);
        }
        let prefix = match beyond {
            // The sink took other bytes under this id: deliver twice rather than never.
            _ if holds == Some(false) => Prefix::at(start),
            // The bytes no longer exist.
            true if config.is_gone(generation) => Prefix::at(end),
            // The cursor is beyond the end of the file, so it belongs to bytes that no longer exist: deliver twice
            // rather than never.
            true => Prefix::at(start),
            false => done.unwrap_or(Prefix::at(start)),
        };
        let from = prefix.end();
        let cursor = Cursor { generation, offset: from };
        match again {
            true => config.store.put_cursor(&config.name, &self.lane, cursor),
            false => config.store.put_cursor_if_none(&config.name, &self.lane, cursor),
        }
        // Bytes that were done before the start are not part of the accounting.
        let known = from + prefix.beyond();
        let accounted_from = *self
            .accounted_from
            .entry(generation)
            .and_modify(|at| *at = known.min(*at))
            .or_insert(known);
        // Outside a round there is no end to read to.
        let reading = Reading::new(cursor, end.max(prefix.furthest())).up_to(0);
        self.insert(GenerationProgress {
            reading,
            source: SourceName::default(),
            prefix,
            committed: from,
            accounted_from,
            earlier_end: self.earlier_ends.get(&generation).copied().unwrap_or(0),
            encoded_until: from,
        });
    }

    /// Generation and offset of the event with this span.
    pub(super) fn event(&self, span: Span) -> Cursor {
        Cursor { generation: self.generation(span.slot), offset: span.start }
    }

    fn insert(&mut self, progress: GenerationProgress) {
        let index = self.free_slots.pop().unwrap_or(self.slots.len());
        if index == self.slots.len() {
            self.slots.push(None);
        }
        self.slot_of.insert(progress.reading.generation, index);
        self.totals.replace(index, Contribution::default(), progress.contribution());
        self.advanced.insert(index);
        self.slots[index] = Some(progress);
    }

    /// Drops generations that neither the log nor the state knows: they never come back, and their bytes stay in the
    /// account. Call it while no read is running. Returns the dropped generations.
    pub(super) fn forget(&mut self, config: &WorkerConfig) -> Vec<GenerationId> {
        let mut over = Vec::new();
        let mut delisted = std::mem::take(&mut self.delisted);
        delisted.retain(|id| {
            let known =
                config.queue.extent(*id).is_some() || config.store.generation(*id).is_some();
            if known || !self.forget_one(*id) {
                return !known;
            }
            over.push(*id);
            false
        });
        self.delisted = delisted;
        over
    }

    /// Drops one generation; `false` while bytes of it are pending or in flight.
    fn forget_one(&mut self, id: GenerationId) -> bool {
        if let Some(&index) = self.slot_of.get(&id) {
            let is_done = |progress: &&mut Option<GenerationProgress>| {
                let progress = progress.as_ref();
                progress.is_some_and(|progress| {
                    progress.has_nothing_in_flight() && progress.outstanding() == 0
                })
            };
            let Some(progress) = self.slots.get_mut(index).filter(is_done).and_then(Option::take)
            else {
                return false;
            };
            self.forgotten_bytes += progress.seen();
            self.totals.replace(index, progress.contribution(), Contribution::default());
            self.advanced.remove(&index);
            self.free_slots.push(index);
            self.slot_of.remove(&id);
        }
        if !self.sink_keeps_cursors {
            self.unlisted.remove(&id);
        }
        self.accounted_from.remove(&id);
        self.earlier_ends.remove(&id);
        true
    }

    /// Changes one generation's progress, and the totals with it.
    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut GenerationProgress) -> R) -> R {
        let progress =
            self.slots[index].as_mut().expect("a slot is kept while a span refers to it");
        let (before, read) = (progress.contribution(), progress.reading.offset);
        let result = change(progress);
        if read != progress.reading.offset {
            self.advanced.insert(index);
        }
        self.totals.replace(index, before, progress.contribution());
        result
    }

    fn change_all(&mut self, indices: Vec<usize>, change: impl Fn(&mut GenerationProgress)) {
        for index in indices {
            self.change(index, &change);
        }
    }

    fn at(&self, index: usize) -> &GenerationProgress {
        self.slots[index].as_ref().expect("a slot is kept while a span refers to it")
    }

    fn iter(&self) -> impl Iterator<Item = &GenerationProgress> {
        self.slots.iter().flatten()
    }

    fn flagged(&self, flag: Flag) -> impl Iterator<Item = (usize, &GenerationProgress)> {
        self.totals.of(flag).iter().map(|index| (*index, self.at(*index)))
    }

    /// Marks the bytes of this span as done, with this outcome. Returns how many of them are newly done.
    pub(super) fn complete(&mut self, span: Span, byte_outcome: ByteOutcome) -> u64 {
        let is_it =
            self.inspected.as_ref().is_some_and(|inspected| self.covers(span, inspected.event));
        if is_it && let Some(inspected) = &mut self.inspected {
            inspected.byte_outcome = Some(byte_outcome);
        }
        let progress = self.at(span.slot);
        let earlier = progress.earlier_end.clamp(span.start, span.end);
        // Events for other workers are done as soon as they are read.
        let in_flight = progress.prefix.missing_before(span.start);
        let mut done = |from, to| self.change(span.slot, |progress| progress.complete(from, to));
        let old = if span.start < earlier { done(span.start, earlier) } else { 0 };
        let new = done(earlier, span.end);
        let ours = match (&self.lane_share, byte_outcome) {
            (None, _) | (_, ByteOutcome::Filtered | ByteOutcome::OtherWorker) => new,
            (Some(share), ByteOutcome::Lost) => {
                share.lost(self.generation(span.slot), new, in_flight)
            }
            (Some(share), _) => share.done(self.generation(span.slot), new),
        };
        self.account.add(byte_outcome, old, true);
        self.account.add(byte_outcome, ours, false);
        self.account.add(ByteOutcome::OtherWorker, new - ours, false);
        old + new
    }

    /// Records how far the generation was read.
    pub(super) fn note_read(&mut self, index: usize, read: &Reading) {
        self.change(index, |progress| {
            progress.reading.follow(read);
            progress.encoded_until = progress.encoded_until.max(read.offset);
        });
    }

    pub(super) fn covers(&self, span: Span, event: Cursor) -> bool {
        (span.start..span.end).contains(&event.offset)
            && self.generation(span.slot) == event.generation
    }

    pub(super) fn generation(&self, index: usize) -> GenerationId {
        self.at(index).reading.generation
    }

    pub(super) fn source(&self, index: usize) -> SourceName {
        self.at(index).source.clone()
    }

    pub(super) fn name_source(&mut self, index: usize, source: SourceName) {
        self.change(index, |progress| progress.source = source);
    }

    pub(super) fn of(&self, generation: GenerationId) -> Option<&GenerationProgress> {
        self.slot_of.get(&generation).map(|index| self.at(*index))
    }

    /// Counts the accepted bytes as confirmed: they are durable.
    pub(super) fn confirm_accepted(&mut self) {
        self.account.confirm_accepted();
        self.committed_account = self.account;
    }

    /// Adds the account of a lane that has ended.
    pub(super) fn take_over(&mut self, other: &ByteAccount) {
        self.account.take_over(other);
    }

    pub(super) fn account(&self) -> &ByteAccount {
        &self.account
    }

    /// Bytes that the byte accounting covers.
    pub(super) fn seen(&self) -> u64 {
        self.totals.seen + self.forgotten_bytes
    }

    /// Those of them that are not done.
    pub(super) fn outstanding(&self) -> u64 {
        self.totals.outstanding
    }
}

#[cfg(test)]
mod tests;
