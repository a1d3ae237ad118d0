//! Events between the log and the target: read and encoded, under way, or failed and due again.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bulk::Bulk;
use super::size_limit::SizeLimit;
use crate::base::Timestamp;
use crate::base::backoff::Backoff;

/// A delivery under way.
#[derive(Debug)]
pub(super) struct Flight {
    ticket: u64,
    set_out: Instant,
    pub events: u64,
    /// Encoded.
    bytes: usize,
    /// Of the log.
    pub input: u64,
    oldest: Option<Timestamp>,
    blocked: Option<String>,
}

/// A bulk that failed and comes again.
#[derive(Debug)]
pub(super) struct Held {
    pub bulk: Bulk,
    /// `None`: as soon as the sink is ready.
    pub not_before: Option<Instant>,
}

impl Held {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}

/// See the module. What it holds is counted in the budget of its worker.
#[derive(Debug)]
pub(super) struct Transit {
    /// Read and encoded, not yet delivered.
    pub ready: Option<Bulk>,
    /// Deliveries that failed and come again.
    pub held: VecDeque<Held>,
    pub flights: Vec<Flight>,
    /// Number of the last delivery.
    pub ticket: u64,
    /// Buffers of bulks that are done.
    spare: Vec<Bulk>,
    pub size_limit: SizeLimit,
}

impl Transit {
    pub(super) fn new(size_limit: SizeLimit) -> Self {
        Transit {
            ready: None,
            held: VecDeque::new(),
            flights: Vec::new(),
            ticket: 0,
            spare: Vec::new(),
            size_limit,
        }
    }

    /// Nothing is read that is not under way.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_none() && self.held.is_empty()
    }

    /// What was read and is not under way.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = &Bulk> {
        self.ready.iter().chain(self.held.iter().map(|held| &held.bulk))
    }

    /// Beside what failed no other bulk fits into the budget.
    pub(super) fn is_full(&self, budget: usize) -> bool {
        let held: usize = self.held.iter().map(|held| held.bulk.bytes()).sum();
        let flying: usize = self.flights.iter().map(|flight| flight.bytes).sum();
        held > 0 && held + flying + self.size_limit.now() > budget
    }

    /// The whole bulk comes again, before others.
    pub(super) fn hold_first(&mut self, bulk: Bulk) {
        self.held.push_front(Held { bulk, not_before: None });
    }

    /// Behind the others.
    pub(super) fn hold_last(&mut self, bulk: Bulk) {
        self.held.push_back(Held { bulk, not_before: None });
    }

    /// It comes again when its own back-off is over; others go on.
    pub(super) fn wait_aside(&mut self, mut bulk: Bulk, after: Option<Duration>) {
        let seed = self.ticket;
        let backoff = bulk.backoff.get_or_insert_with(|| Backoff::new(seed));
        let wait = backoff.next_wait().max(after.unwrap_or_default());
        self.held.push_back(Held { bulk, not_before: Some(Instant::now() + wait) });
    }

    /// Nothing that failed waits any longer.
    pub(super) fn retry(&mut self, now: Instant) {
        for held in &mut self.held {
            held.not_before = held.not_before.map(|at| at.min(now));
        }
    }

    /// When what failed is due again.
    pub(super) fn dues(&self) -> impl Iterator<Item = Instant> {
        self.held.iter().filter_map(|held| held.not_before)
    }

    /// What is delivered next, cut to the limits: what failed before goes first, several of them together.
    pub(super) fn next(&mut self, events: usize, now: Instant) -> Option<Bulk> {
        let bulk = match self.held.iter().position(|held| held.is_due(now)) {
            Some(first) => self.gather(first, events, now),
            None => self.ready.take()?,
        };
        // One from before a smaller limit was learned; what does not fit goes next.
        let fitting = bulk.fitting(self.size_limit.now());
        if fitting >= bulk.len() {
            return Some(bulk);
        }
        let [first, rest] = [0..fitting, fitting..bulk.len()]
            .map(|part| Bulk { blocked: bulk.blocked.clone(), ..bulk.only(part) });
        self.hold_first(rest);
        Some(first)
    }

    fn gather(&mut self, first: usize, events: usize, now: Instant) -> Bulk {
        let mut bulk = self.held.remove(first).expect("it was found there").bulk;
        if bulk.broke_at.is_some() {
            return bulk;
        }
        let mut index = first;
        while let Some(held) = self.held.get(index) {
            let fits = held.bulk.bytes() + bulk.bytes() <= self.size_limit.now()
                && bulk.len() + held.bulk.len() <= events;
            let alike = held.bulk.blocked.is_some() == bulk.blocked.is_some()
                && held.bulk.broke_at.is_none();
            if fits && alike && held.not_before.is_some() && held.is_due(now) {
                bulk.append(&held.bulk);
                self.held.remove(index);
            } else {
                index += 1;
            }
        }
        bulk
    }

    /// The bulk is under way from now on.
    pub(super) fn set_out(&mut self, bulk: &mut Bulk) {
        self.ticket += 1;
        bulk.ticket = self.ticket;
        self.flights.push(Flight {
            ticket: self.ticket,
            set_out: Instant::now(),
            events: bulk.len() as u64,
            bytes: bulk.bytes(),
            input: bulk.input(),
            oldest: bulk.oldest,
            blocked: bulk.blocked.clone(),
        });
    }

    /// It is answered.
    pub(super) fn land(&mut self, bulk: &mut Bulk) {
        let flight = self.flights.iter().position(|flight| flight.ticket == bulk.ticket);
        let flight = flight.map(|index| self.flights.remove(index));
        bulk.took = flight.map_or(Duration::ZERO, |flight| flight.set_out.elapsed());
    }

    /// Nothing is under way any more.
    pub(super) fn abandon(&mut self) {
        self.flights.clear();
        self.drop_bodies();
    }

    /// Bodies of the bulks that are not under way, or buffers for them, are in memory.
    pub(super) fn holds_bodies(&self) -> bool {
        !self.is_empty() || !self.spare.is_empty()
    }

    pub(super) fn drop_bodies(&mut self) {
        self.ready = None;
        self.held.clear();
        self.spare.clear();
    }

    pub(super) fn recycle(&mut self, mut bulk: Bulk) {
        // The buffer of a giant event is not kept.
        if self.spare.len() < 2 && bulk.items.body.capacity() <= 2 * self.size_limit.configured() {
            bulk.clear();
            self.spare.push(bulk);
        }
    }

    /// An empty bulk.
    pub(super) fn buffer(&mut self) -> Bulk {
        self.spare.pop().unwrap_or_default()
    }

    /// When the oldest event that is read and not confirmed was read.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let flying = self.flights.iter().filter_map(|flight| flight.oldest);
        flying.chain(self.set_aside().filter_map(|bulk| bulk.oldest)).min()
    }

    /// Why a target takes nothing, while others do.
    pub(super) fn blocked(&self) -> Option<&String> {
        let held = self.held.iter().map(|held| &held.bulk.blocked);
        held.chain(self.flights.iter().map(|flight| &flight.blocked)).flatten().next()
    }
}
