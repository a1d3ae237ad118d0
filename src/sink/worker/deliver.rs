//! The way out: reads the next bulk, and starts deliveries while there is room.

use std::time::Duration;

use tokio::time::Instant;

use super::Worker;
use super::bulk::Bulk;
use super::fill::{Filled, Filler, Room};
use super::ledger::Fate;
use super::rounds::Counter;
use super::whereabouts::Found;
use crate::base::Timestamp;
use crate::event::Cursor;
use crate::sink::Delivery;

/// A slow stream gathers events for so long, so that one line does not make one request each.
const LINGER: Duration = Duration::from_millis(2);
/// A generation with an unfinished record, or one that could not be read, is looked at again: soon, because
/// time may close the record, then less and less often while nothing changes.
const LOOK_SOON: Duration = Duration::from_millis(100);
const LOOK_LATE: Duration = Duration::from_secs(5);

/// What a task of the worker comes back with.
pub(super) enum Finish {
    Filled(Box<Filler>, Box<Filled>),
    Delivered(Box<Bulk>, Delivery),
    Counted(Counter),
    LookedUp(Cursor, Option<Found>),
}

/// A delivery under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub ticket: u64,
    pub set_out: Instant,
    pub events: u64,
    /// Encoded.
    pub bytes: usize,
    /// Of the log.
    pub input: u64,
    pub oldest: Option<Timestamp>,
    pub blocked: Option<String>,
}

/// A bulk that failed and comes again.
#[derive(Debug)]
pub(super) struct Held {
    pub bulk: Bulk,
    /// `None`: as soon as the sink is ready.
    pub not_before: Option<Instant>,
}

impl Worker {
    /// Starts what may be started.
    pub(super) fn launch(&mut self) {
        if self.trouble.is_on(self.now) || !self.mode.may_deliver() || self.lanes.want_quiet() {
            return;
        }
        while self.flights.len() < self.trouble.requests(self.limits.requests, self.now) {
            let Some(bulk) = self.next_bulk() else { return };
            let bulk = self.cut(bulk);
            self.send(bulk);
        }
    }

    /// What failed before goes first, several of them together.
    fn next_bulk(&mut self) -> Option<Bulk> {
        let now = self.now;
        let commit_first = self.commit_at.is_some_and(|at| at <= now);
        if commit_first && (self.held.is_empty() || !self.own_cursors) {
            return None;
        }
        let is_due = |held: &Held| held.not_before.is_none_or(|at| at <= now);
        let Some(first) = self.held.iter().position(is_due) else { return self.ready.take() };
        let mut bulk = self.held.remove(first).expect("it was found there").bulk;
        if bulk.broke_at.is_some() {
            return Some(bulk);
        }
        let mut index = first;
        while index < self.held.len() {
            let held = &self.held[index];
            let events = bulk.len() + held.bulk.len();
            let fits = held.bulk.bytes() + bulk.bytes() <= self.size_limit.now()
                && events <= self.limits.events;
            let alike = held.bulk.blocked.is_some() == bulk.blocked.is_some();
            if fits
                && alike
                && held.bulk.broke_at.is_none()
                && held.not_before.is_some()
                && is_due(held)
            {
                bulk.append(&held.bulk);
                self.held.remove(index);
            } else {
                index += 1;
            }
        }
        Some(bulk)
    }

    /// A bulk from before a smaller limit was learned; what does not fit goes next.
    fn cut(&mut self, bulk: Bulk) -> Bulk {
        let fitting = bulk.fitting(self.size_limit.now());
        if fitting >= bulk.len() {
            return bulk;
        }
        let [first, rest] = [0..fitting, fitting..bulk.len()]
            .map(|part| Bulk { blocked: bulk.blocked.clone(), ..bulk.only(part) });
        self.held.push_front(Held { bulk: rest, not_before: None });
        first
    }

    fn send(&mut self, mut bulk: Bulk) {
        self.ticket += 1;
        let ticket = self.ticket;
        bulk.ticket = ticket;
        let events = bulk.len() as u64;
        self.flights.push(Flight {
            ticket,
            set_out: Instant::now(),
            events,
            bytes: bulk.bytes(),
            input: bulk.input(),
            oldest: bulk.oldest,
            blocked: bulk.blocked.clone(),
        });
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
        let held: usize = self.held.iter().map(|held| held.bulk.bytes()).sum();
        let flying: usize = self.flights.iter().map(|flight| flight.bytes).sum();
        let full = held > 0 && held + flying + self.size_limit.now() > self.config.budget;
        let may = self.drain_until.is_none()
            && self.mode.may_deliver()
            && !self.trouble.is_on(self.now)
            && !self.lanes.want_quiet()
            && !self.lanes.is_meeting(self.now);
        if !may || full || self.ready.is_some() || self.filler.is_none() {
            return;
        }
        if self.look_at.is_some_and(|at| at <= self.now) {
            self.look_at = None;
            self.look();
            self.tracks.look_again();
        }
        let positions = self.tracks.positions(self.mode.round);
        if positions.is_empty() || self.fill_at > self.now {
            return;
        }
        let Some(mut filler) = self.filler.take() else { return };
        let room = Room { events: self.limits.events, bytes: self.size_limit.now() };
        let buffer = self.spare.pop().unwrap_or_default();
        self.tasks.spawn_blocking(move || {
            let filled = filler.fill(positions, room, buffer);
            Finish::Filled(Box::new(filler), Box::new(filled))
        });
    }

    pub(super) fn take_filled(&mut self, filler: Filler, filled: Filled) {
        self.filler = Some(filler);
        if self.restart {
            return;
        }
        for (track, source) in filled.sources {
            self.tracks.name_source(track, source);
        }
        let skipped = filled.skipped.into_iter().map(|place| (place, Fate::Filtered));
        let lost = filled.lost.into_iter().map(|place| (place, Fate::Lost));
        let elsewhere = filled.elsewhere.into_iter().map(|place| (place, Fate::Elsewhere));
        for (place, fate) in skipped.chain(lost).chain(elsewhere) {
            self.tracks.complete(place, fate);
        }
        for (track, read) in &filled.reached {
            self.tracks.follow(*track, read);
        }
        self.report.filtered(filled.skipped_events);
        self.report.unprotected(filled.unprotected);
        self.report.reading(&filled.errors, self.tracks.some_are_troubled());
        if filled.bulk.is_empty() {
            self.recycle(filled.bulk);
        } else {
            self.ready = Some(filled.bulk);
        }
        if !filled.full {
            self.fill_at = Instant::now() + LINGER;
        }
        if self.look_at.is_none() && self.tracks.some_wait() {
            self.look_wait = (self.look_wait * 2).clamp(LOOK_SOON, LOOK_LATE);
            self.look_at = Some(Instant::now() + self.look_wait);
        }
        self.after_progress();
    }

    /// Memory goes back while the target is away; the log keeps what was in it.
    pub(super) fn drop_bodies_in_long_trouble(&mut self) {
        let holds = self.ready.is_some() || !self.held.is_empty() || !self.spare.is_empty();
        if !self.trouble.is_long(self.now) || !holds || self.is_busy() {
            return;
        }
        self.report.remember_oldest(self.oldest_waiting());
        self.drop_bodies();
        if self.own_cursors {
            // What was accepted stands before what was dropped: the sink forgets it, and both are read again.
            self.restart = true;
        } else {
            self.tracks.rewind();
        }
    }

    pub(super) fn drop_bodies(&mut self) {
        self.ready = None;
        self.held.clear();
        self.spare.clear();
        if let Some(filler) = &mut self.filler {
            filler.release();
        }
    }

    pub(super) fn recycle(&mut self, mut bulk: Bulk) {
        // The buffer of a giant event is not kept.
        if self.spare.len() < 2 && bulk.items.body.capacity() <= 2 * self.size_limit.configured() {
            bulk.clear();
            self.spare.push(bulk);
        }
    }

    /// When the oldest event that is read and not confirmed was read.
    pub(super) fn oldest_waiting(&self) -> Option<Timestamp> {
        let flying = self.flights.iter().filter_map(|flight| flight.oldest);
        let held = self.held.iter().filter_map(|held| held.bulk.oldest);
        flying.chain(held).chain(self.ready.iter().filter_map(|bulk| bulk.oldest)).min()
    }
}
