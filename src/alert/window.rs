//! How many matches one key had in the window before its newest time. O(1) an event.

use std::collections::VecDeque;
use std::time::Duration;

use super::buckets::Buckets;
use super::clock_step::Step;
use crate::base::Timestamp;

/// Up to this limit each match is remembered with its time.
const LONGEST_RING: u64 = 64;
const SLICES: usize = 60;

#[derive(Clone, Debug)]
pub(super) enum Window {
    /// The times of the last `limit` matches: exact as far as the limit reaches.
    Ring { times: VecDeque<Timestamp>, limit: usize, length: Duration },
    /// Exact to a sixtieth of the window.
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

    /// A match at `time`, while the key's newest time is `newest`. `false`: too old to count.
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

    /// The clock went back. What was over by `newest`, the key's newest time until then, stays over.
    pub fn step_back(&mut self, step: Step, newest: Timestamp) {
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

    /// Matches in (newest − length, newest], the limit at most where they are remembered one by one.
    pub fn count(&mut self, newest: Timestamp) -> u64 {
        match self {
            Window::Slices(buckets) => {
                buckets.advance(newest);
                buckets.sum()
            }
            Window::Ring { times, length, .. } => inside(times, *length, newest),
        }
    }

    /// The same, changing nothing.
    pub fn count_at(&self, time: Timestamp) -> u64 {
        match self {
            Window::Slices(buckets) => buckets.sum_at(time),
            Window::Ring { times, length, .. } => inside(times, *length, time),
        }
    }

    /// The oldest match that counts (in slices: the beginning of its slice).
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
    // Most often everything or nothing does: both ends answer before the search.
    let over = |time: &Timestamp| newest.since(*time) >= length && *time < newest;
    match (times.front(), times.back()) {
        (Some(front), _) if !over(front) => times.len() as u64,
        (_, Some(back)) if over(back) => 0,
        _ => (times.len() - times.partition_point(over)) as u64,
    }
}

#[cfg(test)]
mod tests;
