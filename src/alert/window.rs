//! Counts the matches of one key in the window that ends at the key's newest time, in O(1) per event.

use std::collections::VecDeque;
use std::time::Duration;

use super::buckets::Buckets;
use super::clock_step::ClockStep;
use crate::base::Timestamp;

/// For rules with a limit up to this one, the time of every match is stored.
const LONGEST_RING: u64 = 64;
/// Slices per window for all other rules.
const SLICES: usize = 60;

/// The matches of one key.
#[derive(Clone, Debug)]
pub(super) enum Window {
    /// The times of the last `limit` matches: exact up to the limit.
    Ring { times: VecDeque<Timestamp>, limit: usize, length: Duration },
    /// Counts per slice: a match leaves the window up to a sixtieth of its length too early.
    Slices(Buckets),
}

impl Window {
    /// For a rule that fires at `limit` matches in `length`.
    pub fn new(limit: u64, length: Duration) -> Self {
        match limit {
            0..=LONGEST_RING => {
                Window::Ring { times: VecDeque::new(), limit: limit.max(1) as usize, length }
            }
            _ => Window::Slices(Buckets::new(SLICES, length)),
        }
    }

    /// Adds a match at `time`, with `newest` as the newest time of the key; `false` if it is too old to count.
    pub fn add(&mut self, time: Timestamp, newest: Timestamp) -> bool {
        match self {
            Window::Slices(buckets) => {
                buckets.advance(newest);
                buckets.add(time)
            }
            Window::Ring { times, limit, length } => {
                if newest.since(time) >= *length && time < newest {
                    return false;
                }
                let place = times.len() - times.iter().rev().take_while(|at| **at > time).count();
                if times.len() < *limit {
                    times.insert(place, time);
                } else if place > 0 {
                    times.pop_front();
                    times.insert(place - 1, time);
                }
                true
            }
        }
    }

    /// Moves matches that are later than the clock after it was set back. Those outside the window that ends at
    /// `newest`, the newest time before the step, are dropped.
    pub fn step_back(&mut self, step: ClockStep, newest: Timestamp) {
        match self {
            Window::Slices(buckets) => {
                buckets.advance(newest);
                buckets.step_back(step);
            }
            Window::Ring { times, length, .. } => {
                let inside = inside(times, *length, newest) as usize;
                times.drain(..times.len() - inside);
                times.iter_mut().for_each(|time| *time = step.moved(*time));
                times.make_contiguous().sort_unstable();
            }
        }
    }

    /// Number of matches in (newest − length, newest]; at most the limit if the times are stored.
    pub fn count(&mut self, newest: Timestamp) -> u64 {
        match self {
            Window::Slices(buckets) => {
                buckets.advance(newest);
                buckets.sum()
            }
            Window::Ring { times, length, .. } => inside(times, *length, newest),
        }
    }

    /// The same count without changing the window.
    pub fn count_at(&self, time: Timestamp) -> u64 {
        match self {
            Window::Slices(buckets) => buckets.sum_at(time),
            Window::Ring { times, length, .. } => inside(times, *length, time),
        }
    }

    /// Time of the oldest match in the window (with slices: the start of its slice).
    pub fn oldest(&self, newest: Timestamp) -> Option<Timestamp> {
        match self {
            Window::Slices(buckets) => buckets.oldest(),
            Window::Ring { times, length, .. } => {
                let inside = inside(times, *length, newest) as usize;
                times.get(times.len() - inside).copied()
            }
        }
    }
}

fn inside(times: &VecDeque<Timestamp>, length: Duration, newest: Timestamp) -> u64 {
    // Usually all or none are inside: checking both ends avoids the search.
    let over = |time: &Timestamp| newest.since(*time) >= length && *time < newest;
    match (times.front(), times.back()) {
        (Some(front), _) if !over(front) => times.len() as u64,
        (_, Some(back)) if over(back) => 0,
        _ => (times.len() - times.partition_point(over)) as u64,
    }
}

#[cfg(test)]
mod tests;
