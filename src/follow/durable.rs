//! Rows first, then facts: nothing is published that a restart would not know.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::follower::Follower;
use super::notices::{self, Topic};
use super::shared::Shared;
use super::tracked::{Stage, Tracked};
use crate::event::status::FileState;
use crate::event::{Generation, Level};

/// Marks that nobody waits for are made durable together, this often.
const COMMIT: Duration = Duration::from_millis(250);
/// A state that cannot be written is tried again after this.
const RETRY: Duration = Duration::from_secs(1);
/// So often with `--once`.
const TRIES: u32 = 10;

impl Follower {
    pub fn persist_when_due(&mut self) {
        let Some(store) = self.shared.store.get() else { return };
        let failing = self.shared.board.says(&Topic::State);
        let urgent = !self.urgent.is_empty() && !failing;
        let pending = !self.dirty.is_empty() || !self.urgent.is_empty() || self.settling;
        let waits = pending || store.dirty();
        if urgent || (waits && self.now() >= self.next_commit) {
            self.persist();
        }
    }

    /// Puts the rows, commits, and publishes what waited for it. `false`: nothing is durable, ask again.
    pub fn persist(&mut self) -> bool {
        let Some(store) = self.shared.store.get() else { return false };
        for id in std::mem::take(&mut self.dirty) {
            if let Some(row) = self.tracked.get(&id).and_then(|tracked| tracked.row.as_ref()) {
                store.put_generation(row.clone());
            }
        }
        if let Err(error) = store.commit() {
            let text = notices::state(&error);
            self.shared.board.say(Topic::State, Level::Error, self.shared.clock.now(), text);
            self.next_commit = self.now() + RETRY;
            self.give_up_once();
            return false;
        }
        self.failures = 0;
        self.shared.board.unsay(&Topic::State);
        self.next_commit = self.now() + COMMIT;
        let urgent = std::mem::take(&mut self.urgent);
        for id in &urgent {
            let Some(tracked) = self.tracked.get_mut(id) else { continue };
            tracked.publish();
            if tracked.stage == Stage::Settled {
                give_out(&self.shared, tracked);
            }
        }
        if std::mem::take(&mut self.settling) {
            self.shared.settled.store(true, Ordering::Release);
            self.shared.changed();
        } else if !urgent.is_empty() {
            self.shared.changed();
        }
        true
    }

    /// `--once` does not wait for ever for a state that cannot be written: nothing is read, and it is said.
    fn give_up_once(&mut self) {
        self.failures += 1;
        if self.shared.config.once && self.settling && self.failures >= TRIES {
            self.shared.unopened.store(self.tracked.len(), Ordering::Relaxed);
            self.shared.settled.store(true, Ordering::Release);
            self.shared.changed();
        }
    }
}

/// Consumers may read it from now on.
fn give_out(shared: &Shared, tracked: &mut Tracked) {
    let Some(row) = &tracked.row else { return };
    let generation = Arc::new(Generation {
        id: row.id,
        identity: row.identity.clone(),
        source: Arc::from(row.source.as_str()),
        service: tracked.handle.source.service.clone(),
        host: shared.config.host.clone(),
        key: shared.config.key,
    });
    // Nothing is ever added to a compressed file, or to what was kept of a deleted one.
    let ended = tracked.packed.is_some() || tracked.place.is_none();
    tracked.handle.update(|known| {
        known.facts.generation = Some(generation);
        known.complete |= ended;
        known.facts.state = match ended {
            true => FileState::Ended,
            false if tracked.sibling => FileState::Rotated,
            false => FileState::Live,
        };
    });
    tracked.stage = if ended { Stage::Ended } else { Stage::Live };
    shared.add_life(row.id, tracked.handle.clone());
}
