//! Copies of compressed files that nobody needs any more give their room back: their files are not unpacked again.
//!
//! A copy is needed while a consumer is behind, somebody has read in it a moment ago, or a screen shows it.

use std::time::Duration;

use super::catalog::{Stage, Tracked};
use super::follower::Follower;
use super::identity::{self, Place};
use crate::base::Timestamp;
use crate::event::FileId;
use crate::state::{GenerationRow, Store};

/// Nobody has read in it for this long.
const UNREAD: Duration = Duration::from_secs(60);

impl Follower {
    /// Everybody is through, and nobody reads.
    pub fn give_up_unneeded_copies(&mut self) {
        let now = self.now();
        let attended = self.catalog.attended();
        let unneeded = |tracked: &Tracked| {
            let over =
                tracked.packed.is_some() && tracked.stage == Stage::Ended && tracked.is_whole();
            let row = tracked.row.as_ref().filter(|_| over && !tracked.segment);
            let read = tracked.handle.readers.last_read().max(tracked.grown);
            row.is_some_and(|row| {
                now.saturating_sub(read) >= UNREAD
                    && !tracked.handle.readers.is_shown()
                    && self.everybody_is_through(row)
            })
        };
        let ids: Vec<FileId> =
            attended.into_iter().filter(|id| self.catalog.get(*id).is_some_and(unneeded)).collect();
        for id in ids {
            self.pass_over(id);
            self.give_up(id);
        }
    }

    /// At the start: files whose copies every consumer was through with before are not unpacked again.
    pub fn give_up_what_was_read_before(&mut self) {
        let Some(store) = self.shared.store.get().cloned().filter(|_| !self.shared.once()) else {
            return;
        };
        let rows: Vec<GenerationRow> = self.shared.gone().values().cloned().collect();
        let consumers = self.shared.consumers();
        let was_read = |tracked: &Tracked| {
            let key = tracked.file_key().filter(|_| tracked.packed.is_some())?;
            let row = rows.iter().find(|row| row.file_key() == key)?;
            let same =
                row.modified.is_some() && row.modified == tracked.modified.map(Timestamp::from);
            let unneeded = same && is_read(row, &consumers, &store);
            (unneeded && !tracked.handle.readers.is_shown()).then_some(())
        };
        let files = self.catalog.iter();
        let ids: Vec<FileId> = files.filter_map(|(id, t)| was_read(t).map(|()| id)).collect();
        for id in ids {
            self.pass_over(id);
            self.drop_file(id);
        }
    }

    /// It is not opened again as long as it is the same.
    pub fn pass_over(&mut self, id: FileId) {
        let packed = self.catalog.get(id).and_then(|tracked| tracked.packed.clone());
        // Its own metadata, not those of the copy.
        let metadata = packed.as_ref().and_then(|packed| packed.original.metadata().ok());
        if let (Some(metadata), Some(packed)) = (metadata, packed) {
            let version = (identity::birth(&metadata), packed.version());
            self.seen.passed.insert(Place::of(&metadata), version);
        }
    }
}

/// By everybody who reads now: one that came later begins at its beginning.
fn is_read(row: &GenerationRow, consumers: &[String], store: &Store) -> bool {
    let offsets = store.readers_of(row.id);
    let through = |name: &str| offsets.get(name).is_some_and(|at| *at >= row.end());
    let readers = store.readers();
    match consumers.is_empty() {
        true => !readers.is_empty() && readers.iter().all(|name| through(name)),
        false => consumers.iter().all(|name| through(name)),
    }
}
