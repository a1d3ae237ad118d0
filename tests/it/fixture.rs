//! The fixture of most tests: logs whose lines carry a writer and a number, a configuration with a sink `es`, a state.
//! It checks that every line is in exactly one document and that no cursor is beyond an unconfirmed byte.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use logwarden::state::{StateError, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{self, Engine};

/// Opens the state of an engine that has just ended in this process. Retries, because a child process that another test
/// starts meanwhile holds all descriptors of this one until it calls exec.
pub fn open_state(directory: &Path) -> Store {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match Store::open(directory) {
            Ok((store, notices)) => {
                assert_eq!(notices, Vec::<String>::new());
                return store;
            }
            Err(StateError::Owned { .. }) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A home directory in which engines are started and stopped.
pub struct Fixture {
    pub home: TempDir,
}

impl Fixture {
    /// `sink`: the settings of `[sink.es]`, and any tables after it.
    pub fn new(sink: &str) -> Self {
        let fixture = Fixture { home: TempDir::new().unwrap() };
        fs::create_dir(fixture.path("logs")).unwrap();
        fixture.configure(sink);
        fixture
    }

    pub fn configure(&self, sink: &str) {
        let logs = self.path("logs");
        let text = format!(
            "[source.app]\npaths = [\"{}/*.log\"]\n[sink.es]\nkind = \"elasticsearch\"\n{sink}\n",
            logs.display()
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn append(&self, name: &str, text: &str) {
        let path = self.path("logs").join(name);
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program::logwarden(self.home.path());
        command.arg("--no-ui").args(arguments).arg("--config").arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state"));
        command
    }

    /// `logwarden ARGUMENTS` with the same settings, also while an engine runs.
    #[allow(dead_code, reason = "used by the tests with real servers")]
    pub fn beside(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program::logwarden(self.home.path());
        command.args(arguments).arg("--config").arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state"));
        command
    }

    pub fn engine(&self) -> Engine {
        Engine::spawn(self.home.path(), &mut self.command(&[]))
    }

    /// Returns the exit code and standard error.
    pub fn once(&self) -> (Option<i32>, String) {
        let output = program::run(&mut self.command(&["--once"]));
        (output.status.code(), program::text(&output.stderr))
    }

    #[allow(dead_code, reason = "used by the tests with real servers")]
    pub fn dead_letters(&self) -> Vec<Value> {
        let directory = self.path("state").join("dead-letters/es");
        let Ok(files) = fs::read_dir(directory) else { return Vec::new() };
        files
            .flat_map(|file| {
                let text = fs::read_to_string(file.unwrap().path()).unwrap();
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }

    /// Checks, while no engine runs, that all bytes before a cursor of `es` were delivered. Returns the total number of
    /// bytes before the cursors.
    pub fn assert_bytes_before_cursors_are_delivered<'a>(
        &self,
        delivered: impl IntoIterator<Item = &'a Value>,
    ) -> u64 {
        let delivered: HashSet<_> = delivered.into_iter().map(place_of).collect();
        let store = open_state(&self.path("state"));
        let mut behind = 0;
        for row in store.cursors("es") {
            let path = store.generation(row.generation).expect("each cursor has a row").path;
            let file = fs::read(&path).unwrap();
            behind += row.offset;
            for line in String::from_utf8_lossy(&file[..row.offset as usize]).lines() {
                let line = serde_json::from_str(line).expect("a cursor is between two lines");
                assert!(delivered.contains(&place_of(&line)), "not delivered: {line}");
            }
        }
        behind
    }
}

fn place_of(document: &Value) -> (u64, u64) {
    (document["writer"].as_u64().unwrap(), document["number"].as_u64().unwrap())
}

pub fn line(writer: usize, number: usize) -> String {
    format!(
        "{{\"time\":\"2026-11-20T10:00:00.{:03}Z\",\"level\":\"info\",\"message\":\"line {number}\",\
         \"writer\":{writer},\"number\":{number}}}\n",
        number % 1000
    )
}

pub fn lines(writer: usize, numbers: Range<usize>) -> String {
    numbers.map(|number| line(writer, number)).collect()
}

/// Checks that each number of each writer is in exactly one document.
pub fn assert_each_once<'a>(
    documents: impl IntoIterator<Item = &'a Value>,
    writers: usize,
    numbers: usize,
) {
    let mut seen: HashMap<(u64, u64), usize> = HashMap::new();
    for document in documents {
        *seen.entry(place_of(document)).or_default() += 1;
    }
    let twice = seen.values().filter(|count| **count > 1).count();
    assert_eq!((seen.len(), twice), (writers * numbers, 0), "of {writers} × {numbers}");
}

/// Anonymous memory of the process in bytes, as a service manager counts it.
pub fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
