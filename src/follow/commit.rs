//! Commits the follower's changed rows to the state, then publishes their content to readers: nothing is published that
//! would be unknown after a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::notices::{self, Topic};
use super::origin::Origin;
use super::shared::Shared;
use crate::event::status::FileState;
use crate::event::{Generation, Level};

/// Failed commits after which `--once` gives up.
const MAX_ATTEMPTS: u32 = 10;

impl Follower {
    /// Commits if rows have changed and their deadline is reached, or at once for a file that waits to be published.
    pub fn persist_when_due(&mut self) {
        let Some(store) = self.shared.store.get() else { return };
        let failing = self.shared.board.has(&Topic::State);
        let urgent = self.pending.has_urgent() && !failing;
        let waits = self.pending.has_changes() || store.dirty();
        if urgent || (waits && self.pending.is_due(self.now())) {
            self.persist();
        }
    }

    /// Commits the changed rows, then publishes the files that waited for it. `false`: nothing is durable, try again.
    pub fn persist(&mut self) -> bool {
        let Some(store) = self.shared.store.get() else { return false };
        let changed = self.pending.take_changed();
        store.apply(|puts| {
            let rows = changed.iter().filter_map(|id| self.catalog.get(*id)?.row.clone());
            rows.for_each(|row| puts.generation(row));
        });
        let now = self.now();
        if let Err(error) = store.commit() {
            let text = notices::state(&error);
            self.shared.board.post(Topic::State, Level::Error, self.shared.clock.now(), text);
            self.pending.record_failure(now);
            self.give_up_for_once();
            return false;
        }
        self.shared.board.withdraw(&Topic::State);
        let urgent = self.pending.record_commit(now);
        for id in &urgent {
            let Some(tracked) = self.catalog.get_mut(*id) else { continue };
            tracked.publish();
            if tracked.stage == Stage::AwaitingCommit {
                publish_generation(&self.shared, tracked);
                // It may have grown while it waited.
                self.catalog.check_at(*id, now);
            }
        }
        if std::mem::take(&mut self.pending.publishes_first_pass) {
            self.shared.settled.store(true, Ordering::Release);
            self.shared.mark_all();
            self.shared.notify_changes();
        } else if !urgent.is_empty() {
            self.shared.notify_changes();
        }
        true
    }

    /// `--once` does not wait forever for a state that cannot be written: it ends without reading, and all files are
    /// reported as not read.
    fn give_up_for_once(&mut self) {
        let hopeless = self.pending.failures >= MAX_ATTEMPTS;
        if self.shared.config.once && self.pending.publishes_first_pass && hopeless {
            self.shared.unopened.store(self.catalog.len(), Ordering::Relaxed);
            self.shared.settled.store(true, Ordering::Release);
            self.shared.mark_all();
            self.shared.notify_changes();
        }
    }
}

/// Makes the generation readable for consumers.
fn publish_generation(shared: &Shared, tracked: &mut Tracked) {
    let Some(row) = &tracked.row else { return };
    let generation = Arc::new(Generation {
        id: row.id,
        identity: row.identity.clone(),
        source: Arc::from(row.source.as_str()),
        service: tracked.handle.source.service.clone(),
        host: shared.config.host.clone(),
        key: shared.config.key,
    });
    // Compressed files, and copies of the rest of a deleted file, are never appended to.
    let ended = tracked.compressed.is_some() || tracked.place().is_none() || row.is_short();
    let history = if ended { u64::MAX } else { tracked.existing_bytes };
    tracked.handle.update(|known| {
        known.history = history;
        known.facts.generation = Some(generation);
        known.complete |= ended;
        known.facts.state = match ended {
            true => FileState::Ended,
            false if tracked.origin != Origin::Path => FileState::Rotated,
            false => FileState::Live,
        };
    });
    tracked.stage = if ended { Stage::Ended } else { Stage::Live };
    shared.add_generation(row.id, tracked.handle.clone());
}
