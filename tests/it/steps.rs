//! Killed at its durable steps, one after the other: at every fsync, rename, link, removal and truncation that it asks
//! the kernel for, also while it mends what the kill before has left. `strace` counts the calls of each thread and
//! kills.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use logwarden::archive::Reader;
use serde_json::Value;
use tempfile::TempDir;

use crate::judging_elasticsearch::JudgingElasticsearch;
use crate::program;

/// Every call that makes something durable, or gives something up.
const CALLS: [&str; 10] = [
    "fdatasync",
    "fsync",
    "ftruncate",
    "link",
    "linkat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
];
/// Lines that come before each start.
const MORE: u64 = 20;
/// One of so many is refused for good by the server.
const REFUSED: u64 = 7;

struct Bench {
    home: TempDir,
    server: JudgingElasticsearch,
    lines: u64,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench {
            home: TempDir::new().unwrap(),
            server: JudgingElasticsearch::start(),
            lines: 0,
        };
        bench.server.judge(|_, document| {
            let refused = document["number"].as_u64().is_some_and(|it| it.is_multiple_of(REFUSED));
            let reason = "failed to parse";
            refused
                .then(|| JudgingElasticsearch::refuse(400, "document_parsing_exception", reason))
                .flatten()
        });
        let home = bench.home.path().display();
        let text = format!(
            "[source.app]\npaths = [\"{home}/app.log\"]\n[sink.archive]\n\
             [sink.out]\nkind = \"file\"\npath = \"{home}/out\"\n\
             [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n",
            bench.server.url
        );
        fs::write(bench.home.path().join("config.toml"), text).unwrap();
        bench
    }

    /// A month of its own each time, so that its key has to be made too.
    fn append(&mut self, round: u64) {
        let path = self.home.path().join("app.log");
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let (year, month) = (2021 + round / 12, 1 + round % 12);
        for number in self.lines + 1..=self.lines + MORE {
            let client = number % 5;
            let line = format!(
                "{{\"time\":\"{year}-{month:02}-03T10:00:00Z\",\"level\":\"info\",\"client_id\":\"CLIENT{client}\",\
                 \"message\":\"m\",\"number\":{number}}}"
            );
            writeln!(file, "{line}").unwrap();
        }
        self.lines += MORE;
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::logwarden(self.home.path());
        command.args(arguments).arg("--config").arg(self.home.path().join("config.toml"));
        command.arg("--state-dir").arg(self.home.path().join("state"));
        command
    }

    /// Killed when a thread asks for `call` the `number`th time. `None`: none did.
    fn killed_at(&self, call: &str, number: u32, arguments: &[&str]) -> Option<()> {
        killed_at(&self.command(arguments), self.home.path(), call, number)
    }

    /// Each number once, in every sink.
    fn all_is_there(&self) {
        let all: Vec<u64> = (1..=self.lines).collect();
        let (refused, taken): (Vec<u64>, Vec<u64>) =
            all.iter().copied().partition(|number| number.is_multiple_of(REFUSED));
        let out = fs::read_to_string(self.home.path().join("out")).unwrap();
        assert_eq!(
            numbers(out.lines().map(|line| serde_json::from_str(line).unwrap())),
            all,
            "file"
        );
        let documents = self.server.documents().into_iter().map(|(_, document)| document);
        assert_eq!(numbers(documents), taken, "Elasticsearch");
        let letters = program::run(&mut self.command(&["dead-letters", "show", "--json"])).stdout;
        let letters = program::text(&letters);
        let letters = letters.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        // A kill between a letter and the cursor behind it leaves the letter twice, under one id.
        let letters: BTreeMap<String, Value> = letters.map(|letter| of(&letter)).collect();
        assert_eq!(numbers(letters.into_values()), refused, "dead letters");
        let state = self.home.path().join("state");
        assert_eq!(program::archived(self.home.path(), &state, "*"), self.lines, "archive");
        let found = program::documents(self.home.path(), &state);
        assert_eq!(numbers(found.into_iter()), all, "archive");
    }
}

fn numbers(documents: impl Iterator<Item = Value>) -> Vec<u64> {
    let mut all: Vec<u64> = documents.map(|it| it["number"].as_u64().unwrap()).collect();
    all.sort_unstable();
    all
}

/// The id of a dead letter, and its document.
fn of(letter: &Value) -> (String, Value) {
    let document = match &letter["document"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        document => document.clone(),
    };
    (letter["id"].as_str().unwrap().to_owned(), document)
}

/// The command, killed when a thread of it asks for `call` the `number`th time. `None`: none did, and it ended well.
pub fn killed_at(plain: &Command, home: &Path, call: &str, number: u32) -> Option<()> {
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let output = program::run(&mut traced(plain, home, Path::new("/dev/null"), call, &inject));
    match output.status.code() {
        // What the server refused is kept.
        Some(0 | 3) => None,
        Some(code) => panic!("exit code {code}: {}", program::text(&output.stderr)),
        None => Some(()),
    }
}

/// The command, whose threads get `error` in the place of the `number`th `call`. `None`: none asked so often.
pub fn failed_at(
    plain: &Command,
    home: &Path,
    call: &str,
    number: u32,
    error: &str,
) -> Option<Output> {
    let (inject, trace) =
        (format!("inject={call}:error={error}:when={number}"), home.join("trace"));
    let output = program::run(&mut traced(plain, home, &trace, call, &inject));
    fs::read_to_string(trace).unwrap().contains("(INJECTED)").then_some(output)
}

fn traced(plain: &Command, home: &Path, trace: &Path, call: &str, inject: &str) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(trace).args(["-e", &format!("trace={call}")]);
    command.args(["-e", inject]);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(home);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

pub fn can_trace(home: &Path) -> bool {
    let mut traced = Command::new("strace");
    traced.args(["-qq", "-o", "/dev/null", "true"]).current_dir(home);
    traced.output().is_ok_and(|output| output.status.success())
}

#[test]
fn killed_at_every_durable_step_everything_arrives_once() {
    let mut bench = Bench::new();
    if !can_trace(bench.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let (mut round, mut kills) = (0, 0);
    for call in CALLS {
        for number in 1.. {
            bench.append(round);
            round += 1;
            if bench.killed_at(call, number, &["--no-ui", "--once"]).is_none() {
                break;
            }
            kills += 1;
        }
        // The last one ended by itself: nothing may be open.
        bench.all_is_there();
    }
    println!("{kills} kills, {} lines", bench.lines);
    assert!(kills >= 20, "{kills} kills");
}

/// A client's events are gone from the archive's files, not only from what is found, when `erase` has ended; and what a
/// kill leaves of it is done by the next one.
#[test]
fn erase_killed_at_every_durable_step_is_ended_by_the_next() {
    let mut bench = Bench::new();
    if !can_trace(bench.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let home = bench.home.path().to_owned();
    let text = fs::read_to_string(home.join("config.toml")).unwrap();
    let (sources, _) = text.split_once("[sink.out]").unwrap();
    let sealed = format!("{sources}[privacy]\nseal = [\"client_id\"]\n");
    fs::write(home.join("config.toml"), sealed).unwrap();
    // Two commits, so that segments of two ages hold the id.
    for round in 0..2 {
        bench.append(round);
        program::expect(&mut bench.command(&["--no-ui", "--once"]), 0);
    }
    let (state, kept) = (home.join("state"), home.join("kept"));
    fs::rename(&state, &kept).unwrap();
    let erase = ["erase", "--client", "CLIENT1", "--yes"];
    let (mut kills, mut cut_short) = (0, 0);
    for call in CALLS {
        for number in 1.. {
            let copied = Command::new("cp").arg("-a").args([&kept, &state]).status().unwrap();
            assert!(copied.success());
            let killed = bench.killed_at(call, number, &erase).is_some();
            let archive = Reader::open(&state.join("archive")).unwrap();
            if archive.snapshot().unwrap().deleted() > 0 {
                cut_short += 1;
                let said = program::run(&mut bench.command(&erase[..3]));
                let said = program::text(&said.stdout) + &program::text(&said.stderr);
                assert!(
                    said.contains("of any id, marked as deleted but still in its files"),
                    "{said}"
                );
                assert!(!said.contains("no events found"), "{said}");
            }
            if killed {
                kills += 1;
                program::expect(&mut bench.command(&erase), 0);
            }
            let snapshot = archive.snapshot().unwrap();
            let others = bench.lines - bench.lines / 5;
            assert_eq!((snapshot.events(), snapshot.deleted()), (others, 0), "{call} {number}");
            let files = fs::read_dir(state.join("archive")).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let stores = names.filter(|name| name.ends_with(".store")).count();
            assert_eq!(stores, snapshot.segments(), "{call} {number}: a file is left over");
            fs::remove_dir_all(&state).unwrap();
            if !killed {
                break;
            }
        }
    }
    println!("{kills} kills, {cut_short} between the mark and the files");
    assert!(kills >= 10 && cut_short > 0, "{kills} kills, {cut_short}");
}
