//! Applies the result of a delivery to its events: they are confirmed, sent again (perhaps in two halves), or stored as
//! dead letters.

use std::fmt::Display;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::Instant;

use super::bulk::{Bulk, Span};
use super::byte_accounting::ByteOutcome;
use super::size_limit::{PassedBody, Verdict};
use super::task_result::TaskResult;
use super::{Stage, Worker};
use crate::base::bytes;
use crate::sink::{Delivery, Outcome, Refusal, SinkError};

/// Number of attempts after which an event at which the target fails may be rejected; the last ones send it alone.
const TRIES_OF_ONE: u32 = 5;

impl Worker {
    /// Applies the result of a finished task.
    pub(super) async fn take_result(&mut self, result: Result<TaskResult, JoinError>) {
        match result {
            Ok(TaskResult::Encoded(encoder, encoded)) => self.take_encoded(*encoder, *encoded),
            Ok(TaskResult::Counted(counter)) => self.take_counted(counter),
            Ok(TaskResult::Inspected(place, found)) => self.take_inspection(place, found),
            Ok(TaskResult::Delivered(mut bulk, delivery)) => {
                self.in_flight.mark_answered(&mut bulk);
                match bulk.is_consistent() {
                    _ if self.stage != Stage::Working => {}
                    true => self.apply_delivery(*bulk, delivery).await,
                    false => self.task_failed("the sink did not return the events it was given"),
                }
            }
            Err(error) => self.task_failed(error),
        }
    }

    /// The events of a task are gone, for example after a panic: everything unconfirmed is read again.
    fn task_failed(&mut self, error: impl Display) {
        self.fail(format!("internal error: {error}"), None, None);
        self.restart_from_durable();
    }

    async fn apply_delivery(&mut self, bulk: Bulk, delivery: Delivery) {
        match delivery {
            Delivery::Each(outcomes) if outcomes.len() == bulk.len() => {
                // If all are blocked, the sink sent no request: this proves no size.
                if !outcomes.iter().all(|outcome| matches!(outcome, Outcome::Blocked(_))) {
                    self.record_size(&bulk);
                }
                self.apply_outcomes(bulk, outcomes).await;
            }
            Delivery::Each(outcomes) => {
                let (sent, answered) = (bulk.len(), outcomes.len());
                let odd = format!("the target sent {answered} answers for {sent} events");
                self.retry_whole(bulk, odd, None, None);
            }
            Delivery::TooLarge(_) if bulk.len() > 1 => self.halve(&bulk),
            Delivery::TooLarge(reason) => self.refused_alone(bulk, reason).await,
            Delivery::All(Outcome::Retry(after)) | Delivery::Busy(after) => {
                self.retry_backoff.limit_requests();
                self.retry_whole(bulk, "the target asked to retry later".into(), after, None);
            }
            Delivery::All(outcome) => {
                self.record_size(&bulk);
                let outcomes = vec![outcome; bulk.len()];
                self.apply_outcomes(bulk, outcomes).await;
            }
            Delivery::Blocked(reason) => self.retry_whole(bulk, reason.clone(), None, Some(reason)),
            Delivery::Down(error) => {
                let blocked = person_needed(&error);
                self.retry_whole(bulk, error.to_string(), None, blocked);
            }
        }
    }

    /// Retries the whole bulk after the back-off.
    fn retry_whole(
        &mut self,
        mut bulk: Bulk,
        error: String,
        after: Option<Duration>,
        blocked: Option<String>,
    ) {
        bulk.attempts += 1;
        self.in_flight.retry_first(bulk);
        self.fail(error, after, blocked);
    }

    /// Starts a back-off and reports the error. `after`: the wait that the target asked for. `blocked`: why a person is
    /// needed.
    pub(super) fn fail(&mut self, error: String, after: Option<Duration>, blocked: Option<String>) {
        let now = self.config.clock.now();
        let wait =
            self.retry_backoff.record_failure(after, blocked, now, self.in_flight.delivery_number);
        let (behind, wait) = (bytes::size(self.progress.outstanding()), bytes::duration(wait));
        self.report
            .error(format!("{error}; {behind} pending in the log files; next try in {wait}"));
    }

    /// The target accepted a body of this size.
    fn record_size(&mut self, bulk: &Bulk) {
        let (delivery_number, bytes, request_bytes) =
            (bulk.delivery_number, bulk.bytes(), bulk.items.request_bytes());
        let size_limit = &mut self.in_flight.size_limit;
        size_limit.went_through(PassedBody { delivery_number, bytes, request_bytes });
        if size_limit.has_suspects() {
            for span in &bulk.spans {
                size_limit.clear_suspect(self.progress.event(*span));
            }
        }
    }

    /// Has the events of a bulk that was too large sent in two halves.
    fn halve(&mut self, bulk: &Bulk) {
        self.in_flight.size_limit.refused(bulk.bytes());
        for half in bulk.halve().into_iter().rev() {
            self.in_flight.retry_first(half);
        }
    }

    /// A single event was refused as too large.
    async fn refused_alone(&mut self, mut bulk: Bulk, reason: String) {
        let event = self.progress.event(bulk.spans[0]);
        let request_bytes = bulk.items.request_bytes();
        match self.in_flight.size_limit.refused_alone(
            event,
            request_bytes,
            self.in_flight.delivery_number,
        ) {
            Verdict::TooLarge => {
                let outcome = Outcome::Reject(Refusal::too_large());
                self.apply_outcomes(bulk, vec![outcome]).await;
            }
            // Later events must not overtake pending ones.
            _ if self.commits.own_cursors => {
                self.retry_whole(bulk, reason.clone(), None, Some(reason))
            }
            Verdict::Waits { blocked } => {
                bulk.attempts += 1;
                bulk.blocked = blocked.then_some(reason);
                self.in_flight.retry_later(bulk, None);
            }
            Verdict::NothingPasses => {
                bulk.attempts += 1;
                // Last in the queue, so that each pending bulk is tried in turn.
                self.in_flight.retry_last(bulk);
                self.fail(reason.clone(), None, Some(reason));
            }
        }
    }

    /// Applies the outcome of each event of a bulk.
    async fn apply_outcomes(&mut self, bulk: Bulk, outcomes: Vec<Outcome>) {
        let (mut retries, mut refused, mut after) = (Vec::new(), Vec::new(), None);
        let (mut shut_targets, mut blocked, mut broken) = (Vec::new(), None, Vec::new());
        // Accepted events prove nothing before their commit.
        let proven = outcomes.iter().any(|outcome| *outcome != Outcome::Accepted);
        let mut done: Vec<(Span, ByteOutcome)> = Vec::new();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Outcome::Done | Outcome::Duplicate | Outcome::Dropped | Outcome::Accepted => {
                    let byte_outcome = self.confirm(outcome);
                    match done.last_mut() {
                        Some((last, of))
                            if *of == byte_outcome && last.touches(bulk.spans[index]) =>
                        {
                            last.end = bulk.spans[index].end;
                        }
                        _ => done.push((bulk.spans[index], byte_outcome)),
                    }
                }
                Outcome::Retry(wait) => {
                    after = after.max(wait);
                    retries.push(index);
                }
                Outcome::Reject(refusal) => refused.push((index, refusal)),
                Outcome::Fails { refusal, own } if self.is_proven(&bulk, own) => {
                    refused.push((index, refusal));
                }
                Outcome::Fails { .. } => broken.push(index),
                Outcome::Blocked(reason) => {
                    blocked = Some(reason);
                    shut_targets.push(index);
                }
            }
        }
        for (span, byte_outcome) in done {
            self.progress.complete(span, byte_outcome);
        }
        let delivered =
            bulk.len() - retries.len() - refused.len() - shut_targets.len() - broken.len();
        if proven
            && delivered + refused.len() > 0
            && self.retry_backoff.clear_if_newer(bulk.delivery_number)
        {
            self.report.recovered();
        }
        if proven && delivered > 0 {
            self.report.success(self.config.clock.now());
        }
        if !refused.is_empty() && !self.keep_dead_letters(&bulk, &refused).await {
            retries.extend(refused.iter().map(|(index, _)| *index));
            retries.sort_unstable();
        }
        // If no event was delivered, the whole sink waits.
        let all = delivered + refused.len() == 0 && bulk.backoff.is_none();
        if !shut_targets.is_empty() {
            let alone = retries.is_empty() && broken.is_empty();
            self.retry(&bulk, shut_targets, all && alone, None, blocked);
        }
        if !broken.is_empty() {
            self.retry_broken(&bulk, &broken, delivered);
        }
        if !retries.is_empty() {
            self.retry(&bulk, retries, all, after, None);
        }
        self.in_flight.recycle(bulk);
        self.after_progress();
    }

    /// The target has failed at this event, sent alone, so often that the event must be the cause.
    fn is_proven(&self, bulk: &Bulk, proves_itself: bool) -> bool {
        let others_passed = bulk.broke_at.is_some_and(|at| self.report.confirmed_events() > at);
        bulk.len() == 1 && bulk.attempts + 1 >= TRIES_OF_ONE && (proves_itself || others_passed)
    }

    /// Retries the events at which the target failed, while others continue. `delivered`: events of this bulk that it
    /// took.
    fn retry_broken(&mut self, bulk: &Bulk, indices: &[usize], delivered: usize) {
        if self.commits.own_cursors {
            return self.retry(bulk, indices.to_vec(), true, None, None);
        }
        let confirmed = self.report.confirmed_events();
        let broke_at = bulk.broke_at.or(Some(confirmed - delivered as u64));
        let alone = bulk.attempts + 2 >= TRIES_OF_ONE;
        for part in indices.chunks(if alone { 1 } else { indices.len() }) {
            let mut part = Bulk { broke_at, ..bulk.subset(part.iter().copied()) };
            part.attempts += 1;
            self.in_flight.retry_later(part, None);
        }
    }

    /// Counts an event that the target has.
    fn confirm(&mut self, outcome: Outcome) -> ByteOutcome {
        match outcome {
            Outcome::Accepted => {
                self.commits.accepted += 1;
                return ByteOutcome::Accepted;
            }
            Outcome::Duplicate => self.report.duplicate(),
            Outcome::Dropped => self.report.dropped(),
            _ => {}
        }
        self.report.confirmed(1);
        ByteOutcome::Confirmed
    }

    /// Retries some events of a bulk, apart from the others. `all`: no event of the bulk was delivered, so the whole
    /// sink waits.
    fn retry(
        &mut self,
        bulk: &Bulk,
        indices: Vec<usize>,
        all: bool,
        after: Option<Duration>,
        blocked: Option<String>,
    ) {
        if blocked.is_some() {
            let tries = if all { self.retry_backoff.attempts } else { bulk.attempts };
            self.check_lane_needed(bulk, &indices, tries + 1);
        }
        let mut part = bulk.subset(indices.into_iter());
        part.attempts += 1;
        // A sink that keeps its own cursors cannot commit over a gap: nothing may overtake pending events.
        if all || self.commits.own_cursors {
            if !self.retry_backoff.is_waiting(Instant::now()) {
                let why =
                    blocked.clone().unwrap_or_else(|| "the target asked to retry later".into());
                self.fail(why, after, blocked);
            }
            return self.in_flight.retry_first(part);
        }
        part.blocked = blocked;
        self.in_flight.retry_later(part, after);
    }
}

/// The reason why a person is needed; `None` if retrying may be enough.
pub(super) fn person_needed(error: &SinkError) -> Option<String> {
    match error {
        SinkError::Unavailable(_) => None,
        SinkError::Misconfigured(reason) => Some(reason.clone()),
    }
}
