//! Lanes: a target that accepts nothing must not block others. It gets a lane, a worker with cursor rows of its own,
//! and the sink's main worker skips its events.
//!
//! Invariants:
//! - The rows of a lane are stored before the sink's own cursors pass any of its events, and stay until the lane has
//!   delivered all of them.
//! - A lane never reads beyond the main worker (see [`ReadLimit`]). It ends when it has reached the limit while the
//!   main worker reads nothing; then the main worker takes its events again.
//! - Nothing is in flight while a lane opens, so each event belongs to exactly one worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerHandle;
use super::byte_accounting::ByteAccount;
use super::confirmed_prefix::Prefix;
use super::lane_bytes::{LaneBytes, LaneShare};
use super::orders::Order;
use super::read_limit::{LaneBacklog, ReadLimit};
use crate::event::status::{DeliveryState, SinkStatus};
use crate::event::{Cursor, GenerationId};
use crate::sink::Sink;

/// Lane name of the rows of a sink's main worker.
pub(super) const MAIN: &str = "*";
/// How long the main worker waits for a lane that has almost caught up.
const LANE_WAIT: Duration = Duration::from_secs(2);

/// The worker that delivers an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The worker that asks.
    This,
    /// The lane of this target; only the main worker gets this answer.
    Lane(Arc<str>),
    /// The main worker or another of its lanes.
    Other,
}

/// The targets whose events a worker delivers.
#[derive(Clone, Debug)]
pub(super) enum Targets {
    AllExcept(Vec<Arc<str>>),
    Only(Arc<str>),
}

impl Targets {
    /// The worker that delivers this item.
    pub(super) fn owner(&self, sink: &dyn Sink, item: &[u8]) -> Owner {
        match self {
            Targets::AllExcept(none) if none.is_empty() => Owner::This,
            Targets::AllExcept(with_lane) => {
                let target = sink.target(item);
                let lane = with_lane.iter().find(|name| ***name == *target);
                lane.map_or(Owner::This, |lane| Owner::Lane(lane.clone()))
            }
            Targets::Only(name) if sink.target(item) == &**name => Owner::This,
            Targets::Only(_) => Owner::Other,
        }
    }
}

/// The data from which a lane's worker starts.
#[derive(Debug)]
pub(super) struct LaneStart {
    pub target: Arc<str>,
    /// Name of its cursor rows.
    pub row: Arc<str>,
    /// The prefixes from which it starts; taken at the first start.
    pub done: Option<HashMap<GenerationId, Prefix>>,
    /// Events before these offsets were left to the lane by an earlier run.
    pub earlier: HashMap<GenerationId, u64>,
    /// Shared with the main worker.
    pub read_limit: Arc<ReadLimit>,
    /// Bytes that the main worker leaves to its lanes.
    pub lane_bytes: Arc<LaneBytes>,
}

/// A running lane.
#[derive(Debug)]
pub(super) struct Lane {
    pub target: Arc<str>,
    pub row: Arc<str>,
    pub handle: WorkerHandle,
    pub account: watch::Receiver<ByteAccount>,
    pub task: JoinHandle<SinkStatus>,
    pub stop: CancellationToken,
    pub backlog: LaneBacklog,
    /// It was ordered to deliver its backlog and end.
    pub finishing: bool,
    /// Its last status, once it has ended.
    pub ended: Option<SinkStatus>,
}

impl Lane {
    /// The final status and account of a lane that was stopped.
    pub(super) async fn last(mut self) -> (SinkStatus, ByteAccount) {
        let known = self.handle.status.borrow().clone();
        let status = match self.ended.take() {
            Some(ended) => ended,
            None => (&mut self.task).await.unwrap_or(known),
        };
        (status, *self.account.borrow())
    }
}

impl Drop for Lane {
    /// A lane never outlives the main worker.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The lanes of a main worker; empty in the worker of a lane.
#[derive(Debug)]
pub(super) struct Lanes {
    /// The data from which this worker started; set in the worker of a lane only.
    pub lane_start: Option<LaneStart>,
    pub read_limit: Arc<ReadLimit>,
    /// Bytes that were left to each lane.
    pub lane_bytes: Arc<LaneBytes>,
    pub running: Vec<Lane>,
    /// The target that gets a lane as soon as nothing is in flight.
    pub next_target: Option<Arc<str>>,
    /// Since when the main worker waits for a lane that has almost caught up.
    pub waiting_since: Option<Instant>,
    pub check_at: Instant,
    /// Events that the main worker had confirmed when the first lane opened.
    pub confirmed_before: u64,
    /// Stops all lanes, including those that open later.
    pub stop: CancellationToken,
}

impl Lanes {
    pub(super) fn new(lane_start: Option<LaneStart>) -> Self {
        Lanes {
            lane_start,
            read_limit: ReadLimit::new(),
            lane_bytes: Arc::default(),
            running: Vec::new(),
            next_target: None,
            waiting_since: None,
            check_at: Instant::now(),
            confirmed_before: 0,
            stop: CancellationToken::new(),
        }
    }

    /// The name of this worker's cursor rows.
    pub(super) fn row(&self) -> &str {
        self.lane_start.as_ref().map_or(MAIN, |lane_start| &lane_start.row)
    }

    /// The targets whose events this worker delivers now.
    pub(super) fn targets(&self) -> Targets {
        match &self.lane_start {
            Some(lane_start) => Targets::Only(lane_start.target.clone()),
            None => self.targets_without(None),
        }
    }

    /// The targets of the main worker, without `also`, which gets a lane.
    pub(super) fn targets_without(&self, also: Option<Arc<str>>) -> Targets {
        let with_lane = self.running.iter().map(|lane| lane.target.clone());
        Targets::AllExcept(with_lane.chain(also).collect())
    }

    /// The bytes left to this lane, in the worker of a lane.
    pub(super) fn share(&self) -> Option<LaneShare> {
        let lane_start = self.lane_start.as_ref()?;
        Some(LaneShare {
            target: lane_start.target.clone(),
            lane_bytes: lane_start.lane_bytes.clone(),
        })
    }

    /// Whether no delivery may start, because a lane is about to open.
    pub(super) fn need_idle_worker(&self) -> bool {
        self.next_target.is_some()
    }

    /// Whether the main worker reads nothing for a moment, so that a lane can catch up.
    pub(super) fn is_waiting_for_lane(&self, now: Instant) -> bool {
        self.waiting_since.is_some_and(|since| now < since + LANE_WAIT)
    }

    /// When the lanes are to be checked next.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.running.is_empty()).then_some(self.check_at)
    }

    /// Whether the main worker has confirmed events since the lanes opened.
    pub(super) fn main_confirmed_since(&self, confirmed: u64) -> bool {
        self.running.is_empty() || confirmed > self.confirmed_before
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Last known status and account of each lane.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (SinkStatus, ByteAccount)> {
        self.running
            .iter()
            .map(|lane| (lane.handle.status.borrow().clone(), *lane.account.borrow()))
    }

    /// The delivery state of an event in the lane of this target; `None` if there is no such lane.
    pub(super) fn answer_for(&self, target: &str, place: Cursor) -> Option<DeliveryState> {
        let lane = self.running.iter().find(|lane| *lane.target == *target)?;
        let asked = lane.handle.status.borrow().asked.filter(|asked| asked.place == place);
        Some(asked.map_or(DeliveryState::Waiting, |asked| asked.state))
    }

    /// Passes an order of the operator to all lanes.
    pub(super) fn forward(&self, order: &Order) {
        let orders = match order {
            // The delivery of a lane's events was requested before.
            Order::ShipNow => [Some(Order::Resume), Some(Order::Retry)],
            // Lanes get this order when the main worker is done: see `finish`.
            Order::Finish => [None, None],
            other => [Some(other.clone()), None],
        };
        for lane in &self.running {
            for order in orders.iter().flatten() {
                // If sixteen orders are pending, the lane is busy, and the operator will repeat this one.
                _ = lane.handle.orders.try_send(order.clone());
            }
        }
    }

    /// The main worker is done or gives up: each lane delivers its backlog and ends, or gives up like any worker with
    /// [`Order::Finish`]. A lane whose order queue is full gets the order with the next call.
    pub(super) fn finish(&mut self) {
        for lane in self.running.iter_mut().filter(|lane| !lane.finishing) {
            lane.finishing = lane.handle.orders.try_send(Order::Finish).is_ok();
        }
    }

    /// Every lane has delivered its backlog or given up.
    pub(super) fn are_done(&self) -> bool {
        self.running.iter().all(|lane| lane.ended.is_some())
    }

    /// Stops all lanes; their cursors stay where they are.
    pub(super) async fn stop_all(&mut self) -> Vec<(SinkStatus, ByteAccount)> {
        let mut last = Vec::new();
        self.stop.cancel();
        for lane in self.running.drain(..) {
            last.push(lane.last().await);
        }
        last
    }
}
