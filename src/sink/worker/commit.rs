//! Starts a worker from its stored cursors, and moves the cursors when events are confirmed.

use std::collections::HashMap;

use tokio::time::Instant;

use super::batch_encoder::BatchEncoder;
use super::outcomes::person_needed;
use super::{Stage, Worker};
use crate::event::{Cursor, Position};

/// The commits of a sink, which make delivered events durable.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// When the next commit is due: something was accepted, or a cursor may move.
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
    /// Moves the cursors to the ends of the confirmed prefixes: at once, or with the sink's next commit.
    pub(super) fn after_progress(&mut self) {
        let commits = &mut self.commits;
        if !commits.own_cursors && commits.accepted == 0 {
            self.put_cursors();
        } else if commits.at.is_none()
            && (self.progress.has_cursor_behind() || commits.accepted > 0)
        {
            commits.at = Some(Instant::now() + self.limits.commit_every);
        }
        self.report.touch();
    }

    pub(super) fn commit_is_due(&self) -> bool {
        let possible = self.commits.at.is_some() && self.may_commit() && !self.is_backing_off();
        let last = self.has_nothing_unconfirmed()
            && (self.drain_until.is_some() || self.is_round_delivered());
        possible && (last || self.commits.are_due(self.now))
    }

    /// Whether a commit is possible: it confirms everything before the first undelivered byte. No delivery may be
    /// running and, if the sink keeps its own cursors, no failed event may leave a gap.
    pub(super) fn may_commit(&self) -> bool {
        let gap = self.commits.own_cursors && !self.in_flight.failed.is_empty();
        self.in_flight.active.is_empty() && !gap
    }

    pub(super) async fn commit(&mut self) {
        self.commits.at = None;
        let upto = self.progress.listed_cursors();
        let sink = self.config.sink.clone();
        if let Err(error) = sink.commit(&upto).await {
            // The sink may have discarded accepted events: read its cursors again and continue from there.
            self.fail(error.to_string(), None, person_needed(&error));
            return self.restart_from_durable();
        }
        self.report.confirmed(std::mem::take(&mut self.commits.accepted));
        self.progress.confirm_accepted();
        self.put_cursors();
        if self.retry_backoff.clear() {
            self.report.recovered();
        }
        self.report.success(self.config.clock.now());
    }

    /// Reads the sink's cursors and starts from them: at the start, and after accepted events were discarded.
    pub(super) async fn start(&mut self) {
        self.in_flight.discard_all();
        let forgotten = std::mem::take(&mut self.commits.accepted) > 0;
        self.commits.at = None;
        self.schedule.ensure_counter();
        if self.stage == Stage::New {
            self.resume_lanes();
        }
        self.input.encoder = Some(BatchEncoder::new(&self.config, self.lanes.targets()));
        if self.stage == Stage::Broken && !forgotten && !self.commits.own_cursors {
            // Only events in flight are in doubt.
            self.stage = Stage::Working;
            return self.progress.rewind();
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
                // For the status: count the bytes after the last known cursors.
                self.progress.reset(self.stored_cursors(), None, &self.config);
                return self.fail(error.to_string(), None, person_needed(&error));
            }
        };
        self.stage = Stage::Working;
        if self.commits.own_cursors {
            self.limits.requests = 1;
            // The sink's own cursors are authoritative; the copy in the state may be older or newer.
            self.copy_sink_cursors(&cursors);
        }
        match self.lanes.lane_start.as_mut().and_then(|lane_start| lane_start.done.take()) {
            Some(done) => self.progress.reset_to_prefixes(done, &self.config),
            None => self.progress.reset(cursors, own_marks, &self.config),
        }
        if self.mode.is_in_round() {
            self.progress.fix_ends();
        }
        self.forget_mismatched().await;
    }

    /// Makes the sink forget generations whose bytes differ from those of its own cursors.
    pub(super) async fn forget_mismatched(&mut self) {
        let mismatched = self.progress.take_mismatched();
        if mismatched.is_empty() {
            return;
        }
        let sink = self.config.sink.clone();
        if let Err(error) = sink.forget(mismatched).await {
            self.fail(error.to_string(), None, person_needed(&error));
            self.restart_from_durable();
        }
    }

    /// Moves the cursors in the state to the ends of the confirmed prefixes. If the sink keeps its own cursors, this
    /// stores a copy after its commit: the follower must know which bytes are still needed.
    fn put_cursors(&mut self) {
        let (store, name) = (&self.config.store, &self.config.name);
        let row = self.lanes.row();
        let read_limit = self.lanes.lane_start.as_ref().map(|lane_start| &lane_start.read_limit);
        self.progress.commit(&mut |cursor| {
            store.put_cursor(name, row, cursor);
            read_limit.iter().for_each(|read_limit| read_limit.note_row_moved(cursor.generation));
        });
    }

    /// Stores a copy of the sink's own cursors in the state.
    fn copy_sink_cursors(&self, cursors: &[Cursor]) {
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
