//! The encoded events of one delivery, with the position of each in its generation.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::backoff::Backoff;
use crate::sink::Items;

/// The bytes of the log from which one item comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Index of its generation in the worker's [`super::progress::Progress`].
    pub slot: usize,
    pub start: u64,
    pub end: u64,
}

impl Span {
    /// Whether `next` starts where this span ends.
    pub(super) fn touches(&self, next: Span) -> bool {
        self.slot == next.slot && self.end == next.start
    }
}

/// The content of one delivery.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    pub items: Items,
    /// One per item.
    pub spans: Vec<Span>,
    /// One per item: the day that names its index.
    pub days: Vec<i32>,
    /// When its oldest event was read.
    pub oldest: Option<Timestamp>,
    /// Number of the delivery that carries it.
    pub delivery_number: u64,
    /// Time until the target answered the last delivery of it.
    pub answered_in: Duration,
    /// Failed deliveries so far.
    pub attempts: u32,
    /// Its own back-off, if it consists of events that failed while the others of their bulk were delivered.
    pub backoff: Option<Backoff>,
    /// Set if the target failed at these events, which are then sent separately: the number of events that had been
    /// confirmed at that time.
    pub broke_at: Option<u64>,
    /// Why its target accepted nothing at the last try, while others did.
    pub blocked: Option<String>,
}

impl Bulk {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Whether the sink has returned all items that it was given.
    pub(super) fn is_consistent(&self) -> bool {
        let end = self.items.ends.last().copied().unwrap_or_default();
        self.items.len() == self.len() && self.items.body.len() == end
    }

    /// Size of the encoded items in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.items.body.len()
    }

    /// Number of bytes of the log from which the items come.
    pub(super) fn input(&self) -> u64 {
        self.spans.iter().map(|span| span.end - span.start).sum()
    }

    /// Empties it and keeps the buffers.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.spans.clear();
        self.days.clear();
        self.oldest = None;
        self.attempts = 0;
        self.backoff = None;
        self.blocked = None;
        self.broke_at = None;
    }

    /// A copy with only the items at these indices.
    pub(super) fn subset(&self, indices: impl Iterator<Item = usize>) -> Bulk {
        let (oldest, attempts, backoff) = (self.oldest, self.attempts, self.backoff.clone());
        let mut part = Bulk { oldest, attempts, backoff, ..Bulk::default() };
        for index in indices {
            part.items.push(self.items.item(index));
            part.spans.push(self.spans[index]);
            part.days.push(self.days[index]);
        }
        part
    }

    /// Appends the items of another bulk.
    pub(super) fn append(&mut self, other: &Bulk) {
        let before = self.items.body.len();
        self.items.body.extend_from_slice(&other.items.body);
        self.items.ends.extend(other.items.ends.iter().map(|end| before + end));
        self.spans.extend_from_slice(&other.spans);
        self.days.extend_from_slice(&other.days);
        self.attempts = self.attempts.max(other.attempts);
        self.blocked = self.blocked.take().or_else(|| other.blocked.clone());
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
    }

    /// How many items fit into `bytes`; at least one.
    pub(super) fn fitting(&self, bytes: usize) -> usize {
        self.items.ends.partition_point(|end| *end <= bytes).max(1)
    }

    /// Two halves of a bulk that was too large as a whole.
    pub(super) fn halve(&self) -> [Bulk; 2] {
        let middle = self.len() / 2;
        [self.subset(0..middle), self.subset(middle..self.len())]
    }
}
