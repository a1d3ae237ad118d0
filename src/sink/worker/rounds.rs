//! Delivery in rounds: after some time, or when so many events wait. Between two rounds nothing leaves.

use std::collections::HashMap;
use std::time::Duration;

use super::deliver::Finish;
use super::order::Base;
use super::{Instant, Worker};
use crate::event::{Cursor, GenerationId};
use crate::follow::Read;
use crate::sink::queue::Queue;

/// Bytes that one count looks through.
const LONGEST_PASS: u64 = 16 * 1024 * 1024;

/// What begins a round; whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    pub every: Option<Duration>,
    /// Events.
    pub after: Option<u64>,
}

/// Events behind the last round, counted as they come. On a blocking thread while it counts.
#[derive(Debug, Default)]
pub(super) struct Counter {
    reached: HashMap<GenerationId, u64>,
    events: u64,
    /// Something may be left to count.
    more: bool,
}

impl Counter {
    fn count(&mut self, queue: &dyn Queue, from: &[Cursor]) {
        let mut left = LONGEST_PASS;
        self.more = false;
        for cursor in from {
            let reached = self.reached.entry(cursor.generation).or_insert(cursor.offset);
            *reached = cursor.offset.max(*reached);
            loop {
                if left == 0 {
                    self.more = true;
                    return;
                }
                let at = Cursor { offset: *reached, ..*cursor };
                // What cannot be read now is counted when it can.
                let Ok(Read::Batch { batch, first }) = queue.read(at) else { break };
                self.events += (batch.records.len() - first) as u64;
                left = left.saturating_sub(batch.end.saturating_sub(*reached));
                *reached = batch.end;
            }
        }
    }
}

impl Worker {
    fn rounds(&self) -> Option<Rounds> {
        match (&self.mode.base, self.mode.round || self.mode.waits_for_ends()) {
            (Base::Rounds(rounds), false) => Some(*rounds),
            _ => None,
        }
    }

    /// Between two rounds: is it time for the next one?
    pub(super) fn rest(&mut self, news: bool) {
        let Some(rounds) = self.rounds() else { return };
        if self.next_round.is_some_and(|at| at <= self.now) {
            return self.ask_for_round();
        }
        let Some(after) = rounds.after else { return };
        match self.counter.take() {
            Some(counter) if counter.events >= after => self.ask_for_round(),
            Some(mut counter) if news || counter.more => {
                let queue = self.config.queue.clone();
                let from = self.tracks.positions(false).into_iter().map(|position| position.cursor);
                let from: Vec<Cursor> = from.collect();
                self.tasks.spawn_blocking(move || {
                    counter.count(&*queue, &from);
                    Finish::Counted(counter)
                });
            }
            counter => self.counter = counter,
        }
    }

    fn ask_for_round(&mut self) {
        self.mode.ask();
        self.counter = Some(Counter::default());
        self.next_round = None;
    }

    pub(super) fn take_counted(&mut self, counter: Counter) {
        // A round that began meanwhile takes what was counted.
        if self.counter.is_none() {
            self.counter = Some(counter);
        }
    }

    /// A round is over: the next one is due so much later.
    pub(super) fn plan_round(&mut self) {
        if let Base::Rounds(Rounds { every: Some(every), .. }) = &self.mode.base {
            self.next_round = Some(Instant::now() + *every);
        }
    }
}
