//! Counts matches in equal time slices, for windows and sparklines.
//!
//! Slices are aligned to the epoch, so that reading the same events again yields the same slices.

use std::time::Duration;

use super::clock_step::ClockStep;
use crate::base::Timestamp;

/// The last `n` slices up to the newest time, with a running sum.
///
/// Invariant: `sum` is the sum of `slots`, and a slot belongs to exactly one slice of (newest − n, newest].
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    slots: Box<[u32]>,
    sum: u64,
    /// Length of a slice in nanoseconds.
    width: i64,
    /// The newest slice, counted from the epoch.
    newest: i64,
    /// Start time and index of the newest slice, kept because most events fall into it and divisions are slow.
    newest_from: i64,
    newest_at: usize,
}

impl Buckets {
    /// `slots` slices with a total length of `window`.
    pub fn new(slots: usize, window: Duration) -> Self {
        let nanos = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        Buckets {
            slots: vec![0; slots].into(),
            sum: 0,
            width: (nanos / slots as i64).max(1),
            newest: i64::MIN,
            newest_from: i64::MIN,
            newest_at: 0,
        }
    }

    /// Counts a match; `false`, without counting it, if it is older than the oldest slice.
    pub fn add(&mut self, time: Timestamp) -> bool {
        self.advance(time);
        let at = if time.0 >= self.newest_from {
            self.newest_at
        } else {
            let slice = self.slice(time);
            if self.is_outside(slice, self.newest) {
                return false;
            }
            self.at(slice)
        };
        self.slots[at] = self.slots[at].saturating_add(1);
        self.sum += 1;
        true
    }

    /// Drops slices older than the window that ends at `time`.
    pub fn advance(&mut self, time: Timestamp) {
        if time.0 < self.newest_from.saturating_add(self.width) {
            return;
        }
        let slice = self.slice(time);
        if slice <= self.newest {
            return;
        }
        let passed = slice.saturating_sub(self.newest);
        if passed >= self.slots.len() as i64 {
            self.slots.fill(0);
            self.sum = 0;
        } else {
            for slice in self.newest + 1..=slice {
                let at = self.at(slice);
                self.sum -= u64::from(std::mem::take(&mut self.slots[at]));
            }
        }
        self.newest = slice;
        self.newest_from = slice.saturating_mul(self.width);
        self.newest_at = self.at(slice);
    }

    /// Moves counts that are later than the clock after it was set back; those then outside the window are dropped.
    pub fn step_back(&mut self, step: ClockStep) {
        let newest = Timestamp(self.newest_from);
        if self.newest == i64::MIN || step.moved(newest) == newest {
            return;
        }
        let first = self.newest.saturating_sub(self.slots.len() as i64 - 1);
        let counts: Vec<(Timestamp, u32)> = (first..=self.newest)
            .map(|slice| (Timestamp(slice.saturating_mul(self.width)), self.slots[self.at(slice)]))
            .filter(|(_, count)| *count > 0)
            .collect();
        self.slots.fill(0);
        self.sum = 0;
        (self.newest, self.newest_from) = (i64::MIN, i64::MIN);
        self.advance(step.moved(newest));
        for (time, count) in counts {
            let slice = self.slice(step.moved(time));
            if !self.is_outside(slice, self.newest) {
                let at = self.at(slice.min(self.newest));
                self.slots[at] = self.slots[at].saturating_add(count);
                self.sum += u64::from(count);
            }
        }
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The counts of the slices of the window that ends at `time`, oldest first.
    pub fn slices_at(&self, time: Timestamp) -> impl Iterator<Item = u64> + '_ {
        let end = self.slice(time).max(self.newest);
        let first = end.saturating_sub(self.slots.len() as i64 - 1);
        (first..=end).map(|slice| {
            match slice > self.newest || self.is_outside(slice, self.newest) {
                true => 0,
                false => u64::from(self.slots[self.at(slice)]),
            }
        })
    }

    /// Number of matches in the window that ends at `time`.
    pub fn sum_at(&self, time: Timestamp) -> u64 {
        self.slices_at(time).sum()
    }

    /// Start time of the oldest slice with a match.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = self.newest.saturating_sub(self.slots.len() as i64 - 1);
        (first..=self.newest)
            .find(|slice| self.slots[self.at(*slice)] > 0)
            .map(|slice| Timestamp(slice.saturating_mul(self.width)))
    }

    fn slice(&self, time: Timestamp) -> i64 {
        time.0.div_euclid(self.width)
    }

    fn is_outside(&self, slice: i64, newest: i64) -> bool {
        newest.saturating_sub(slice) >= self.slots.len() as i64
    }

    fn at(&self, slice: i64) -> usize {
        slice.rem_euclid(self.slots.len() as i64) as usize
    }
}
