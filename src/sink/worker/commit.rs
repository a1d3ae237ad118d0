//! Where a worker begins, and how its cursors follow what is done.

use std::collections::HashMap;

use tokio::time::Instant;

use super::Worker;
use super::fill::Filler;
use super::lanes::{Birth, MAIN};
use super::settle::person_needed;
use crate::event::{Cursor, Position};

impl Worker {
    /// Cursors follow the prefixes: at once, or with the next commit of the sink.
    pub(super) fn after_progress(&mut self) {
        let waits_for_commit = self.own_cursors || self.accepted > 0;
        if !waits_for_commit {
            self.put_cursors();
        } else if self.commit_at.is_none() && (self.tracks.moved() || self.accepted > 0) {
            self.commit_at = Some(Instant::now() + self.limits.commit_every);
        }
        self.report.touch();
    }

    pub(super) fn commit_is_due(&self) -> bool {
        let Some(at) = self.commit_at else { return false };
        let possible = self.flights.is_empty()
            && !self.trouble.is_on(self.now)
            && (self.held.is_empty() || !self.own_cursors);
        let idle = !self.is_busy() && self.ready.is_none() && self.held.is_empty();
        let last = idle && (self.drain_until.is_some() || self.round_is_through());
        possible && (last || at <= self.now)
    }

    pub(super) async fn commit(&mut self) {
        self.commit_at = None;
        let upto = self.tracks.cursors_here();
        let sink = self.config.sink.clone();
        if let Err(error) = sink.commit(&upto).await {
            // The sink may have forgotten what it accepted: ask it where it stands, and go on from there.
            self.fail(error.to_string(), None, person_needed(&error));
            self.restart = true;
            return;
        }
        self.report.confirmed(std::mem::take(&mut self.accepted));
        self.tracks.confirm_accepted();
        self.put_cursors();
        if self.trouble.clear() {
            self.report.recovered();
        }
        self.report.success(self.config.clock.now());
    }

    /// Asks the sink where it stands and begins there: at the start, and after what was accepted is lost.
    pub(super) async fn begin(&mut self) {
        self.flights.clear();
        self.drop_bodies();
        let forgotten = std::mem::take(&mut self.accepted) > 0;
        self.commit_at = None;
        if !self.begun {
            self.adopt_lanes();
        }
        self.filler = Some(Filler::new(&self.config, self.lanes.targets(&self.birth)));
        if self.begun && !forgotten && !self.own_cursors {
            // Nothing but what was under way is in doubt.
            self.restart = false;
            return self.tracks.rewind();
        }
        let sink = self.config.sink.clone();
        let mut own_marks = None;
        let cursors = match sink.resume().await {
            Ok(own) => {
                self.own_cursors = own.is_some();
                let own = own.map(|positions| {
                    let kept = positions.iter().filter(|position| position.mark.offset > 0);
                    let mark = |position: &Position| (position.cursor.generation, position.mark);
                    own_marks = Some(kept.map(mark).collect::<HashMap<_, _>>());
                    positions.into_iter().map(|position| position.cursor).collect()
                });
                own.unwrap_or_else(|| self.stored_cursors())
            }
            Err(error) => {
                // For the figures: what waits behind the last cursors that are known.
                self.tracks.reset(self.stored_cursors(), None, &self.config);
                return self.fail(error.to_string(), None, person_needed(&error));
            }
        };
        if self.own_cursors {
            self.limits.requests = 1;
        }
        (self.begun, self.restart) = (true, false);
        if self.own_cursors {
            // The sink's word counts; the state's copy may be older or newer.
            self.tell_cursors(&cursors);
        }
        match self.birth.as_mut().and_then(|birth| birth.done.take()) {
            Some(done) => self.tracks.inherit(done, &self.config),
            None => self.tracks.reset(cursors, own_marks, &self.config),
        }
        if self.mode.round {
            self.tracks.fix_ends();
        }
        self.forget_disbelieved().await;
    }

    /// The sink takes events of generations that hold other bytes than its own cursors speak of.
    pub(super) async fn forget_disbelieved(&mut self) {
        let disbelieved = self.tracks.take_disbelieved();
        if disbelieved.is_empty() {
            return;
        }
        let sink = self.config.sink.clone();
        if let Err(error) = sink.forget(disbelieved).await {
            self.fail(error.to_string(), None, person_needed(&error));
            self.restart = true;
        }
    }

    /// The cursors follow the prefixes. For a sink that keeps its own this is a copy, made after its commit:
    /// the follower must know what is still needed.
    fn put_cursors(&mut self) {
        let (store, name) = (&self.config.store, &self.config.name);
        let row = row_of(&self.birth);
        let fence = self.birth.as_ref().map(|birth| &birth.fence);
        self.tracks.commit(&mut |cursor| {
            store.put_cursor(name, row, cursor);
            fence.iter().for_each(|fence| fence.note(cursor.generation));
        });
    }

    fn tell_cursors(&self, cursors: &[Cursor]) {
        let name = &self.config.name;
        for old in self.stored_cursors() {
            let known = cursors.iter().any(|cursor| cursor.generation == old.generation);
            if !known && let Some((start, _)) = self.config.queue.extent(old.generation) {
                self.config.store.put_cursor(
                    name,
                    row_of(&self.birth),
                    Cursor { offset: start, ..old },
                );
            }
        }
        let known = |cursor: &&Cursor| self.config.store.generation(cursor.generation).is_some();
        for cursor in cursors.iter().filter(known) {
            self.config.store.put_cursor(name, row_of(&self.birth), *cursor);
        }
    }

    pub(super) fn stored_cursors(&self) -> Vec<Cursor> {
        let rows = self.config.store.cursors(&self.config.name).into_iter();
        let rows = rows.filter(|row| row.lane == row_of(&self.birth));
        rows.map(|row| Cursor { generation: row.generation, offset: row.offset }).collect()
    }
}

/// The name of a worker's rows.
fn row_of(birth: &Option<Birth>) -> &str {
    birth.as_ref().map_or(MAIN, |birth| &birth.row)
}
