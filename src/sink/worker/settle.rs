//! What becomes of a delivery: confirmed, again, halved, kept as a dead letter; and the commit.

use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::bulk::Bulk;
use super::deliver::{Finish, Held};
use super::fill::Filler;
use super::{Accepted, Worker};
use crate::base::backoff::Backoff;
use crate::base::bytes;
use crate::event::Cursor;
use crate::follow::Read;
use crate::sink::dead_letters::DeadLetter;
use crate::sink::{Delivery, Outcome, SinkError};

/// The only lane of a cursor row, until a lane is blocked alone.
const LANE: &str = "*";

impl Worker {
    pub(super) async fn finish(&mut self, finish: Result<Finish, JoinError>) {
        match finish {
            Ok(Finish::Filled(filler, filled)) => self.take_filled(*filler, *filled),
            Ok(Finish::Counted(counter)) => self.take_counted(counter),
            Ok(Finish::Delivered(bulk, delivery)) => {
                self.flights.retain(|flight| flight.ticket != bulk.ticket);
                if !self.restart {
                    self.settle(bulk, delivery).await;
                }
            }
            Err(error) => {
                // A task of ours panicked, and what it held is gone: everything unconfirmed is read again.
                self.fail(format!("an internal error: {error}"), None, None);
                self.restart = true;
            }
        }
    }

    async fn settle(&mut self, bulk: Bulk, delivery: Delivery) {
        match delivery {
            Delivery::Each(outcomes) if outcomes.len() == bulk.len() => {
                self.settle_items(bulk, outcomes).await;
            }
            Delivery::Each(outcomes) => {
                let (sent, answered) = (bulk.len(), outcomes.len());
                let odd = format!("{answered} answers came for {sent} events");
                self.again(bulk, odd, None, None);
            }
            Delivery::All(Outcome::TooLarge) if bulk.len() > 1 => self.halve(&bulk),
            Delivery::All(Outcome::Retry(after)) | Delivery::Busy(after) => {
                self.trouble.slow_down();
                self.again(bulk, "the target asks to wait".into(), after, None);
            }
            Delivery::All(outcome) => {
                let outcomes = vec![outcome; bulk.len()];
                self.settle_items(bulk, outcomes).await;
            }
            Delivery::Blocked(reason) => self.again(bulk, reason.clone(), None, Some(reason)),
            Delivery::Down(error) => {
                let blocked = person_needed(&error);
                self.again(bulk, error.to_string(), None, blocked);
            }
        }
    }

    /// The whole bulk comes again when the back-off is over.
    fn again(
        &mut self,
        mut bulk: Bulk,
        error: String,
        after: Option<Duration>,
        blocked: Option<String>,
    ) {
        bulk.attempts += 1;
        self.held.push_front(Held { bulk, not_before: None });
        self.fail(error, after, blocked);
    }

    pub(super) fn fail(&mut self, error: String, after: Option<Duration>, blocked: Option<String>) {
        self.trouble_ticket = self.ticket;
        let wait = self.trouble.strike(after, blocked, self.config.clock.now());
        let (behind, wait) = (bytes::size(self.tracks.behind()), bytes::duration(wait));
        self.report.error(format!("{error}; {behind} wait in the files; next try in {wait}"));
    }

    fn halve(&mut self, bulk: &Bulk) {
        self.largest = self.largest.min(bulk.bytes() / 2).max(1);
        for half in bulk.halve().into_iter().rev() {
            self.held.push_front(Held { bulk: half, not_before: None });
        }
    }

    async fn settle_items(&mut self, bulk: Bulk, outcomes: Vec<Outcome>) {
        let (mut retries, mut refused, mut after) = (Vec::new(), Vec::new(), None);
        let mut blocked = None;
        // What is only accepted proves nothing before its commit.
        let proven = outcomes.iter().any(|outcome| *outcome != Outcome::Accepted);
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done => self.confirm(&bulk, index, false),
                Outcome::Duplicate => {
                    self.report.duplicate();
                    self.confirm(&bulk, index, false);
                }
                Outcome::Accepted => self.confirm(&bulk, index, true),
                Outcome::Retry(wait) => {
                    after = after.max(wait);
                    retries.push(index);
                }
                Outcome::Reject(reason) => refused.push((index, reason)),
                Outcome::TooLarge => refused.push((index, "too large for the target".into())),
                Outcome::Blocked(reason) => {
                    blocked = Some(reason);
                    retries.push(index);
                }
            }
        }
        let delivered = bulk.len() - retries.len() - refused.len();
        // What set out before the last failure proves nothing.
        let news = proven && delivered + refused.len() > 0 && bulk.ticket > self.trouble_ticket;
        if news && self.trouble.clear() {
            self.report.recovered();
        }
        if proven && delivered > 0 {
            self.report.success(self.config.clock.now());
        }
        if !refused.is_empty() && !self.keep_dead_letters(&bulk, &refused).await {
            retries.extend(refused.iter().map(|(index, _)| *index));
            retries.sort_unstable();
        }
        if !retries.is_empty() {
            self.retry(&bulk, retries, after, blocked);
        }
        self.recycle(bulk);
        self.after_progress();
    }

    fn confirm(&mut self, bulk: &Bulk, index: usize, with_commit: bool) {
        let place = bulk.places[index];
        self.tracks.all[place.track].prefix.complete(place.start, place.end);
        let bytes = place.end - place.start;
        if with_commit {
            self.accepted.events += 1;
            self.accepted.bytes += bytes;
        } else {
            self.report.confirmed(1, bytes);
        }
    }

    /// Some items come again while the rest went through; where none did, the whole sink waits.
    fn retry(
        &mut self,
        bulk: &Bulk,
        indices: Vec<usize>,
        after: Option<Duration>,
        blocked: Option<String>,
    ) {
        let all = indices.len() == bulk.len() && bulk.backoff.is_none();
        let mut part = bulk.only(indices.into_iter());
        part.attempts += 1;
        // A sink that keeps its own cursors cannot commit over a gap: nothing may pass what waits.
        if all || self.own_cursors {
            if !self.trouble.is_on(Instant::now()) {
                let why = blocked.clone().unwrap_or_else(|| "the target asks to wait".into());
                self.fail(why, after, blocked);
            }
            self.held.push_front(Held { bulk: part, not_before: None });
            return;
        }
        part.blocked = blocked;
        let seed = self.ticket;
        let backoff = part.backoff.get_or_insert_with(|| Backoff::new(seed));
        let wait = backoff.next_wait().max(after.unwrap_or_default());
        self.held.push_back(Held { bulk: part, not_before: Some(Instant::now() + wait) });
    }

    /// `false` where they could not be kept: then they are no dead letters yet.
    async fn keep_dead_letters(&mut self, bulk: &Bulk, refused: &[(usize, String)]) -> bool {
        let places = refused.iter().map(|(index, reason)| {
            let place = bulk.places[*index];
            let generation = self.tracks.all[place.track].generation;
            (Cursor { generation, offset: place.start }, reason.clone())
        });
        let places: Vec<(Cursor, String)> = places.collect();
        let (config, attempts) = (self.config.clone(), bulk.attempts + 1);
        let kept = tokio::task::spawn_blocking(move || {
            let mut letters = Vec::with_capacity(places.len());
            for (cursor, reason) in places {
                // The body is in the target's form; the document is made again from the log.
                match config.queue.read(cursor)? {
                    Read::Batch { batch, first } => {
                        let event = batch.event(first);
                        letters.push(DeadLetter::new(event, &config.policy, &reason, attempts));
                    }
                    Read::Waiting => {
                        let text = "its file cannot be read at this moment";
                        return Err(std::io::Error::other(text));
                    }
                    Read::Lost { .. } | Read::Finished => {}
                }
            }
            let kept = letters.len() as u64;
            config.dead_letters.keep(&config.name, letters).map(|()| kept)
        });
        let kept = kept.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        let kept = match kept {
            Ok(kept) => kept,
            Err(error) => {
                let text = format!("cannot keep dead letters ({error}): make room for them");
                self.fail(text.clone(), None, Some(text));
                return false;
            }
        };
        for (index, _) in refused {
            let place = bulk.places[*index];
            self.tracks.all[place.track].prefix.complete(place.start, place.end);
        }
        self.report.dead_letters(kept, refused.len() as u64, &refused[0].1);
        true
    }

    /// Cursors follow the prefixes: at once, or with the next commit of the sink.
    pub(super) fn after_progress(&mut self) {
        let waits_for_commit = self.own_cursors || self.accepted.events > 0;
        if !waits_for_commit {
            self.put_cursors();
        } else if self.commit_at.is_none() && (self.tracks.moved() || self.accepted.events > 0) {
            self.commit_at = Some(Instant::now() + self.limits.commit_every);
        }
        self.report.touch();
    }

    pub(super) fn commit_is_due(&self) -> bool {
        let Some(at) = self.commit_at else { return false };
        let possible = self.flights.is_empty()
            && !self.trouble.is_on(self.now)
            && (self.held.is_empty() || !self.own_cursors);
        let idle = !self.is_busy() && self.ready.is_none() && self.held.is_empty();
        let last = idle && (self.drain_until.is_some() || self.round_is_through());
        possible && (last || at <= self.now)
    }

    pub(super) async fn commit(&mut self) {
        self.commit_at = None;
        let mut upto = self.tracks.cursors();
        // What the state has forgotten long ago would be carried along for ever.
        upto.retain(|cursor| {
            let known = |id| self.config.store.generation(id).is_some();
            self.config.queue.extent(cursor.generation).is_some() || known(cursor.generation)
        });
        let sink = self.config.sink.clone();
        if let Err(error) = sink.commit(&upto).await {
            // The sink may have forgotten what it accepted: ask it where it stands, and go on from there.
            self.fail(error.to_string(), None, person_needed(&error));
            self.restart = true;
            return;
        }
        let accepted = std::mem::take(&mut self.accepted);
        self.report.confirmed(accepted.events, accepted.bytes);
        self.put_cursors();
        if self.trouble.clear() {
            self.report.recovered();
        }
        self.report.success(self.config.clock.now());
    }

    /// Asks the sink where it stands and begins there: at the start, and after what was accepted is lost.
    pub(super) async fn begin(&mut self) {
        self.flights.clear();
        self.drop_bodies();
        self.accepted = Accepted::default();
        self.commit_at = None;
        self.filler = Some(Filler::new(&self.config));
        let sink = self.config.sink.clone();
        let cursors = match sink.resume().await {
            Ok(own) => {
                self.own_cursors = own.is_some();
                own.unwrap_or_else(|| self.stored_cursors())
            }
            Err(error) => {
                // For the figures: what waits behind the last cursors that are known.
                self.tracks.reset(self.stored_cursors());
                self.tracks.discover(&self.config);
                return self.fail(error.to_string(), None, person_needed(&error));
            }
        };
        if self.own_cursors {
            self.limits.requests = 1;
        }
        self.restart = false;
        if self.own_cursors {
            // The sink's word counts; the state's copy may be older or newer.
            self.tell_cursors(&cursors);
        }
        self.tracks.reset(cursors);
        self.tracks.discover(&self.config);
        if self.mode.round {
            self.tracks.fix_ends();
        }
    }

    /// The cursors follow the prefixes. For a sink that keeps its own this is a copy, made after its commit:
    /// the follower must know what is still needed.
    fn put_cursors(&mut self) {
        let (store, name) = (&self.config.store, &self.config.name);
        self.tracks.commit(&mut |cursor| store.put_cursor(name, LANE, cursor));
    }

    fn tell_cursors(&self, cursors: &[Cursor]) {
        let name = &self.config.name;
        for old in self.stored_cursors() {
            let known = cursors.iter().any(|cursor| cursor.generation == old.generation);
            if !known && let Some((start, _)) = self.config.queue.extent(old.generation) {
                self.config.store.put_cursor(name, LANE, Cursor { offset: start, ..old });
            }
        }
        let known = |cursor: &&Cursor| self.config.store.generation(cursor.generation).is_some();
        for cursor in cursors.iter().filter(known) {
            self.config.store.put_cursor(name, LANE, *cursor);
        }
    }

    fn stored_cursors(&self) -> Vec<Cursor> {
        let rows = self.config.store.cursors(&self.config.name).into_iter();
        let rows = rows.filter(|row| row.lane == LANE);
        rows.map(|row| Cursor { generation: row.generation, offset: row.offset }).collect()
    }
}

fn person_needed(error: &SinkError) -> Option<String> {
    match error {
        SinkError::Unavailable(_) => None,
        SinkError::Misconfigured(reason) => Some(reason.clone()),
    }
}
