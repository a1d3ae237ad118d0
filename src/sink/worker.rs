//! A worker delivers the events of one sink: it reads them from the log at its own pace, sends them in bulks,
//! retries, and moves the sink's cursors. All sinks share this code.
//!
//! Promises: every event before the cursor is delivered, filtered, a dead letter, or lost and counted as such; memory
//! stays within the budget however long the target is down. A worker never drops an event, never stops retrying (except
//! with `--once`), and never blocks another consumer.

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

use self::batch_encoder::BatchEncoder;
use self::byte_accounting::ByteAccount;
use self::commit::Commits;
use self::in_flight::{FailedBulk, InFlightEvents};
use self::input::Input;
use self::lanes::{LaneStart, Lanes};
use self::progress::Progress;
use self::retry_backoff::RetryBackoff;
use self::rounds::RoundSchedule;
use self::size_limit::SizeLimit;
use self::status_report::Report;
use self::task_result::TaskResult;
use super::{DeadLetters, Limits, Sink};
use crate::base::Clock;
use crate::event::GenerationId;
use crate::event::status::SinkStatus;
use crate::follow::Queue;
use crate::privacy::Policy;
use crate::state::Store;

pub use filter::{Condition, Filter};
pub use orders::{Mode, Order, Rounds};

/// How long a stop waits for running deliveries.
const DRAIN: Duration = Duration::from_secs(10);

/// Interval at which `--once` checks whether the log has fixed the ends of the files, up to which it delivers.
const ENDS_FIXED: Duration = Duration::from_millis(20);

/// The parts that a worker is built from.
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
    /// Its share of the byte budget for encoded events.
    pub budget: usize,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub clock: Arc<dyn Clock>,
}

impl WorkerConfig {
    /// The generation has ended: its file was truncated, deleted or replaced.
    fn is_gone(&self, generation: GenerationId) -> bool {
        self.store.generation(generation).is_some_and(|row| row.ended.is_some())
    }
}

/// How other parts reach a running worker.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    /// Sending blocks while 16 orders are pending.
    pub orders: mpsc::Sender<Order>,
    pub status: watch::Receiver<SinkStatus>,
}

/// The worker's relation to its durable cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its start position is not known yet.
    New,
    Working,
    /// A task failed or a commit failed: the worker starts again from the durable cursors.
    Broken,
}

/// The task that delivers for one sink; see the module. Run it once.
pub struct Worker {
    config: Arc<WorkerConfig>,
    limits: Limits,
    stage: Stage,
    /// Reads the log.
    input: Input,
    /// How far each generation is, and how many bytes had which outcome.
    progress: Progress,
    /// Events that were read and have no outcome yet.
    in_flight: InFlightEvents,
    tasks: JoinSet<TaskResult>,
    retry_backoff: RetryBackoff,
    commits: Commits,
    lanes: Lanes,
    mode: orders::ModeState,
    schedule: RoundSchedule,
    orders: mpsc::Receiver<Order>,
    report: Report,
    /// After a stop was requested: the longest that running deliveries may take.
    drain_until: Option<Instant>,
    /// Start of the current turn of the loop in [`Worker::run`]: work that is due by then is done in this turn; later
    /// work wakes the worker again.
    now: Instant,
}

impl Worker {
    pub fn new(config: WorkerConfig) -> (Worker, WorkerHandle) {
        let (worker, handle, _) = Self::of_sink_or_lane(config, None);
        (worker, handle)
    }

    /// A worker that delivers the events of one target only.
    fn of_lane(
        config: WorkerConfig,
        lane_start: LaneStart,
    ) -> (Worker, WorkerHandle, watch::Receiver<ByteAccount>) {
        Self::of_sink_or_lane(config, Some(lane_start))
    }

    fn of_sink_or_lane(
        config: WorkerConfig,
        lane_start: Option<LaneStart>,
    ) -> (Worker, WorkerHandle, watch::Receiver<ByteAccount>) {
        let (order_sender, orders) = mpsc::channel(16);
        let (report, status, account) = Report::new(&config);
        let earlier =
            lane_start.as_ref().map(|lane_start| lane_start.earlier.clone()).unwrap_or_default();
        let lanes = Lanes::new(lane_start);
        let limits = config.sink.limits();
        let largest = limits.bytes.min(config.budget / (limits.requests + 2));
        let encoder = BatchEncoder::new(&config, lanes.targets());
        let worker = Worker {
            limits,
            stage: Stage::New,
            input: Input::new(config.queue.changes(), encoder),
            progress: Progress::new(lanes.row().into(), earlier, lanes.share()),
            in_flight: InFlightEvents::new(SizeLimit::new(largest)),
            tasks: JoinSet::new(),
            retry_backoff: RetryBackoff::new(seed_of(&config.name)),
            commits: Commits::default(),
            lanes,
            mode: orders::ModeState::new(config.mode),
            schedule: RoundSchedule::new(),
            orders,
            report,
            drain_until: None,
            now: Instant::now(),
            config: Arc::new(config),
        };
        (worker, WorkerHandle { orders: order_sender, status }, account)
    }

    /// Delivers until `stop`, or in [`Mode::Once`] until everything that existed at the start is delivered. Returns
    /// the last status.
    pub async fn run(mut self, stop: CancellationToken) -> SinkStatus {
        // A pause that was ordered before the start applies before the first delivery.
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
            let wants_news = self.input.wants_news(self.is_backing_off(), self.now);
            tokio::select! {
                () = stop.cancelled(), if !draining => self.drain(),
                Some(order) = self.orders.recv() => self.obey(order),
                Some(result) = self.tasks.join_next() => self.take_result(result).await,
                () = self.input.changed(), if wants_news => self.input.note_news(),
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.shut_down().await
    }

    /// Does everything that needs no waiting.
    async fn advance(&mut self) {
        self.now = Instant::now();
        if self.stage != Stage::Working && !self.is_busy() && !self.is_backing_off() {
            self.start().await;
        }
        if self.stage == Stage::Working {
            let news = self.take_news().await;
            self.plan_round_start(news);
            self.begin_round();
            if self.commit_is_due() {
                self.commit().await;
            }
            self.drop_bodies_during_long_backoff();
            self.count_destroyed();
            self.manage_lanes().await;
            self.start_deliveries();
            self.read_next();
            self.end_round();
        }
        self.publish(false);
    }

    /// `true` if the log reported changes.
    async fn take_news(&mut self) -> bool {
        let news = self.input.take_has_news();
        if news {
            self.apply_news();
            self.forget_mismatched().await;
            self.report.touch();
        }
        news
    }

    /// Applies the changes that the log reported since the last check.
    fn apply_news(&mut self) {
        let news = self.input.news();
        self.progress.discover(&self.config, &news);
        self.lanes.read_limit.forward_news(&news);
        if self.input.is_idle() {
            let forgotten = self.progress.forget(&self.config);
            self.lanes.read_limit.forget(&forgotten);
        }
    }

    /// Counts bytes that no longer exist as lost at once, without waiting for the target.
    fn count_destroyed(&mut self) {
        if self.stage == Stage::Working
            && self.input.is_idle()
            && self.progress.count_destroyed(&*self.config.queue)
        {
            self.after_progress();
        }
    }

    /// Starts again from the durable cursors as soon as no task is running.
    fn restart_from_durable(&mut self) {
        if self.stage == Stage::Working {
            self.stage = Stage::Broken;
        }
    }

    fn is_backing_off(&self) -> bool {
        self.retry_backoff.is_waiting(self.now)
    }

    /// A delivery or a read is running.
    fn is_busy(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// No task is running, and no event that was read is pending.
    fn has_nothing_unconfirmed(&self) -> bool {
        !self.is_busy() && self.in_flight.is_empty()
    }

    fn drain(&mut self) {
        self.drain_until = Some(Instant::now() + DRAIN);
        // Lanes drain at the same time as this worker, not after it.
        self.lanes.stop.cancel();
    }

    fn is_finished(&self) -> bool {
        let works = self.stage == Stage::Working;
        let is_through = works && self.has_nothing_unconfirmed() && self.commits.at.is_none();
        match self.drain_until {
            Some(until) => {
                let stuck = self.is_backing_off() || !self.mode.may_deliver() || !works;
                self.now >= until || is_through || (stuck && !self.is_busy())
            }
            None if works && !self.lanes.are_done() => false,
            None if self.mode.is_once() && !self.is_busy() && self.gives_up() => true,
            None => is_through && self.mode.is_over(),
        }
    }

    /// With `--once`: more retries are pointless, because the whole target, or the target of every pending event,
    /// accepts nothing.
    fn gives_up(&self) -> bool {
        let given_up = |failed: &FailedBulk| {
            retry_backoff::has_failed_too_often(failed.bulk.attempts, failed.bulk.blocked.is_some())
        };
        let InFlightEvents { ready, failed, .. } = &self.in_flight;
        let left = ready.is_none() && self.is_round_read() && !failed.is_empty();
        self.retry_backoff.has_failed_too_often() || (left && failed.iter().all(given_up))
    }

    /// The next time at which something is due without an event from outside.
    fn next_wake(&self) -> Instant {
        let dues = [
            self.commits.at,
            self.retry_backoff.until(),
            self.drain_until,
            self.report.due(),
            self.schedule.next,
            self.lanes.due(),
            self.mode.waits_for_ends().then(|| self.now + ENDS_FIXED),
        ];
        let source = self.input.due_times(self.is_backing_off(), self.now);
        let all = dues.into_iter().flatten().chain(source).chain(self.in_flight.due_times());
        let later = all.filter(|due| *due > self.now);
        later.min().unwrap_or_else(|| self.now + Duration::from_secs(3600))
    }

    async fn shut_down(mut self) -> SinkStatus {
        self.tasks.abort_all();
        let works = self.stage == Stage::Working;
        if self.commits.at.is_some() && self.may_commit() && works && !self.is_backing_off() {
            self.commit().await;
        }
        for (status, account) in self.lanes.stop_all().await {
            self.progress.take_over(&account);
            self.report.take_over(&status);
        }
        self.report.stopped = self.drain_until.is_some();
        self.publish(true);
        self.report.last()
    }
}

/// A seed by name, so that workers that fail at the same moment do not retry at the same moment.
fn seed_of(name: &str) -> u64 {
    name.bytes().fold(17, |seed: u64, byte| (seed * 31 + u64::from(byte)) % 65_521)
}

#[cfg(test)]
mod tests;
