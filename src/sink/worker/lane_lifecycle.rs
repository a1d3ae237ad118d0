//! Opens lanes, resumes them after a restart, and closes them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bulk::{Bulk, Span};
use super::byte_accounting::ByteOutcome;
use super::confirmed_prefix::Prefix;
use super::in_flight::InFlightEvents;
use super::lane_bytes::LaneBytes;
use super::lanes::{Lane, LaneStart, MAIN, Owner, Targets};
use super::orders::{Base, Mode, Order};
use super::progress::Progress;
use super::read_limit::{LaneBacklog, LimitedQueue, ReadLimit};
use super::{Worker, WorkerConfig};
use crate::event::status::{SinkState, SinkStatus};
use crate::event::{Cursor, GenerationId};

/// A target gets a lane after this many refusals in a row.
const REFUSALS_BEFORE_LANE: u32 = 3;
/// A target gets a lane at once if it delays others this long before it refuses.
const SLOW_REFUSAL: Duration = Duration::from_secs(5);
/// If more targets are blocked, the cause is not in the targets: the whole sink waits.
const MAX_LANES: usize = 8;
/// The main worker pauses for a lane whose backlog, in bytes, is this small, so that the lane can catch up.
const ALMOST_DONE: u64 = 8 * 1024 * 1024;
/// Shortest time from the start of one such pause to the start of the next.
const WAIT_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often the lanes are checked.
const CHECK_EVERY: Duration = Duration::from_millis(100);

impl Worker {
    /// Name of a lane's cursor rows. Rows with another routing belong to other events, so the name contains it.
    fn row_name(&self, target: &str) -> Arc<str> {
        format!("{target}@{:016x}", self.config.sink.routing()).into()
    }

    /// Resumes the lanes of an earlier run. If they are unusable, all events of the sink are read again from the
    /// first one that a lane had still to deliver.
    pub(super) fn resume_lanes(&mut self) {
        let rows = self.config.store.cursors(&self.config.name);
        let rows = rows.into_iter().filter(|row| row.lane != MAIN);
        let mut lanes: HashMap<String, Vec<Cursor>> = HashMap::new();
        for row in rows {
            let cursor = Cursor { generation: row.generation, offset: row.offset };
            lanes.entry(row.lane).or_default().push(cursor);
        }
        if lanes.is_empty() || self.lanes.lane_start.is_some() || !self.lanes.is_empty() {
            return;
        }
        let own: HashMap<GenerationId, u64> =
            self.stored_cursors().into_iter().map(as_pair).collect();
        let known = |name: &String| name.rsplit_once('@').map(|(target, _)| self.row_name(target));
        let usable = lanes.keys().all(|name| known(name).is_some_and(|row| *row == **name));
        let (store, sink) = (&self.config.store, &self.config.name);
        if !usable || lanes.len() > MAX_LANES || self.mode.is_once() {
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
        self.lanes.read_limit.raise(own.clone().into_iter());
        for (name, cursors) in lanes {
            self.lanes.read_limit.raise(cursors.iter().copied().map(as_pair));
            let target: Arc<str> = name.rsplit_once('@').map_or("", |(target, _)| target).into();
            let done = cursors.into_iter().map(as_pair).map(|(id, end)| (id, Prefix::at(end)));
            let lane_start = LaneStart {
                target,
                row: name.into(),
                done: Some(done.collect()),
                earlier: own.clone(),
                read_limit: self.lanes.read_limit.clone(),
                lane_bytes: self.lanes.lane_bytes.clone(),
            };
            let mode = if self.mode.base == Base::Armed { Mode::Armed } else { Mode::Auto };
            self.start_lane(lane_start, mode);
        }
    }

    fn start_lane(&mut self, lane_start: LaneStart, mode: Mode) {
        let queue = LimitedQueue {
            queue: self.config.queue.clone(),
            read_limit: self.lanes.read_limit.clone(),
        };
        let config = WorkerConfig {
            queue: Arc::new(queue),
            mode,
            // A lane has one request at a time, and mostly none.
            budget: self.config.budget / 4,
            ..(*self.config).clone()
        };
        let (target, row) = (lane_start.target.clone(), lane_start.row.clone());
        let (worker, handle, account) = Worker::of_lane(config, lane_start);
        if let Base::Paused { by, .. } = &self.mode.base {
            // Cannot fail: the queue of sixteen orders is empty.
            _ = handle.orders.try_send(Order::Pause { by: by.clone() });
        }
        let stop = self.lanes.stop.child_token();
        // A worker that starts workers: the boxed type ends the recursion for the compiler.
        let run: futures::future::BoxFuture<'static, SinkStatus> =
            Box::pin(worker.run(stop.clone()));
        let task = tokio::spawn(run);
        let backlog = LaneBacklog::new(&self.lanes.read_limit);
        let (finishing, ended) = (false, None);
        let lane = Lane { target, row, handle, account, task, stop, backlog, finishing, ended };
        self.lanes.running.push(lane);
    }

    /// Called after refusals: decides whether a target needs a lane.
    pub(super) fn check_lane_needed(&mut self, bulk: &Bulk, refused: &[usize], tries: u32) {
        let failed = self.in_flight.failed.iter().filter(|failed| failed.bulk.blocked.is_some());
        let holds_much =
            failed.map(|failed| failed.bulk.bytes()).sum::<usize>() > self.config.budget / 4;
        let possible = self.lanes.lane_start.is_none()
            && !self.commits.own_cursors
            && !self.mode.is_once()
            && self.lanes.next_target.is_none()
            && self.lanes.running.len() < MAX_LANES;
        if !possible
            || !(tries >= REFUSALS_BEFORE_LANE || holds_much || bulk.answered_in >= SLOW_REFUSAL)
        {
            return;
        }
        let mut targets =
            refused.iter().map(|index| self.config.sink.target(bulk.items.item(*index)));
        if let Some(target) = targets.find(|target| *target != MAIN) {
            self.lanes.next_target = Some(target.into());
        }
    }

    /// From now on a lane delivers the events of the blocked target.
    fn open_lane(&mut self) {
        let Some(target) = self.lanes.next_target.take() else { return };
        if self.lanes.is_empty() {
            self.lanes.confirmed_before = self.report.confirmed_events();
        }
        let row = self.row_name(&target);
        for cursor in self.progress.cursors() {
            self.config.store.put_cursor(&self.config.name, &row, cursor);
        }
        self.lanes.read_limit.raise(self.progress.read_offsets());
        let targets = self.lanes.targets_without(Some(target.clone()));
        let lane_start = LaneStart {
            target,
            row,
            done: Some(self.progress.prefixes()),
            earlier: HashMap::new(),
            read_limit: self.lanes.read_limit.clone(),
            lane_bytes: self.lanes.lane_bytes.clone(),
        };
        // Before the lane starts: its deliveries are subtracted from the bytes left to it.
        self.assign_to_lanes(&targets);
        self.start_lane(lane_start, Mode::Auto);
        if let Some(encoder) = &mut self.input.encoder {
            encoder.set_targets(targets);
        }
        // The target failed, not the sink.
        if self.retry_backoff.clear() {
            self.report.recovered();
        }
        self.after_progress();
    }

    /// Leaves pending events to the lanes that own them.
    fn assign_to_lanes(&mut self, targets: &Targets) {
        let sink = self.config.sink.clone();
        let InFlightEvents { failed, ready, .. } = &mut self.in_flight;
        let bulks = failed.iter_mut().map(|failed| &mut failed.bulk).chain(ready.iter_mut());
        for bulk in bulks {
            let mut ours = Vec::new();
            for index in 0..bulk.len() {
                match targets.owner(&*sink, bulk.items.item(index)) {
                    Owner::This => ours.push(index),
                    owner => leave_to_owner(
                        &mut self.progress,
                        &self.lanes.lane_bytes,
                        bulk.spans[index],
                        &owner,
                    ),
                }
            }
            if ours.len() == bulk.len() {
                continue;
            }
            let blocked = None;
            *bulk = Bulk {
                delivery_number: bulk.delivery_number,
                blocked,
                ..bulk.subset(ours.into_iter())
            };
        }
        failed.retain(|failed| !failed.bulk.is_empty());
        *ready = ready.take().filter(|bulk| !bulk.is_empty());
    }

    /// Opens lanes, keeps their limits and status up to date, and closes those that have caught up.
    pub(super) async fn manage_lanes(&mut self) {
        if self.lanes.next_target.is_some() && !self.is_busy() {
            self.open_lane();
        }
        if self.lanes.is_empty() {
            // A lane that opens later gets all offsets at its start.
            self.progress.take_advanced();
            return;
        }
        if self.lanes.check_at > self.now {
            return;
        }
        self.lanes.check_at = self.now + CHECK_EVERY;
        // Changes of the lanes are part of this sink's status.
        self.report.touch();
        self.panic_if_lane_failed().await;
        if self.mode.is_over() || (self.mode.is_once() && self.gives_up()) {
            self.lanes.finish();
        }
        // Rows first: a lane that sees a generation may move its row at once.
        let advanced = self.progress.take_advanced();
        self.put_new_rows(&advanced);
        self.lanes.read_limit.raise(advanced.into_iter());
        let backlogs = self.update_backlogs();
        if self.input.is_idle() && self.lanes.next_target.is_none() {
            for (index, _) in backlogs.iter().enumerate().rev().filter(|(_, left)| **left == 0) {
                self.close_lane(index).await;
            }
        }
        let is_healthy = |lane: &Lane| {
            matches!(lane.handle.status.borrow().state, SinkState::Shipping | SinkState::Idle)
        };
        let lanes = self.lanes.running.iter().zip(&backlogs);
        let almost_done =
            lanes.filter(|(lane, left)| **left <= ALMOST_DONE && is_healthy(lane)).count() > 0;
        let waiting_since =
            self.lanes.waiting_since.filter(|since| self.now < *since + WAIT_AGAIN_AFTER);
        self.lanes.waiting_since = waiting_since.or(almost_done.then_some(self.now));
    }

    /// A lane that ends on its own is an internal error: the sink is restarted, and its lanes resume from their rows.
    async fn panic_if_lane_failed(&mut self) {
        let has_failed = |lane: &&mut Lane| {
            lane.task.is_finished() && !lane.stop.is_cancelled() && lane.ended.is_none()
        };
        for lane in self.lanes.running.iter_mut().filter_map(|lane| Some(lane).filter(has_failed)) {
            match (&mut lane.task).await {
                Ok(last) => lane.ended = Some(last),
                Err(error) => panic!("the worker of target {} failed: {error}", lane.target),
            }
        }
    }

    /// Gives every lane a row for each of these generations: the follower keeps a file while some row is behind its
    /// end.
    fn put_new_rows(&self, advanced: &[(GenerationId, u64)]) {
        for (generation, _) in advanced {
            let Some((start, _)) = self.config.queue.extent(*generation) else { continue };
            let cursor = Cursor { generation: *generation, offset: start };
            for lane in &self.lanes.running {
                self.config.store.put_cursor_if_none(&self.config.name, &lane.row, cursor);
            }
        }
    }

    /// Bytes between each lane's rows and the read limit.
    fn update_backlogs(&mut self) -> Vec<u64> {
        let (config, read_limit) = (&self.config, &self.lanes.read_limit);
        let update = |lane: &mut Lane| {
            let row = lane.row.clone();
            lane.backlog.update(read_limit, |id| backlog_of(config, read_limit, &row, id));
            lane.backlog.bytes()
        };
        self.lanes.running.iter_mut().map(update).collect()
    }

    /// Closes a lane that has delivered everything that the main worker left to it: the main worker delivers the events
    /// of its target again.
    async fn close_lane(&mut self, index: usize) {
        let lane = self.lanes.running.remove(index);
        let (row, target) = (lane.row.clone(), lane.target.clone());
        lane.stop.cancel();
        let (status, account) = lane.last().await;
        self.config.store.remove_lane(&self.config.name, &row);
        self.progress.take_over(&account);
        self.progress.lose_left_to_lane(self.lanes.lane_bytes.end(&target));
        self.report.take_over(&status);
        if let Some(encoder) = &mut self.input.encoder {
            encoder.set_targets(self.lanes.targets());
        }
        self.lanes.waiting_since = None;
    }
}

/// Leaves the event with this span to its owner.
pub(super) fn leave_to_owner(
    progress: &mut Progress,
    lane_bytes: &LaneBytes,
    span: Span,
    owner: &Owner,
) {
    let bytes = progress.complete(span, ByteOutcome::OtherWorker);
    if let Owner::Lane(target) = owner {
        lane_bytes.add(target, progress.generation(span.slot), bytes);
    }
}

/// Bytes of one generation between the row of a lane and the read limit.
fn backlog_of(config: &WorkerConfig, read_limit: &ReadLimit, lane: &str, id: GenerationId) -> u64 {
    let Some(upto) = read_limit.of(id) else { return 0 };
    let row = config.store.cursor(&config.name, lane, id);
    match config.queue.extent(id) {
        Some((start, end)) => upto.min(end).saturating_sub(row.unwrap_or(start)),
        // The file is not found yet, or its disk is not mounted. The rows are removed with the generation.
        None => row.map_or(0, |row| upto.saturating_sub(row)),
    }
}

fn as_pair(cursor: Cursor) -> (GenerationId, u64) {
    (cursor.generation, cursor.offset)
}
