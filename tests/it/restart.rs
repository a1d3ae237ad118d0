//! Stops, kills and restarts: every line is in the archive once.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{self, Engine, Random, archived, documents, logwarden, wait_for};

const WRITERS: usize = 8;

/// A writer of one log, which is sometimes rotated by rename.
struct Writer {
    number: usize,
    directory: PathBuf,
    file: File,
    written: u64,
    rotations: u32,
}

impl Writer {
    fn new(directory: &Path, number: usize) -> Writer {
        let file = File::create(directory.join(format!("w{number}.log"))).unwrap();
        Writer { number, directory: directory.to_owned(), file, written: 0, rotations: 0 }
    }

    /// Half of the writers use a format that joins lines, half one that does not.
    fn write(&mut self, lines: u64) {
        let mut text = String::new();
        for _ in 0..lines {
            let (writer, sequence) = (self.number, self.written);
            let millis = sequence % 1000;
            if writer.is_multiple_of(2) {
                text.push_str(&format!(
                    "{{\"timestamp\":\"2026-11-20T10:00:00.{millis:03}Z\",\"level\":\"info\",\
                     \"message\":\"did it\",\"writer\":{writer},\"sequence\":{sequence}}}\n"
                ));
            } else {
                text.push_str(&format!(
                    "2026-11-20 10:00:00,{millis:03} - [INFO] - writer {writer} sequence {sequence}\n"
                ));
            }
            self.written += 1;
        }
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        let name = self.directory.join(format!("w{}.log", self.number));
        std::fs::rename(
            &name,
            self.directory.join(format!("w{}.log.{}", self.number, self.rotations)),
        )
        .unwrap();
        self.file = File::create(&name).unwrap();
    }
}

/// The number of occurrences of each (writer, sequence) in the archive.
fn sightings(documents: &[serde_json::Value]) -> BTreeMap<(u64, u64), u32> {
    let mut seen = BTreeMap::new();
    for document in documents {
        let place = match document["writer"].as_u64() {
            Some(writer) => (writer, document["sequence"].as_u64().expect("a sequence")),
            None => {
                let message = document["message"].as_str().expect("a message");
                let words: Vec<&str> = message.split(' ').collect();
                assert_eq!(words.len(), 4, "a torn or joined event: {message}");
                (words[1].parse().unwrap(), words[3].parse().unwrap())
            }
        };
        *seen.entry(place).or_insert(0) += 1;
    }
    seen
}

fn kill_at_random_moments(lines: u64, kills: u64) {
    let seed = program::seed("kill_at_random_moments");
    let mut random = Random(seed);
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let logs = home.join("logs");
    std::fs::create_dir(&logs).unwrap();
    let mut writers: Vec<Writer> = (0..WRITERS).map(|number| Writer::new(&logs, number)).collect();
    let each = lines / WRITERS as u64;
    let glob = logs.join("w*.log*");

    for kill in 0..kills {
        let engine = Engine::start(home, &state, &[&glob]);
        // Writing continues while the engine starts, runs and is killed.
        let steps = 10 + random.below(30);
        for _ in 0..steps {
            for writer in &mut writers {
                let share = each * (kill + 1) / kills;
                let chunk = (share.saturating_sub(writer.written)).div_ceil(steps.min(10));
                writer.write(chunk.min(each - writer.written));
                if random.below(400) == 0 {
                    writer.rotate();
                }
            }
            std::thread::sleep(Duration::from_millis(random.below(25)));
        }
        engine.kill();
    }
    for writer in &mut writers {
        writer.write(each - writer.written);
    }
    program::expect(
        logwarden(home).args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&glob),
        0,
    );

    let seen = sightings(&documents(home, &state));
    let doubled = seen.values().filter(|count| **count > 1).count();
    let wanted = each * WRITERS as u64;
    assert_eq!((seen.len() as u64, doubled), (wanted, 0), "(lines, doubled), seed {seed}");
    let rotations: u32 = writers.iter().map(|writer| writer.rotations).sum();
    println!("{wanted} lines, {kills} kills, {rotations} rotations: every line once");
}

#[test]
fn a_million_lines_and_fifty_kills_leave_every_line_once() {
    kill_at_random_moments(1_000_000, 50);
}

/// [S01] Stopped at any byte, also in the middle of a line; lines written meanwhile are delivered after the start.
#[test]
fn s01_stopped_cleanly_at_any_byte_and_started_again() {
    const LINES: usize = 3000;
    let mut random = Random(program::seed("s01"));
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", fake.url()));
    let text = lines(1, 0..LINES);
    let mut written = 0;
    for rounds_left in (1..=12).rev() {
        let mut write = |share: usize| {
            let most = (text.len() - written) / rounds_left * 2 / share;
            let upto = written + random.below(most as u64 + 1) as usize;
            fixture.append("a.log", &text[written..upto]);
            written = upto;
        };
        // While it is stopped, and while it runs.
        write(3);
        let engine = fixture.engine();
        write(3);
        std::thread::sleep(Duration::from_millis(random.below(400)));
        assert!(engine.terminate().success());
        fixture.assert_bytes_before_cursors_are_delivered(&fake.documents());
    }
    fixture.append("a.log", &text[written..]);
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&fake.documents(), 1, LINES);
    let sent: usize = fake.attempts().iter().map(|attempt| attempt.ids.len()).sum();
    assert_eq!(sent, LINES, "after a clean stop nothing is sent again");
}

/// S17b: the error line is sent and the engine is killed; its stack trace follows.
#[test]
fn s17b_a_trace_after_a_cut_is_neither_lost_nor_duplicated() {
    let seed = program::seed("s17b");
    let mut random = Random(seed);
    for _ in 0..6 {
        let scratch = tempfile::tempdir().unwrap();
        let (home, state) = (scratch.path(), scratch.path().join("state"));
        let path = home.join("app.log");
        let error = "2026-11-20 10:00:00,001 - [ERROR] - it broke\n";
        let trace = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n\
                     ValueError: broken\n";
        std::fs::write(&path, error).unwrap();
        let engine = Engine::start(home, &state, &[&path]);
        if random.below(2) == 0 {
            wait_for("the error", Duration::from_secs(60), || {
                (archived(home, &state, "broke") == 1).then_some(())
            });
        } else {
            // Around the moment at which the record is cut (500 ms) and committed.
            std::thread::sleep(Duration::from_millis(300 + random.below(900)));
        }
        engine.kill();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(trace.as_bytes()).unwrap();
        let mut once = logwarden(home);
        once.args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&path);
        program::expect(&mut once, 0);

        let mut covered = Vec::new();
        for document in documents(home, &state) {
            let offset = document["log"]["offset"].as_u64().unwrap();
            covered.push((offset, document["message"].as_str().unwrap().to_owned()));
        }
        covered.sort();
        let whole: String = covered.iter().map(|(_, text)| text.as_str()).collect();
        for word in ["it broke", "Traceback", "ValueError: broken"] {
            assert_eq!(whole.matches(word).count(), 1, "{word} in {covered:?}, seed {seed}");
        }
        assert_eq!(covered[0].0, 0);
        if covered.len() == 2 {
            assert_eq!(covered[1].0, error.len() as u64, "{covered:?}");
        } else {
            assert_eq!(covered.len(), 1, "{covered:?}");
        }
    }
}

/// S17c: delivered events are in the archive even if the state is lost.
#[test]
fn s17c_copytruncate_with_a_constant_first_line_then_a_lost_state() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let path = home.join("app.log");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let engine = Engine::start(home, &state, &[&path, &home.join("app.log.*")]);
    let mut lines = 0;
    for round in 1..=3 {
        file.write_all(b"2026-11-20 10:00:00,000 - [INFO] - log opened\n").unwrap();
        for _ in 0..50 {
            writeln!(file, "2026-11-20 10:00:00,001 - [INFO] - line {lines}").unwrap();
            lines += 1;
        }
        wait_for("the lines", Duration::from_secs(60), || {
            (archived(home, &state, "line") == lines).then_some(())
        });
        std::fs::copy(&path, home.join(format!("app.log.{round}"))).unwrap();
        file.set_len(0).unwrap();
    }
    assert!(engine.terminate().success());
    // The archive stays; only the state's cursors are removed.
    for entry in std::fs::read_dir(&state).unwrap().map(Result::unwrap) {
        if entry.file_name() != "archive" {
            let path = entry.path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
    program::expect(
        logwarden(home)
            .args(["--no-ui", "--once", "--state-dir"])
            .arg(&state)
            .arg(&path)
            .arg(home.join("app.log.*")),
        0,
    );
    let found: std::collections::BTreeSet<String> = documents(home, &state)
        .iter()
        .map(|document| document["message"].as_str().unwrap().to_owned())
        .collect();
    for line in 0..lines {
        assert!(found.contains(&format!("line {line}")), "line {line} is missing");
    }
}

/// S23: many files with identical beginnings.
#[test]
fn s23_files_with_identical_beginnings_are_all_read() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let header = format!("{}\n", "#".repeat(4095));
    for number in 0..500 {
        std::fs::write(
            home.join(format!("{number}.log")),
            format!("{header}2026-11-20 10:00:00,001 - [INFO] - file {number}\n"),
        )
        .unwrap();
    }
    let glob = home.join("*.log");
    program::expect(
        logwarden(home).args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&glob),
        0,
    );
    assert_eq!(archived(home, &state, "file"), 500);
}
