//! Controls the log under test: opens, stops and kills it; copies, deletes and restores its state; advances its time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock, Timestamp};
use logwarden::event::IdKey;
use logwarden::follow::{Intake, Log, LogConfig, SourceConfig, Start};
use logwarden::state::{StateError, Store};

use super::consumers::Position;
use super::failure::{Failure, Kind};
use super::steps::{Consumer, Paths};

const PATIENCE: Duration = Duration::from_secs(60);

fn settle(log: &Log, store: Store, known: Vec<Position>) {
    let known = known.into_iter().map(|position| logwarden::event::Position {
        cursor: position.cursor,
        identity: Some(position.identity),
        mark: position.mark,
    });
    log.settle(store, known.collect());
}

/// A clock whose time passes only when the test advances it. While the gate is closed, every other thread that reads
/// the time blocks, so the follower does nothing between two steps.
#[derive(Debug)]
pub struct GateClock {
    system: SystemClock,
    test: ThreadId,
    gate: Mutex<Gate>,
    opened: Condvar,
}

#[derive(Debug)]
struct Gate {
    passed: Duration,
    is_open: bool,
    calls: u64,
}

impl GateClock {
    pub fn new() -> GateClock {
        GateClock {
            system: SystemClock::new(),
            test: std::thread::current().id(),
            gate: Mutex::new(Gate { passed: Duration::ZERO, is_open: true, calls: 0 }),
            opened: Condvar::new(),
        }
    }

    pub fn pass(&self, by: Duration) {
        self.gate.lock().unwrap().passed += by;
    }

    pub fn open(&self, is_open: bool) {
        self.gate.lock().unwrap().is_open = is_open;
        self.opened.notify_all();
    }

    fn calls(&self) -> u64 {
        self.gate.lock().unwrap().calls
    }

    /// Blocks for 2 s at most: the caller may hold a lock that the test needs.
    fn wait(&self) -> Duration {
        let mut gate = self.gate.lock().unwrap();
        if std::thread::current().id() != self.test {
            gate.calls += 1;
            let longest = Duration::from_secs(2);
            gate = self.opened.wait_timeout_while(gate, longest, |gate| !gate.is_open).unwrap().0;
        }
        gate.passed
    }
}

impl Clock for GateClock {
    fn now(&self) -> Timestamp {
        self.wait();
        // Birth and change times of files come from the machine's clock.
        self.system.now()
    }

    fn uptime(&self) -> Duration {
        self.wait()
    }
}

/// The source as it is configured now.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    pub paths: Paths,
    pub name: usize,
}

impl Sources {
    fn config(self, root: &Path) -> Vec<SourceConfig> {
        let paths = self.paths.patterns().iter().map(|pattern| root.join(pattern));
        vec![SourceConfig {
            name: format!("source{}", self.name).into(),
            paths: paths.collect(),
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: Start::Beginning,
            multiline: true,
        }]
    }
}

/// The contents of a state directory.
pub type StateCopy = BTreeMap<PathBuf, Vec<u8>>;

/// A running log and its state.
pub struct Engine {
    pub log: Log,
    pub store: Store,
    root: PathBuf,
    state: PathBuf,
    clock: Arc<GateClock>,
}

impl Engine {
    pub fn start(
        root: &Path,
        state: &Path,
        sources: Sources,
        once: bool,
        known: Vec<Position>,
        clock: &Arc<GateClock>,
    ) -> Result<Engine, Failure> {
        let intake = Intake {
            directory: state.join("intake"),
            input: false,
            looking: false,
            rescue: 1 << 30,
        };
        let config = LogConfig {
            sources: sources.config(root),
            once,
            host: "host".into(),
            key: IdKey::from_host_id("test"),
            intake: Some(intake),
        };
        let log = Log::open(config, clock.clone());
        let store = open_store(state)?;
        log.set_consumers(vec![Consumer::Elastic.to_string(), Consumer::Archive.to_string()]);
        settle(&log, store.clone(), known);
        let engine =
            Engine { log, store, root: root.into(), state: state.into(), clock: clock.clone() };
        let began = Instant::now();
        while !engine.log.settled() {
            if began.elapsed() > PATIENCE {
                return Err(Failure::new(Kind::Stuck, "never settled".into()));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(engine)
    }

    /// Triggers a file event and waits until the follower has processed it.
    pub fn turn(&self) {
        let before = self.clock.calls();
        let (one, other) = (self.root.join(".tick"), self.root.join(".tock"));
        if fs::rename(&one, &other).is_err() && fs::rename(&other, &one).is_err() {
            fs::write(&one, "").unwrap();
        }
        let began = Instant::now();
        while self.clock.calls() == before && began.elapsed() < Duration::from_millis(1500) {
            std::thread::sleep(Duration::from_micros(50));
        }
        // Counted in sleeps, which take longer where the follower has to wait for a processor too.
        let (mut calls, mut quiet) = (self.clock.calls(), 0);
        while quiet < 6 {
            std::thread::sleep(Duration::from_micros(200));
            let now = self.clock.calls();
            quiet = if now == calls { quiet + 1 } else { 0 };
            calls = now;
        }
    }

    pub fn reload(&self, sources: Sources) {
        self.log.set_sources(sources.config(&self.root));
    }

    /// The state directory as a kill at this moment would leave it.
    pub fn copy_state(&self) -> StateCopy {
        let mut last = copy_of_state(&self.state);
        loop {
            let next = copy_of_state(&self.state);
            if next == last {
                return next;
            }
            last = next;
        }
    }

    pub fn stop(self) {
        self.log.stop();
    }

    /// Stops as a kill would: all writes of the stop are undone.
    pub fn kill(self) {
        let (copied, state) = (self.copy_state(), self.state.clone());
        self.clock.open(true);
        self.log.stop();
        drop(self);
        put_back(&state, &copied);
    }
}

fn open_store(directory: &Path) -> Result<Store, Failure> {
    let began = Instant::now();
    loop {
        match Store::open(directory) {
            Ok((store, notices)) if notices.is_empty() => return Ok(store),
            // A process that another test has just started holds a copy of this lock for a moment.
            Err(StateError::Owned { .. }) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return Err(Failure::new(Kind::Stuck, format!("the state: {other:?}"))),
        }
    }
}

pub fn copy_of_state(directory: &Path) -> StateCopy {
    let mut copied = StateCopy::new();
    let Ok(entries) = fs::read_dir(directory) else { return copied };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            copied.extend(copy_of_state(&path));
        } else if !path.ends_with("lock")
            && let Ok(bytes) = fs::read(&path)
        {
            copied.insert(path, bytes);
        }
    }
    copied
}

pub fn put_back(directory: &Path, copied: &StateCopy) {
    lose(directory);
    for (path, bytes) in copied {
        let directory = path.parent().expect("it is in the directory");
        logwarden::state::private_directory::make_directory(directory).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

pub fn lose(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}
