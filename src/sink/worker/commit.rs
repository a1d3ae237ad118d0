//! Where a worker begins, and how its cursors follow what is done.

use std::collections::HashMap;

use tokio::time::Instant;

use super::batch_encoder::Filler;
use super::outcomes::person_needed;
use super::{Stage, Worker};
use crate::event::{Cursor, Position};

/// When what is delivered becomes durable.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Something was accepted or moved since the last commit; it is due then.
    pub at: Option<Instant>,
    /// The sink keeps its own cursors.
    pub own_cursors: bool,
    /// Events that are delivered, but not confirmed before the next commit.
    pub accepted: u64,
}

impl Commits {
    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| at <= now)
    }
}

impl Worker {
    /// Cursors follow the prefixes: at once, or with the next commit of the sink.
    pub(super) fn after_progress(&mut self) {
        let commits = &mut self.commits;
        if !commits.own_cursors && commits.accepted == 0 {
            self.put_cursors();
        } else if commits.at.is_none() && (self.tracks.moved() || commits.accepted > 0) {
            commits.at = Some(Instant::now() + self.limits.commit_every);
        }
        self.report.touch();
    }

    pub(super) fn commit_is_due(&self) -> bool {
        let possible = self.commits.at.is_some() && self.may_commit() && !self.in_trouble();
        let last =
            self.has_nothing_left() && (self.drain_until.is_some() || self.round_is_through());
        possible && (last || self.commits.are_due(self.now))
    }

    /// A commit confirms everything before what is not delivered: nothing is under way, and no gap is left where the
    /// sink keeps its own cursors.
    pub(super) fn may_commit(&self) -> bool {
        let gap = self.commits.own_cursors && !self.transit.held.is_empty();
        self.transit.flights.is_empty() && !gap
    }

    pub(super) async fn commit(&mut self) {
        self.commits.at = None;
        let upto = self.tracks.cursors_here();
        let sink = self.config.sink.clone();
        if let Err(error) = sink.commit(&upto).await {
            // The sink may have forgotten what it accepted: ask it where it stands, and go on from there.
            self.fail(error.to_string(), None, person_needed(&error));
            return self.break_off();
        }
        self.report.confirmed(std::mem::take(&mut self.commits.accepted));
        self.tracks.confirm_accepted();
        self.put_cursors();
        if self.trouble.clear() {
            self.report.recovered();
        }
        self.report.success(self.config.clock.now());
    }

    /// Asks the sink where it stands and begins there: at the start, and after what was accepted is lost.
    pub(super) async fn begin(&mut self) {
        self.transit.abandon();
        let forgotten = std::mem::take(&mut self.commits.accepted) > 0;
        self.commits.at = None;
        self.countdown.count_again();
        if self.stage == Stage::New {
            self.adopt_lanes();
        }
        self.source.filler = Some(Filler::new(&self.config, self.lanes.targets()));
        if self.stage == Stage::Broken && !forgotten && !self.commits.own_cursors {
            // Nothing but what was under way is in doubt.
            self.stage = Stage::Working;
            return self.tracks.rewind();
        }
        let sink = self.config.sink.clone();
        let mut own_marks = None;
        let cursors = match sink.resume().await {
            Ok(own) => {
                self.commits.own_cursors = own.is_some();
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
        self.stage = Stage::Working;
        if self.commits.own_cursors {
            self.limits.requests = 1;
            // The sink's word counts; the state's copy may be older or newer.
            self.tell_cursors(&cursors);
        }
        match self.lanes.birth.as_mut().and_then(|birth| birth.done.take()) {
            Some(done) => self.tracks.inherit(done, &self.config),
            None => self.tracks.reset(cursors, own_marks, &self.config),
        }
        if self.mode.is_in_round() {
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
            self.break_off();
        }
    }

    /// The cursors follow the prefixes. For a sink that keeps its own this is a copy, made after its commit:
    /// the follower must know what is still needed.
    fn put_cursors(&mut self) {
        let (store, name) = (&self.config.store, &self.config.name);
        let row = self.lanes.row();
        let fence = self.lanes.birth.as_ref().map(|birth| &birth.fence);
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
                let cursor = Cursor { offset: start, ..old };
                self.config.store.put_cursor(name, self.lanes.row(), cursor);
            }
        }
        let known = |cursor: &&Cursor| self.config.store.generation(cursor.generation).is_some();
        for cursor in cursors.iter().filter(known) {
            self.config.store.put_cursor(name, self.lanes.row(), *cursor);
        }
    }

    pub(super) fn stored_cursors(&self) -> Vec<Cursor> {
        let rows = self.config.store.cursors(&self.config.name).into_iter();
        let rows = rows.filter(|row| row.lane == self.lanes.row());
        rows.map(|row| Cursor { generation: row.generation, offset: row.offset }).collect()
    }
}
