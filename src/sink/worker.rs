//! One worker delivers to one sink: it pulls from the log at its own pace, batches, delivers, tries again, and
//! moves the sink's cursors. Written once for all sinks.
//!
//! It promises: every event behind the cursor is delivered, filtered or a dead letter; a cursor never stands
//! beyond a byte that is none of these; memory stays within the budget however long the target is down. It
//! never drops an event, never gives up, and holds back no other consumer.

mod batch_encoder;
mod bulk;
mod byte_accounting;
mod commit;
mod confirmed_prefix;
mod dead_letters;
mod deliver;
mod event_location;
mod filter;
mod generation_progress;
mod in_flight;
mod input;
mod inspected_event;
mod lane_bytes;
mod lane_lifecycle;
mod lanes;
mod orders;
mod outcomes;
mod progress;
mod read_limit;
mod retry_backoff;
mod round_counter;
mod rounds;
mod size_limit;
mod status_report;
mod task_result;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::batch_encoder::Filler;
use self::byte_accounting::Ledger;
use self::commit::Commits;
use self::in_flight::{Held, Transit};
use self::input::Source;
use self::lanes::{Birth, Lanes};
use self::progress::Tracks;
use self::retry_backoff::Trouble;
use self::rounds::Countdown;
use self::size_limit::SizeLimit;
use self::status_report::Report;
use self::task_result::Finish;
use super::{DeadLetters, Limits, Sink};
use crate::base::Clock;
use crate::event::GenerationId;
use crate::event::status::SinkStatus;
use crate::follow::Queue;
use crate::privacy::Policy;
use crate::state::Store;

pub use filter::{Condition, Filter};
pub use orders::{Mode, Order, Rounds};

/// How long a stop waits for what is under way.
const DRAIN: Duration = Duration::from_secs(10);

/// How often `--once` asks whether the ends are fixed.
const ENDS_FIXED: Duration = Duration::from_millis(20);

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

/// How a worker stands to what is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It does not know yet where it begins.
    New,
    Working,
    /// A task of ours broke, or a commit failed: it begins again from what is durable.
    Broken,
}

/// A task; see the module. Run it once.
pub struct Worker {
    config: Arc<WorkerConfig>,
    limits: Limits,
    stage: Stage,
    /// What it reads from.
    source: Source,
    /// How far it is, and what became of every byte.
    tracks: Tracks,
    /// What is read and not settled.
    transit: Transit,
    tasks: JoinSet<Finish>,
    trouble: Trouble,
    commits: Commits,
    lanes: Lanes,
    mode: orders::Progress,
    countdown: Countdown,
    orders: mpsc::Receiver<Order>,
    report: Report,
    /// It is asked to stop, and waits no longer than this for what is under way.
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
        let earlier = birth.as_ref().map(|birth| birth.earlier.clone()).unwrap_or_default();
        let lanes = Lanes::new(birth);
        let limits = config.sink.limits();
        let largest = limits.bytes.min(config.budget / (limits.requests + 2));
        let filler = Filler::new(&config, lanes.targets());
        let worker = Worker {
            limits,
            stage: Stage::New,
            source: Source::new(config.queue.changes(), filler),
            tracks: Tracks::new(lanes.row().into(), earlier, lanes.share()),
            transit: Transit::new(SizeLimit::new(largest)),
            tasks: JoinSet::new(),
            trouble: Trouble::new(seed_of(&config.name)),
            commits: Commits::default(),
            lanes,
            mode: orders::Progress::new(config.mode),
            countdown: Countdown::new(),
            orders,
            report,
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
            let draining = self.drain_until.is_some();
            let listens = self.source.listens(self.in_trouble(), self.now);
            tokio::select! {
                () = stop.cancelled(), if !draining => self.drain(),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(finish) = self.tasks.join_next() => self.finish(finish).await,
                () = self.source.changed(), if listens => self.source.hear(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.end().await
    }

    /// Everything that can be done without waiting for anybody.
    async fn advance(&mut self) {
        self.now = Instant::now();
        if self.stage != Stage::Working && !self.is_busy() && !self.in_trouble() {
            self.begin().await;
        }
        if self.stage == Stage::Working {
            let news = self.take_news().await;
            self.rest(news);
            self.begin_round();
            if self.commit_is_due() {
                self.commit().await;
            }
            self.drop_bodies_in_long_trouble();
            self.count_destroyed();
            self.tend_lanes().await;
            self.launch();
            self.read_on();
            self.end_round();
        }
        self.publish(false);
    }

    /// `true` where the log has told something.
    async fn take_news(&mut self) -> bool {
        let news = self.source.take_told();
        if news {
            self.look();
            self.forget_disbelieved().await;
            self.report.touch();
        }
        news
    }

    /// What the log has told since the last look.
    fn look(&mut self) {
        let news = self.source.news();
        self.tracks.discover(&self.config, &news);
        self.lanes.fence.pass_on(&news);
        if self.source.is_at_rest() {
            let forgotten = self.tracks.forget(&self.config);
            self.lanes.fence.forget(&forgotten);
        }
    }

    /// What nobody can read any more does not wait for the target.
    fn count_destroyed(&mut self) {
        if self.stage == Stage::Working
            && self.source.is_at_rest()
            && self.tracks.count_destroyed(&*self.config.queue)
        {
            self.after_progress();
        }
    }

    /// Begins again from what is durable, as soon as nothing is under way.
    fn break_off(&mut self) {
        if self.stage == Stage::Working {
            self.stage = Stage::Broken;
        }
    }

    fn in_trouble(&self) -> bool {
        self.trouble.is_on(self.now)
    }

    /// A delivery or a reading is under way.
    fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// Nothing is under way, and nothing of what was read waits.
    fn has_nothing_left(&self) -> bool {
        !self.is_busy() && self.transit.is_empty()
    }

    fn drain(&mut self) {
        self.drain_until = Some(Instant::now() + DRAIN);
        // Side by side, not one behind the other.
        self.lanes.stop.cancel();
    }

    fn is_finished(&self) -> bool {
        let works = self.stage == Stage::Working;
        let is_through = works && self.has_nothing_left() && self.commits.at.is_none();
        match self.drain_until {
            Some(until) => {
                let stuck = self.in_trouble() || !self.mode.may_deliver() || !works;
                self.now >= until || is_through || (stuck && !self.is_busy())
            }
            None if works && !self.lanes.are_through() => false,
            None if self.mode.is_once() && !self.is_busy() && self.is_hopeless() => true,
            None => is_through && self.mode.is_over(),
        }
    }

    /// Nothing more will come of trying, for one that is asked to deliver once and end: the whole target, or
    /// whatever is left, takes nothing.
    fn is_hopeless(&self) -> bool {
        let given_up = |held: &Held| {
            retry_backoff::is_hopeless(held.bulk.attempts, held.bulk.blocked.is_some())
        };
        let Transit { ready, held, .. } = &self.transit;
        let left = ready.is_none() && self.round_is_read() && !held.is_empty();
        self.trouble.is_hopeless() || (left && held.iter().all(given_up))
    }

    /// The next moment at which something is due by itself.
    fn next_wake(&self) -> Instant {
        let dues = [
            self.commits.at,
            self.trouble.until(),
            self.drain_until,
            self.report.due(),
            self.countdown.next,
            self.lanes.due(),
            self.mode.waits_for_ends().then(|| self.now + ENDS_FIXED),
        ];
        let source = self.source.dues(self.in_trouble(), self.now);
        let all = dues.into_iter().flatten().chain(source).chain(self.transit.dues());
        let later = all.filter(|due| *due > self.now);
        later.min().unwrap_or_else(|| self.now + Duration::from_secs(3600))
    }

    async fn end(mut self) -> SinkStatus {
        self.tasks.abort_all();
        let works = self.stage == Stage::Working;
        if self.commits.at.is_some() && self.may_commit() && works && !self.in_trouble() {
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

/// Workers that fail at the same moment do not come again at the same moment.
fn seed_of(name: &str) -> u64 {
    name.bytes().fold(17, |seed: u64, byte| (seed * 31 + u64::from(byte)) % 65_521)
}

#[cfg(test)]
mod tests;
