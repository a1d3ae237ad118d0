//! Carries out a history and checks the result.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use logwarden::event::GenerationId;
use tempfile::TempDir;

use super::consumers::{Archive, Elastic, Lost, Pulled, TakenAt, TakenEvent};
use super::engine::{self, Engine, GateClock, Sources, StateCopy};
use super::failure::{Failure, Kind};
use super::operator::AfterCopy;
use super::oracle::{self, Account};
use super::places::Knowledge;
use super::steps::{Consumer, History, Pace, Paths, Step};
use super::stream::{self, StreamId};
use super::world::World;

/// After this long without an event, only events that wait for `LONG` can still come.
const QUIET: Duration = Duration::from_secs(12);
/// Longer than a deleted file is kept open without growth.
const LONG: Duration = Duration::from_secs(310);

/// A history in progress.
struct Run {
    world: World,
    clock: Arc<GateClock>,
    state: PathBuf,
    sources: Sources,
    engine: Option<Engine>,
    elastic: Elastic,
    archive: Archive,
    elastic_is_here: bool,
    archive_is_here: bool,
    epoch: usize,
    kept: Option<(StateCopy, Knowledge)>,
    forgot: bool,
    lost: [Vec<Lost>; 2],
    /// The losses in this run of the log, and how far each stream had been taken when it began.
    lost_now: [Vec<Lost>; 2],
    confirmed: [BTreeMap<StreamId, u64>; 2],
    trace: Vec<String>,
    /// Last, so that it is removed last.
    _directory: TempDir,
}

/// The result, and a trace of the steps.
pub struct Outcome {
    pub result: Result<(), Failure>,
    pub trace: Vec<String>,
}

/// Which stream each generation of each epoch is.
type StreamsByGeneration = BTreeMap<(GenerationId, usize), StreamId>;

pub fn run(history: &History) -> Outcome {
    let mut run = Run::new(history);
    let result = run.all(history);
    run.clock.open(true);
    if let Some(engine) = run.engine.take() {
        engine.stop();
    }
    Outcome { result, trace: run.trace }
}

impl Run {
    fn new(history: &History) -> Run {
        let directory = tempfile::tempdir().unwrap();
        let setting = history.setting;
        Run {
            world: World::new(directory.path().join("logs"), setting),
            clock: Arc::new(GateClock::new()),
            state: directory.path().join("state"),
            sources: Sources { paths: setting.paths, name: 0 },
            engine: None,
            elastic: Elastic::default(),
            archive: Archive::default(),
            elastic_is_here: true,
            archive_is_here: true,
            epoch: 0,
            kept: None,
            forgot: false,
            lost: Default::default(),
            lost_now: Default::default(),
            confirmed: Default::default(),
            trace: Vec::new(),
            _directory: directory,
        }
    }

    fn all(&mut self, history: &History) -> Result<(), Failure> {
        for (number, step) in history.steps.iter().enumerate() {
            self.trace.push(format!("{number}: {step}"));
            self.step(*step)?;
        }
        for step in [Step::Check, Step::Stop, Step::Check] {
            self.trace.push(format!("at the end: {step}"));
            self.step(step)?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Failure> {
        let stepped = self.world.setting.pace == Pace::Stepped;
        self.clock.open(!stepped || !is_of_files(step));
        let before: Vec<String> =
            self.world.names.keys().map(|p| p.display().to_string()).collect();
        self.carry_out(step)?;
        self.world.note_destroyed();
        let after: Vec<String> = self.world.names.keys().map(|p| p.display().to_string()).collect();
        if before != after {
            self.trace.push(format!("   files: {}", after.join(" ")));
        }
        self.clock.open(!stepped);
        Ok(())
    }

    fn carry_out(&mut self, step: Step) -> Result<(), Failure> {
        let world = &mut self.world;
        match step {
            Step::Write { log, lines } => world.write(log, lines),
            Step::Half { log } => world.half(log),
            Step::Finish { log } => world.finish(log),
            Step::Reopen { log } => world.reopen(log),
            Step::Rename { log } => world.rename(log),
            Step::CopyTruncate { log } => world.copy(log, AfterCopy::Truncate),
            Step::Carry { log } => world.copy(log, AfterCopy::Delete),
            Step::Copy { log } => world.copy(log, AfterCopy::Stay),
            Step::Compress { log, packing, keep } => world.compress(log, packing, keep),
            Step::Extend { log, lines } => world.extend(log, lines),
            Step::Expire { log } => world.expire(log),
            Step::Truncate { log } => world.truncate(log),
            Step::Delete { log } => world.delete(log),
            Step::Recreate { log, lines } => world.recreate(log, lines),
            Step::Edit { log } => world.edit(log),
            Step::Tidy { log } => world.tidy(log),
            Step::Look { millis } => return self.poll(millis),
            Step::Take { consumer, events } => return self.take(consumer, events).map(|_| ()),
            Step::Away { consumer } => *self.is_here(consumer) = false,
            Step::Back { consumer } => *self.is_here(consumer) = true,
            Step::Commit => self.commit(),
            Step::Stop => return self.stop(),
            Step::Start => return self.start(false),
            Step::Once => return self.once(),
            Step::Kill => return self.kill(),
            Step::Lose => self.lose(),
            Step::Keep => self.keep(),
            Step::Old => self.put_back(),
            Step::Reload { paths, name } => self.reload(Sources { paths, name }),
            Step::Check => return self.check(),
        }
        Ok(())
    }

    fn is_here(&mut self, consumer: Consumer) -> &mut bool {
        match consumer {
            Consumer::Elastic => &mut self.elastic_is_here,
            Consumer::Archive => &mut self.archive_is_here,
        }
    }

    fn start(&mut self, once: bool) -> Result<(), Failure> {
        if self.engine.is_some() {
            return Ok(());
        }
        if std::mem::take(&mut self.forgot) {
            self.world.give_other_ids();
        }
        let known = self.archive.positions.values().cloned().collect();
        let engine =
            Engine::start(&self.world.root, &self.state, self.sources, once, known, &self.clock)?;
        let streams = self.streams()?;
        self.elastic.begin(&engine.store);
        self.archive.begin(&engine.log, &engine.store);
        let cursors = engine.store.cursors(&Consumer::Elastic.to_string()).into_iter();
        let own = self.archive.positions.values().map(|p| (p.cursor.generation, p.cursor.offset));
        let header = stream::header(self.world.setting.lines).map_or(0, |line| line.len() as u64);
        self.confirmed = [
            oracle::confirmed(&streams[0], cursors.map(|row| (row.generation, row.offset)), header),
            oracle::confirmed(&streams[1], own, header),
        ];
        self.engine = Some(engine);
        self.world.started();
        Ok(())
    }

    fn streams(&self) -> Result<[StreamsByGeneration; 2], Failure> {
        let elastic: Vec<&TakenEvent> = self.elastic.documents.values().collect();
        let archive: Vec<&TakenEvent> = self.archive.taken.iter().collect();
        Ok([
            Account::new(&self.world, Consumer::Elastic, &elastic)?.streams,
            Account::new(&self.world, Consumer::Archive, &archive)?.streams,
        ])
    }

    fn once(&mut self) -> Result<(), Failure> {
        if self.engine.is_some() {
            return Ok(());
        }
        self.start(true)?;
        while self.pass(Duration::ZERO)? {}
        self.stop()
    }

    fn stop(&mut self) -> Result<(), Failure> {
        let Some(engine) = self.engine.take() else { return Ok(()) };
        self.archive.commit(&engine.store);
        self.elastic.confirm(&engine.store);
        engine.stop();
        self.world.stopped();
        self.end_run()
    }

    fn kill(&mut self) -> Result<(), Failure> {
        let Some(engine) = self.engine.take() else { return Ok(()) };
        engine.kill();
        self.archive.forget_uncommitted_events();
        self.world.killed();
        self.end_run()
    }

    fn end_run(&mut self) -> Result<(), Failure> {
        self.world.note_destroyed();
        for (consumer, index) in [(Consumer::Elastic, 0), (Consumer::Archive, 1)] {
            let lost = std::mem::take(&mut self.lost_now[index]);
            oracle::not_overcounted(&self.world, consumer, &self.confirmed[index], &lost)?;
            self.lost[index].extend(lost);
        }
        Ok(())
    }

    fn lose(&mut self) {
        if self.engine.is_none() {
            engine::lose(&self.state);
            self.forget(&Knowledge::default());
        }
    }

    fn forget(&mut self, known: &Knowledge) {
        self.world.forget_but(known);
        self.epoch += 1;
        self.forgot = true;
    }

    fn keep(&mut self) {
        let copied = match &self.engine {
            Some(engine) => engine.copy_state(),
            None => engine::copy_of_state(&self.state),
        };
        self.kept = Some((copied, self.world.knowledge()));
    }

    fn put_back(&mut self) {
        if self.engine.is_none()
            && let Some((copied, known)) = self.kept.clone()
        {
            engine::put_back(&self.state, &copied);
            self.forget(&known);
        }
    }

    fn reload(&mut self, sources: Sources) {
        self.sources = sources;
        self.world.reloaded(sources.paths);
        if let Some(engine) = &self.engine {
            engine.reload(sources);
        }
    }

    fn commit(&mut self) {
        let Some(engine) = &self.engine else { return };
        self.archive.commit(&engine.store);
        engine.store.commit().unwrap();
    }

    /// Reads without confirming; confirms the events read before.
    fn take(&mut self, consumer: Consumer, events: usize) -> Result<bool, Failure> {
        let Some(engine) = &self.engine else { return Ok(false) };
        let when = TakenAt { epoch: self.epoch, streams: self.world.streams.len() };
        let pulled = match consumer {
            Consumer::Elastic => {
                self.elastic.confirm(&engine.store);
                self.elastic.take(&engine.log, &engine.store, events, when)?
            }
            Consumer::Archive => self.archive.take(&engine.log, &engine.store, events, when)?,
        };
        let Pulled { events, lost } = pulled;
        if !events.is_empty() || !lost.is_empty() {
            let first = events.first().map(|e| String::from_utf8_lossy(&e.text).into_owned());
            self.trace.push(format!(
                "   {consumer} reads {} events from {first:?}, lost {lost:?}",
                events.len()
            ));
        }
        let some = !events.is_empty() || !lost.is_empty();
        self.lost_now[consumer as usize].extend(lost);
        Ok(some)
    }

    fn poll(&mut self, millis: u64) -> Result<(), Failure> {
        let mut left = millis;
        while left > 0 && self.engine.is_some() {
            let step = left.min(250);
            left -= step;
            self.pass(Duration::from_millis(step))?;
        }
        if self.engine.is_some() {
            self.world.note_polled(millis);
        }
        Ok(())
    }

    /// Lets time pass: the follower polls, and the consumers that are present read. Returns whether any event came.
    fn pass(&mut self, time: Duration) -> Result<bool, Failure> {
        self.clock.pass(time);
        self.world.pass(time);
        let Some(engine) = &self.engine else { return Ok(false) };
        engine.turn();
        let mut some = false;
        for consumer in [Consumer::Elastic, Consumer::Archive] {
            if *self.is_here(consumer) {
                some |= self.take(consumer, usize::MAX)?;
            } else {
                self.take(consumer, 0)?;
            }
        }
        let Some(engine) = &self.engine else { return Ok(false) };
        if self.elastic_is_here {
            self.elastic.confirm(&engine.store);
        }
        if self.archive_is_here {
            self.archive.commit(&engine.store);
        }
        Ok(some)
    }

    fn check(&mut self) -> Result<(), Failure> {
        self.start(false)?;
        self.clock.open(true);
        let here = (self.elastic_is_here, self.archive_is_here);
        (self.elastic_is_here, self.archive_is_here) = (true, true);
        for quiet in [QUIET, QUIET / 2] {
            self.await_all(quiet)?;
            self.pass(LONG)?;
        }
        self.await_all(QUIET / 2)?;
        self.world.note_polled(6000);
        (self.elastic_is_here, self.archive_is_here) = here;
        self.check_result()
    }

    fn await_all(&mut self, longest: Duration) -> Result<(), Failure> {
        const STEP: Duration = Duration::from_millis(500);
        let mut quiet = Duration::ZERO;
        for _ in 0..2000 {
            quiet = if self.pass(STEP)? { Duration::ZERO } else { quiet + STEP };
            if quiet >= longest {
                return Ok(());
            }
        }
        Err(Failure::new(Kind::Stuck, "events keep arriving".into()))
    }

    fn check_result(&self) -> Result<(), Failure> {
        let lost = |index: usize| -> Vec<Lost> {
            self.lost[index].iter().chain(&self.lost_now[index]).copied().collect()
        };
        let elastic: Vec<&TakenEvent> = self.elastic.documents.values().collect();
        Account::new(&self.world, Consumer::Elastic, &elastic)?.check(&lost(0))?;
        let archive: Vec<&TakenEvent> = self.archive.taken.iter().collect();
        Account::new(&self.world, Consumer::Archive, &archive)?.check(&lost(1))?;
        for (consumer, index) in [(Consumer::Elastic, 0), (Consumer::Archive, 1)] {
            let lost = &self.lost_now[index];
            oracle::not_overcounted(&self.world, consumer, &self.confirmed[index], lost)?;
        }
        self.listed()?;
        self.cleared()
    }

    /// The saved bytes of deleted files are removed once every consumer has read them.
    fn cleared(&self) -> Result<(), Failure> {
        // They are kept while no source covers the log.
        if self.sources.paths == Paths::Rotated {
            return Ok(());
        }
        let Ok(entries) = std::fs::read_dir(self.state.join("intake")) else { return Ok(()) };
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        let rests: Vec<_> = names.filter(|n| n.to_string_lossy().starts_with("rest-")).collect();
        match rests.is_empty() {
            true => Ok(()),
            false => Err(Failure::new(
                Kind::Leftover,
                format!("{rests:?} are read, but were not removed"),
            )),
        }
    }

    /// The log's totals equal the losses reported to the consumers, the largest per generation.
    fn listed(&self) -> Result<(), Failure> {
        let Some(engine) = &self.engine else { return Ok(()) };
        let mut met: BTreeMap<GenerationId, u64> = BTreeMap::new();
        for lost in &self.lost_now {
            let mut each: BTreeMap<GenerationId, u64> = BTreeMap::new();
            lost.iter().for_each(|l| *each.entry(l.generation).or_default() += l.to - l.from);
            for (generation, bytes) in each {
                let most = met.entry(generation).or_default();
                *most = bytes.max(*most);
            }
        }
        let (met, statuses) = (met.values().sum::<u64>(), engine.log.statuses());
        let listed: u64 = statuses.iter().map(|status| status.lost).sum();
        let total = engine.log.lost();
        let text = format!(
            "{met} bytes were met as lost in this run, {listed} are listed, {total} in all: \
             {statuses:#?}"
        );
        match () {
            () if listed < met || total < met => Err(Failure::new(Kind::Unlisted, text)),
            () if total > met => Err(Failure::new(Kind::Overlisted, text)),
            () => Ok(()),
        }
    }
}

/// Steps during which the follower is held.
fn is_of_files(step: Step) -> bool {
    use Step::{
        Carry, Compress, Copy, CopyTruncate, Delete, Edit, Expire, Extend, Finish, Half, Keep,
        Kill, Recreate, Rename, Reopen, Take, Tidy, Truncate, Write,
    };
    matches!(
        step,
        Write { .. }
            | Half { .. }
            | Finish { .. }
            | Reopen { .. }
            | Rename { .. }
            | CopyTruncate { .. }
            | Carry { .. }
            | Copy { .. }
            | Compress { .. }
            | Extend { .. }
            | Expire { .. }
            | Truncate { .. }
            | Delete { .. }
            | Recreate { .. }
            | Edit { .. }
            | Tidy { .. }
            | Take { .. }
            | Keep
            | Kill
    )
}
