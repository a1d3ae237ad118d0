//! Keeps a worker's events that were read and are not confirmed: encoded, being sent, or failed and waiting for a
//! retry.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bulk::Bulk;
use super::size_limit::SizeLimit;
use crate::base::Timestamp;
use crate::base::backoff::Backoff;

/// A running delivery.
#[derive(Debug)]
pub(super) struct ActiveDelivery {
    delivery_number: u64,
    sent_at: Instant,
    pub events: u64,
    /// Encoded bytes.
    bytes: usize,
    /// Bytes of the log.
    pub input: u64,
    /// When the oldest of the events was read.
    oldest: Option<Timestamp>,
    /// Why their target accepted nothing at the last try, while others did.
    blocked: Option<String>,
}

/// A bulk that failed and is sent again.
#[derive(Debug)]
pub(super) struct FailedBulk {
    pub bulk: Bulk,
    /// `None`: as soon as the sink is ready.
    pub not_before: Option<Instant>,
}

impl FailedBulk {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}

/// The events in flight. Their memory counts against the worker's budget.
#[derive(Debug)]
pub(super) struct InFlightEvents {
    /// Read and encoded, not yet sent.
    pub ready: Option<Bulk>,
    /// Failed deliveries that are sent again.
    pub failed: VecDeque<FailedBulk>,
    pub active: Vec<ActiveDelivery>,
    /// Number of the last delivery.
    pub delivery_number: u64,
    /// Buffers of finished bulks.
    spare_buffers: Vec<Bulk>,
    pub size_limit: SizeLimit,
}

impl InFlightEvents {
    pub(super) fn new(size_limit: SizeLimit) -> Self {
        InFlightEvents {
            ready: None,
            failed: VecDeque::new(),
            active: Vec::new(),
            delivery_number: 0,
            spare_buffers: Vec::new(),
            size_limit,
        }
    }

    /// Whether no event is waiting to be sent; deliveries may still be running.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_none() && self.failed.is_empty()
    }

    /// Bulks that were read and are not being sent.
    pub(super) fn not_sent(&self) -> impl Iterator<Item = &Bulk> {
        self.ready.iter().chain(self.failed.iter().map(|failed| &failed.bulk))
    }

    /// Whether failed bulks leave no space in the budget for another one.
    pub(super) fn is_full(&self, budget: usize) -> bool {
        let failed: usize = self.failed.iter().map(|failed| failed.bulk.bytes()).sum();
        let sent: usize = self.active.iter().map(|delivery| delivery.bytes).sum();
        failed > 0 && failed + sent + self.size_limit.now() > budget
    }

    /// Sends the whole bulk again, before others.
    pub(super) fn retry_first(&mut self, bulk: Bulk) {
        self.failed.push_front(FailedBulk { bulk, not_before: None });
    }

    /// Sends it again after the others.
    pub(super) fn retry_last(&mut self, bulk: Bulk) {
        self.failed.push_back(FailedBulk { bulk, not_before: None });
    }

    /// Sends it again after its own back-off; others continue.
    pub(super) fn retry_later(&mut self, mut bulk: Bulk, after: Option<Duration>) {
        let seed = self.delivery_number;
        let backoff = bulk.backoff.get_or_insert_with(|| Backoff::new(seed));
        let wait = backoff.next_wait().max(after.unwrap_or_default());
        self.failed.push_back(FailedBulk { bulk, not_before: Some(Instant::now() + wait) });
    }

    /// Ends the waits of all failed bulks.
    pub(super) fn retry_now(&mut self, now: Instant) {
        for failed in &mut self.failed {
            failed.not_before = failed.not_before.map(|at| at.min(now));
        }
    }

    /// The times at which failed bulks are due again.
    pub(super) fn due_times(&self) -> impl Iterator<Item = Instant> {
        self.failed.iter().filter_map(|failed| failed.not_before)
    }

    /// The next bulk to be sent, within the limits: failed bulks that are due first, several of them merged.
    pub(super) fn next_bulk(&mut self, events: usize, now: Instant) -> Option<Bulk> {
        let bulk = match self.failed.iter().position(|failed| failed.is_due(now)) {
            Some(first) => self.merge_due(first, events, now),
            None => self.ready.take()?,
        };
        // It does not fit if the limit was lowered since it was read; the remaining part is sent next.
        let fitting = bulk.fitting(self.size_limit.now());
        if fitting >= bulk.len() {
            return Some(bulk);
        }
        let [first, rest] = [0..fitting, fitting..bulk.len()]
            .map(|part| Bulk { blocked: bulk.blocked.clone(), ..bulk.subset(part) });
        self.retry_first(rest);
        Some(first)
    }

    fn merge_due(&mut self, first: usize, events: usize, now: Instant) -> Bulk {
        let mut bulk = self.failed.remove(first).expect("the index was just found").bulk;
        if bulk.broke_at.is_some() {
            return bulk;
        }
        let mut index = first;
        while let Some(failed) = self.failed.get(index) {
            let fits = failed.bulk.bytes() + bulk.bytes() <= self.size_limit.now()
                && bulk.len() + failed.bulk.len() <= events;
            let alike = failed.bulk.blocked.is_some() == bulk.blocked.is_some()
                && failed.bulk.broke_at.is_none();
            if fits && alike && failed.not_before.is_some() && failed.is_due(now) {
                bulk.append(&failed.bulk);
                self.failed.remove(index);
            } else {
                index += 1;
            }
        }
        bulk
    }

    /// Records that the bulk is being sent from now on.
    pub(super) fn mark_sent(&mut self, bulk: &mut Bulk) {
        self.delivery_number += 1;
        bulk.delivery_number = self.delivery_number;
        self.active.push(ActiveDelivery {
            delivery_number: self.delivery_number,
            sent_at: Instant::now(),
            events: bulk.len() as u64,
            bytes: bulk.bytes(),
            input: bulk.input(),
            oldest: bulk.oldest,
            blocked: bulk.blocked.clone(),
        });
    }

    /// Records that the delivery of this bulk was answered.
    pub(super) fn mark_answered(&mut self, bulk: &mut Bulk) {
        let delivery = self
            .active
            .iter()
            .position(|delivery| delivery.delivery_number == bulk.delivery_number);
        let delivery = delivery.map(|index| self.active.remove(index));
        bulk.answered_in = delivery.map_or(Duration::ZERO, |delivery| delivery.sent_at.elapsed());
    }

    /// Discards everything, after the last running delivery has ended: all these events are read again.
    pub(super) fn discard_all(&mut self) {
        self.active.clear();
        self.drop_bodies();
    }

    /// Whether bulks that are not being sent, or spare buffers, use memory.
    pub(super) fn holds_bodies(&self) -> bool {
        !self.is_empty() || !self.spare_buffers.is_empty()
    }

    pub(super) fn drop_bodies(&mut self) {
        self.ready = None;
        self.failed.clear();
        self.spare_buffers.clear();
    }

    pub(super) fn recycle(&mut self, mut bulk: Bulk) {
        // Do not keep the buffer of a giant event.
        if self.spare_buffers.len() < 2
            && bulk.items.body.capacity() <= 2 * self.size_limit.configured()
        {
            bulk.clear();
            self.spare_buffers.push(bulk);
        }
    }

    /// An empty bulk, with the buffer of a finished one if there is one.
    pub(super) fn empty_bulk(&mut self) -> Bulk {
        self.spare_buffers.pop().unwrap_or_default()
    }

    /// When the oldest unconfirmed event was read.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let sent = self.active.iter().filter_map(|delivery| delivery.oldest);
        sent.chain(self.not_sent().filter_map(|bulk| bulk.oldest)).min()
    }

    /// Why one target accepts nothing while others do; `None` if there is none.
    pub(super) fn blocked(&self) -> Option<&String> {
        let failed = self.failed.iter().map(|failed| &failed.bulk.blocked);
        failed.chain(self.active.iter().map(|delivery| &delivery.blocked)).flatten().next()
    }
}
