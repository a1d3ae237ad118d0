//! Delivery in rounds: after some time, or when so many events wait. Between two rounds nothing leaves.

use super::orders::{Base, Rounds};
use super::round_counter::Counter;
use super::task_result::Finish;
use super::{Instant, Worker};

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

    /// Nothing counts any more: a task that did may have broken.
    pub(super) fn count_again(&mut self) {
        self.counter.get_or_insert_with(Counter::new);
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
            Some(counter) if counter.events() >= after => self.ask_for_round(),
            Some(mut counter) if news || counter.is_due() => {
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
        self.count_anew();
    }

    /// A round takes all that was counted, whoever asked for it.
    pub(super) fn count_anew(&mut self) {
        self.countdown = Countdown::new();
    }

    pub(super) fn take_counted(&mut self, counter: Counter) {
        // Where a round began meanwhile another one counts.
        self.countdown.counter.get_or_insert(counter);
    }

    /// A round is over: the next one is due so much later.
    pub(super) fn plan_round(&mut self) {
        if let Base::Rounds(Rounds { every: Some(every), .. }) = &self.mode.base {
            self.countdown.next = Some(Instant::now() + *every);
        }
    }
}
