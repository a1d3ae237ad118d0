//! Delivery in rounds: after some time, or when so many events wait. Between two rounds nothing leaves.

use std::time::Duration;

use super::deliver::Finish;
use super::order::Base;
use super::{Instant, Worker};
use crate::follow::{Pull, Pulled, Queue, Reading};

/// Bytes that one count looks through.
const LONGEST_PASS: u64 = 16 * 1024 * 1024;

/// What begins a round; whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    pub every: Option<Duration>,
    /// Events.
    pub after: Option<u64>,
}

/// What the next round waits for.
#[derive(Debug)]
pub(super) struct Countdown {
    /// `None` while it counts.
    counter: Option<Counter>,
    pub next: Option<Instant>,
}

impl Countdown {
    pub(super) fn new() -> Self {
        Countdown { counter: Some(Counter::new()), next: None }
    }
}

/// Events behind the last round, counted as they come. On a blocking thread while it counts.
#[derive(Debug)]
pub(super) struct Counter {
    pull: Pull,
    events: u64,
}

impl Counter {
    fn new() -> Self {
        Counter { pull: Pull::fair(), events: 0 }
    }

    /// `from`: of what the worker has not read, how far it goes.
    fn count(&mut self, queue: &dyn Queue, from: Vec<Reading>) {
        for reading in from {
            self.pull.hear(reading.cursor(), reading.end);
        }
        let mut looked_through = 0;
        while looked_through < LONGEST_PASS
            && let Some((_, pulled)) = self.pull.next(queue)
        {
            looked_through += pulled.bytes();
            // What cannot be read now is counted when it can.
            if let Pulled::Events { records, .. } = pulled {
                self.events += records.len() as u64;
            }
        }
    }
}

impl Worker {
    fn rounds(&self) -> Option<Rounds> {
        match (&self.mode.base, self.mode.is_in_round() || self.mode.waits_for_ends()) {
            (Base::Rounds(rounds), false) => Some(*rounds),
            _ => None,
        }
    }

    /// Between two rounds: is it time for the next one?
    pub(super) fn rest(&mut self, news: bool) {
        let Some(rounds) = self.rounds() else { return };
        if self.countdown.next.is_some_and(|at| at <= self.now) {
            return self.ask_for_round();
        }
        let Some(after) = rounds.after else { return };
        match self.countdown.counter.take() {
            Some(counter) if counter.events >= after => self.ask_for_round(),
            Some(mut counter) if news || counter.pull.is_due() => {
                let queue = self.config.queue.clone();
                let from = self.tracks.positions(false).into_iter();
                let from = from.map(|position| position.reading).collect();
                self.tasks.spawn_blocking(move || {
                    counter.count(&*queue, from);
                    Finish::Counted(counter)
                });
            }
            counter => self.countdown.counter = counter,
        }
    }

    fn ask_for_round(&mut self) {
        self.mode.ask();
        self.countdown = Countdown::new();
    }

    pub(super) fn take_counted(&mut self, counter: Counter) {
        // A round that began meanwhile takes what was counted.
        self.countdown.counter.get_or_insert(counter);
    }

    /// A round is over: the next one is due so much later.
    pub(super) fn plan_round(&mut self) {
        if let Base::Rounds(Rounds { every: Some(every), .. }) = &self.mode.base {
            self.countdown.next = Some(Instant::now() + *every);
        }
    }
}
