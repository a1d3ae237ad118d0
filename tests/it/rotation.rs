//! Whatever happens to the files: every line comes, once, or its loss is counted to the byte.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock};
use logwarden::event::{Cursor, Event, EventId, Flags, GenerationId, IdKey, Position};
use logwarden::follow::{Intake, Log, LogConfig, Read, SourceConfig, Start};
use logwarden::state::Store;
use tempfile::TempDir;

use super::bench::open_state;
use super::compressed::{gzip, pack};
use super::mirror::Mirror;

const PATIENCE: Duration = Duration::from_secs(60);

/// A log over some paths of a scratch folder, its state, and one consumer.
pub struct Bench {
    pub folder: TempDir,
    pub paths: Vec<PathBuf>,
    pub start: Start,
    pub once: bool,
    pub hints: bool,
    /// What is deleted unread is kept.
    pub rescue: bool,
    pub running: Option<(Log, Store)>,
    /// What the log named as changed since it was opened.
    mirror: Option<Mirror>,
    pub consumer: Consumer,
}

#[derive(Default)]
pub struct Consumer {
    pub cursors: HashMap<GenerationId, u64>,
    pub events: Vec<Seen>,
    pub lost: u64,
    /// What a sink that keeps its own cursors tells the log at the start.
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
    /// As if no more than the first events had been read, in the one generation there is.
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

impl Bench {
    /// `paths` are relative to the scratch folder.
    pub fn new(paths: &[&str]) -> Bench {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let paths = paths.iter().map(|path| folder.path().join("logs").join(path)).collect();
        let consumer = Consumer::default();
        let start = Start::Beginning;
        let (once, hints, rescue) = (false, true, false);
        let (running, mirror) = (None, None);
        Bench { folder, paths, start, once, hints, rescue, running, mirror, consumer }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    pub fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        append(&self.path(name), bytes.as_ref());
    }

    /// As if nothing had been written to these for an hour: an unfinished last line will not be finished any more.
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

    pub fn open_with(&mut self, clock: Arc<dyn Clock>) {
        let source = SourceConfig {
            name: "test".into(),
            paths: self.paths.clone(),
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: self.start,
            multiline: true,
        };
        let config = LogConfig {
            sources: vec![source],
            once: self.once,
            host: "host".into(),
            key: IdKey::from_host_id("test"),
            intake: self.rescue.then(|| Intake {
                folder: self.folder.path().join("intake"),
                input: false,
                looking: false,
                rescue: 1 << 30,
            }),
        };
        let log = match self.hints {
            true => Log::open(config, clock),
            false => Log::open_without_hints(config, clock),
        };
        let store = open_state(&self.folder.path().join("state"));
        log.settle(store.clone(), self.consumer.known.clone());
        self.mirror = Some(Mirror::of(&log));
        self.running = Some((log, store));
        self.until("settled", |bench| bench.log().settled());
    }

    /// As after a kill, but for what the follower has not committed yet.
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

    /// Reads everything that can be read now.
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

    pub fn until(&mut self, what: &str, done: impl Fn(&Bench) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.drain();
            if done(self) {
                return self.check_mirror();
            }
            assert!(
                Instant::now() < deadline,
                "never came: {what}; {} events, last {:?}; lost {}; {:#?} {:?}",
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

    /// What has changed is named.
    fn check_mirror(&mut self) {
        if let (Some((log, _)), Some(mirror)) = (&self.running, &mut self.mirror) {
            mirror.check(log);
        }
    }

    /// The next batch of the first generation, and no more.
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

    /// Every line once, in any order.
    pub fn expect_lines(&mut self, expected: impl IntoIterator<Item = String>) {
        let mut expected: Vec<String> = expected.into_iter().collect();
        expected.sort();
        let count = expected.len();
        self.until(&format!("{count} lines"), |bench| bench.consumer.events.len() >= count);
        self.drain();
        let mut texts: Vec<String> = self.texts().into_iter().map(str::to_owned).collect();
        texts.sort();
        let wrong = texts.iter().zip(&expected).find(|(text, expected)| text != expected);
        assert_eq!(wrong, None, "{:#?}", self.log().statuses());
        assert_eq!(texts.len(), count);
        let ids: std::collections::HashSet<EventId> =
            self.consumer.events.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), count, "one id an event");
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

#[test]
fn a_growing_file_is_read_as_it_grows() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.append("app.log", lines("a", 10..20));
    bench.expect_lines((0..20).map(|n| line("a", n)));
    bench.close();
    bench.append("app.log", lines("a", 20..25));
    bench.open();
    bench.append("app.log", lines("a", 25..30));
    bench.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn a_path_and_a_pattern_that_match_nothing_wait() {
    let mut bench = Bench::new(&["app.log", "*.txt"]);
    bench.open();
    let notices = bench.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(notices.iter().all(|notice| notice.text.contains("as soon as")), "{notices:?}");
    bench.append("app.log", lines("a", 0..3));
    bench.append("b.txt", lines("b", 0..3));
    bench.expect_lines((0..3).flat_map(|n| [line("a", n), line("b", n)]));
    bench.until("no notice", |bench| bench.log().notices().is_empty());
}

/// S24.
#[test]
fn empty_and_tiny_files_come_within_a_second() {
    let mut bench = Bench::new(&["*"]);
    bench.append("empty.log", "");
    bench.append("tiny.log", "x\n");
    bench.open();
    let began = Instant::now();
    bench.expect_lines(["x".to_owned()]);
    assert!(began.elapsed() < Duration::from_secs(1));
    let began = Instant::now();
    bench.append("empty.log", "y\n");
    bench.expect_lines(["x".to_owned(), "y".to_owned()]);
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// S07.
#[test]
fn renamed_a_thousand_times_under_a_pattern_that_covers_the_new_names() {
    rename_often(&["app.log*"], 1000);
}

/// S07.
#[test]
fn renamed_a_thousand_times_with_only_the_path_known() {
    rename_often(&["app.log"], 1000);
}

fn rename_often(paths: &[&str], times: usize) {
    let mut bench = Bench::new(paths);
    bench.append("app.log", lines("a", 0..3));
    bench.open();
    for time in 0..times {
        bench.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
        fs::rename(bench.path("app.log"), bench.path(&format!("app.log.{time}"))).unwrap();
        bench.append("app.log", lines("a", time * 5 + 5..time * 5 + 8));
        if time % 7 == 0 {
            bench.drain();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bench.expect_lines((0..times * 5 + 3).map(|n| line("a", n)));
}

#[test]
fn renamed_while_nobody_looks() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log.0", lines("old", 0..3));
    // Older than the clock that birth times are taken from can blur.
    std::thread::sleep(Duration::from_millis(40));
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.until("first lines", |bench| bench.consumer.events.len() == 5);
    bench.close();
    for time in 1..4 {
        bench.append("app.log", lines("a", time * 5..time * 5 + 3));
        fs::rename(bench.path("app.log"), bench.path(&format!("app.log.{time}"))).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        bench.append("app.log", lines("a", time * 5 + 3..time * 5 + 5));
    }
    bench.open();
    bench.expect_lines((0..20).map(|n| line("a", n)));
}

/// Written, rotated and written again before anybody looked at its path once.
#[test]
fn renamed_before_its_path_was_ever_seen() {
    let mut bench = Bench::new(&["*.log"]);
    bench.hints = false;
    bench.append("other.log", lines("other", 0..1));
    bench.open();
    bench.expect_lines([line("other", 0)]);
    let mut expected = vec![line("other", 0)];
    for log in 0..20 {
        std::thread::sleep(Duration::from_millis(37));
        let (name, writer) = (format!("app{log}.log"), format!("w{log}"));
        bench.append(&name, lines(&writer, 0..3));
        fs::rename(bench.path(&name), bench.path(&format!("{name}.1"))).unwrap();
        bench.append(&name, lines(&writer, 3..5));
        expected.extend((0..5).map(|number| line(&writer, number)));
    }
    bench.expect_lines(expected);
}

/// Nothing was in the folder that times could speak of.
#[test]
fn a_folder_that_comes_later_is_seen_within_seconds() {
    for (pattern, there) in [("app/*.log", ""), ("*/logs/*.log", "app")] {
        let mut bench = Bench::new(&[pattern]);
        fs::create_dir_all(bench.path(there)).unwrap();
        bench.open();
        std::thread::sleep(Duration::from_millis(3500));
        let folder = bench.path(if there.is_empty() { "app" } else { "app/logs" });
        fs::create_dir(&folder).unwrap();
        append(&folder.join("a.log"), lines("a", 0..3).as_bytes());
        let began = Instant::now();
        bench.expect_lines((0..3).map(|number| line("a", number)));
        assert!(began.elapsed() < Duration::from_secs(8), "{pattern}: {:?}", began.elapsed());
    }
}

/// The link that the source names stays, and the one behind it leads elsewhere.
#[test]
fn a_link_behind_a_link_is_seen_within_seconds() {
    use std::os::unix::fs::symlink;
    let mut bench = Bench::new(&["app.log"]);
    for version in ["v1", "v2"] {
        fs::create_dir(bench.folder.path().join(version)).unwrap();
    }
    let at = |bench: &Bench, name: &str| bench.folder.path().join(name);
    append(&at(&bench, "v1/a.log"), lines("a", 0..3).as_bytes());
    append(&at(&bench, "v2/a.log"), lines("b", 0..3).as_bytes());
    symlink("v1", at(&bench, "current")).unwrap();
    symlink(at(&bench, "current/a.log"), bench.path("app.log")).unwrap();
    bench.open();
    bench.expect_lines((0..3).map(|number| line("a", number)));
    std::thread::sleep(Duration::from_millis(3500));
    fs::remove_file(at(&bench, "current")).unwrap();
    symlink("v2", at(&bench, "current")).unwrap();
    let began = Instant::now();
    let all = ["a", "b"].into_iter().flat_map(|writer| (0..3).map(move |n| line(writer, n)));
    bench.expect_lines(all);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// S08: renamed out of every pattern, and its writer goes on.
#[test]
fn late_lines_of_a_writer_that_keeps_the_old_file() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("app.log", lines("a", 0..3));
    bench.open();
    let mut writer = OpenOptions::new().append(true).open(bench.path("app.log")).unwrap();
    fs::rename(bench.path("app.log"), bench.path("app.old")).unwrap();
    bench.append("app.log", lines("b", 0..3));
    bench.until("both", |bench| bench.consumer.events.len() == 6);
    writer.write_all(lines("a", 3..6).as_bytes()).unwrap();
    bench.expect_lines((0..6).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
    // Out of every pattern, and still the same generation after a restart.
    bench.close();
    writer.write_all(lines("a", 6..8).as_bytes()).unwrap();
    bench.open();
    bench.expect_lines((0..8).map(|n| line("a", n)).chain((0..3).map(|n| line("b", n))));
}

/// S10, without a copy.
#[test]
fn truncated_before_it_was_read_is_counted_to_the_byte() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    let unread = lines("a", 10..1000);
    bench.append("app.log", &unread);
    seen_by_the_follower(&bench);
    File::create(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("b", 0..5));
    bench.until("new content and the loss", |bench| {
        bench.consumer.events.len() >= 15 && bench.consumer.lost > 0
    });
    assert_eq!(bench.consumer.lost, unread.len() as u64);
    let texts = bench.texts().join("\n");
    assert!(texts.contains(&line("b", 4)) && !texts.contains(&line("a", 500)));
    bench.until("the loss is said", |bench| {
        bench.log().notices().iter().any(|notice| notice.text.contains("was truncated"))
    });
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), 15);
    assert_eq!(bench.consumer.lost, unread.len() as u64);
    let lost: u64 = bench.store().generations().iter().map(|row| row.lost).sum();
    assert_eq!(lost, unread.len() as u64);
}

#[test]
fn truncated_and_regrown_beyond_the_mark_between_two_looks() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    fs::write(bench.path("app.log"), lines("b", 0..50)).unwrap();
    bench.expect_lines((0..10).map(|n| line("a", n)).chain((0..50).map(|n| line("b", n))));
}

fn copytruncate(bench: &Bench, from: &str, to: &str) {
    fs::copy(bench.path(from), bench.path(to)).unwrap();
    OpenOptions::new().write(true).open(bench.path(from)).unwrap().set_len(0).unwrap();
}

/// S10.
#[test]
fn copytruncate_with_unread_bytes_is_read_from_the_copy() {
    for paths in [&["app.log"][..], &["app.log*"][..]] {
        let mut bench = Bench::new(paths);
        bench.append("app.log", format!("constant header\n{}", lines("a", 0..10)));
        bench.open();
        bench.until("ten", |bench| bench.consumer.events.len() == 11);
        let mut expected = vec!["constant header".to_owned()];
        expected.extend((0..2000).map(|n| line("a", n)));
        bench.append("app.log", lines("a", 10..2000));
        copytruncate(&bench, "app.log", "app.log.1");
        for life in 0..3 {
            bench.append(
                "app.log",
                format!("constant header\n{}", lines("b", life * 9..life * 9 + 9)),
            );
            expected.push("constant header".to_owned());
            expected.extend((life * 9..life * 9 + 9).map(|n| line("b", n)));
            bench.until("this life", |bench| bench.consumer.events.len() >= expected.len());
            copytruncate(&bench, "app.log", &format!("app.log.{}", life + 2));
        }
        bench.append("app.log", "end\n");
        expected.push("end".to_owned());
        bench.expect_lines(expected.clone());
        // The copies are known again.
        bench.restart();
        bench.expect_lines(expected);
    }
}

/// S10: 1 MiB and more is unread when the copy is made.
#[test]
fn copytruncate_with_a_mebibyte_unread_is_complete_from_the_copy() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    let unread = lines("a", 10..60_000);
    assert!(unread.len() > 1 << 20);
    bench.append("app.log", unread);
    copytruncate(&bench, "app.log", "app.log.1");
    bench.append("app.log", lines("b", 0..10));
    bench.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
    bench.restart();
    bench.expect_lines((0..60_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

#[test]
fn copytruncate_while_nobody_looks() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.close();
    bench.append("app.log", lines("a", 10..20));
    copytruncate(&bench, "app.log", "app.log.1");
    bench.append("app.log", lines("a", 20..30));
    bench.open();
    bench.expect_lines((0..30).map(|n| line("a", n)));
}

#[test]
fn a_copy_that_lacks_the_last_lines_loses_only_those() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.append("app.log", lines("a", 10..500));
    seen_by_the_follower(&bench);
    fs::copy(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    let late = lines("late", 0..20);
    bench.append("app.log", &late);
    seen_by_the_follower(&bench);
    OpenOptions::new().write(true).open(bench.path("app.log")).unwrap().set_len(0).unwrap();
    bench.append("app.log", lines("b", 0..10));
    bench.until("both lives and the loss", |bench| {
        bench.consumer.events.len() >= 510 && bench.consumer.lost > 0
    });
    assert_eq!(bench.consumer.lost, late.len() as u64);
    bench.restart();
    bench.drain();
    bench.consumer.lost -= late.len() as u64;
    bench.expect_lines((0..500).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

/// Without reading: the first file is as long as the follower says.
fn seen_by_the_follower(bench: &Bench) {
    let deadline = Instant::now() + PATIENCE;
    let whole = fs::metadata(bench.path("app.log")).unwrap().len();
    while bench.log().files()[0].size() != whole {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_neighbour_with_the_same_header_is_no_copy_of_a_truncated_one() {
    let mut bench = Bench::new(&["*.log"]);
    let header = "the same header\n".repeat(300);
    bench.append("one.log", &header);
    bench.append("two.log", format!("{header}{}", lines("two", 0..3)));
    bench.open();
    bench.until("both", |bench| bench.consumer.events.len() == 603);
    // Begins alike, and one.log is gone before anything tells them apart.
    bench.append("three.log", &header);
    File::create(bench.path("one.log")).unwrap();
    bench.append("three.log", lines("three", 0..3));
    bench.append("one.log", lines("one", 0..3));
    let headers = std::iter::repeat_n("the same header".to_owned(), 900);
    let named = ["one", "two", "three"].into_iter().flat_map(|w| (0..3).map(move |n| line(w, n)));
    bench.expect_lines(headers.chain(named));
}

#[test]
fn moved_as_to_another_file_system_while_its_writer_goes_on() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("app.log", lines("a", 0..50));
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 50);
    let mut writer = OpenOptions::new().append(true).open(bench.path("app.log")).unwrap();
    fs::copy(bench.path("app.log"), bench.path("moved.log")).unwrap();
    fs::remove_file(bench.path("app.log")).unwrap();
    // Longer than a mere suspicion lasts.
    let began = Instant::now();
    bench.until("some time", |_| began.elapsed() > Duration::from_millis(2500));
    writer.write_all(lines("a", 50..60).as_bytes()).unwrap();
    bench.expect_lines((0..60).map(|n| line("a", n)));
}

/// S13. While it runs the descriptor is held, and no inode can be used again.
#[test]
fn an_inode_that_is_used_again_is_another_generation() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..10));
    bench.open();
    bench.until("ten", |bench| bench.consumer.events.len() == 10);
    bench.close();
    let inode = |bench: &Bench| fs::metadata(bench.path("app.log")).unwrap().ino();
    let before = inode(&bench);
    // The next file has the same inode on most file systems, and soon on the others.
    for _ in 0..100 {
        fs::remove_file(bench.path("app.log")).unwrap();
        bench.append("app.log", lines("b", 0..12));
        if inode(&bench) == before {
            break;
        }
    }
    bench.open();
    bench.expect_lines((0..10).map(|n| line("a", n)).chain((0..12).map(|n| line("b", n))));
}

#[test]
fn deleted_while_unread_is_read_to_its_end() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..20_000));
    bench.open();
    fs::remove_file(bench.path("app.log")).unwrap();
    bench.append("app.log", lines("b", 0..10));
    bench.until("the new file", |bench| bench.log().generations().len() == 2);
    bench.expect_lines((0..20_000).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}

/// S23.
#[test]
fn five_hundred_files_that_begin_alike() {
    let mut bench = Bench::new(&["*.log"]);
    let header = "#".repeat(100) + "\n";
    let header = header.repeat(45);
    let mut expected = Vec::new();
    for file in 0..500 {
        bench
            .append(&format!("{file}.log"), format!("{header}{}", lines(&format!("{file}"), 0..3)));
        expected.extend(vec!["#".repeat(100); 45]);
        expected.extend((0..3).map(|n| line(&format!("{file}"), n)));
    }
    bench.open();
    bench.expect_lines(expected);
}

/// S23b.
#[test]
fn growing_files_that_begin_alike_are_no_copies_of_each_other() {
    let mut bench = Bench::new(&["*.log*"]);
    let header = format!("{}\n", "h".repeat(127)).repeat(48);
    let mut expected = Vec::new();
    let mut write = |bench: &Bench, file: usize, text: String| {
        expected.extend(text.lines().map(str::to_owned));
        bench.append(&format!("{file}.log"), text);
    };
    for file in 0..20 {
        write(&bench, file, format!("{header}{}", lines(&format!("w{file}"), 0..5)));
    }
    bench.open();
    for round in 1..4 {
        for file in 0..20 {
            let numbers = round * 10..round * 10 + 5;
            write(&bench, file, lines(&format!("w{file}"), numbers));
        }
        bench.drain();
        std::thread::sleep(Duration::from_millis(60));
        for file in 0..20 {
            let (from, to) = (format!("{file}.log"), format!("{file}.log.{round}"));
            match file % 2 {
                0 => fs::rename(bench.path(&from), bench.path(&to)).unwrap(),
                _ => copytruncate(&bench, &from, &to),
            }
            let numbers = round * 10 + 5..round * 10 + 8;
            write(&bench, file, format!("{header}{}", lines(&format!("w{file}"), numbers)));
        }
    }
    bench.expect_lines(expected);
}

/// S22.
#[test]
fn line_ends_across_read_buffers() {
    let mut bench = Bench::new(&["app.log"]);
    let expected: Vec<String> =
        (0..40_000).map(|n| format!("{n} {}", "x".repeat(n % 29))).collect();
    bench.append("app.log", expected.iter().map(|l| l.clone() + "\r\n").collect::<String>());
    bench.open();
    bench.expect_lines(expected);
    for event in &bench.consumer.events {
        assert_eq!(event.bounds.1 - event.bounds.0, event.text.len() as u64 + 2, "{event:?}");
    }
}

/// S20: NULs, bytes that are no UTF-8, a lone CR, a name that is no text.
#[test]
fn any_bytes_in_content_and_name() {
    use std::os::unix::ffi::OsStrExt;
    let mut bench = Bench::new(&["*.log"]);
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe\n.log");
    let path = bench.path("x").with_file_name(name);
    append(&path, b"a\0\0b\nbad \xc3\x28 bytes\n\xff\rlone\n");
    bench.open();
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    assert_eq!(bench.consumer.events[0].text, "a\0\0b");
    assert_eq!(bench.consumer.events[2].bounds, (18, 25));
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), 3);
}

/// S20: the writer goes on at its old offset, so a hole of NULs stands before its line.
#[test]
fn the_hole_that_copytruncate_leaves_is_in_no_event() {
    for first in [300, 90_000] {
        hole_of(first);
    }
}

fn hole_of(first: usize) {
    let mut bench = Bench::new(&["app.log*"]);
    let mut writer = File::create(bench.path("app.log")).unwrap();
    writer.write_all(lines("a", 0..first).as_bytes()).unwrap();
    bench.open();
    bench.until("the first", |bench| bench.consumer.events.len() == first);
    let hole = fs::metadata(bench.path("app.log")).unwrap().len();
    copytruncate(&bench, "app.log", "app.log.1");
    writer.write_all(lines("a", first..first + 2).as_bytes()).unwrap();
    bench.until("the rest", |bench| bench.consumer.events.len() == first + 3);
    let [nuls, behind_hole, last] = &bench.consumer.events[first..] else { panic!("three") };
    assert!(nuls.flags.contains(Flags::HOLE) && nuls.flags.contains(Flags::QUIET));
    assert_eq!(behind_hole.text, line("a", first));
    assert_eq!((behind_hole.bounds.0, behind_hole.bounds.1), (hole, last.bounds.0));
    assert_eq!(last.text, line("a", first + 1));
    assert_eq!(bench.consumer.lost, 0);
    let said = format!("{} bytes of NULs were skipped", logwarden::base::bytes::count(hole));
    bench.until("it is said", |bench| {
        bench.log().notices().iter().any(|notice| notice.text.contains(&said))
    });
    bench.restart();
    bench.drain();
    assert_eq!(bench.consumer.events.len(), first + 3);
}

/// S19.
#[test]
fn a_huge_line_is_kept_in_part_and_the_next_one_is_right() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "first\n.");
    let file = OpenOptions::new().write(true).open(bench.path("app.log")).unwrap();
    bench.open();
    // NULs within a line are part of it, and those that nobody wrote cost no disk.
    file.set_len(6 + (64 << 20)).unwrap();
    bench.until("seen", |bench| bench.log().files()[0].size() > 64 << 20);
    assert_eq!(bench.texts(), ["first"]);
    bench.append("app.log", "\nnext\n");
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    let huge = &bench.consumer.events[1];
    assert!(huge.flags.contains(Flags::TRUNCATED));
    assert!(!huge.flags.contains(Flags::PARTIAL));
    assert_eq!(huge.text.len(), 1 << 20);
    assert_eq!(huge.bounds, (6, 6 + (64 << 20) + 1));
    assert_eq!(bench.consumer.events[2].text, "next");
}

/// S17.
#[test]
fn one_line_in_five_writes_with_restarts_between() {
    let mut bench = Bench::new(&["app.log"]);
    bench.open();
    let whole = line("a", 7);
    let step = whole.len() / 4;
    for part in 0..5 {
        let piece = &whole.as_bytes()[part * step..whole.len().min((part + 1) * step)];
        bench.append("app.log", piece);
        if part % 2 == 1 {
            bench.restart();
        }
        bench.drain();
        assert!(bench.consumer.events.is_empty());
    }
    bench.append("app.log", "\n");
    bench.expect_lines([whole]);
}

const ERROR: &str = "2024-05-01 10:00:00,123 ERROR root: it broke\n";
const TRACE: &str = "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: x\n";
const INFO: &str = "2024-05-01 10:00:01,123 INFO root: it goes on\n";

/// S17b.
#[test]
fn a_trace_after_its_error_was_sent_is_a_record_of_its_own() {
    let mut bench = Bench::new(&["app.log"]);
    let before: String = (0..20).map(|_| INFO).collect();
    bench.append("app.log", &before);
    bench.append("app.log", ERROR);
    bench.open();
    bench.until("the error, after some quiet", |bench| bench.consumer.events.len() == 21);
    // Killed before the cursor was kept: everything is read again.
    let sent = std::mem::take(&mut bench.consumer);
    bench.close();
    bench.append("app.log", TRACE);
    bench.append("app.log", INFO);
    bench.open();
    bench.until("all of it", |bench| {
        bench.texts().join("\n").contains("ValueError") && bench.consumer.events.len() >= 23
    });
    assert_eq!(bench.consumer.events[..21], sent.events[..], "the same records, the same ids");
    let mut at = 0;
    for event in &bench.consumer.events {
        assert_eq!(event.bounds.0, at, "every byte once");
        at = event.bounds.1;
    }
    assert_eq!(at, (before.len() + ERROR.len() + TRACE.len() + INFO.len()) as u64);
}

#[test]
fn a_cut_that_the_bytes_make_anyway_is_not_kept() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", INFO.repeat(3));
    bench.open();
    bench.until("three", |bench| bench.consumer.events.len() == 3);
    assert_eq!(bench.store().generations()[0].cuts.to_vec(), [3 * INFO.len() as u64]);
    bench.append("app.log", INFO.repeat(2));
    bench.until("five", |bench| bench.consumer.events.len() == 5);
    bench.until("one cut", |bench| {
        bench.store().generations()[0].cuts.to_vec() == [5 * INFO.len() as u64]
    });
}

#[test]
fn once_reads_what_is_there_and_closes_it() {
    let mut bench = Bench::new(&["*.log"]);
    bench.once = true;
    bench.append("a.log", lines("a", 0..5) + "unfini");
    bench.append("b.log", INFO);
    bench.append("c.log", "no line end");
    bench.age(&["a.log", "c.log"]);
    bench.open();
    bench.until("all", |bench| {
        let ends = bench.log().ends();
        ends.len() == 3
            && ends
                .iter()
                .all(|end| bench.consumer.cursors.get(&end.generation) == Some(&end.offset))
    });
    for end in bench.log().ends() {
        assert!(matches!(bench.log().read(end).unwrap(), Read::Finished));
    }
    let partial: Vec<&str> = bench
        .consumer
        .events
        .iter()
        .filter(|event| event.flags.contains(Flags::PARTIAL))
        .map(|event| event.text.as_str())
        .collect();
    assert_eq!(partial, ["unfini", "no line end"]);
    assert_eq!(bench.consumer.events.len(), 8);
    // What follows is a record of its own.
    bench.close();
    bench.append("a.log", "shed\n");
    bench.open();
    bench.until("the rest", |bench| bench.consumer.events.len() == 9);
    assert_eq!(bench.consumer.events[8].text, "shed");
}

/// S17c.
/// A timer runs `--once` while somebody writes: the half line is left for the next run.
#[test]
fn once_leaves_a_last_line_that_may_still_be_written_for_the_next_run() {
    let mut bench = Bench::new(&["a.log"]);
    bench.once = true;
    bench.append("a.log", lines("a", 0..5) + "{\"writer\":");
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    let notices = bench.log().notices();
    assert!(
        notices.iter().any(|notice| notice.text.contains("its 10 bytes are left")),
        "{notices:?}"
    );
    bench.close();
    bench.append("a.log", "\"a\",\"number\":5}\n");
    bench.open();
    bench.expect_lines((0..6).map(|n| line("a", n)));
    bench.close();
    // Nobody goes on writing: it comes as it is.
    bench.append("a.log", "the end");
    bench.open();
    bench.drain();
    bench.close();
    bench.age(&["a.log"]);
    bench.open();
    bench.expect_lines((0..6).map(|n| line("a", n)).chain(["the end".to_owned()]));
    let last = bench.consumer.events.last().unwrap();
    assert!(last.flags.contains(Flags::PARTIAL));
}

#[test]
fn ids_are_the_same_without_the_state() {
    let mut bench = Bench::new(&["*.log"]);
    bench.append("a.log", lines("a", 0..50));
    bench.append("b.log", "same\nsame\n");
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 52);
    let before = std::mem::take(&mut bench.consumer);
    bench.close();
    fs::remove_dir_all(bench.folder.path().join("state")).unwrap();
    bench.open();
    bench.until("all again", |bench| bench.consumer.events.len() == 52);
    let ids = |consumer: &Consumer| {
        let mut ids: Vec<EventId> = consumer.events.iter().map(|event| event.id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&before), ids(&bench.consumer));
}

#[test]
fn at_the_end_means_behind_the_last_line_that_was_there() {
    let mut bench = Bench::new(&["*.log"]);
    bench.start = Start::End;
    bench.append("a.log", lines("a", 0..50) + "half");
    bench.open();
    bench.append("a.log", " a line\n");
    bench.append("new.log", lines("n", 0..3));
    let expected = || ["half a line".to_owned()].into_iter().chain((0..3).map(|n| line("n", n)));
    bench.expect_lines(expected());
    bench.restart();
    bench.expect_lines(expected());
}

#[test]
fn at_the_end_of_an_empty_file_means_everything_that_comes() {
    let mut bench = Bench::new(&["*.log"]);
    bench.start = Start::End;
    bench.append("empty.log", "");
    bench.append("half.log", "half");
    bench.open();
    bench.append("empty.log", lines("e", 0..100));
    bench.append("half.log", " a line\nand another\n");
    let rest = ["half a line".to_owned(), "and another".to_owned()];
    bench.expect_lines((0..100).map(|n| line("e", n)).chain(rest));
}

/// S27: could not look is never deleted.
#[test]
fn a_folder_behind_a_pattern_that_cannot_be_looked_at_is_not_deleted() {
    let mut bench = Bench::new(&["*/app.log"]);
    fs::create_dir(bench.path("svc")).unwrap();
    bench.append("svc/app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    bench.close();
    bench.append("svc/app.log", lines("a", 5..9));
    // A loop of links stands for whatever cannot be looked at, also for root.
    fs::rename(bench.path("svc"), bench.path("kept")).unwrap();
    std::os::unix::fs::symlink("svc", bench.path("svc")).unwrap();
    fs::rename(bench.path("kept/app.log"), bench.path("aside")).unwrap();
    bench.open();
    let ended = bench.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::remove_file(bench.path("svc")).unwrap();
    fs::rename(bench.path("aside"), bench.path("kept/app.log")).unwrap();
    fs::rename(bench.path("kept"), bench.path("svc")).unwrap();
    bench.expect_lines((0..9).map(|n| line("a", n)));
}

/// S25.
#[test]
fn polling_alone_is_enough_and_said() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.hints = false;
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    assert!(bench.log().notices().iter().any(|notice| notice.text.contains("polling only")));
    bench.append("app.log", lines("a", 5..10));
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log", lines("a", 10..15));
    bench.expect_lines((0..15).map(|n| line("a", n)));
}

/// S16.
#[test]
fn a_link_that_flips_between_two_files() {
    let mut bench = Bench::new(&["current.log"]);
    bench.append("one", lines("a", 0..5));
    bench.append("two", lines("b", 0..5));
    for flip in 0..6 {
        let target = ["one", "two"][flip % 2];
        let _ = fs::remove_file(bench.path("next"));
        std::os::unix::fs::symlink(bench.path(target), bench.path("next")).unwrap();
        fs::rename(bench.path("next"), bench.path("current.log")).unwrap();
        if flip == 0 {
            bench.open();
        }
        bench.append("one", lines("a", flip * 5 + 5..flip * 5 + 10));
        bench.append("two", lines("b", flip * 5 + 5..flip * 5 + 10));
        std::thread::sleep(Duration::from_millis(50));
        bench.drain();
    }
    bench.expect_lines((0..35).flat_map(|n| [line("a", n), line("b", n)]));
}

#[test]
fn compressed_files_are_left_and_said() {
    let mut bench = Bench::new(&["*"]);
    bench.append("app.log", lines("a", 0..2));
    bench.append("app.log.1.xz", b"\xfd7zXZ\0 whatever\n");
    bench.append("hidden-gzip", b"\x1f\x8b whatever\n");
    bench.open();
    bench.expect_lines((0..2).map(|n| line("a", n)));
    let notices = bench.log().notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
}

#[test]
fn a_reader_near_another_gets_the_same_batch() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..100));
    bench.open();
    let generation = bench.log().generations()[0];
    let read = |offset| match bench.log().read(Cursor { generation, offset }).unwrap() {
        Read::Batch { batch, first } => (batch, first),
        other => panic!("{other:?}"),
    };
    let (one, first) = read(0);
    assert_eq!(first, 0);
    let (other, tenth) = read(one.records[10].start);
    assert_eq!(tenth, 10);
    assert!(Arc::ptr_eq(&one, &other));
}

/// S27.
#[test]
fn a_folder_that_goes_and_comes_back_is_not_read_again() {
    let mut bench = Bench::new(&["app.log", "*.txt"]);
    bench.append("app.log", lines("a", 0..5));
    bench.append("b.txt", lines("b", 0..5));
    bench.open();
    let expected = |upto: usize| (0..upto).flat_map(|n| [line("a", n), line("b", n)]);
    bench.expect_lines(expected(5));
    let away = bench.folder.path().join("away");
    fs::rename(bench.path(""), &away).unwrap();
    bench.until("missed", |bench| !bench.log().notices().is_empty());
    // Also over a restart: no folder is not "all deleted".
    bench.restart();
    let ended = bench.store().generations().iter().filter(|row| row.ended.is_some()).count();
    assert_eq!(ended, 0);
    fs::rename(&away, bench.path("")).unwrap();
    bench.append("app.log", lines("a", 5..6));
    bench.append("b.txt", lines("b", 5..6));
    bench.expect_lines(expected(6));
}

#[test]
fn a_format_that_shows_later_holds_from_there_on() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", "starting up\n");
    bench.open();
    bench.until("the first line", |bench| bench.consumer.events.len() == 1);
    bench.append("app.log", lines("a", 0..200));
    bench.until("a second vote", |bench| {
        bench.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format == "json")
    });
    bench.append("app.log", lines("a", 200..300));
    bench.until("all", |bench| bench.texts().last() == Some(&line("a", 299).as_str()));
    let formats = bench.log().files()[0].facts().formats;
    assert_eq!(formats.len(), 2, "{formats:?}");
    assert_eq!(bench.store().generations()[0].formats, formats);
    // A restart reads the same records.
    let before = std::mem::take(&mut bench.consumer);
    bench.restart();
    bench.until("all again", |bench| bench.consumer.events.len() == before.events.len());
    assert_eq!(before.events, bench.consumer.events);
}

#[test]
fn a_format_that_no_longer_fits_is_voted_again() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..150));
    bench.open();
    bench.until("json", |bench| bench.consumer.events.len() == 150);
    // Lines that do not fit join each other, a thousand at most.
    for _ in 0..30 {
        bench.append("app.log", INFO.repeat(100));
        bench.drain();
    }
    bench.until("another format", |bench| {
        bench.log().files()[0].facts().formats.last().is_some_and(|entry| entry.format != "json")
    });
    bench.append("app.log", INFO.repeat(5));
    let whole = fs::metadata(bench.path("app.log")).unwrap().len();
    bench.until("all", |bench| bench.consumer.cursors.values().sum::<u64>() == whole);
}

#[test]
fn a_growing_file_wakes_its_readers_at_once() {
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..5));
    bench.open();
    bench.expect_lines((0..5).map(|n| line("a", n)));
    let mut waits: Vec<Duration> = (5..25)
        .map(|number| {
            let changes = bench.log().changes();
            let began = Instant::now();
            bench.append("app.log", line("a", number) + "\n");
            while !changes.told() {
                assert!(began.elapsed() < PATIENCE);
                std::thread::yield_now();
            }
            bench.drain();
            began.elapsed()
        })
        .collect();
    bench.expect_lines((0..25).map(|n| line("a", n)));
    waits.sort();
    assert!(waits[10] < Duration::from_millis(50), "{waits:?}");
}

#[test]
fn a_record_has_the_same_time_from_wherever_it_is_read() {
    let mut bench = Bench::new(&["app.log"]);
    for n in 0..5000 {
        let time = if n % 10 == 0 {
            format!("\"time\":\"2024-05-01T10:{:02}:{:02}Z\",", n / 60 % 60, n % 60)
        } else {
            String::new()
        };
        bench.append("app.log", format!("{{{time}\"number\":{n}}}\n"));
    }
    let times = |bench: &Bench, wanted: Option<u64>| {
        let generation = bench.log().generations()[0];
        let (mut offset, mut times) = (wanted.unwrap_or(0), Vec::new());
        while let Read::Batch { batch, first } =
            bench.log().read(Cursor { generation, offset }).unwrap()
        {
            times.extend(batch.records[first..].iter().map(|r| (r.start, r.time, r.flags)));
            offset = batch.end;
            if wanted.is_some() {
                break;
            }
        }
        times
    };
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 5000);
    let all = times(&bench, None);
    for at in [1, 7, 2503, 4999] {
        // Nothing of what was read before is remembered.
        bench.restart();
        assert_eq!(times(&bench, Some(all[at].0))[0], all[at]);
    }
}

#[test]
fn the_day_on_which_bytes_were_first_seen_is_kept() {
    use logwarden::base::clock::ManualClock;
    let mut bench = Bench::new(&["app.log"]);
    bench.append("app.log", lines("a", 0..5));
    let size = fs::metadata(bench.path("app.log")).unwrap().len();
    let written = SystemClock::new().now();
    let clock = Arc::new(ManualClock::at(written.plus(Duration::from_secs(3 * 86_400))));
    bench.open_with(clock.clone());
    let days = |bench: &Bench| -> Vec<(u64, i32)> {
        let row = &bench.store().generations()[0];
        row.days.iter().map(|mark| (mark.offset, mark.day - written.day())).collect()
    };
    assert_eq!(days(&bench), [(0, 0)], "bytes that were there: the day they were written");
    bench.append("app.log", lines("a", 5..6));
    bench.until("seen", |bench| bench.consumer.events.len() == 6);
    assert_eq!(days(&bench), [(0, 0), (size, 3)]);
    // A clock that steps back makes no mark.
    clock.step_to(written);
    bench.append("app.log", lines("a", 6..7));
    bench.until("seen", |bench| bench.consumer.events.len() == 7);
    assert_eq!(days(&bench), [(0, 0), (size, 3)]);
}

/// Numbers for a test that can be repeated: xorshift64 (Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A writer, an operator and a follower that do as they like; afterwards every line is there once.
#[test]
fn any_order_of_writes_renames_truncations_and_restarts() {
    let given = std::env::var("LOGWARDEN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_nanos() as u64 | 1
    });
    println!("LOGWARDEN_SEED={seed}");
    for round in 0..4 {
        model(&mut Chance(seed.wrapping_add(round * 7919) | 1));
    }
}

fn model(chance: &mut Chance) {
    let mut bench = Bench::new(&["app.log*"]);
    let (mut written, mut rotated) = (0, 0);
    bench.open();
    for _ in 0..60 {
        let count = chance.below(12);
        bench.append("app.log", lines("m", written..written + count));
        written += count;
        let step = chance.below(14);
        println!("step {step}: {written} written, {rotated} rotated");
        let name = format!("app.log.{rotated}");
        match step {
            0 | 1 => fs::rename(bench.path("app.log"), bench.path(&name)).unwrap(),
            2 | 3 => copytruncate(&bench, "app.log", &name),
            4 => {
                // Everything was read, so nothing may be counted as lost.
                bench.until("all, before the truncation", |b| b.consumer.events.len() == written);
                File::create(bench.path("app.log")).unwrap();
            }
            5 => {
                bench.until("all, before the removal", |b| b.consumer.events.len() == written);
                fs::remove_file(bench.path("app.log")).unwrap();
            }
            6 => bench.restart(),
            7 => {
                bench.close();
                bench.append("app.log", lines("m", written..written + 3));
                written += 3;
                fs::rename(bench.path("app.log"), bench.path(&name)).unwrap();
                bench.open();
            }
            8 => {
                let whole = line("m", written) + "\n";
                written += 1;
                bench.append("app.log", &whole[..5]);
                bench.drain();
                bench.append("app.log", &whole[5..]);
            }
            9 | 10 => {
                // `gzip`, of the file that was rotated last.
                let plain = (0..rotated).rev().map(|n| bench.path(&format!("app.log.{n}")));
                if let Some(plain) = plain.into_iter().find(|path| path.exists()) {
                    pack(&plain, "gz", gzip);
                }
            }
            _ => bench.drain(),
        }
        rotated += 1;
    }
    bench.expect_lines((0..written).map(|n| line("m", n)));
}
