//! Delivery in passes (`ship.every`, `ship.after`), here called rounds: a round starts after some time, or when enough
//! events are pending. Between two rounds nothing is sent.

use super::orders::{Base, Rounds};
use super::round_counter::Counter;
use super::task_result::TaskResult;
use super::{Instant, Worker};

/// The conditions for the next round.
#[derive(Debug)]
pub(super) struct RoundSchedule {
    /// `None` while it counts on a blocking thread.
    counter: Option<Counter>,
    /// When the next round starts at the latest; `None`: no time is set.
    pub next: Option<Instant>,
}

impl RoundSchedule {
    pub(super) fn new() -> Self {
        RoundSchedule { counter: Some(Counter::new()), next: None }
    }

    /// Replaces a counter that may be lost in a failed task.
    pub(super) fn ensure_counter(&mut self) {
        self.counter.get_or_insert_with(Counter::new);
    }
}

impl Worker {
    /// The conditions for the next round, if the worker delivers in rounds and is between two of them.
    fn rounds(&self) -> Option<Rounds> {
        match (&self.mode.base, self.mode.is_in_round() || self.mode.waits_for_ends()) {
            (Base::Rounds(rounds), false) => Some(*rounds),
            _ => None,
        }
    }

    /// Between two rounds: starts the next one if it is due, or counts the pending events. `news`: the log has changed.
    pub(super) fn plan_round_start(&mut self, news: bool) {
        let Some(rounds) = self.rounds() else { return };
        if self.schedule.next.is_some_and(|at| at <= self.now) {
            return self.request_round();
        }
        let Some(after) = rounds.after else { return };
        match self.schedule.counter.take() {
            Some(counter) if counter.events() >= after => self.request_round(),
            Some(mut counter) if news || counter.is_due() => {
                let queue = self.config.queue.clone();
                let from = self.progress.positions(false).into_iter();
                let from = from.map(|position| position.reading).collect();
                self.tasks.spawn_blocking(move || {
                    counter.count(&*queue, from);
                    TaskResult::Counted(counter)
                });
            }
            counter => self.schedule.counter = counter,
        }
    }

    fn request_round(&mut self) {
        self.mode.request_round();
        self.restart_count();
    }

    /// Starts to count from zero again: a round delivers all events counted so far, whatever started it.
    pub(super) fn restart_count(&mut self) {
        self.schedule = RoundSchedule::new();
    }

    pub(super) fn take_counted(&mut self, counter: Counter) {
        // If a round started in the meantime, a newer counter counts.
        self.schedule.counter.get_or_insert(counter);
    }

    /// Schedules the next round after one has ended.
    pub(super) fn plan_round(&mut self) {
        if let Base::Rounds(Rounds { every: Some(every), .. }) = &self.mode.base {
            self.schedule.next = Some(Instant::now() + *every);
        }
    }
}
