//! The alert consumer: pulls every generation from its start, evaluates, publishes. Only generations that the
//! log names as changed, and those that are not read to their end, get a turn.
//!
//! Its cursors are in memory: a restart reads again what is there, and tells only what still matters.

mod rules;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::engine::Engine;
use super::rule::RuleConfig;
use super::skew::Skews;
use super::teller::{Teller, Told};
use crate::base::{Clock, Timestamp};
use crate::event::status::RuleStatus;
use crate::event::{Batch, Cursor, GenerationId};
use crate::follow::{Changes, Log, News, Read};
use crate::privacy::Policy;

pub use rules::{Outputs, Rules};

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
/// What waits in a generation that nothing is told of is looked at again this much later.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Records that stand open when everything else is read are waited for so long: quiet closes them.
const LAST_RECORDS: Duration = Duration::from_millis(1500);
/// What it is called where a failure is told.
pub const PART: &str = "rules";

/// Runs until it is stopped; with `once` until everything that is there has been evaluated.
#[derive(Debug)]
pub struct Consumer {
    log: Log,
    changes: Changes,
    clock: Arc<dyn Clock>,
    work: Work,
    finish: CancellationToken,
    statuses: watch::Sender<Vec<RuleStatus>>,
    told: mpsc::Sender<Told>,
}

impl Consumer {
    /// One alone; see [`Rules::new`].
    pub fn new(
        log: Log,
        rules: Vec<RuleConfig>,
        policy: &Arc<Policy>,
        clock: Arc<dyn Clock>,
        once: bool,
    ) -> (Consumer, Outputs) {
        let (rules, outputs) = Rules::new(log, rules, policy, clock, once);
        (rules.consumer(), outputs)
    }

    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Asked first: what came before it is in the news.
            let last = self.work.once || self.finish.is_cancelled();
            let done = self.round(&stop).await;
            self.publish().await;
            match done {
                Round::More => continue,
                Round::Finished if last => break,
                Round::Finished | Round::Idle => {}
            }
            let starting = self.work.once || !self.work.live;
            let active = starting || self.work.engine.is_active(self.clock.now());
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.finish.cancelled(), if !last => {}
                () = self.changes.changed() => {
                    if !starting {
                        tokio::time::sleep(LINGER).await;
                    }
                }
                () = tokio::time::sleep(TICK), if active => {}
            }
        }
        self.publish().await;
    }

    /// One turn of every generation that is due, off the async threads.
    async fn round(&mut self, stop: &CancellationToken) -> Round {
        let mut work = std::mem::take(&mut self.work);
        let (log, clock, stop) = (self.log.clone(), self.clock.clone(), stop.clone());
        // Asked first: what is settled now is named in the news.
        let settled = log.settled();
        let news = self.changes.take();
        let supervisor = self.log.supervisor();
        let done = tokio::task::spawn_blocking(move || {
            supervisor.checkpoint(PART);
            for id in work.due(&log, news, clock.uptime()) {
                if stop.is_cancelled() {
                    return (work, Round::Idle);
                }
                work.look(&log, id, &*clock);
            }
            let round = work.conclude(settled, &*clock);
            (work, round)
        });
        let (work, round) = match done.await {
            Ok(done) => done,
            // Who runs this begins it again.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Round::Idle,
        };
        self.work = work;
        round
    }

    async fn publish(&mut self) {
        let statuses = self.work.engine.statuses(self.clock.now());
        self.statuses.send_if_modified(|shown| {
            let changed = *shown != statuses;
            *shown = statuses;
            changed
        });
        for told in std::mem::take(&mut self.work.told) {
            // Nobody listens any more: so it ends.
            let _ = self.told.send(told).await;
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
    /// Those of them that are not read to their end.
    behind: BTreeSet<GenerationId>,
    once: bool,
    live: bool,
    /// One before it has told what was live then: whatever is there when it begins is history.
    again: bool,
    /// Uptime at which everything that was there was read but for open records.
    caught_up: Option<Duration>,
    skews: Skews,
    /// Late matches of each rule when they are told of next.
    late: HashMap<Arc<str>, u64>,
    told: Vec<Told>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    offset: u64,
    /// What begins before it stood in the file at the first look.
    history: u64,
    failures: u32,
    /// The turn was over before the generation was.
    more: bool,
    /// Nothing will be read behind the cursor for now.
    at_end: bool,
    /// Uptime at which it began to wait.
    waits_since: Option<Duration>,
    /// A record stands open behind the cursor.
    open: bool,
    /// Uptime of its last turn.
    looked: Duration,
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
            behind: BTreeSet::new(),
            once,
            live: false,
            again: false,
            caught_up: None,
            skews: Skews::default(),
            late: HashMap::new(),
            told: Vec::new(),
        }
    }

    /// Whose turn it is: what has changed, and of what is left to read that which may be read now.
    fn due(&mut self, log: &Log, news: News, now: Duration) -> Vec<GenerationId> {
        if news.all {
            let all = log.generations();
            let known: HashSet<GenerationId> = all.iter().copied().collect();
            self.cursors.retain(|id, _| known.contains(id));
            self.behind.retain(|id| known.contains(id));
            return all;
        }
        let starting = self.once || !self.live;
        let again = |place: &Place| {
            let waits = !place.more && place.failures == 0;
            starting || !waits || now.saturating_sub(place.looked) >= LOOK_AGAIN
        };
        let mut due = news.generations;
        due.extend(self.left().filter(|(_, place)| again(place)).map(|(id, _)| id));
        due.into_iter().collect()
    }

    /// Generations that are not read to their end.
    fn left(&self) -> impl Iterator<Item = (GenerationId, Place)> {
        self.behind.iter().filter_map(|id| Some((*id, *self.cursors.get(id)?)))
    }

    fn look(&mut self, log: &Log, id: GenerationId, clock: &dyn Clock) {
        if !log.holds(id) {
            self.cursors.remove(&id);
            self.behind.remove(&id);
            return;
        }
        let Some((start, end)) = log.extent(id) else { return };
        let known = self.cursors.get(&id).copied();
        let mut place = known.unwrap_or_else(|| {
            let history = if self.again && !self.live { end } else { log.history(id) };
            Place { offset: start, history, ..Place::default() }
        });
        if place.offset < end {
            place.looked = clock.uptime();
            self.turn(log, id, end, &mut place, clock);
        }
        if place.offset < end {
            self.behind.insert(id);
        } else {
            let Place { offset, history, .. } = place;
            place = Place { offset, history, at_end: true, ..Place::default() };
            self.behind.remove(&id);
        }
        self.cursors.insert(id, place);
    }

    /// What the turns came to.
    fn conclude(&mut self, settled: bool, clock: &dyn Clock) -> Round {
        let all_read = self.left().all(|(_, place)| place.at_end);
        let now = clock.now();
        if all_read && settled && !self.live && self.is_closed(clock.uptime()) {
            self.live = true;
            self.on_live(now);
        }
        self.with_engine(now, |engine, tell| engine.tick(now, tell));
        if self.left().any(|(_, place)| place.more) {
            return Round::More;
        }
        if self.live {
            self.sum_up();
        }
        if all_read && self.live { Round::Finished } else { Round::Idle }
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
                    self.evaluate(&batch, first, place.history, clock.now());
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

    fn evaluate(&mut self, batch: &Batch, first: usize, history: u64, now: Timestamp) {
        let Work { engine, teller, told, skews, once, .. } = self;
        for event in batch.events().skip(first) {
            let live = *once || event.record.start >= history;
            let tell = &mut |line| told.push(line);
            if live && !*once {
                skews.on_event(&event, now, tell);
            }
            let tell = &mut |transition| teller.on_transition(transition, live, now, tell);
            match live {
                true => engine.on_event(&event, now, tell),
                false => engine.on_old_event(&event, now, tell),
            }
        }
    }

    /// What is told as a number, once there is nothing more to read.
    fn sum_up(&mut self) {
        let Work { engine, teller, told, late, .. } = self;
        teller.tell_earlier(&mut |line| told.push(line));
        for (rule, matches) in engine.late() {
            let next = late.entry(rule.clone()).or_insert(1);
            if matches >= *next {
                *next = matches.saturating_mul(10);
                told.push(Told::Late { rule, matches });
            }
        }
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
        uptime - since >= LAST_RECORDS || !self.left().any(|(_, place)| place.open)
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
            teller.on_transition(transition, true, now, &mut |line| told.push(line));
        });
    }
}

#[cfg(test)]
mod tests;
