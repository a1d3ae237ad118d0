//! A target that takes nothing stops alone: it becomes a lane, with a worker and cursor rows of its own, and the
//! sink's main worker passes its events.
//!
//! Invariants:
//! - The rows of a lane are put before the sink's own cursors pass any event of it, and stay until every such
//!   event is delivered by the lane.
//! - A lane never reads beyond what the main worker has read (the [`Fence`]). It ends where it stands at the
//!   fence while the main worker reads nothing; from there on the main worker takes its events again.
//! - Nothing is under way while a lane begins, so each event belongs to exactly one of the two.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::WorkerHandle;
use super::byte_accounting::Ledger;
use super::confirmed_prefix::Prefix;
use super::lane_bytes::{Owed, Share};
use super::orders::Order;
use super::read_limit::{Fence, Left};
use crate::event::status::{LineState, SinkStatus};
use crate::event::{Cursor, GenerationId};
use crate::sink::Sink;

/// The lane of a sink's own rows.
pub(super) const MAIN: &str = "*";
/// How long the main worker waits for a lane that is near.
const MEETING: Duration = Duration::from_secs(2);

/// Who takes an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taker {
    /// The worker that asks.
    Us,
    /// The lane of this target, which is one of ours.
    Lane(Arc<str>),
    /// The main worker, or another of its lanes.
    Other,
}

/// Whose events a worker takes.
#[derive(Clone, Debug)]
pub(super) enum Targets {
    AllBut(Vec<Arc<str>>),
    Only(Arc<str>),
}

impl Targets {
    pub(super) fn taker(&self, sink: &dyn Sink, item: &[u8]) -> Taker {
        match self {
            Targets::AllBut(none) if none.is_empty() => Taker::Us,
            Targets::AllBut(parked) => {
                let target = sink.target(item);
                let lane = parked.iter().find(|name| ***name == *target);
                lane.map_or(Taker::Us, |lane| Taker::Lane(lane.clone()))
            }
            Targets::Only(name) if sink.target(item) == &**name => Taker::Us,
            Targets::Only(_) => Taker::Other,
        }
    }
}

/// What a lane's worker knows at its beginning.
#[derive(Debug)]
pub(super) struct Birth {
    pub target: Arc<str>,
    /// Name of its rows.
    pub row: Arc<str>,
    /// Taken at the first beginning.
    pub done: Option<HashMap<GenerationId, Prefix>>,
    /// Events before these were left to the lane by an earlier run.
    pub earlier: HashMap<GenerationId, u64>,
    /// Of the main worker.
    pub fence: Arc<Fence>,
    /// What the main worker leaves to its lanes.
    pub owed: Arc<Owed>,
}

/// A lane at work.
#[derive(Debug)]
pub(super) struct Parked {
    pub target: Arc<str>,
    pub row: Arc<str>,
    pub handle: WorkerHandle,
    pub ledger: watch::Receiver<Ledger>,
    pub task: JoinHandle<SinkStatus>,
    pub stop: CancellationToken,
    pub left: Left,
    /// It is to deliver what it has left and end.
    pub finishing: bool,
    /// It has done so: what it told last.
    pub ended: Option<SinkStatus>,
}

impl Parked {
    /// What it told last; it was stopped.
    pub(super) async fn last(mut self) -> (SinkStatus, Ledger) {
        let known = self.handle.status.borrow().clone();
        let status = match self.ended.take() {
            Some(ended) => ended,
            None => (&mut self.task).await.unwrap_or(known),
        };
        (status, *self.ledger.borrow())
    }
}

impl Drop for Parked {
    /// It never outlives the main worker.
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The lanes of one main worker; none where it is the worker of a lane itself.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Of the worker of a lane.
    pub birth: Option<Birth>,
    pub fence: Arc<Fence>,
    /// What is left to each of them.
    pub owed: Arc<Owed>,
    pub parked: Vec<Parked>,
    /// It becomes a lane as soon as nothing is under way.
    pub wanted: Option<Arc<str>>,
    /// Since when the main worker waits for a lane that is near.
    pub meeting: Option<Instant>,
    pub look_at: Instant,
    /// Events that the main worker had delivered when the first of these began.
    pub passed: u64,
    /// Told to all of them, also to one that begins later.
    pub stop: CancellationToken,
}

impl Lanes {
    pub(super) fn new(birth: Option<Birth>) -> Self {
        Lanes {
            birth,
            fence: Fence::new(),
            owed: Arc::default(),
            parked: Vec::new(),
            wanted: None,
            meeting: None,
            look_at: Instant::now(),
            passed: 0,
            stop: CancellationToken::new(),
        }
    }

    /// The name of this worker's rows.
    pub(super) fn row(&self) -> &str {
        self.birth.as_ref().map_or(MAIN, |birth| &birth.row)
    }

    /// Whose events this worker takes now.
    pub(super) fn targets(&self) -> Targets {
        match &self.birth {
            Some(birth) => Targets::Only(birth.target.clone()),
            None => self.targets_without(None),
        }
    }

    /// Those of the main worker, `also` without the target that becomes a lane.
    pub(super) fn targets_without(&self, also: Option<Arc<str>>) -> Targets {
        let parked = self.parked.iter().map(|lane| lane.target.clone());
        Targets::AllBut(parked.chain(also).collect())
    }

    /// Of the worker of a lane: what was left to it.
    pub(super) fn share(&self) -> Option<Share> {
        let birth = self.birth.as_ref()?;
        Some(Share { target: birth.target.clone(), owed: birth.owed.clone() })
    }

    /// Nothing new may begin: a lane is about to.
    pub(super) fn want_quiet(&self) -> bool {
        self.wanted.is_some()
    }

    /// The main worker reads nothing for a moment.
    pub(super) fn is_meeting(&self, now: Instant) -> bool {
        self.meeting.is_some_and(|since| now < since + MEETING)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        (!self.parked.is_empty()).then_some(self.look_at)
    }

    /// Has anything been delivered since, beside them?
    pub(super) fn are_passed(&self, confirmed: u64) -> bool {
        self.parked.is_empty() || confirmed > self.passed
    }

    pub(super) fn are_none(&self) -> bool {
        self.parked.is_empty()
    }

    /// Last known state of each.
    pub(super) fn told(&self) -> impl Iterator<Item = (SinkStatus, Ledger)> {
        self.parked.iter().map(|lane| (lane.handle.status.borrow().clone(), *lane.ledger.borrow()))
    }

    /// What the lane of this target says of an event; `None` where there is no such lane.
    pub(super) fn asked(&self, target: &str, place: Cursor) -> Option<LineState> {
        let lane = self.parked.iter().find(|lane| *lane.target == *target)?;
        let asked = lane.handle.status.borrow().asked.filter(|asked| asked.place == place);
        Some(asked.map_or(LineState::Waiting, |asked| asked.state))
    }

    pub(super) fn obey(&self, order: &Order) {
        let orders = match order {
            // What a lane holds was ordered once already.
            Order::ShipNow => [Some(Order::Resume), Some(Order::Retry)],
            // They are told when nothing more can come for them: see `finish`.
            Order::Finish => [None, None],
            other => [Some(other.clone()), None],
        };
        for lane in &self.parked {
            for order in orders.iter().flatten() {
                // Sixteen orders that nobody took: it is busy, and the operator will ask again.
                _ = lane.handle.orders.try_send(order.clone());
            }
        }
    }

    /// The main worker is through, or cannot go on: each delivers what is left for it and ends, or gives up as any
    /// worker that is to end. One whose orders nobody takes now is told by the next call.
    pub(super) fn finish(&mut self) {
        for lane in self.parked.iter_mut().filter(|lane| !lane.finishing) {
            lane.finishing = lane.handle.orders.try_send(Order::Finish).is_ok();
        }
    }

    /// None has anything left that it could deliver.
    pub(super) fn are_through(&self) -> bool {
        self.parked.iter().all(|lane| lane.ended.is_some())
    }

    /// All of them end; their cursors are where they were.
    pub(super) async fn end(&mut self) -> Vec<(SinkStatus, Ledger)> {
        let mut last = Vec::new();
        self.stop.cancel();
        for lane in self.parked.drain(..) {
            last.push(lane.last().await);
        }
        last
    }
}
