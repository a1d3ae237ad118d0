//! The fixture of these tests: a log over files of a scratch directory, and actions on these files.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock, Timestamp};
use logwarden::event::{Cursor, Event, EventId, Flags, GenerationId, IdKey, Position};
use logwarden::follow::{Intake, Log, LogConfig, Read, SourceConfig, Start};
use logwarden::state::Store;
use tempfile::TempDir;

use crate::fixture::open_state;
use crate::mirror::Mirror;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A log with some paths of a scratch directory, its state, and one consumer.
pub struct Fixture {
    pub directory: TempDir,
    pub paths: Vec<PathBuf>,
    pub start: Start,
    pub once: bool,
    pub hints: bool,
    /// Unread bytes of deleted files are saved.
    pub rescue: bool,
    pub running: Option<(Log, Store)>,
    /// The changes that the log has reported since it was opened.
    mirror: Option<Mirror>,
    pub consumer: Consumer,
}

/// The wall clock of the machine, and an uptime that only the test advances, so that the test decides when
/// checks are due.
#[derive(Debug, Default)]
pub struct HeldClock {
    passed: Mutex<Duration>,
}

impl HeldClock {
    pub fn pass(&self, by: Duration) {
        *self.passed.lock().unwrap() += by;
    }
}

impl Clock for HeldClock {
    fn now(&self) -> Timestamp {
        SystemClock::new().now()
    }

    fn uptime(&self) -> Duration {
        *self.passed.lock().unwrap()
    }
}

#[derive(Default)]
pub struct Consumer {
    pub cursors: HashMap<GenerationId, u64>,
    pub events: Vec<Seen>,
    pub lost: u64,
    /// The positions that a sink with its own cursors passes to the log at the start.
    pub known: Vec<Position>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub id: EventId,
    pub text: String,
    pub flags: Flags,
    pub generation: GenerationId,
    pub bounds: (u64, u64),
}

impl Consumer {
    /// Resets to the state after the first `count` events; the test has only one generation.
    pub fn forget_all_but(&mut self, count: usize) {
        self.events.truncate(count);
        let offset = self.events.last().map_or(0, |event| event.bounds.1);
        self.cursors.values_mut().for_each(|cursor| *cursor = offset);
    }
}

fn seen(event: &Event<'_>) -> Seen {
    Seen {
        id: event.id(),
        text: String::from_utf8_lossy(event.text()).into_owned(),
        flags: event.record.flags,
        generation: event.batch.generation.id,
        bounds: (event.record.start, event.record.end),
    }
}

impl Fixture {
    /// `paths` are relative to the scratch directory.
    pub fn new(paths: &[&str]) -> Fixture {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("logs")).unwrap();
        let paths = paths.iter().map(|path| directory.path().join("logs").join(path)).collect();
        let consumer = Consumer::default();
        let start = Start::Beginning;
        let (once, hints, rescue) = (false, true, false);
        let (running, mirror) = (None, None);
        Fixture { directory, paths, start, once, hints, rescue, running, mirror, consumer }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("logs").join(name)
    }

    pub fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        append(&self.path(name), bytes.as_ref());
    }

    /// Makes these files an hour old, so that an incomplete last line counts as final.
    pub fn age(&self, names: &[&str]) {
        for name in names {
            let file = File::options().write(true).open(self.path(name)).unwrap();
            let hour = Duration::from_secs(3600);
            file.set_modified(std::time::SystemTime::now() - hour).unwrap();
        }
    }

    pub fn open(&mut self) {
        self.open_with(Arc::new(SystemClock::new()));
    }

    /// The configured source.
    pub fn source(&self) -> SourceConfig {
        SourceConfig {
            name: "test".into(),
            paths: self.paths.clone(),
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: self.start,
            multiline: true,
        }
    }

    pub fn open_with(&mut self, clock: Arc<dyn Clock>) {
        let config = LogConfig {
            sources: vec![self.source()],
            once: self.once,
            host: "host".into(),
            key: IdKey::from_host_id("test"),
            intake: self.rescue.then(|| Intake {
                directory: self.directory.path().join("intake"),
                input: false,
                looking: false,
                rescue: 1 << 30,
            }),
        };
        let log = match self.hints {
            true => Log::open(config, clock),
            false => Log::open_without_hints(config, clock),
        };
        let store = open_state(&self.directory.path().join("state"));
        log.settle(store.clone(), self.consumer.known.clone());
        self.mirror = Some(Mirror::of(&log));
        self.running = Some((log, store));
        self.until("settled", |fixture| fixture.log().settled());
    }

    /// Stops as after a kill, except that the follower still commits its changes.
    pub fn close(&mut self) {
        let (log, _store) = self.running.take().unwrap();
        log.stop();
    }

    pub fn restart(&mut self) {
        self.close();
        self.open();
    }

    pub fn log(&self) -> &Log {
        &self.running.as_ref().unwrap().0
    }

    pub fn store(&self) -> &Store {
        &self.running.as_ref().unwrap().1
    }

    /// Reads all events that can be read now.
    pub fn drain(&mut self) {
        let (log, store) = self.running.clone().unwrap();
        for generation in log.generations() {
            let Some((start, _)) = log.extent(generation) else { continue };
            let cursor = self.consumer.cursors.entry(generation).or_insert(start);
            loop {
                match log.read(Cursor { generation, offset: *cursor }).unwrap() {
                    Read::Batch { batch, first } => {
                        for event in batch.events().skip(first) {
                            assert_eq!(event.record.start, *cursor, "no gap, no overlap");
                            *cursor = event.record.end;
                            self.consumer.events.push(seen(&event));
                        }
                    }
                    Read::Lost { to } => {
                        self.consumer.lost += to - *cursor;
                        *cursor = to;
                    }
                    Read::Waiting | Read::Finished => break,
                }
            }
            store.put_cursor("test", "*", Cursor { generation, offset: *cursor });
        }
    }

    pub fn until(&mut self, what: &str, done: impl Fn(&Fixture) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain();
            if done(self) {
                return self.check_mirror();
            }
            assert!(
                Instant::now() < deadline,
                "not in time: {what}; {} events, last {:?}; lost {}; {:#?} {:?}",
                self.consumer.events.len(),
                self.consumer
                    .events
                    .last()
                    .map(|event| (&event.text[..event.text.len().min(99)], event.bounds)),
                self.consumer.lost,
                self.log().statuses(),
                self.log().notices(),
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Like `until`, but at most this much time passes on the log's clock, whatever the real duration.
    pub fn within(
        &mut self,
        most: Duration,
        clock: &HeldClock,
        what: &str,
        done: impl Fn(&Fixture) -> bool,
    ) {
        const STEP: Duration = Duration::from_millis(100);
        let passed = Cell::new(Duration::ZERO);
        self.until(what, |fixture| {
            if passed.get() < most {
                clock.pass(STEP);
                passed.set(passed.get() + STEP);
            }
            done(fixture)
        });
    }

    /// Checks that all changes were reported.
    fn check_mirror(&mut self) {
        if let (Some((log, _)), Some(mirror)) = (&self.running, &mut self.mirror) {
            mirror.check(log);
        }
    }

    /// Reads only the next batch of the first generation.
    pub fn read_one_batch(&mut self) {
        let (log, store) = self.running.clone().unwrap();
        let generation = log.generations()[0];
        let cursor = self.consumer.cursors.entry(generation).or_insert(0);
        if let Read::Batch { batch, first } =
            log.read(Cursor { generation, offset: *cursor }).unwrap()
        {
            self.consumer.events.extend(batch.events().skip(first).map(|event| seen(&event)));
            *cursor = batch.end;
        }
        store.put_cursor("test", "*", Cursor { generation, offset: *cursor });
    }

    pub fn texts(&self) -> Vec<&str> {
        self.consumer.events.iter().map(|event| event.text.as_str()).collect()
    }

    /// Checks that every line was read once, in any order.
    pub fn expect_lines(&mut self, expected: impl IntoIterator<Item = String>) {
        let mut expected: Vec<String> = expected.into_iter().collect();
        expected.sort();
        let count = expected.len();
        self.until(&format!("{count} lines"), |fixture| fixture.consumer.events.len() >= count);
        self.drain();
        let mut texts: Vec<String> = self.texts().into_iter().map(str::to_owned).collect();
        texts.sort();
        let wrong = texts.iter().zip(&expected).find(|(text, expected)| text != expected);
        assert_eq!(wrong, None, "{:#?}", self.log().statuses());
        assert_eq!(texts.len(), count);
        let ids: std::collections::HashSet<EventId> =
            self.consumer.events.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), count, "one id per event");
        assert_eq!(self.consumer.lost, 0);
    }
}

pub fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

pub fn line(writer: &str, number: usize) -> String {
    format!("{{\"writer\":\"{writer}\",\"number\":{number}}}")
}

pub fn lines(writer: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| line(writer, number) + "\n").collect()
}

pub fn copytruncate(fixture: &Fixture, from: &str, to: &str) {
    fs::copy(fixture.path(from), fixture.path(to)).unwrap();
    OpenOptions::new().write(true).open(fixture.path(from)).unwrap().set_len(0).unwrap();
}

/// Waits until the follower has published all bytes of app.log, without reading events.
pub fn seen_by_the_follower(fixture: &Fixture) {
    let deadline = Instant::now() + PATIENCE;
    let whole = fs::metadata(fixture.path("app.log")).unwrap().len();
    while fixture.log().files()[0].facts().size != whole {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub const ERROR: &str = "2024-05-01 10:00:00,123 ERROR root: it broke\n";

pub const TRACE: &str =
    "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: x\n";

pub const INFO: &str = "2024-05-01 10:00:01,123 INFO root: it continues\n";
