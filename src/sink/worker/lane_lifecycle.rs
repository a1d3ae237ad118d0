//! Where lanes begin, go on after a restart, and end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bulk::{Bulk, Place};
use super::byte_accounting::Fate;
use super::confirmed_prefix::Prefix;
use super::in_flight::Transit;
use super::lane_bytes::Owed;
use super::lanes::{Birth, MAIN, Parked, Taker, Targets};
use super::orders::{Base, Mode, Order};
use super::progress::Tracks;
use super::read_limit::{Fence, Fenced, Left};
use super::{Worker, WorkerConfig};
use crate::event::status::{SinkState, SinkStatus};
use crate::event::{Cursor, GenerationId};

/// A target that refused so often in a row gets a lane.
const TRIES: u32 = 3;
/// One that lets the events of others wait so long before it refuses gets one at once.
const SLOW: Duration = Duration::from_secs(5);
/// More targets than this are a fault of the whole sink, which waits as one.
const MOST: usize = 8;
/// Where a lane has so little left, the main worker waits a moment for it.
const NEAR: u64 = 8 * 1024 * 1024;
/// … and then not again for some time.
const APART: Duration = Duration::from_secs(10);
/// How often the lanes are looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Worker {
    /// What a stored row is called: rows that were made by other rules speak of other events.
    fn row_name(&self, target: &str) -> Arc<str> {
        format!("{target}@{:016x}", self.config.sink.routing()).into()
    }

    /// Lanes that an earlier run left. Where they cannot go on, all events of the sink are taken again from the
    /// first one that a lane was still to deliver.
    pub(super) fn adopt_lanes(&mut self) {
        let rows = self.config.store.cursors(&self.config.name);
        let rows = rows.into_iter().filter(|row| row.lane != MAIN);
        let mut lanes: HashMap<String, Vec<Cursor>> = HashMap::new();
        for row in rows {
            let cursor = Cursor { generation: row.generation, offset: row.offset };
            lanes.entry(row.lane).or_default().push(cursor);
        }
        if lanes.is_empty() || self.lanes.birth.is_some() || !self.lanes.are_none() {
            return;
        }
        let own: HashMap<GenerationId, u64> = self.stored_cursors().into_iter().map(pair).collect();
        let known = |name: &String| name.rsplit_once('@').map(|(target, _)| self.row_name(target));
        let usable = lanes.keys().all(|name| known(name).is_some_and(|row| *row == **name));
        let (store, sink) = (&self.config.store, &self.config.name);
        if !usable || lanes.len() > MOST || self.mode.is_once() {
            let mut first = own;
            for cursor in lanes.values().flatten() {
                first.entry(cursor.generation).and_modify(|at| *at = cursor.offset.min(*at));
            }
            for (generation, offset) in first {
                store.put_cursor(sink, MAIN, Cursor { generation, offset });
            }
            for name in lanes.keys() {
                store.remove_lane(sink, name);
            }
            return;
        }
        self.lanes.fence.raise(own.clone().into_iter());
        for (name, cursors) in lanes {
            self.lanes.fence.raise(cursors.iter().copied().map(pair));
            let target: Arc<str> = name.rsplit_once('@').map_or("", |(target, _)| target).into();
            let done = cursors.into_iter().map(pair).map(|(id, end)| (id, Prefix::at(end)));
            let birth = Birth {
                target,
                row: name.into(),
                done: Some(done.collect()),
                earlier: own.clone(),
                fence: self.lanes.fence.clone(),
                owed: self.lanes.owed.clone(),
            };
            let mode = if self.mode.base == Base::Armed { Mode::Armed } else { Mode::Auto };
            self.start_lane(birth, mode);
        }
    }

    fn start_lane(&mut self, birth: Birth, mode: Mode) {
        let queue = Fenced { queue: self.config.queue.clone(), fence: self.lanes.fence.clone() };
        let config = WorkerConfig {
            queue: Arc::new(queue),
            mode,
            // It has one request at a time, and mostly none.
            budget: self.config.budget / 4,
            ..(*self.config).clone()
        };
        let (target, row) = (birth.target.clone(), birth.row.clone());
        let (worker, handle, ledger) = Worker::of_lane(config, birth);
        if let Base::Paused { by, .. } = &self.mode.base {
            // The first of sixteen.
            _ = handle.orders.try_send(Order::Pause { by: by.clone() });
        }
        let stop = self.lanes.stop.child_token();
        // A worker that starts workers of its own kind: the compiler needs to be told that it ends.
        let run: futures::future::BoxFuture<'static, SinkStatus> =
            Box::pin(worker.run(stop.clone()));
        let task = tokio::spawn(run);
        let left = Left::new(&self.lanes.fence);
        let (finishing, ended) = (false, None);
        let lane = Parked { target, row, handle, ledger, task, stop, left, finishing, ended };
        self.lanes.parked.push(lane);
    }

    /// Called after refusals: has some target refused often enough, or too much?
    pub(super) fn consider_lanes(&mut self, bulk: &Bulk, refused: &[usize], tries: u32) {
        let held = self.transit.held.iter().filter(|held| held.bulk.blocked.is_some());
        let much = held.map(|held| held.bulk.bytes()).sum::<usize>() > self.config.budget / 4;
        let possible = self.lanes.birth.is_none()
            && !self.commits.own_cursors
            && !self.mode.is_once()
            && self.lanes.wanted.is_none()
            && self.lanes.parked.len() < MOST;
        if !possible || !(tries >= TRIES || much || bulk.took >= SLOW) {
            return;
        }
        let mut targets =
            refused.iter().map(|index| self.config.sink.target(bulk.items.item(*index)));
        if let Some(target) = targets.find(|target| *target != MAIN) {
            self.lanes.wanted = Some(target.into());
        }
    }

    /// The blocked target's events, and whatever comes of it later, are a lane's from now on.
    fn begin_lane(&mut self) {
        let Some(target) = self.lanes.wanted.take() else { return };
        if self.lanes.are_none() {
            self.lanes.passed = self.report.confirmed_events();
        }
        let row = self.row_name(&target);
        for cursor in self.tracks.cursors() {
            self.config.store.put_cursor(&self.config.name, &row, cursor);
        }
        self.lanes.fence.raise(self.tracks.reads());
        let targets = self.lanes.targets_without(Some(target.clone()));
        let birth = Birth {
            target,
            row,
            done: Some(self.tracks.prefixes()),
            earlier: HashMap::new(),
            fence: self.lanes.fence.clone(),
            owed: self.lanes.owed.clone(),
        };
        // Before it begins: what it does is taken from what was left to it.
        self.leave_to_lanes(&targets);
        self.start_lane(birth, Mode::Auto);
        if let Some(filler) = &mut self.source.filler {
            filler.choose(targets);
        }
        // It was that target, not the sink.
        if self.trouble.clear() {
            self.report.recovered();
        }
        self.after_progress();
    }

    /// What is read and not delivered, as far as it belongs to a lane now.
    fn leave_to_lanes(&mut self, targets: &Targets) {
        let sink = self.config.sink.clone();
        let Transit { held, ready, .. } = &mut self.transit;
        let bulks = held.iter_mut().map(|held| &mut held.bulk).chain(ready.iter_mut());
        for bulk in bulks {
            let mut ours = Vec::new();
            for index in 0..bulk.len() {
                match targets.taker(&*sink, bulk.items.item(index)) {
                    Taker::Us => ours.push(index),
                    taker => leave(&mut self.tracks, &self.lanes.owed, bulk.places[index], &taker),
                }
            }
            if ours.len() == bulk.len() {
                continue;
            }
            let blocked = None;
            *bulk = Bulk { ticket: bulk.ticket, blocked, ..bulk.only(ours.into_iter()) };
        }
        held.retain(|held| !held.bulk.is_empty());
        *ready = ready.take().filter(|bulk| !bulk.is_empty());
    }

    /// Lanes begin and end here.
    pub(super) async fn tend_lanes(&mut self) {
        if self.lanes.wanted.is_some() && !self.is_busy() {
            self.begin_lane();
        }
        if self.lanes.are_none() {
            // Nobody asks what it read meanwhile: a lane that begins is told of everything.
            self.tracks.take_advanced();
            return;
        }
        if self.lanes.look_at > self.now {
            return;
        }
        self.lanes.look_at = self.now + LOOK;
        // What they tell is news of ours.
        self.report.touch();
        self.break_with_a_lane().await;
        if self.mode.is_over() || (self.mode.is_once() && self.is_hopeless()) {
            self.lanes.finish();
        }
        // Rows first: a lane that sees a generation may pass it at once.
        let advanced = self.tracks.take_advanced();
        self.put_new_rows(&advanced);
        self.lanes.fence.raise(advanced.into_iter());
        let left = self.look_at_lanes();
        if self.source.is_at_rest() && self.lanes.wanted.is_none() {
            for (index, _) in left.iter().enumerate().rev().filter(|(_, left)| **left == 0) {
                self.end_lane(index).await;
            }
        }
        let well = |lane: &Parked| {
            matches!(lane.handle.status.borrow().state, SinkState::Shipping | SinkState::Idle)
        };
        let lanes = self.lanes.parked.iter().zip(&left);
        let near = lanes.filter(|(lane, left)| **left <= NEAR && well(lane)).count() > 0;
        let meeting = self.lanes.meeting.filter(|since| self.now < *since + APART);
        self.lanes.meeting = meeting.or(near.then_some(self.now));
    }

    /// A lane that ends unasked is a fault of ours: whoever begins this sink again begins its lanes from their rows.
    async fn break_with_a_lane(&mut self) {
        let broken = |lane: &&mut Parked| {
            lane.task.is_finished() && !lane.stop.is_cancelled() && lane.ended.is_none()
        };
        for lane in self.lanes.parked.iter_mut().filter_map(|lane| Some(lane).filter(broken)) {
            match (&mut lane.task).await {
                Ok(last) => lane.ended = Some(last),
                Err(error) => panic!("the worker of target {} broke: {error}", lane.target),
            }
        }
    }

    /// The follower keeps what has a row behind its end.
    fn put_new_rows(&self, advanced: &[(GenerationId, u64)]) {
        for (generation, _) in advanced {
            let Some((start, _)) = self.config.queue.extent(*generation) else { continue };
            let cursor = Cursor { generation: *generation, offset: start };
            for lane in &self.lanes.parked {
                self.config.store.put_cursor_if_none(&self.config.name, &lane.row, cursor);
            }
        }
    }

    /// Bytes between each lane's rows and the fence.
    fn look_at_lanes(&mut self) -> Vec<u64> {
        let (config, fence) = (&self.config, &self.lanes.fence);
        let look = |lane: &mut Parked| {
            let row = lane.row.clone();
            lane.left.look(fence, |id| left_in(config, fence, &row, id));
            lane.left.bytes()
        };
        self.lanes.parked.iter_mut().map(look).collect()
    }

    /// It has delivered everything that the main worker passed.
    async fn end_lane(&mut self, index: usize) {
        let lane = self.lanes.parked.remove(index);
        let (row, target) = (lane.row.clone(), lane.target.clone());
        lane.stop.cancel();
        let (status, ledger) = lane.last().await;
        self.config.store.remove_lane(&self.config.name, &row);
        self.tracks.take_over(&ledger);
        self.tracks.lose_left(self.lanes.owed.end(&target));
        self.report.take_over(&status);
        if let Some(filler) = &mut self.source.filler {
            filler.choose(self.lanes.targets());
        }
        self.lanes.meeting = None;
    }
}

/// The event at this place is left to whoever takes it.
pub(super) fn leave(tracks: &mut Tracks, owed: &Owed, place: Place, taker: &Taker) {
    let bytes = tracks.complete(place, Fate::Elsewhere);
    if let Taker::Lane(target) = taker {
        owed.add(target, tracks.generation(place.track), bytes);
    }
}

/// Bytes of one generation between the row of a lane and the fence.
fn left_in(config: &WorkerConfig, fence: &Fence, lane: &str, id: GenerationId) -> u64 {
    let Some(upto) = fence.of(id) else { return 0 };
    let row = config.store.cursor(&config.name, lane, id);
    match config.queue.extent(id) {
        Some((start, end)) => upto.min(end).saturating_sub(row.unwrap_or(start)),
        // Not found yet, or its disk is away. The rows go with the generation that is forgotten.
        None => row.map_or(0, |row| upto.saturating_sub(row)),
    }
}

fn pair(cursor: Cursor) -> (GenerationId, u64) {
    (cursor.generation, cursor.offset)
}
