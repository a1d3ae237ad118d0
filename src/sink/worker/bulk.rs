//! Encoded events on their way, and where each of them stands in its generation.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::backoff::Backoff;
use crate::sink::Items;

/// Where one item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the worker's track.
    pub track: usize,
    pub start: u64,
    pub end: u64,
}

impl Place {
    /// `next` begins where it ends.
    pub(super) fn touches(&self, next: Place) -> bool {
        self.track == next.track && self.end == next.start
    }
}

/// What one delivery carries.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    pub items: Items,
    /// One an item.
    pub places: Vec<Place>,
    /// The same: the day that names its index.
    pub days: Vec<i32>,
    /// When the oldest of it was read.
    pub oldest: Option<Timestamp>,
    /// Number of the delivery that carries it.
    pub ticket: u64,
    /// How long the last one took to be answered.
    pub took: Duration,
    /// Deliveries that failed before.
    pub attempts: u32,
    /// The waits of a part that failed while the rest went through.
    pub backoff: Option<Backoff>,
    /// The target broke at these events; so many events had been confirmed then. They go apart from others.
    pub broke_at: Option<u64>,
    /// Why its target took nothing at the last try, while others did.
    pub blocked: Option<String>,
}

impl Bulk {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The items are those of its places: a sink has given back what it was given.
    pub(super) fn is_whole(&self) -> bool {
        let end = self.items.ends.last().copied().unwrap_or_default();
        self.items.len() == self.len() && self.items.body.len() == end
    }

    /// Encoded bytes.
    pub(super) fn bytes(&self) -> usize {
        self.items.body.len()
    }

    /// Bytes of the log.
    pub(super) fn input(&self) -> u64 {
        self.places.iter().map(|place| place.end - place.start).sum()
    }

    /// Empty, with its buffers kept.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.places.clear();
        self.days.clear();
        self.oldest = None;
        self.attempts = 0;
        self.backoff = None;
        self.blocked = None;
        self.broke_at = None;
    }

    /// Only the items at these indices.
    pub(super) fn only(&self, indices: impl Iterator<Item = usize>) -> Bulk {
        let (oldest, attempts, backoff) = (self.oldest, self.attempts, self.backoff.clone());
        let mut part = Bulk { oldest, attempts, backoff, ..Bulk::default() };
        for index in indices {
            part.items.push(self.items.item(index));
            part.places.push(self.places[index]);
            part.days.push(self.days[index]);
        }
        part
    }

    /// Takes the items of another behind its own.
    pub(super) fn append(&mut self, other: &Bulk) {
        let before = self.items.body.len();
        self.items.body.extend_from_slice(&other.items.body);
        self.items.ends.extend(other.items.ends.iter().map(|end| before + end));
        self.places.extend_from_slice(&other.places);
        self.days.extend_from_slice(&other.days);
        self.attempts = self.attempts.max(other.attempts);
        self.blocked = self.blocked.take().or_else(|| other.blocked.clone());
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
    }

    /// How many items go into so many bytes; one in any case.
    pub(super) fn fitting(&self, bytes: usize) -> usize {
        self.items.ends.partition_point(|end| *end <= bytes).max(1)
    }

    /// Two halves of a bulk that was too large as a whole.
    pub(super) fn halve(&self) -> [Bulk; 2] {
        let middle = self.len() / 2;
        [self.only(0..middle), self.only(middle..self.len())]
    }
}
