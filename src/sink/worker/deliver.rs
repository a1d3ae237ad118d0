//! The way out: reads the next bulk, and starts deliveries while there is room.

use super::batch_encoder::{Filled, Filler, Room};
use super::bulk::Bulk;
use super::byte_accounting::Fate;
use super::lane_lifecycle::leave;
use super::task_result::Finish;
use super::{Stage, Worker};

impl Worker {
    /// Starts what may be started.
    pub(super) fn launch(&mut self) {
        let commit_first = self.commits.are_due(self.now)
            && (self.transit.held.is_empty() || !self.commits.own_cursors);
        if !self.may_deliver() || commit_first {
            return;
        }
        while self.transit.flights.len() < self.trouble.requests(self.limits.requests, self.now) {
            let Some(bulk) = self.transit.next(self.limits.events, self.now) else { return };
            self.send(bulk);
        }
    }

    fn may_deliver(&self) -> bool {
        !self.in_trouble() && self.mode.may_deliver() && !self.lanes.want_quiet()
    }

    fn send(&mut self, mut bulk: Bulk) {
        self.transit.set_out(&mut bulk);
        let sink = self.config.sink.clone();
        self.tasks.spawn(async move {
            let (items, delivery) = sink.deliver(std::mem::take(&mut bulk.items)).await;
            bulk.items = items;
            Finish::Delivered(Box::new(bulk), delivery)
        });
        self.report.touch();
    }

    /// Reads the next bulk, if there is room for it and something to read.
    pub(super) fn read_on(&mut self) {
        let may = self.may_deliver()
            && self.drain_until.is_none()
            && !self.lanes.is_meeting(self.now)
            && self.transit.ready.is_none()
            && !self.transit.is_full(self.config.budget)
            && self.source.is_at_rest();
        if !may {
            return;
        }
        if self.source.looks_again(self.now) {
            self.look();
            self.tracks.look_again();
        }
        if self.source.lingers(self.now) {
            return;
        }
        let positions = self.tracks.positions(self.mode.is_in_round());
        if positions.is_empty() {
            return;
        }
        let Some(mut filler) = self.source.filler.take() else { return };
        let room = Room { events: self.limits.events, bytes: self.transit.size_limit.now() };
        let buffer = self.transit.buffer();
        self.tasks.spawn_blocking(move || {
            let filled = filler.fill(positions, room, buffer);
            Finish::Filled(Box::new(filler), Box::new(filled))
        });
    }

    pub(super) fn take_filled(&mut self, filler: Filler, filled: Filled) {
        self.source.filler = Some(filler);
        if self.stage != Stage::Working {
            return;
        }
        for (track, source) in filled.sources {
            self.tracks.name_source(track, source);
        }
        for place in filled.skipped {
            self.tracks.complete(place, Fate::Filtered);
        }
        for (place, taker) in filled.elsewhere {
            leave(&mut self.tracks, &self.lanes.owed, place, &taker);
        }
        // Last: of what is lost, that counts which nobody else has.
        for place in filled.lost {
            self.tracks.complete(place, Fate::Lost);
        }
        for (track, read) in &filled.reached {
            self.tracks.follow(*track, read);
        }
        self.report.filtered(filled.skipped_events);
        self.report.unprotected(filled.unprotected);
        self.report.reading(&filled.errors, self.tracks.some_are_troubled());
        if filled.bulk.is_empty() {
            self.transit.recycle(filled.bulk);
        } else {
            self.transit.ready = Some(filled.bulk);
        }
        if !filled.full {
            self.source.linger();
        }
        if self.tracks.some_wait() {
            self.source.plan_to_look_again();
        }
        self.after_progress();
    }

    /// Gives memory back while the target is away: the events are read from the log again. What is truncated in the log
    /// by then is lost.
    pub(super) fn drop_bodies_in_long_trouble(&mut self) {
        let holds = self.transit.holds_bodies();
        if !self.trouble.is_long(self.now) || !holds || self.is_busy() {
            return;
        }
        self.report.remember_oldest(self.transit.oldest());
        self.transit.drop_bodies();
        self.source.release();
        if self.commits.own_cursors {
            // What was accepted stands before what was dropped: the sink forgets it, and both are read again.
            self.break_off();
        } else {
            self.tracks.rewind();
        }
    }
}
