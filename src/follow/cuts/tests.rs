use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::base::clock::ManualClock;
use crate::base::{Clock, Timestamp};
use crate::event::{Cursor, Flags, GenerationId, IdKey};
use crate::follow::reader;
use crate::follow::shared::Shared;
use crate::follow::types::Read;
use crate::follow::watch::{Hints, Watch};
use crate::follow::{LogConfig, SourceConfig};
use crate::state::counting_disk;

/// One log, a follower that the test drives, and a consumer that reads everything.
struct CutTest {
    _home: tempfile::TempDir,
    path: PathBuf,
    clock: Arc<ManualClock>,
    follower: Follower,
    written: Arc<AtomicU64>,
    at: Option<Cursor>,
    /// Start and end of the events that the consumer got.
    events: Vec<(u64, u64)>,
    /// Start of the events that begin inside a line.
    inside: Vec<u64>,
}

impl CutTest {
    fn new(first: &str) -> CutTest {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app.log");
        std::fs::write(&path, first).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_764_500_000)));
        let config = LogConfig {
            sources: vec![SourceConfig::of_file("app", path.clone())],
            once: false,
            host: "here".into(),
            key: IdKey::from_host_id("test"),
            intake: None,
        };
        let (store, written) = counting_disk::open(&home.path().join("state"), clock.clone());
        let shared = Arc::new(Shared::new(config, clock.clone()));
        let mut follower = Follower::new(shared, Watch::none());
        follower.scan();
        assert!(follower.shared.store.set(store).is_ok());
        follower.run_pass(Hints::default());
        let (events, inside) = (Vec::new(), Vec::new());
        CutTest { _home: home, path, clock, follower, written, at: None, events, inside }
    }

    fn append(&self, text: &str) {
        let mut log = OpenOptions::new().append(true).open(&self.path).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    fn generation(&self) -> Option<GenerationId> {
        let store = self.follower.shared.store.get().unwrap();
        store.generations().first().map(|row| row.id)
    }

    fn cuts(&self) -> Vec<u64> {
        let store = self.follower.shared.store.get().unwrap();
        store.generations()[0].cuts.to_vec()
    }

    /// Advances the time like the engine: the follower runs when something is due, the consumer reads, and cursors are
    /// committed every 250 ms.
    fn pass(&mut self, time: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let until = self.clock.uptime() + time;
        while self.clock.uptime() < until {
            self.clock.advance(STEP);
            let paths = [self.path.clone()].into();
            self.follower.run_pass(Hints { paths, ..Hints::default() });
            self.read();
            let asked = self.follower.shared.waker.wait(Duration::ZERO);
            self.follower.run_pass(asked);
            self.read();
            if self.clock.uptime().as_millis().is_multiple_of(250) {
                self.follower.shared.store.get().unwrap().commit().unwrap();
            }
        }
    }

    fn read(&mut self) {
        let Some(generation) = self.generation() else { return };
        let start = Cursor { generation, offset: 0 };
        let mut at = self.at.unwrap_or(start);
        while let Ok(Read::Batch { batch, first }) = reader::read(&self.follower.shared, at) {
            let records = batch.records[first..].iter();
            let inside = records.clone().filter(|record| record.flags.contains(Flags::INSIDE));
            self.inside.extend(inside.map(|record| record.start));
            self.events.extend(records.map(|record| (record.start, record.end)));
            at.offset = batch.end;
        }
        self.at = Some(at);
        self.follower.shared.store.get().unwrap().put_cursor("c", "*", at);
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

/// It was 97 KiB per line over the first hour when each commit was a database transaction and needless cuts were kept.
const MAX_BYTES_PER_LINE: u64 = 5 * 1024;

#[test]
fn a_plain_log_at_one_line_per_second_writes_little_to_the_state() {
    let seconds = 3600;
    let mut test = CutTest::new("the service has started\n");
    test.pass(Duration::from_secs(2));
    let before = test.written();
    for number in 0..seconds {
        test.append(&format!("request {number} was served\n"));
        test.pass(Duration::from_secs(1));
    }
    let written = test.written() - before;
    println!("{} bytes per line", written / seconds);
    assert!(written / seconds <= MAX_BYTES_PER_LINE, "{written}");
    assert_eq!(test.events.len() as u64, seconds + 1);
    assert!(test.cuts().len() <= 1, "{:?}", test.cuts().len());
}

/// Lines that begin records, and lines that continue them.
const LINES: [&str; 12] = [
    "the service has started",
    "a request was served",
    "  with an indented line",
    "\tat com.example.Main.run(Main.java:7)",
    "Traceback (most recent call last):",
    "ValueError: 7",
    "",
    "{\"level\":\"info\",\"message\":\"x\"}",
    "}",
    "panic: boom",
    "goroutine 1 [running]:",
    "2026-11-30 10:00:00,000 - [INFO] - a line with a time",
];

/// Whatever was written with whatever pauses, reading again from the start gives the same events.
#[test]
fn reading_again_gives_the_same_events_however_many_cuts_were_dropped() {
    let seed = std::env::var("LOGWARDEN_SEED").map_or(1, |text| text.parse().unwrap());
    for history in seed..seed + 30_u64 {
        let mut random = history.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) % below
        };
        let timed = next(3) == 0;
        let first = LINES[if timed { 11 } else { 0 }].to_owned() + "\n";
        let mut test = CutTest::new(&first.repeat(1 + next(3) as usize));
        for _ in 0..40 {
            for _ in 0..1 + next(3) {
                let line = LINES[next(LINES.len() as u64) as usize];
                let half = next(line.len() as u64 + 1) as usize;
                // A line in two writes with a pause between them.
                if next(8) == 0 {
                    test.append(&line[..half]);
                    test.pass(Duration::from_millis(300 * next(4)));
                    test.append(&format!("{}\n", &line[half..]));
                } else {
                    test.append(&format!("{line}\n"));
                }
            }
            test.pass(Duration::from_millis(250 * next(6)));
        }
        test.pass(Duration::from_secs(3));
        let live = std::mem::take(&mut test.events);
        test.at = None;
        test.follower.shared.cache.clear();
        test.read();
        assert_eq!(test.events, live, "LOGWARDEN_SEED={history}");
        assert!(test.cuts().len() < 40, "{} cuts, LOGWARDEN_SEED={history}", test.cuts().len());
    }
}

#[test]
fn a_last_line_without_a_line_end_is_an_event_after_ten_seconds_of_quiet() {
    let mut test = CutTest::new("the service has started\n");
    test.pass(Duration::from_secs(2));
    test.append("{\"level\":\"fatal\",");
    test.pass(Duration::from_secs(9));
    assert_eq!(test.events, [(0, 24)]);
    // Growth restarts the quiet time.
    test.append("\"message\":\"the last words\"}");
    test.pass(Duration::from_secs(9));
    assert_eq!(test.events, [(0, 24)]);
    test.pass(Duration::from_secs(2));
    assert_eq!(test.events, [(0, 24), (24, 68)]);
    test.append(" and more\n");
    test.pass(Duration::from_secs(2));
    assert_eq!(test.events[2..], [(68, 78)]);
    assert_eq!(test.cuts(), [24, 68, 78]);
}

/// A file that was extended before it is written.
#[test]
fn nuls_at_the_end_are_never_an_event() {
    let mut test = CutTest::new("the service has started\n");
    let log = OpenOptions::new().write(true).open(&test.path).unwrap();
    log.set_len(4096).unwrap();
    test.pass(Duration::from_secs(15));
    assert_eq!(test.events, [(0, 24)]);
    test.append("more lines\n");
    test.pass(Duration::from_secs(2));
    assert_eq!(test.events, [(0, 24), (24, 4096), (4096, 4107)]);
}

#[test]
fn a_file_that_is_one_line_without_a_line_end_is_an_event_too() {
    let mut test = CutTest::new("{\"level\":\"fatal\"}");
    test.pass(Duration::from_secs(9));
    assert_eq!(test.events, []);
    test.pass(Duration::from_secs(13));
    assert_eq!(test.events, [(0, 17)]);
    test.append("\nnext\n");
    test.pass(Duration::from_secs(2));
    assert_eq!(test.events, [(0, 17), (17, 18), (18, 23)]);
}

#[test]
fn an_unclosed_json_object_is_never_an_event() {
    let mut test = CutTest::new("{\"level\":\"info\"}\n");
    test.pass(Duration::from_secs(2));
    test.append("{\"level\":\"fatal\",\"clie");
    test.pass(Duration::from_secs(15));
    test.append("nt_id\":\"C1\"");
    test.pass(Duration::from_secs(15));
    assert_eq!(test.events, [(0, 17)]);
    test.append("}");
    test.pass(Duration::from_secs(12));
    assert_eq!(test.events, [(0, 17), (17, 51)]);
    assert!(test.inside.is_empty());
}

/// Also for a reader that starts there.
#[test]
fn an_event_that_begins_inside_a_line_is_marked_in_every_reading() {
    let mut test = CutTest::new("the service has started\n");
    test.pass(Duration::from_secs(2));
    // The last character is incomplete.
    test.append("a line for client_id=CLI\u{e9}");
    let file = OpenOptions::new().write(true).open(&test.path).unwrap();
    file.set_len(49).unwrap();
    test.pass(Duration::from_secs(12));
    assert_eq!(test.events, [(0, 24), (24, 48)]);
    OpenOptions::new().append(true).open(&test.path).unwrap().write_all(b"\xa9NT\nnext\n").unwrap();
    test.pass(Duration::from_secs(12));
    assert_eq!(test.events[2..], [(48, 53), (53, 58)]);
    assert_eq!(test.inside, [48]);
    test.at = None;
    test.follower.shared.cache.clear();
    test.read();
    assert_eq!(test.inside, [48, 48]);
}
