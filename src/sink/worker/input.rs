//! The way in: what the log has told, and when it is looked at and read.

use std::time::Duration;

use tokio::time::Instant;

use super::batch_encoder::Filler;
use crate::follow::{Changes, News, Queue};

/// While nothing can be delivered, what grows is looked at no more often: for what it shows alone.
const GLANCE: Duration = Duration::from_millis(100);
/// A slow stream gathers events for so long, so that one line does not make one request each.
const LINGER: Duration = Duration::from_millis(2);
/// A generation with an unfinished record, or one that could not be read, is looked at again: soon, because
/// time may close the record, then less and less often while nothing changes.
const LOOK_SOON: Duration = Duration::from_millis(100);
const LOOK_LATE: Duration = Duration::from_secs(5);
/// A look that was asked for is waited for no longer.
const ASKED: Duration = Duration::from_secs(2);

pub(super) struct Source {
    changes: Changes,
    /// The log says that something grew or appeared.
    told: bool,
    /// In trouble, no change is looked at before this.
    glance_at: Instant,
    /// `None` while it reads on a blocking thread.
    pub filler: Option<Filler>,
    /// Not read before this.
    fill_at: Instant,
    /// When a generation that had nothing complete is looked at again.
    look_at: Option<Instant>,
    look_wait: Duration,
    /// A look that the log was asked for, and how long it is waited for.
    asked: Option<(u64, Instant)>,
}

impl Source {
    pub(super) fn new(changes: Changes, filler: Filler) -> Self {
        Source {
            changes,
            told: true,
            glance_at: Instant::now(),
            filler: Some(filler),
            fill_at: Instant::now(),
            look_at: None,
            look_wait: Duration::ZERO,
            asked: None,
        }
    }

    /// The log may be listened to: nothing that it told waits, and nothing keeps it from being looked at.
    pub(super) fn listens(&self, in_trouble: bool, now: Instant) -> bool {
        !self.told && !self.looks_away(in_trouble, now)
    }

    /// Returns when the log has told something.
    pub(super) async fn changed(&self) {
        self.changes.changed().await;
    }

    pub(super) fn hear(&mut self) {
        self.told = true;
        self.glance_at = Instant::now() + GLANCE;
        self.look_wait = Duration::ZERO;
    }

    /// Something was told since the last call.
    pub(super) fn take_told(&mut self) -> bool {
        std::mem::take(&mut self.told)
    }

    pub(super) fn news(&self) -> News {
        self.changes.take()
    }

    /// What is there now is to be known.
    pub(super) fn ask_for_look(&mut self, queue: &dyn Queue) {
        self.asked = Some((queue.ask_for_look(), Instant::now() + ASKED));
    }

    /// What was asked for is done, or takes too long: a mount may not answer.
    pub(super) fn has_looked(&self, queue: &dyn Queue, now: Instant) -> bool {
        self.asked.is_none_or(|(number, until)| now >= until || queue.has_looked(number))
    }

    fn looks_away(&self, in_trouble: bool, now: Instant) -> bool {
        in_trouble && self.glance_at > now
    }

    /// What waits is due to be looked at again: told once.
    pub(super) fn looks_again(&mut self, now: Instant) -> bool {
        self.look_at.take_if(|at| *at <= now).is_some()
    }

    /// Something waits for time to pass.
    pub(super) fn plan_to_look_again(&mut self) {
        if self.look_at.is_none() {
            self.look_wait = (self.look_wait * 2).clamp(LOOK_SOON, LOOK_LATE);
            self.look_at = Some(Instant::now() + self.look_wait);
        }
    }

    /// Everything that was there is read: more may gather.
    pub(super) fn linger(&mut self) {
        self.fill_at = Instant::now() + LINGER;
    }

    pub(super) fn lingers(&self, now: Instant) -> bool {
        self.fill_at > now
    }

    /// Nothing is being read.
    pub(super) fn is_at_rest(&self) -> bool {
        self.filler.is_some()
    }

    pub(super) fn release(&mut self) {
        if let Some(filler) = &mut self.filler {
            filler.release();
        }
    }

    pub(super) fn dues(&self, in_trouble: bool, now: Instant) -> impl Iterator<Item = Instant> {
        let glance = self.looks_away(in_trouble, now).then_some(self.glance_at);
        [Some(self.fill_at), self.look_at, glance].into_iter().flatten()
    }
}
