//! A worker that breaks is a fault of ours. It is said, `/healthz` says so too, and its sink restarts from its cursor,
//! 0.2 s to 30 s later, without end. With `--once` it stays broken, and the program fails.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep_until};

use super::Engine;
use super::shutdown::reason_of;
use crate::app::sinks::{Left, Recipe};
use crate::base::restart_backoff::Streak;
use crate::base::{bytes, with_causes};
use crate::event::status::{SinkState, SinkStatus};
use crate::event::{Command, Level};

/// Sinks whose worker broke, until they are at work again.
#[derive(Default)]
pub(super) struct Broken {
    waiting: Vec<Waiting>,
    /// By sink: how often its worker broke in a row.
    streaks: HashMap<String, Streak>,
}

struct Waiting {
    recipe: Recipe,
    left: Left,
    /// Among the sinks.
    place: usize,
    /// Never with `--once`.
    due: Option<Instant>,
    status: SinkStatus,
    told: watch::Sender<SinkStatus>,
}

impl Broken {
    pub(super) fn names(&self) -> Vec<String> {
        self.waiting.iter().map(|waiting| waiting.status.name.clone()).collect()
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = watch::Receiver<SinkStatus>> {
        self.waiting.iter().map(|waiting| waiting.told.subscribe())
    }

    /// Pends until one of them is to begin again.
    pub(super) async fn due(&self) {
        match self.waiting.iter().filter_map(|waiting| waiting.due).min() {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Begin again at once, by other recipes; without one, not at all.
    pub(super) fn take_up(&mut self, recipes: &[Recipe]) {
        let wanted = |waiting: &mut Waiting| {
            let same = |recipe: &Recipe| recipe.name() == waiting.recipe.name();
            let Some(place) = recipes.iter().position(same) else { return false };
            (waiting.recipe, waiting.place) = (recipes[place].clone(), place);
            waiting.due = Some(Instant::now());
            true
        };
        self.waiting.retain_mut(wanted);
    }

    pub(super) fn has(&self, sink: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.status.name == sink)
    }

    /// What is asked of those that wait, for when they are at work again.
    pub(super) fn note(&mut self, command: &Command) {
        for Waiting { left, status, told, .. } in &mut self.waiting {
            left.note(command);
            status.paused_by = left.paused_by().map(str::to_owned);
            told.send_replace(status.clone());
        }
    }

    fn take_due(&mut self) -> Option<Waiting> {
        let now = Instant::now();
        let is_due = |waiting: &Waiting| waiting.due.is_some_and(|due| due <= now);
        self.waiting.iter().position(is_due).map(|index| self.waiting.remove(index))
    }

    /// How long it waits now, and how often it broke.
    fn count(&mut self, sink: &str) -> (Duration, u32) {
        let new = || Streak::new(sink.len() as u64);
        let streak = self.streaks.entry(sink.to_owned()).or_insert_with(new);
        streak.fail(Instant::now().into_std())
    }
}

impl Engine {
    /// Its worker is gone without a word.
    pub(super) fn put_aside(&mut self, place: usize, error: JoinError) {
        let reason = reason_of(error);
        let (recipe, mut status, left) = self.sinks.remove(place).put_aside();
        // What was under way is read again.
        status.bytes.waiting += std::mem::take(&mut status.bytes.in_flight);
        (status.in_flight_events, status.rate, status.state) = (0, 0.0, SinkState::Stopped);
        status.paused_by = left.paused_by().map(str::to_owned);
        let told = watch::Sender::new(status.clone());
        let waiting = Waiting { recipe, left, place, due: None, status, told };
        self.wait(waiting, format!("its worker broke ({reason}), by a fault in Logwarden"));
        self.introduce();
    }

    fn wait(&mut self, mut waiting: Waiting, why: String) {
        let status = &mut waiting.status;
        let mut text = format!("{why}; nothing is lost");
        if self.maker.once {
            text.push_str(", what is not delivered comes at the next start");
        } else {
            let (wait, attempts) = self.broken.count(&status.name);
            waiting.due = Some(Instant::now() + wait);
            let next = self.maker.clock.now().plus(wait);
            status.state = SinkState::BackingOff { next, attempts };
            text.push_str(&format!("; it restarts in {}", bytes::duration(wait)));
        }
        self.maker.notices.answer(Level::Error, format!("sink {}: {text}", status.name));
        status.last_error = Some(text);
        waiting.told.send_replace(status.clone());
        self.broken.waiting.push(waiting);
    }

    /// Those whose time has come.
    pub(super) async fn begin_again(&mut self) {
        while let Some(waiting) = self.broken.take_due() {
            let recipe = waiting.recipe.clone();
            match self.maker.start(&self.settings, recipe, &waiting.left).await {
                Ok(sink) => self.sinks.insert(waiting.place.min(self.sinks.len()), sink),
                Err(error) => self.wait(waiting, with_causes(&error)),
            }
        }
        self.introduce();
    }
}
