//! Reads every generation from its start, evaluates the rules on its events and publishes the results.
//!
//! Only generations that the log reports as changed, or that are not read to their end, are read. The cursors are kept
//! in memory only: after a restart all existing files are read again, and old incidents are announced as a count.

mod rules;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::announcer::{Announcement, Announcer};
use super::clock_skew::SkewDetector;
use super::engine::Engine;
use super::rule::RuleConfig;
use crate::base::{Clock, Timestamp};
use crate::event::{Batch, GenerationId};
use crate::follow::{ChangeSet, Changes, Log, Pull, Pulled};
use crate::privacy::Policy;

pub use rules::{Outputs, Rules};

/// Maximum number of bytes of the log that are evaluated per pass, before the results are published.
const PASS_BYTES: u64 = 4 * 1024 * 1024;
/// Interval of clock checks while a rule counts or fires.
const CLOCK_INTERVAL: Duration = Duration::from_millis(500);
/// Delay after a change, to evaluate lines in batches.
const LINGER: Duration = Duration::from_millis(50);
/// Longest time that `--once` waits for a generation that returns no events and no reason.
const ONCE_PATIENCE: Duration = Duration::from_secs(5);
/// Interval of checks for pending events in generations without a change report.
const RECHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait for incomplete records after everything else has been read: quiet completes them.
const LAST_RECORDS_WAIT: Duration = Duration::from_millis(1500);
/// A clock that goes back by less than this is only being adjusted, which is not announced.
const MIN_CLOCK_STEP: Duration = Duration::from_secs(1);
/// Name of this part in failure messages.
pub const PART: &str = "rules";

/// Evaluates the rules until it is stopped; with `--once` until all existing events have been evaluated.
#[derive(Debug)]
pub struct Consumer {
    rules: Rules,
    changes: Changes,
    work: Evaluation,
}

impl Consumer {
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Checked before the pass, so that the last pass includes all changes made before this moment.
            let last = self.work.once || self.rules.finish.is_cancelled();
            let done = self.run_pass(&stop).await;
            self.publish().await;
            match done {
                PassOutcome::More => continue,
                PassOutcome::Finished if last => break,
                PassOutcome::Finished | PassOutcome::Idle => {}
            }
            let starting = self.work.once || !self.work.is_live;
            let active = starting || self.work.is_active(self.rules.clock.now());
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.rules.finish.cancelled(), if !last => {}
                () = self.changes.changed() => {
                    if !starting {
                        tokio::time::sleep(LINGER).await;
                    }
                }
                () = tokio::time::sleep(CLOCK_INTERVAL), if active => {}
            }
        }
        self.publish().await;
    }

    /// Runs one pass on a blocking thread. New changes are taken over only when all due generations have been read, so
    /// that no generation starves.
    async fn run_pass(&mut self, stop: &CancellationToken) -> PassOutcome {
        let mut work = std::mem::take(&mut self.work);
        let (log, clock, stop) = (self.rules.log.clone(), self.rules.clock.clone(), stop.clone());
        // In this order: everything settled now is included in the changes.
        let changed = (!work.pull.is_due()).then(|| (log.settled(), self.changes.take()));
        let done = tokio::task::spawn_blocking(move || {
            log.supervisor().checkpoint(PART);
            if let Some((settled, news)) = changed {
                work.take_changes(&log, settled, news, clock.uptime());
            }
            work.read(&log, &*clock, &stop);
            let outcome = work.finish_pass(&*clock);
            (work, outcome)
        });
        let (work, outcome) = match done.await {
            Ok(done) => done,
            // The supervisor restarts this task.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return PassOutcome::Idle,
        };
        self.work = work;
        outcome
    }

    async fn publish(&mut self) {
        let statuses = self.work.engine.statuses(self.rules.clock.now());
        self.rules.statuses.send_if_modified(|shown| {
            let changed = *shown != statuses;
            *shown = statuses;
            changed
        });
        for announcement in std::mem::take(&mut self.work.announcements) {
            // An error means that the receiver is gone: the program is ending.
            let _ = self.rules.announcements.send(announcement).await;
        }
    }
}

/// Result of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PassOutcome {
    /// There may be more events to read now.
    More,
    /// Nothing to read now.
    Idle,
    /// Nothing to read, and the whole history has been read.
    Finished,
}

/// The evaluation state, which moves to the blocking thread and back.
#[derive(Debug)]
struct Evaluation {
    engine: Engine,
    announcer: Announcer,
    /// Merged by time: windows use event time, and reading one file ahead would make events of others late.
    pull: Pull,
    /// Size of each generation at its first read: records before this offset are history. Removed once read.
    history: HashMap<GenerationId, u64>,
    once: bool,
    is_live: bool,
    /// It replaces another consumer, which has announced all live events: all existing records are history.
    is_successor: bool,
    /// The log had found all existing files at the last check.
    settled: bool,
    /// Uptime at which the history had been read, except for incomplete records.
    history_read_at: Option<Duration>,
    /// Uptime of the last check for pending events.
    last_recheck: Duration,
    skews: SkewDetector,
    /// Number of late matches of each rule at which they are announced next.
    late: HashMap<Arc<str>, u64>,
    announcements: Vec<Announcement>,
}

impl Default for Evaluation {
    fn default() -> Self {
        Evaluation::new(Vec::new(), &Arc::default(), false)
    }
}

impl Evaluation {
    fn new(rules: Vec<RuleConfig>, policy: &Arc<Policy>, once: bool) -> Self {
        Evaluation {
            engine: Engine::new(rules, policy),
            announcer: Announcer::new(once),
            pull: Pull::by_time(),
            history: HashMap::new(),
            once,
            is_live: false,
            is_successor: false,
            settled: false,
            history_read_at: None,
            last_recheck: Duration::ZERO,
            skews: SkewDetector::default(),
            late: HashMap::new(),
            announcements: Vec::new(),
        }
    }

    /// Takes over the changes that the log reports.
    fn take_changes(&mut self, log: &Log, settled: bool, news: ChangeSet, uptime: Duration) {
        self.settled = settled;
        for id in self.pull.look(log, news) {
            let seen = || log.extent(id).map_or(0, |(_, end)| end);
            let history = if self.is_successor && !self.is_live { seen() } else { log.history(id) };
            self.history.insert(id, history);
        }
        self.history.retain(|id, _| self.pull.knows(*id));
        let starting = self.once || !self.is_live;
        if starting || uptime.saturating_sub(self.last_recheck) >= RECHECK_INTERVAL {
            self.last_recheck = uptime;
            self.pull.look_again();
        }
    }

    fn read(&mut self, log: &Log, clock: &dyn Clock, stop: &CancellationToken) {
        let mut read = 0;
        while read < PASS_BYTES
            && !stop.is_cancelled()
            && let Some((id, pulled)) = self.pull.next(log)
        {
            read += pulled.bytes();
            match pulled {
                Pulled::Events { batch, records } => self.evaluate(&batch, records, clock.now()),
                Pulled::Lost { .. } => {}
                Pulled::Failed(error) => {
                    // Retried every few seconds. The sinks report it, and the screen shows it with the file.
                    tracing::debug!("rules cannot read generation {:x}: {error}", id.0);
                }
            }
        }
    }

    /// Ends a pass: resolves incidents, and determines whether more is to be read.
    fn finish_pass(&mut self, clock: &dyn Clock) -> PassOutcome {
        let (now, uptime) = (clock.now(), clock.uptime());
        let is_through = self.pull.is_through();
        if self.once && !is_through {
            self.history_read_at = None;
        }
        if is_through && self.settled && !self.is_live && self.is_history_complete(uptime) {
            self.is_live = true;
            self.on_history_read(now);
        }
        self.with_engine(now, |engine, emit| engine.tick(now, emit));
        let by = self.engine.take_step();
        if by >= MIN_CLOCK_STEP {
            self.announcements.push(Announcement::ClockBack { by });
        }
        if self.pull.is_due() {
            return PassOutcome::More;
        }
        if self.is_live {
            self.announce_counts();
        }
        if is_through && self.is_live { PassOutcome::Finished } else { PassOutcome::Idle }
    }

    /// Whether the state can change without new events, or a failed read must be repeated.
    fn is_active(&self, now: Timestamp) -> bool {
        self.engine.is_active(now) || self.pull.fails()
    }

    fn evaluate(&mut self, batch: &Batch, records: Range<usize>, now: Timestamp) {
        let id = batch.generation.id;
        let history = self.history.get(&id).copied().unwrap_or(0);
        if history <= batch.records[records.end - 1].end {
            self.history.remove(&id);
        }
        let Evaluation { engine, announcer, announcements, skews, once, .. } = self;
        for event in records.map(|index| batch.event(index)) {
            let live = *once || event.record.start >= history;
            let announce = &mut |line| announcements.push(line);
            if live && !*once {
                skews.on_event(&event, now, announce);
            }
            let emit = &mut |transition| announcer.on_transition(transition, live, now, announce);
            match live {
                true => engine.on_event(&event, now, emit),
                false => engine.on_old_event(&event, now, emit),
            }
        }
    }

    /// Announces counts, once nothing more is to be read.
    fn announce_counts(&mut self) {
        let Evaluation { engine, announcer, announcements, late, .. } = self;
        announcer.announce_earlier(&mut |line| announcements.push(line));
        for (rule, matches) in engine.late() {
            let next = late.entry(rule.clone()).or_insert(1);
            if matches >= *next {
                *next = matches.saturating_mul(10);
                announcements.push(Announcement::Late { rule, matches });
            }
        }
    }

    /// Whether the last incomplete records have been read too, or the wait for them is over. With `--once` the ends of
    /// the files are fixed, so missing records are waited for longer.
    fn is_history_complete(&mut self, uptime: Duration) -> bool {
        let since = *self.history_read_at.get_or_insert(uptime);
        let patience = if self.once { ONCE_PATIENCE } else { LAST_RECORDS_WAIT };
        uptime - since >= patience || !self.pull.is_open()
    }

    fn on_history_read(&mut self, now: Timestamp) {
        if !self.once {
            self.with_engine(now, |engine, emit| engine.settle(now, emit));
        }
        let announcements = &mut self.announcements;
        self.announcer.on_history_read(now, &mut |line| announcements.push(line));
    }

    fn with_engine(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&mut Engine, &mut dyn FnMut(super::Transition)),
    ) {
        let Evaluation { engine, announcer, announcements, .. } = self;
        work(engine, &mut |transition| {
            announcer.on_transition(transition, true, now, &mut |line| announcements.push(line));
        });
    }
}

#[cfg(test)]
mod tests;
