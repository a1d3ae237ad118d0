//! The worker's steps of delivery: starts deliveries and reads the next bulk while the limits allow it, and frees bulks
//! while the target is down for long.

use super::batch_encoder::{BatchEncoder, EncodeResult, Room};
use super::bulk::Bulk;
use super::byte_accounting::ByteOutcome;
use super::lane_lifecycle::leave_to_owner;
use super::task_result::TaskResult;
use super::{Stage, Worker};

impl Worker {
    /// Starts as many deliveries as allowed.
    pub(super) fn start_deliveries(&mut self) {
        let commit_first = self.commits.are_due(self.now)
            && (self.in_flight.failed.is_empty() || !self.commits.own_cursors);
        if !self.may_deliver() || commit_first {
            return;
        }
        while self.in_flight.active.len()
            < self.retry_backoff.requests(self.limits.requests, self.now)
        {
            let Some(bulk) = self.in_flight.next_bulk(self.limits.events, self.now) else { return };
            self.send(bulk);
        }
    }

    fn may_deliver(&self) -> bool {
        !self.is_backing_off() && self.mode.may_deliver() && !self.lanes.need_idle_worker()
    }

    fn send(&mut self, mut bulk: Bulk) {
        self.in_flight.mark_sent(&mut bulk);
        let sink = self.config.sink.clone();
        self.tasks.spawn(async move {
            let (items, delivery) = sink.deliver(std::mem::take(&mut bulk.items)).await;
            bulk.items = items;
            TaskResult::Delivered(Box::new(bulk), delivery)
        });
        self.report.touch();
    }

    /// Reads the next bulk if there is space for it and something to read.
    pub(super) fn read_next(&mut self) {
        let may_read = self.may_deliver()
            && self.drain_until.is_none()
            && !self.lanes.is_waiting_for_lane(self.now)
            && self.in_flight.ready.is_none()
            && !self.in_flight.is_full(self.config.budget)
            && self.input.is_idle();
        if !may_read {
            return;
        }
        if self.input.is_recheck_due(self.now) {
            self.apply_news();
            self.progress.recheck_waiting();
        }
        if self.input.waits_for_more(self.now) {
            return;
        }
        let positions = self.progress.positions(self.mode.is_in_round());
        if positions.is_empty() {
            return;
        }
        let Some(mut encoder) = self.input.encoder.take() else { return };
        let room = Room { events: self.limits.events, bytes: self.in_flight.size_limit.now() };
        let buffer = self.in_flight.empty_bulk();
        self.tasks.spawn_blocking(move || {
            let encoded = encoder.encode_next(positions, room, buffer);
            TaskResult::Encoded(Box::new(encoder), Box::new(encoded))
        });
    }

    /// Takes the bulk and the positions that [`Worker::read_next`] has started to read.
    pub(super) fn take_encoded(&mut self, encoder: BatchEncoder, encoded: EncodeResult) {
        self.input.encoder = Some(encoder);
        if self.stage != Stage::Working {
            return;
        }
        for (slot, source) in encoded.sources {
            self.progress.name_source(slot, source);
        }
        for span in encoded.skipped {
            self.progress.complete(span, ByteOutcome::Filtered);
        }
        for (span, owner) in encoded.for_others {
            leave_to_owner(&mut self.progress, &self.lanes.lane_bytes, span, &owner);
        }
        // Last: bytes count as lost only if no other outcome covers them.
        for span in encoded.lost {
            self.progress.complete(span, ByteOutcome::Lost);
        }
        for (slot, read) in &encoded.reached {
            self.progress.note_read(*slot, read);
        }
        self.report.filtered(encoded.skipped_events);
        self.report.unprotected(encoded.unprotected);
        self.report.reading(&encoded.errors, self.progress.any_failing());
        if encoded.bulk.is_empty() {
            self.in_flight.recycle(encoded.bulk);
        } else {
            self.in_flight.ready = Some(encoded.bulk);
        }
        if !encoded.full {
            self.input.wait_for_more();
        }
        if self.progress.any_waiting() {
            self.input.plan_recheck();
        }
        self.after_progress();
    }

    /// Frees memory while the target is down for long: the events are read from the log again later. Those that
    /// disappear from the log in the meantime, by truncation, are lost.
    pub(super) fn drop_bodies_during_long_backoff(&mut self) {
        let holds = self.in_flight.holds_bodies();
        if !self.retry_backoff.is_waiting_long(self.now) || !holds || self.is_busy() {
            return;
        }
        self.report.remember_oldest(self.in_flight.oldest());
        self.in_flight.drop_bodies();
        self.input.release();
        if self.commits.own_cursors {
            // Accepted events come before the dropped ones: the sink discards them, and both are read again.
            self.restart_from_durable();
        } else {
            self.progress.rewind();
        }
    }
}
