//! What becomes of a delivery: confirmed, again, halved, kept as a dead letter.

use std::fmt::Display;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::bulk::{Bulk, Place};
use super::byte_accounting::Fate;
use super::size_limit::{Body, Verdict};
use super::task_result::Finish;
use super::{Stage, Worker};
use crate::base::bytes;
use crate::sink::{Delivery, Outcome, Refusal, SinkError};

/// Tries of an event at which the target breaks, the last of them alone.
const TRIES_OF_ONE: u32 = 5;

impl Worker {
    pub(super) async fn finish(&mut self, finish: Result<Finish, JoinError>) {
        match finish {
            Ok(Finish::Filled(filler, filled)) => self.take_filled(*filler, *filled),
            Ok(Finish::Counted(counter)) => self.take_counted(counter),
            Ok(Finish::LookedUp(place, found)) => self.take_looked_up(place, found),
            Ok(Finish::Delivered(mut bulk, delivery)) => {
                self.transit.land(&mut bulk);
                match bulk.is_whole() {
                    _ if self.stage != Stage::Working => {}
                    true => self.settle(*bulk, delivery).await,
                    false => self.lost("the sink has not given back what it was given"),
                }
            }
            Err(error) => self.lost(error),
        }
    }

    /// What a task of ours held is gone, by a panic perhaps: everything unconfirmed is read again.
    fn lost(&mut self, error: impl Display) {
        self.fail(format!("an internal error: {error}"), None, None);
        self.break_off();
    }

    async fn settle(&mut self, bulk: Bulk, delivery: Delivery) {
        match delivery {
            Delivery::Each(outcomes) if outcomes.len() == bulk.len() => {
                // A sink that knows that a target takes nothing sends nothing.
                if !outcomes.iter().all(|outcome| matches!(outcome, Outcome::Blocked(_))) {
                    self.note_size(&bulk);
                }
                self.settle_items(bulk, outcomes).await;
            }
            Delivery::Each(outcomes) => {
                let (sent, answered) = (bulk.len(), outcomes.len());
                let odd = format!("{answered} answers came for {sent} events");
                self.again(bulk, odd, None, None);
            }
            Delivery::TooLarge(_) if bulk.len() > 1 => self.halve(&bulk),
            Delivery::TooLarge(reason) => self.refused_alone(bulk, reason).await,
            Delivery::All(Outcome::Retry(after)) | Delivery::Busy(after) => {
                self.trouble.slow_down();
                self.again(bulk, "the target asks to wait".into(), after, None);
            }
            Delivery::All(outcome) => {
                self.note_size(&bulk);
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
        self.transit.hold_first(bulk);
        self.fail(error, after, blocked);
    }

    pub(super) fn fail(&mut self, error: String, after: Option<Duration>, blocked: Option<String>) {
        let now = self.config.clock.now();
        let wait = self.trouble.strike(after, blocked, now, self.transit.ticket);
        let (behind, wait) = (bytes::size(self.tracks.outstanding()), bytes::duration(wait));
        self.report.error(format!("{error}; {behind} wait in the files; next try in {wait}"));
    }

    /// Its body was taken as one.
    fn note_size(&mut self, bulk: &Bulk) {
        let (ticket, bytes, carried) = (bulk.ticket, bulk.bytes(), bulk.items.carried());
        let size_limit = &mut self.transit.size_limit;
        size_limit.went_through(Body { ticket, bytes, carried });
        if size_limit.suspects_any() {
            for place in &bulk.places {
                size_limit.acquit(self.tracks.event(*place));
            }
        }
    }

    fn halve(&mut self, bulk: &Bulk) {
        self.transit.size_limit.refused(bulk.bytes());
        for half in bulk.halve().into_iter().rev() {
            self.transit.hold_first(half);
        }
    }

    async fn refused_alone(&mut self, mut bulk: Bulk, reason: String) {
        let event = self.tracks.event(bulk.places[0]);
        let carried = bulk.items.carried();
        match self.transit.size_limit.refused_alone(event, carried, self.transit.ticket) {
            Verdict::TooLarge => {
                let outcome = Outcome::Reject(Refusal::too_large());
                self.settle_items(bulk, vec![outcome]).await;
            }
            // Nothing may pass what waits.
            _ if self.commits.own_cursors => self.again(bulk, reason.clone(), None, Some(reason)),
            Verdict::Waits { blocked } => {
                bulk.attempts += 1;
                bulk.blocked = blocked.then_some(reason);
                self.transit.wait_aside(bulk, None);
            }
            Verdict::NothingPasses => {
                bulk.attempts += 1;
                // Behind the others, so that each of them is tried in its turn.
                self.transit.hold_last(bulk);
                self.fail(reason.clone(), None, Some(reason));
            }
        }
    }

    async fn settle_items(&mut self, bulk: Bulk, outcomes: Vec<Outcome>) {
        let (mut retries, mut refused, mut after) = (Vec::new(), Vec::new(), None);
        let (mut shut, mut blocked, mut broken) = (Vec::new(), None, Vec::new());
        // What is only accepted proves nothing before its commit.
        let proven = outcomes.iter().any(|outcome| *outcome != Outcome::Accepted);
        let mut done: Vec<(Place, Fate)> = Vec::new();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done | Outcome::Duplicate | Outcome::Dropped | Outcome::Accepted => {
                    let fate = self.confirm(outcome);
                    match done.last_mut() {
                        Some((last, of)) if *of == fate && last.touches(bulk.places[index]) => {
                            last.end = bulk.places[index].end;
                        }
                        _ => done.push((bulk.places[index], fate)),
                    }
                }
                Outcome::Retry(wait) => {
                    after = after.max(wait);
                    retries.push(index);
                }
                Outcome::Reject(refusal) => refused.push((index, refusal)),
                Outcome::Fails { refusal, own } if self.is_proved(&bulk, own) => {
                    refused.push((index, refusal));
                }
                Outcome::Fails { .. } => broken.push(index),
                Outcome::Blocked(reason) => {
                    blocked = Some(reason);
                    shut.push(index);
                }
            }
        }
        for (place, fate) in done {
            self.tracks.complete(place, fate);
        }
        let delivered = bulk.len() - retries.len() - refused.len() - shut.len() - broken.len();
        if proven && delivered + refused.len() > 0 && self.trouble.clear_by(bulk.ticket) {
            self.report.recovered();
        }
        if proven && delivered > 0 {
            self.report.success(self.config.clock.now());
        }
        if !refused.is_empty() && !self.keep_dead_letters(&bulk, &refused).await {
            retries.extend(refused.iter().map(|(index, _)| *index));
            retries.sort_unstable();
        }
        // Where nothing went through, the whole sink waits.
        let all = delivered + refused.len() == 0 && bulk.backoff.is_none();
        if !shut.is_empty() {
            let alone = retries.is_empty() && broken.is_empty();
            self.retry(&bulk, shut, all && alone, None, blocked);
        }
        if !broken.is_empty() {
            self.retry_broken(&bulk, &broken, delivered);
        }
        if !retries.is_empty() {
            self.retry(&bulk, retries, all, after, None);
        }
        self.transit.recycle(bulk);
        self.after_progress();
    }

    /// The target broke at the one event of this bulk so often that it always will.
    fn is_proved(&self, bulk: &Bulk, own: bool) -> bool {
        let others_passed = bulk.broke_at.is_some_and(|at| self.report.confirmed_events() > at);
        bulk.len() == 1 && bulk.attempts + 1 >= TRIES_OF_ONE && (own || others_passed)
    }

    /// The target broke at these events; others go on meanwhile. `delivered`: those of the same bulk that it took.
    fn retry_broken(&mut self, bulk: &Bulk, indices: &[usize], delivered: usize) {
        if self.commits.own_cursors {
            return self.retry(bulk, indices.to_vec(), true, None, None);
        }
        let confirmed = self.report.confirmed_events();
        let broke_at = bulk.broke_at.or(Some(confirmed - delivered as u64));
        let alone = bulk.attempts + 2 >= TRIES_OF_ONE;
        for part in indices.chunks(if alone { 1 } else { indices.len() }) {
            let mut part = Bulk { broke_at, ..bulk.only(part.iter().copied()) };
            part.attempts += 1;
            self.transit.wait_aside(part, None);
        }
    }

    /// Counts an event that the target has.
    fn confirm(&mut self, outcome: Outcome) -> Fate {
        match outcome {
            Outcome::Accepted => {
                self.commits.accepted += 1;
                return Fate::Accepted;
            }
            Outcome::Duplicate => self.report.duplicate(),
            Outcome::Dropped => self.report.dropped(),
            _ => {}
        }
        self.report.confirmed(1);
        Fate::Confirmed
    }

    /// Some items come again while the rest went through; where none did, the whole sink waits.
    fn retry(
        &mut self,
        bulk: &Bulk,
        indices: Vec<usize>,
        all: bool,
        after: Option<Duration>,
        blocked: Option<String>,
    ) {
        if blocked.is_some() {
            let tries = if all { self.trouble.attempts } else { bulk.attempts };
            self.consider_lanes(bulk, &indices, tries + 1);
        }
        let mut part = bulk.only(indices.into_iter());
        part.attempts += 1;
        // A sink that keeps its own cursors cannot commit over a gap: nothing may pass what waits.
        if all || self.commits.own_cursors {
            if !self.trouble.is_on(Instant::now()) {
                let why = blocked.clone().unwrap_or_else(|| "the target asks to wait".into());
                self.fail(why, after, blocked);
            }
            return self.transit.hold_first(part);
        }
        part.blocked = blocked;
        self.transit.wait_aside(part, after);
    }
}

pub(super) fn person_needed(error: &SinkError) -> Option<String> {
    match error {
        SinkError::Unavailable(_) => None,
        SinkError::Misconfigured(reason) => Some(reason.clone()),
    }
}
