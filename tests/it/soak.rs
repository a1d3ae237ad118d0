//! Resource use over months: a log that is rotated continuously, by a clock that the test advances, with sinks that
//! keep their own positions and with alert rules. Rows, cursors, files, descriptors, memory and disk use stay flat.
//!
//! Every test run includes a short form; `make soak` rotates 10,000 times, one hour apart: fourteen months.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use logwarden::alert::{self, Rules};
use logwarden::archive::Archive;
use logwarden::base::clock::ManualClock;
use logwarden::base::{Clock, Timestamp};
use logwarden::event::IdKey;
use logwarden::follow::{Intake, Log, LogConfig, SourceConfig, Start};
use logwarden::privacy::Policy;
use logwarden::sink::archive::ArchiveSink;
use logwarden::sink::{
    DeadLetterDirectory, FileSink, Filter, Mode, Sink, Worker, WorkerConfig, WorkerHandle,
};
use logwarden::state::Store;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::fixture::open_state;

const HOUR: Duration = Duration::from_secs(3600);
/// Rows, positions and archived days are kept for this many rotations.
const KEPT: usize = 30 * 24;
/// The number of rotated files that are kept.
const ROTATED: usize = 120;
/// Rotations between two measurements.
const ROUND: usize = 100;
const LINES: usize = 4;
const DEADLINE: Duration = Duration::from_secs(120);

struct Machine {
    scratch: TempDir,
    clock: Arc<ManualClock>,
    log: Log,
    store: Store,
    sinks: Vec<WorkerHandle>,
    stop: CancellationToken,
    written: usize,
}

/// The resources in use at one moment.
#[derive(Clone, Copy, Debug)]
struct ResourceUse {
    rows: usize,
    cursors: usize,
    files: usize,
    descriptors: usize,
    /// Bytes of anonymous memory.
    memory: u64,
    /// Bytes of the state, of the first line of the side file (which holds all positions of the output), of the archive
    /// and of the intake directory.
    state: u64,
    side: u64,
    archive: u64,
    intake: u64,
}

impl Machine {
    fn start() -> Machine {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir(path("logs")).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_790_000_000)));
        let store = open_state(&path("state"));
        let source = SourceConfig {
            name: "app".into(),
            paths: vec![path("logs/app.log*")],
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: Start::Beginning,
            multiline: true,
        };
        let rescue = 1 << 30;
        let intake = Intake { directory: path("intake"), input: false, looking: false, rescue };
        let config = LogConfig {
            sources: vec![source],
            once: false,
            host: "host".into(),
            key: IdKey::from_host_id("host"),
            intake: Some(intake),
        };
        let log = Log::open(config, clock.clone());
        log.set_consumers(vec!["out".into(), "archive".into()]);
        log.settle(store.clone(), Vec::new());
        let generations = Arc::new(store.clone());
        let file = FileSink::new(path("out"), generations.clone(), clock.clone());
        let (archive, _) = Archive::open_writer(&path("archive"), clock.now()).unwrap();
        let archive =
            ArchiveSink::new(archive, generations, clock.clone(), Some(HOUR * KEPT as u32));
        let mut machine = Machine {
            scratch,
            clock,
            log,
            store,
            sinks: Vec::new(),
            stop: CancellationToken::new(),
            written: 0,
        };
        machine.deliver_to("out", Arc::new(file));
        machine.deliver_to("archive", Arc::new(archive));
        machine.start_rules();
        machine
    }

    fn deliver_to(&mut self, name: &str, sink: Arc<dyn Sink>) {
        let letters = DeadLetterDirectory::new(self.path("letters"), self.clock.clone(), 1 << 30);
        let (worker, handle) = Worker::new(WorkerConfig {
            name: name.into(),
            kind: name.into(),
            sink,
            queue: Arc::new(self.log.clone()),
            store: self.store.clone(),
            policy: Arc::new(Policy::default()),
            filter: Filter::default(),
            mode: Mode::Auto,
            budget: 4 << 20,
            dead_letters: Arc::new(letters),
            clock: self.clock.clone(),
        });
        tokio::spawn(worker.run(self.stop.clone()));
        self.sinks.push(handle);
    }

    fn start_rules(&self) {
        let rules = alert::defaults();
        let (log, clock) = (self.log.clone(), self.clock.clone());
        let (rules, mut outputs) = Rules::new(log, rules, &Arc::default(), clock, false);
        tokio::spawn(rules.consumer().run(self.stop.clone()));
        tokio::spawn(async move { while outputs.announcements.recv().await.is_some() {} });
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn rotated(&self, number: usize) -> PathBuf {
        self.path(&format!("logs/app.log.{number}"))
    }

    fn write(&mut self) {
        let time = jiff::Timestamp::from_second(self.clock.now().seconds()).unwrap();
        let file = OpenOptions::new().create(true).append(true).open(self.path("logs/app.log"));
        let lines: String = (self.written..self.written + LINES)
            .map(|n| {
                format!(
                    "{{\"time\":\"{time}\",\"level\":\"error\",\"message\":\"line\",\"seq\":{n}}}\n"
                )
            })
            .collect();
        file.unwrap().write_all(lines.as_bytes()).unwrap();
        self.written += LINES;
    }

    /// Rotates by rename, every fifth time by copytruncate.
    fn rotate(&self, number: usize) {
        let (log, rotated) = (self.path("logs/app.log"), self.rotated(number));
        match number % 5 {
            0 => {
                fs::copy(&log, rotated).unwrap();
                File::options().write(true).open(log).unwrap().set_len(0).unwrap();
            }
            _ => fs::rename(log, rotated).unwrap(),
        }
        if let Some(old) = number.checked_sub(ROTATED) {
            fs::remove_file(self.rotated(old)).unwrap();
        }
    }

    async fn until(&self, what: &str, mut condition: impl FnMut(&Machine) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(self) {
            let sinks: Vec<_> =
                self.sinks.iter().map(|sink| sink.status.borrow().clone()).collect();
            let files = self.log.statuses();
            assert!(Instant::now() < deadline, "{what}: not in time: {sinks:#?}\n{files:#?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
            self.clock.advance(Duration::from_millis(100));
        }
    }

    fn left(&self) -> ResourceUse {
        ResourceUse {
            rows: self.store.generations().len(),
            cursors: self.store.all_cursors().len(),
            files: self.log.files().len(),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            memory: anonymous_memory(),
            state: size_of(&self.path("state")),
            side: self.first_line_of_side_file(),
            archive: size_of(&self.path("archive")),
            intake: size_of(&self.path("intake")),
        }
    }

    fn first_line_of_side_file(&self) -> u64 {
        let side = fs::read(self.path("out.cursor")).unwrap();
        side.iter().position(|byte| *byte == b'\n').unwrap() as u64
    }

    /// The number of the last line in the output.
    fn last_delivered(&self) -> Option<usize> {
        let output = File::open(self.path("out")).ok()?;
        let length = output.metadata().ok()?.len();
        let mut end = vec![0; length.min(400) as usize];
        let from = length - end.len() as u64;
        output.read_exact_at(&mut end, from).ok()?;
        let line = str::from_utf8(&end).ok()?.trim_end().rsplit('\n').next()?.to_owned();
        let document: serde_json::Value = serde_json::from_str(&line).ok()?;
        Some(document["seq"].as_u64()? as usize)
    }

    /// The numbers of the lines in the output, in order of delivery.
    fn delivered(&self) -> Vec<usize> {
        let output = fs::read_to_string(self.path("out")).unwrap();
        let number = |line: &str| {
            let document: serde_json::Value = serde_json::from_str(line).unwrap();
            document["seq"].as_u64().unwrap() as usize
        };
        output.lines().map(number).collect()
    }
}

fn anonymous_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// The size of a file, or of all files below a directory; files deleted meanwhile count as 0.
fn size_of(path: &Path) -> u64 {
    let Ok(found) = path.symlink_metadata() else { return 0 };
    match found.is_dir() {
        true => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size_of(&entry.path())).sum()
        }
        false => found.len(),
    }
}

/// Compares two measurements. Memory and descriptors are those of the whole process, so they are compared only if no
/// other test runs at the same time.
fn assert_flat(early: ResourceUse, late: ResourceUse, alone: bool) {
    let measured = format!("{early:#?}\n{late:#?}");
    assert!(late.rows <= KEPT + ROTATED + 2 * ROUND, "{measured}");
    assert!(late.cursors <= 2 * late.rows, "{measured}");
    assert!(late.files <= ROTATED + 3, "{measured}");
    assert!(late.side <= early.side * 3 / 2, "{measured}");
    assert!(late.state <= early.state * 2, "{measured}");
    assert!(late.archive <= early.archive * 2, "{measured}");
    assert!(late.intake <= 1 << 20, "{measured}");
    if alone {
        assert!(late.descriptors <= early.descriptors + 16, "{measured}");
        assert!(late.memory <= early.memory + (8 << 20), "{measured}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_rotated_for_months_leaves_nothing_behind() {
    let wanted = std::env::var("LOGWARDEN_ROTATIONS").ok().and_then(|text| text.parse().ok());
    // Two rounds, unless `LOGWARDEN_ROTATIONS` sets another number.
    let rotations: usize = wanted.unwrap_or(2 * ROUND);
    let mut machine = Machine::start();
    let mut early = None;
    for number in 0..rotations {
        machine.write();
        let length = machine.written;
        machine.until("delivered", |machine| machine.last_delivered() == Some(length - 1)).await;
        machine.rotate(number);
        machine.clock.advance(HOUR);
        if (number + 1) % ROUND > 0 {
            continue;
        }
        machine
            .until("confirmed", |machine| {
                let confirmed = |sink: &WorkerHandle| sink.status.borrow().confirmed_events;
                machine.sinks.iter().all(|sink| confirmed(sink) as usize == length)
            })
            .await;
        let left = machine.left();
        if wanted.is_some() {
            println!("{} rotations: {left:?}", number + 1);
        }
        // Rows are kept for `KEPT` rotations, and the sinks' own positions twice as long.
        if number >= 2 * KEPT + 4 * ROUND {
            let early = *early.get_or_insert(left);
            assert_flat(early, left, true);
        }
    }
    assert_eq!(machine.delivered(), (0..machine.written).collect::<Vec<_>>());
    assert_eq!(machine.log.lost(), 0);
    assert_flat(machine.left(), machine.left(), false);
    machine.stop.cancel();
    machine.log.stop();
}
