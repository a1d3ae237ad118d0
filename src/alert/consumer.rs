//! The alert consumer: pulls every generation from its start, evaluates, publishes. Only generations that the
//! log names as changed, and those that are not read to their end, get a turn.
//!
//! Its cursors are in memory: a restart reads again what is there, and tells only what still matters.

mod rules;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::announcer::{Teller, Told};
use super::clock_skew::Skews;
use super::engine::Engine;
use super::rule::RuleConfig;
use crate::base::{Clock, Timestamp};
use crate::event::{Batch, GenerationId};
use crate::follow::{Changes, Log, News, Pull, Pulled};
use crate::privacy::Policy;

pub use rules::{Outputs, Rules};

/// Bytes of the log that are evaluated before what came of them is published.
const ROUND: u64 = 4 * 1024 * 1024;
/// While something counts or fires: how often the wall clock is asked.
const TICK: Duration = Duration::from_millis(500);
/// Lines that come one by one are gathered for so long.
const LINGER: Duration = Duration::from_millis(50);
/// What a generation holds back without saying why keeps `--once` waiting no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// What waits in a generation that nothing is told of is looked at again this much later.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Records that stand open when everything else is read are waited for so long: quiet closes them.
const LAST_RECORDS: Duration = Duration::from_millis(1500);
/// A clock that goes back by less than this is being adjusted: nothing is told of it.
const STEP: Duration = Duration::from_secs(1);
/// Name of this part in failure messages.
pub const PART: &str = "rules";

/// Runs until it is stopped; with `once` until everything that is there has been evaluated.
#[derive(Debug)]
pub struct Consumer {
    rules: Rules,
    changes: Changes,
    work: Work,
}

impl Consumer {
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Asked first: what came before it is in the news.
            let last = self.work.once || self.rules.finish.is_cancelled();
            let done = self.round(&stop).await;
            self.publish().await;
            match done {
                Round::More => continue,
                Round::Finished if last => break,
                Round::Finished | Round::Idle => {}
            }
            let starting = self.work.once || !self.work.live;
            let active = starting || self.work.is_active(self.rules.clock.now());
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.rules.finish.cancelled(), if !last => {}
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

    /// Reads on, off the async threads. What the log has told since is looked at when everything that was due before
    /// is read, so that no generation waits for ever.
    async fn round(&mut self, stop: &CancellationToken) -> Round {
        let mut work = std::mem::take(&mut self.work);
        let (log, clock, stop) = (self.rules.log.clone(), self.rules.clock.clone(), stop.clone());
        // In this order: what is settled now is named in the news.
        let told = (!work.pull.is_due()).then(|| (log.settled(), self.changes.take()));
        let done = tokio::task::spawn_blocking(move || {
            log.supervisor().checkpoint(PART);
            if let Some((settled, news)) = told {
                work.look(&log, settled, news, clock.uptime());
            }
            work.read(&log, &*clock, &stop);
            let round = work.conclude(&*clock);
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
        let statuses = self.work.engine.statuses(self.rules.clock.now());
        self.rules.statuses.send_if_modified(|shown| {
            let changed = *shown != statuses;
            *shown = statuses;
            changed
        });
        for told in std::mem::take(&mut self.work.told) {
            // Nobody listens any more: so it ends.
            let _ = self.rules.told.send(told).await;
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
    /// Merged by time: windows are over event time, and a file that is read ahead would make the others late.
    pull: Pull,
    /// What begins before this stood in the file at the first look; until that is read.
    history: HashMap<GenerationId, u64>,
    once: bool,
    live: bool,
    /// One before it has told what was live then: whatever is there when it begins is history.
    again: bool,
    /// Everything that was there at the last look had been found then.
    settled: bool,
    /// Uptime at which everything that was there was read but for open records.
    caught_up: Option<Duration>,
    /// Uptime at which what waits was looked at again.
    looked_again: Duration,
    skews: Skews,
    /// Late matches of each rule when they are told of next.
    late: HashMap<Arc<str>, u64>,
    told: Vec<Told>,
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
            pull: Pull::by_time(),
            history: HashMap::new(),
            once,
            live: false,
            again: false,
            settled: false,
            caught_up: None,
            looked_again: Duration::ZERO,
            skews: Skews::default(),
            late: HashMap::new(),
            told: Vec::new(),
        }
    }

    /// What the log has told.
    fn look(&mut self, log: &Log, settled: bool, news: News, uptime: Duration) {
        self.settled = settled;
        for id in self.pull.look(log, news) {
            let seen = || log.extent(id).map_or(0, |(_, end)| end);
            let history = if self.again && !self.live { seen() } else { log.history(id) };
            self.history.insert(id, history);
        }
        self.history.retain(|id, _| self.pull.knows(*id));
        let starting = self.once || !self.live;
        if starting || uptime.saturating_sub(self.looked_again) >= LOOK_AGAIN {
            self.looked_again = uptime;
            self.pull.look_again();
        }
    }

    fn read(&mut self, log: &Log, clock: &dyn Clock, stop: &CancellationToken) {
        let mut read = 0;
        while read < ROUND
            && !stop.is_cancelled()
            && let Some((id, pulled)) = self.pull.next(log)
        {
            read += pulled.bytes();
            match pulled {
                Pulled::Events { batch, records } => self.evaluate(&batch, records, clock.now()),
                Pulled::Lost { .. } => {}
                Pulled::Failed(error) => {
                    // Tried again every few seconds: it is told by who reads it for a sink, and shown with the file.
                    tracing::debug!("rules cannot read generation {:x}: {error}", id.0);
                }
            }
        }
    }

    /// What the reading came to.
    fn conclude(&mut self, clock: &dyn Clock) -> Round {
        let (now, uptime) = (clock.now(), clock.uptime());
        let is_through = self.pull.is_through();
        if self.once && !is_through {
            self.caught_up = None;
        }
        if is_through && self.settled && !self.live && self.is_closed(uptime) {
            self.live = true;
            self.on_live(now);
        }
        self.with_engine(now, |engine, tell| engine.tick(now, tell));
        let by = self.engine.take_step();
        if by >= STEP {
            self.told.push(Told::ClockBack { by });
        }
        if self.pull.is_due() {
            return Round::More;
        }
        if self.live {
            self.sum_up();
        }
        if is_through && self.live { Round::Finished } else { Round::Idle }
    }

    /// Something changes with time alone.
    fn is_active(&self, now: Timestamp) -> bool {
        self.engine.is_active(now) || self.pull.fails()
    }

    fn evaluate(&mut self, batch: &Batch, records: Range<usize>, now: Timestamp) {
        let id = batch.generation.id;
        let history = self.history.get(&id).copied().unwrap_or(0);
        if history <= batch.records[records.end - 1].end {
            self.history.remove(&id);
        }
        let Work { engine, teller, told, skews, once, .. } = self;
        for event in records.map(|index| batch.event(index)) {
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

    /// The last records of what was there are read too, or stay open for longer than quiet closes them. With `--once`
    /// the ends are fixed, and what is missing comes.
    fn is_closed(&mut self, uptime: Duration) -> bool {
        let since = *self.caught_up.get_or_insert(uptime);
        let patience = if self.once { PATIENCE } else { LAST_RECORDS };
        uptime - since >= patience || !self.pull.is_open()
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
