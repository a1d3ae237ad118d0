//! One worker delivers to one sink: it pulls from the log at its own pace, batches, delivers, tries again, and
//! moves the sink's cursors. Written once for all sinks.
//!
//! It promises: every event behind the cursor is delivered, filtered or a dead letter; a cursor never stands
//! beyond a byte that is none of these; memory stays within the budget however long the target is down. It
//! never drops an event, never gives up, and holds back no other consumer.

mod bulk;
mod commit;
mod deliver;
mod fence;
mod fill;
mod filter;
mod lanes;
mod ledger;
mod letters;
mod order;
mod prefix;
mod report;
mod rounds;
mod settle;
mod size_limit;
mod sums;
mod tend;
mod track;
mod tracks;
mod trouble;
mod whereabouts;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::bulk::Bulk;
use self::deliver::{Finish, Flight, Held};
use self::fill::Filler;
use self::lanes::{Birth, Lanes, MAIN};
use self::ledger::Ledger;
use self::report::Report;
use self::size_limit::SizeLimit;
use self::tracks::Tracks;
use self::trouble::Trouble;
use self::whereabouts::Looked;
use super::{DeadLetters, Limits, Sink};
use crate::base::Clock;
use crate::event::GenerationId;
use crate::event::status::SinkStatus;
use crate::follow::Changes;
use crate::privacy::Policy;
use crate::sink::queue::Queue;
use crate::state::Store;

pub use filter::{Condition, Filter};
pub use order::{Mode, Order};
pub use rounds::Rounds;

/// How long a stop waits for what is under way.
const DRAIN: Duration = Duration::from_secs(10);

/// How often `--once` asks whether the ends are fixed.
const ENDS_FIXED: Duration = Duration::from_millis(20);

/// While nothing can be delivered, what grows is looked at no more often: for what it shows alone.
const GLANCE: Duration = Duration::from_millis(100);

/// What a worker is made of.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Also the name of its cursors.
    pub name: String,
    pub kind: String,
    pub sink: Arc<dyn Sink>,
    pub queue: Arc<dyn Queue>,
    pub store: Store,
    pub policy: Arc<Policy>,
    pub filter: Filter,
    pub mode: Mode,
    /// Its share of the byte budget, for encoded events.
    pub budget: usize,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub clock: Arc<dyn Clock>,
}

impl WorkerConfig {
    /// Its file is gone for good.
    fn is_gone(&self, generation: GenerationId) -> bool {
        self.store.generation(generation).is_some_and(|row| row.ended.is_some())
    }
}

/// How others speak with a running worker.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    /// Waits where 16 orders wait already.
    pub orders: mpsc::Sender<Order>,
    pub status: watch::Receiver<SinkStatus>,
}

/// A task; see the module. Run it once.
pub struct Worker {
    config: Arc<WorkerConfig>,
    limits: Limits,
    /// Where this is the worker of a lane.
    birth: Option<Birth>,
    lanes: Lanes,
    changes: Changes,
    tracks: Tracks,
    /// `None` while it reads on a blocking thread.
    filler: Option<Filler>,
    /// Read and encoded, not yet delivered.
    ready: Option<Bulk>,
    /// Deliveries that failed and come again.
    held: VecDeque<Held>,
    tasks: JoinSet<Finish>,
    flights: Vec<Flight>,
    /// Number of the last delivery.
    ticket: u64,
    /// Buffers of bulks that are done.
    spare: Vec<Bulk>,
    size_limit: SizeLimit,
    trouble: Trouble,
    /// The last delivery that set out before the last failure was known.
    trouble_ticket: u64,
    mode: order::Progress,
    orders: mpsc::Receiver<Order>,
    report: Report,
    looked: Option<Looked>,
    /// Something was accepted or moved since the last commit; it is due then.
    commit_at: Option<Instant>,
    /// The sink keeps its own cursors.
    own_cursors: bool,
    /// Events that are delivered, but not confirmed before the next commit.
    accepted: u64,
    /// A task of ours broke, or a commit failed: begin again from what is durable.
    restart: bool,
    /// It knows where it stands.
    begun: bool,
    /// Not before this: lets a slow stream gather a few events.
    fill_at: Instant,
    /// When a generation that had nothing complete is looked at again.
    look_at: Option<Instant>,
    look_wait: Duration,
    /// The log says that something grew or appeared.
    changed: bool,
    /// In trouble, no change is looked at before this.
    glance_at: Instant,
    /// Counts towards the next round; `None` while it does.
    counter: Option<rounds::Counter>,
    next_round: Option<Instant>,
    drain_until: Option<Instant>,
    /// When the current pass began: what is due by then is tried in it, what is due later wakes the next.
    now: Instant,
}

impl Worker {
    pub fn new(config: WorkerConfig) -> (Worker, WorkerHandle) {
        let (worker, handle, _) = Self::of_sink_or_lane(config, None);
        (worker, handle)
    }

    /// Takes the events of one target only.
    fn of_lane(
        config: WorkerConfig,
        birth: Birth,
    ) -> (Worker, WorkerHandle, watch::Receiver<Ledger>) {
        Self::of_sink_or_lane(config, Some(birth))
    }

    fn of_sink_or_lane(
        config: WorkerConfig,
        birth: Option<Birth>,
    ) -> (Worker, WorkerHandle, watch::Receiver<Ledger>) {
        let (order_sender, orders) = mpsc::channel(16);
        let (report, status, ledger) = Report::new(&config);
        let lanes = Lanes::new();
        let earlier = birth.as_ref().map(|birth| birth.earlier.clone()).unwrap_or_default();
        let lane = birth.as_ref().map_or(MAIN.into(), |birth| birth.row.clone());
        let limits = config.sink.limits();
        let seed =
            config.name.bytes().fold(17, |seed: u64, byte| (seed * 31 + u64::from(byte)) % 65_521);
        let worker = Worker {
            limits,
            filler: Some(Filler::new(&config, lanes.targets(&birth))),
            birth,
            lanes,
            changes: config.queue.changes(),
            tracks: Tracks::new(lane, earlier),
            ready: None,
            held: VecDeque::new(),
            tasks: JoinSet::new(),
            flights: Vec::new(),
            ticket: 0,
            spare: Vec::new(),
            size_limit: SizeLimit::new(limits.bytes.min(config.budget / (limits.requests + 2))),
            trouble: Trouble::new(seed),
            trouble_ticket: 0,
            mode: order::Progress::new(config.mode),
            orders,
            report,
            looked: None,
            commit_at: None,
            own_cursors: false,
            accepted: 0,
            restart: true,
            begun: false,
            fill_at: Instant::now(),
            look_at: None,
            look_wait: Duration::ZERO,
            changed: true,
            glance_at: Instant::now(),
            counter: Some(rounds::Counter::default()),
            next_round: None,
            drain_until: None,
            now: Instant::now(),
            config: Arc::new(config),
        };
        (worker, WorkerHandle { orders: order_sender, status }, ledger)
    }

    /// Delivers until `stop`, or in [`Mode::Once`] until everything that was there is delivered. Returns the
    /// last status.
    pub async fn run(mut self, stop: CancellationToken) -> SinkStatus {
        // A pause from before the start comes before the first delivery.
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
        loop {
            self.advance().await;
            if self.is_finished() {
                break;
            }
            let wake = self.next_wake();
            let (draining, looks_away) = (self.drain_until.is_some(), self.looks_away());
            tokio::select! {
                () = stop.cancelled(), if !draining => self.drain(),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(finish) = self.tasks.join_next() => self.finish(finish).await,
                () = self.changes.changed(), if !self.changed && !looks_away => {
                    self.changed = true;
                    self.glance_at = Instant::now() + GLANCE;
                    self.look_wait = Duration::ZERO;
                }
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.end().await
    }

    /// Everything that can be done without waiting for anybody.
    async fn advance(&mut self) {
        self.now = Instant::now();
        if self.restart && !self.is_busy() && !self.trouble.is_on(self.now) {
            self.begin().await;
        }
        if !self.restart {
            let news = std::mem::take(&mut self.changed);
            if news {
                self.look();
                self.forget_disbelieved().await;
                self.report.touch();
            }
            self.rest(news);
            self.begin_round();
            if self.commit_is_due() {
                self.commit().await;
            }
            self.drop_bodies_in_long_trouble();
            self.tend_lanes().await;
            self.launch();
            self.read_on();
            self.end_round();
        }
        self.publish(false);
    }

    /// What the log has told since the last look.
    fn look(&mut self) {
        let news = self.changes.take();
        self.tracks.discover(&self.config, &news);
        self.lanes.fence.pass_on(&news);
        if self.filler.is_some() {
            let forgotten = self.tracks.forget(&self.config);
            self.lanes.fence.forget(&forgotten);
        }
    }

    /// A delivery or a reading is under way.
    fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    fn looks_away(&self) -> bool {
        self.trouble.is_on(self.now) && self.glance_at > self.now
    }

    fn drain(&mut self) {
        self.drain_until = Some(Instant::now() + DRAIN);
        // Side by side, not one behind the other.
        self.lanes.stop.cancel();
    }

    fn is_finished(&self) -> bool {
        let nothing_left = !self.is_busy()
            && self.ready.is_none()
            && self.held.is_empty()
            && self.commit_at.is_none();
        match self.drain_until {
            Some(until) => {
                let stuck =
                    self.trouble.is_on(self.now) || !self.mode.may_deliver() || self.restart;
                self.now >= until || (nothing_left && !self.restart) || (stuck && !self.is_busy())
            }
            None if !self.restart && !self.lanes.are_through() => false,
            None if self.mode.is_once() && !self.is_busy() && self.is_hopeless() => true,
            None => nothing_left && !self.restart && self.mode.is_over(),
        }
    }

    /// Nothing more will come of trying, for one that is asked to deliver once and end: the whole target, or
    /// whatever is left, takes nothing.
    fn is_hopeless(&self) -> bool {
        let given_up =
            |held: &Held| trouble::is_hopeless(held.bulk.attempts, held.bulk.blocked.is_some());
        let left = self.ready.is_none() && self.round_is_read() && !self.held.is_empty();
        self.trouble.is_hopeless() || (left && self.held.iter().all(given_up))
    }

    /// The next moment at which something is due by itself.
    fn next_wake(&self) -> Instant {
        let dues = [
            self.commit_at,
            Some(self.fill_at),
            self.look_at,
            self.trouble.until(),
            self.drain_until,
            self.report.due(),
            self.next_round,
            self.lanes.due(),
            self.mode.waits_for_ends().then(|| self.now + ENDS_FIXED),
            self.looks_away().then_some(self.glance_at),
        ];
        let held = self.held.iter().filter_map(|held| held.not_before);
        let later = dues.into_iter().flatten().chain(held).filter(|due| *due > self.now);
        later.min().unwrap_or_else(|| self.now + Duration::from_secs(3600))
    }

    async fn end(mut self) -> SinkStatus {
        self.tasks.abort_all();
        let whole = self.flights.is_empty() && (self.held.is_empty() || !self.own_cursors);
        if self.commit_at.is_some() && whole && !self.restart && !self.trouble.is_on(self.now) {
            self.commit().await;
        }
        for (status, ledger) in self.lanes.end().await {
            self.tracks.take_over(&ledger);
            self.report.take_over(&status);
        }
        self.report.stopped = self.drain_until.is_some();
        self.publish(true);
        self.report.last()
    }
}

#[cfg(test)]
mod tests;
