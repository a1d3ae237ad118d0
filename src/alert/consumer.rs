//! The alert consumer: pulls every generation from its start, evaluates, publishes.
//!
//! Its cursors are in memory: a restart reads again what is there, and tells only what still matters.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::rule::RuleConfig;
use super::teller::{Teller, Told};
use crate::base::{Clock, Timestamp};
use crate::event::status::RuleStatus;
use crate::event::{Batch, Cursor, GenerationId};
use crate::follow::{Log, Read};
use crate::privacy::Policy;

/// Batches of one generation before the next one has its turn.
const TURN: usize = 8;
/// While something counts or fires: how often the wall clock is asked.
const TICK: Duration = Duration::from_millis(500);
/// Lines that come one by one are gathered for so long.
const LINGER: Duration = Duration::from_millis(50);
/// A file that cannot be read is tried again this often before `--once` goes on without it.
const TRIES: u32 = 3;
/// What a generation holds back without saying why keeps `--once` waiting no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// Records that stand open when everything else is read are waited for so long: quiet closes them.
const LAST_RECORDS: Duration = Duration::from_millis(1500);
/// A listener that is further behind than this is told how many it missed.
const TOLD: usize = 256;

/// Runs until it is stopped; with `once` until everything that is there has been evaluated.
#[derive(Debug)]
pub struct Consumer {
    log: Log,
    clock: Arc<dyn Clock>,
    work: Work,
    statuses: watch::Sender<Vec<RuleStatus>>,
    told: mpsc::Sender<Told>,
    /// Not delivered to a full channel.
    skipped: u64,
}

/// What a consumer publishes.
#[derive(Debug)]
pub struct Outputs {
    pub statuses: watch::Receiver<Vec<RuleStatus>>,
    /// Bounded: when it is full, further changes are counted and told as [`Told::Skipped`].
    pub told: mpsc::Receiver<Told>,
}

impl Consumer {
    /// `policy`: see [`Engine::new`].
    pub fn new(
        log: Log,
        rules: Vec<RuleConfig>,
        policy: &Arc<Policy>,
        clock: Arc<dyn Clock>,
        once: bool,
    ) -> (Consumer, Outputs) {
        let work = Work::new(rules, policy, once);
        let (statuses, statuses_out) = watch::channel(work.engine.statuses(clock.now()));
        let (told, told_out) = mpsc::channel(TOLD);
        let consumer = Consumer { log, clock, work, statuses, told, skipped: 0 };
        (consumer, Outputs { statuses: statuses_out, told: told_out })
    }

    pub async fn run(mut self, stop: CancellationToken) {
        let mut changes = self.log.changes();
        while !stop.is_cancelled() {
            changes.borrow_and_update();
            let done = self.round(&stop).await;
            self.publish();
            match done {
                Round::More => continue,
                Round::Finished if self.work.once => break,
                Round::Finished | Round::Idle => {}
            }
            let starting = self.work.once || !self.work.live;
            let active = starting || self.work.engine.is_active(self.clock.now());
            tokio::select! {
                () = stop.cancelled() => {}
                changed = changes.changed() => match changed {
                    Ok(()) if starting => {}
                    Ok(()) => tokio::time::sleep(LINGER).await,
                    Err(_) => break,
                },
                () = tokio::time::sleep(TICK), if active => {}
            }
        }
        self.publish();
    }

    /// One turn of every generation, off the async threads.
    async fn round(&mut self, stop: &CancellationToken) -> Round {
        let mut work = std::mem::take(&mut self.work);
        let (log, clock, stop) = (self.log.clone(), self.clock.clone(), stop.clone());
        let done = tokio::task::spawn_blocking(move || {
            let round = work.round(&log, &*clock, &stop);
            (work, round)
        });
        let (work, round) = done.await.expect("a round neither panics nor is aborted");
        self.work = work;
        round
    }

    fn publish(&mut self) {
        let statuses = self.work.engine.statuses(self.clock.now());
        self.statuses.send_if_modified(|shown| {
            let changed = *shown != statuses;
            *shown = statuses;
            changed
        });
        for told in std::mem::take(&mut self.work.told) {
            if self.skipped > 0 && self.told.try_send(Told::Skipped(self.skipped)).is_ok() {
                self.skipped = 0;
            }
            self.skipped += u64::from(self.told.try_send(told).is_err());
        }
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// Something may be left to read at once.
    More,
    /// Nothing to read now.
    Idle,
    /// Nothing to read, and everything that was there has been read.
    Finished,
}

/// Everything that moves to the blocking thread and back.
#[derive(Debug)]
struct Work {
    engine: Engine,
    teller: Teller,
    cursors: HashMap<GenerationId, Place>,
    once: bool,
    live: bool,
    /// Uptime at which everything that was there was read but for open records.
    caught_up: Option<Duration>,
    told: Vec<Told>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    offset: u64,
    failures: u32,
    /// The turn was over before the generation was.
    more: bool,
    /// Nothing will be read behind the cursor for now.
    at_end: bool,
    /// Uptime at which it began to wait.
    waits_since: Option<Duration>,
    /// A record stands open behind the cursor.
    open: bool,
}

impl Default for Work {
    fn default() -> Self {
        Work::new(Vec::new(), &Arc::default(), false)
    }
}

impl Work {
    fn new(rules: Vec<RuleConfig>, policy: &Arc<Policy>, once: bool) -> Self {
        Work {
            engine: Engine::new(rules, policy),
            teller: Teller::new(once),
            cursors: HashMap::new(),
            once,
            live: false,
            caught_up: None,
            told: Vec::new(),
        }
    }

    fn round(&mut self, log: &Log, clock: &dyn Clock, stop: &CancellationToken) -> Round {
        // Asked first: what is settled now is among the generations that are listed after it.
        let settled = log.settled();
        let generations = log.generations();
        let known: HashSet<GenerationId> = generations.iter().copied().collect();
        self.cursors.retain(|id, _| known.contains(id));
        for id in generations {
            if stop.is_cancelled() {
                return Round::Idle;
            }
            let Some((start, end)) = log.extent(id) else { continue };
            let mut place = self
                .cursors
                .get(&id)
                .copied()
                .unwrap_or(Place { offset: start, ..Place::default() });
            if place.offset < end {
                self.turn(log, id, end, &mut place, clock);
            } else {
                // Most files are idle: nothing is asked of them.
                place = Place { offset: place.offset, at_end: true, ..Place::default() };
            }
            self.cursors.insert(id, place);
        }
        let all_read = self.cursors.values().all(|place| place.at_end);
        let now = clock.now();
        if all_read && settled && !self.live && self.is_closed(clock.uptime()) {
            self.live = true;
            self.on_live(now);
        }
        self.with_engine(now, |engine, tell| engine.tick(now, tell));
        if self.cursors.values().any(|place| place.more) {
            Round::More
        } else if all_read && self.live {
            Round::Finished
        } else {
            Round::Idle
        }
    }

    /// `end`: of what was seen of the generation.
    fn turn(
        &mut self,
        log: &Log,
        id: GenerationId,
        end: u64,
        place: &mut Place,
        clock: &dyn Clock,
    ) {
        place.at_end = false;
        place.more = false;
        place.open = false;
        for _ in 0..TURN {
            let read = log.read(Cursor { generation: id, offset: place.offset });
            if !matches!(read, Ok(Read::Waiting)) {
                place.waits_since = None;
            }
            match read {
                Ok(Read::Batch { batch, first }) => {
                    place.failures = 0;
                    place.offset = batch.end;
                    self.evaluate(&batch, first, clock.now());
                }
                Ok(Read::Lost { to }) => place.offset = to,
                Ok(Read::Waiting) => return self.wait(end, place, clock.uptime()),
                Ok(Read::Finished) => {
                    place.at_end = true;
                    return;
                }
                Err(error) => {
                    place.failures += 1;
                    place.at_end = place.failures >= TRIES;
                    tracing::warn!("rules cannot read generation {:x}: {error}", id.0);
                    return;
                }
            }
        }
        place.more = true;
    }

    fn evaluate(&mut self, batch: &Batch, first: usize, now: Timestamp) {
        self.with_engine(now, |engine, tell| {
            for event in batch.events().skip(first) {
                engine.on_event(&event, now, tell);
            }
        });
    }

    /// Live, whatever is unfinished may stay so. With `--once` the end is fixed, and comes.
    fn wait(&self, end: u64, place: &mut Place, uptime: Duration) {
        let since = *place.waits_since.get_or_insert(uptime);
        place.open = place.offset < end;
        place.at_end = !self.once || place.offset >= end || uptime - since > PATIENCE;
    }

    /// The last records of what was there are read too, or stay open for longer than quiet closes them.
    fn is_closed(&mut self, uptime: Duration) -> bool {
        let since = *self.caught_up.get_or_insert(uptime);
        uptime - since >= LAST_RECORDS || !self.cursors.values().any(|place| place.open)
    }

    fn on_live(&mut self, now: Timestamp) {
        if !self.once {
            self.with_engine(now, |engine, tell| engine.settle(now, tell));
        }
        let told = &mut self.told;
        self.teller.on_live(now, &mut |line| told.push(line));
    }

    fn with_engine(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&mut Engine, &mut dyn FnMut(super::Transition)),
    ) {
        let Work { engine, teller, told, .. } = self;
        work(engine, &mut |transition| {
            teller.on_transition(transition, now, &mut |line| told.push(line));
        });
    }
}
