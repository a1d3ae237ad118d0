//! The state is lost or old, while the archive, the output of a file sink or the server keep their data: no event is
//! missing, and no event that a sink knows itself is delivered twice.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::program::{Engine, Random, documents, logwarden, run, seed, text};

/// A log whose first line never changes, delivered to an archive and to a file.
struct Fixture {
    home: tempfile::TempDir,
    log: File,
    written: usize,
}

impl Fixture {
    fn new() -> Fixture {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app.log");
        let log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let config = format!(
            "[source.app]\npaths = [\"{0}/app.log\", \"{0}/app.log.*\"]\n[sink.archive]\n\
             [sink.out]\nkind = \"file\"\npath = \"{0}/out.jsonl\"\n",
            home.path().display()
        );
        fs::write(home.path().join("config.toml"), config).unwrap();
        Fixture { home, log, written: 0 }
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn command(&self) -> std::process::Command {
        let mut command = logwarden(self.home.path());
        command.arg("--no-ui").arg("--config").arg(self.home.path().join("config.toml"));
        command.arg("--state-dir").arg(self.state());
        command
    }

    /// Writes the constant first line, and `lines` more.
    fn begin(&mut self, lines: usize) {
        self.log.write_all(b"2026-11-20 10:00:00,000 - [INFO] - log opened\n").unwrap();
        self.write(lines);
    }

    fn write(&mut self, lines: usize) {
        let numbers = self.written..self.written + lines;
        let line = |n| format!("2026-11-20 10:00:00,001 - [INFO] - line {n}\n");
        self.log.write_all(numbers.map(line).collect::<String>().as_bytes()).unwrap();
        self.written += lines;
    }

    fn copytruncate(&mut self, to: &str) {
        let home = self.home.path();
        fs::copy(home.join("app.log"), home.join(to)).unwrap();
        self.log.set_len(0).unwrap();
    }

    fn once(&self) {
        let output = run(self.command().arg("--once"));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }

    /// Deletes the engine's own data; archive and output stay.
    fn lose_state(&self) {
        for entry in fs::read_dir(self.state()).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.ends_with("archive") => {}
                path if path.is_dir() => fs::remove_dir_all(path).unwrap(),
                path => fs::remove_file(path).unwrap(),
            }
        }
    }

    fn save_state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = ["state.redb", "cursors.snapshot"].map(|name| self.state().join(name));
        files.into_iter().filter_map(|path| Some((path.clone(), fs::read(path).ok()?))).collect()
    }

    fn put_back(&self, files: &[(PathBuf, Vec<u8>)]) {
        for (path, bytes) in files {
            fs::write(path, bytes).unwrap();
        }
    }

    /// The number of occurrences of each line.
    fn counts(&self, documents: &[Value]) -> Vec<usize> {
        let mut counts = vec![0; self.written];
        for document in documents {
            let message = document["message"].as_str().unwrap();
            if let Some(number) = message.strip_prefix("line ") {
                counts[number.parse::<usize>().unwrap()] += 1;
            }
        }
        counts
    }

    fn output(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.home.path().join("out.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn assert_each_once(&self) {
        let archived = self.counts(&documents(self.home.path(), &self.state()));
        let output = self.counts(&self.output());
        for (name, counts) in [("archive", archived), ("output", output)] {
            let missing = counts.iter().filter(|count| **count == 0).count();
            let doubled = counts.iter().filter(|count| **count > 1).count();
            assert_eq!((missing, doubled), (0, 0), "(missing, doubled) in {name}");
        }
    }
}

#[test]
fn lost_after_a_rotation_by_copy_while_no_engine_was_running() {
    let mut fixture = Fixture::new();
    fixture.begin(500);
    fixture.once();
    fixture.copytruncate("app.log.1");
    fixture.begin(400);
    fixture.lose_state();
    fixture.once();
    fixture.assert_each_once();
}

#[test]
fn lost_after_three_rotations_by_copy_that_were_followed() {
    let mut fixture = Fixture::new();
    for round in 1..=3 {
        fixture.begin(200);
        fixture.once();
        fixture.copytruncate(&format!("app.log.{round}"));
    }
    fixture.begin(100);
    fixture.once();
    fixture.write(50);
    fixture.lose_state();
    fixture.once();
    fixture.write(50);
    fixture.once();
    fixture.assert_each_once();
}

#[test]
fn lost_with_copies_beside_the_log_that_no_pattern_matches() {
    let mut fixture = Fixture::new();
    let config = fs::read_to_string(fixture.home.path().join("config.toml")).unwrap();
    let only = format!(", \"{}/app.log.*\"", fixture.home.path().display());
    fs::write(fixture.home.path().join("config.toml"), config.replace(&only, "")).unwrap();
    fixture.begin(200);
    fixture.once();
    fixture.write(100);
    fixture.copytruncate("app.log.1");
    fixture.begin(100);
    fixture.lose_state();
    fixture.once();
    fixture.assert_each_once();
}

#[test]
fn older_than_the_archive() {
    let mut fixture = Fixture::new();
    fixture.begin(200);
    fixture.once();
    let old = fixture.save_state();
    fixture.write(300);
    fixture.once();
    fixture.copytruncate("app.log.1");
    fixture.begin(200);
    fixture.once();
    fixture.write(20);
    fixture.put_back(&old);
    fixture.once();
    fixture.assert_each_once();
}

#[test]
fn newer_than_the_archive_and_the_output() {
    let mut fixture = Fixture::new();
    fixture.begin(200);
    fixture.once();
    let home = fixture.home.path().to_owned();
    let copy = |from: &Path, to: &Path| {
        let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(done.success());
    };
    copy(&home.join("state/archive"), &home.join("archive.old"));
    for name in ["out.jsonl", "out.jsonl.cursor"] {
        copy(&home.join(name), &home.join(format!("{name}.old")));
    }
    fixture.write(300);
    fixture.once();
    fixture.copytruncate("app.log.1");
    fixture.begin(200);
    fixture.once();
    fs::remove_dir_all(home.join("state/archive")).unwrap();
    fs::rename(home.join("archive.old"), home.join("state/archive")).unwrap();
    for name in ["out.jsonl", "out.jsonl.cursor"] {
        fs::rename(home.join(format!("{name}.old")), home.join(name)).unwrap();
    }
    fixture.once();
    fixture.assert_each_once();
}

/// The archive has bytes under an id that a later generation of the file has now: the mark distinguishes them.
#[test]
fn lost_while_the_archive_was_off() {
    let mut fixture = Fixture::new();
    let config = fixture.home.path().join("config.toml");
    let with = fs::read_to_string(&config).unwrap();
    fixture.begin(200);
    fixture.once();
    fixture.lose_state();
    fs::remove_file(fixture.home.path().join("out.jsonl")).unwrap();
    fs::remove_file(fixture.home.path().join("out.jsonl.cursor")).unwrap();
    fs::write(&config, with.replace("[sink.archive]\n", "")).unwrap();
    fixture.log.set_len(0).unwrap();
    fixture.begin(300);
    fixture.once();
    fs::write(&config, with).unwrap();
    fixture.once();
    let archived = fixture.counts(&documents(fixture.home.path(), &fixture.state()));
    let missing = archived.iter().filter(|count| **count == 0).count();
    assert_eq!(missing, 0, "of the lines that are in the file");
}

#[test]
fn lost_by_kills_at_random_moments() {
    let mut random = Random(seed("lost_by_kills"));
    let mut fixture = Fixture::new();
    fixture.begin(100);
    for round in 0..20 {
        let engine = Engine::spawn(fixture.home.path(), &mut fixture.command());
        for _ in 0..random.below(8) {
            fixture.write(random.below(60) as usize + 1);
            std::thread::sleep(Duration::from_millis(random.below(60)));
        }
        if round % 4 == 3 {
            fixture.copytruncate(&format!("app.log.{round}"));
            fixture.begin(random.below(200) as usize);
        }
        std::thread::sleep(Duration::from_millis(random.below(300)));
        engine.kill();
        if round % 3 == 1 {
            fixture.lose_state();
        }
    }
    fixture.once();
    fixture.assert_each_once();
}
