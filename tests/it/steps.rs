//! Kills at each durable step: at every call of fsync, rename, link, removal and truncation, also during the recovery
//! from the previous kill. `strace` counts the calls of each thread and kills.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use logwarden::archive::Reader;
use serde_json::Value;
use tempfile::TempDir;

use crate::program;
use crate::rejecting_elasticsearch::RejectingElasticsearch;

/// Every call that makes data durable or deletes it.
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
/// Lines that are written before each start.
const MORE: u64 = 20;
/// One in this many events is rejected permanently by the server.
const REFUSED: u64 = 7;

struct Fixture {
    home: TempDir,
    server: RejectingElasticsearch,
    lines: u64,
}

impl Fixture {
    fn new() -> Fixture {
        let fixture = Fixture {
            home: TempDir::new().unwrap(),
            server: RejectingElasticsearch::start(),
            lines: 0,
        };
        fixture.server.reply_to_items(|_, document| {
            let refused = document["number"].as_u64().is_some_and(|it| it.is_multiple_of(REFUSED));
            let reason = "failed to parse";
            refused
                .then(|| {
                    RejectingElasticsearch::rejection(400, "document_parsing_exception", reason)
                })
                .flatten()
        });
        let home = fixture.home.path().display();
        let text = format!(
            "[source.app]\npaths = [\"{home}/app.log\"]\n[sink.archive]\n\
             [sink.out]\nkind = \"file\"\npath = \"{home}/out\"\n\
             [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n",
            fixture.server.url
        );
        fs::write(fixture.home.path().join("config.toml"), text).unwrap();
        fixture
    }

    /// Each round writes another month, so that its key must be created too.
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

    /// Kills a run when a thread makes the `number`th `call`. `None`: no thread made that many.
    fn killed_at(&self, call: &str, number: u32, arguments: &[&str]) -> Option<()> {
        killed_at(&self.command(arguments), self.home.path(), call, number)
    }

    /// Checks that each number is in every sink once.
    fn assert_all_delivered(&self) {
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
        // A kill between a dead letter and its cursor stores the letter twice, under one id.
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

/// Runs the command and kills it when a thread makes the `number`th `call`. `None`: no thread made that many, and the
/// command succeeded.
pub fn killed_at(plain: &Command, home: &Path, call: &str, number: u32) -> Option<()> {
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let output = program::run(&mut traced(plain, home, Path::new("/dev/null"), call, &inject));
    match output.status.code() {
        // 3: the rejected events are dead letters.
        Some(0 | 3) => None,
        Some(code) => panic!("exit code {code}: {}", program::text(&output.stderr)),
        None => Some(()),
    }
}

/// Runs the command; the `number`th `call` of each thread fails with `error`. `None`: no thread made that many.
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
    let mut fixture = Fixture::new();
    if !can_trace(fixture.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let (mut round, mut kills) = (0, 0);
    for call in CALLS {
        for number in 1.. {
            fixture.append(round);
            round += 1;
            if fixture.killed_at(call, number, &["--no-ui", "--once"]).is_none() {
                break;
            }
            kills += 1;
        }
        // The last run ended on its own: everything must be delivered.
        fixture.assert_all_delivered();
    }
    println!("{kills} kills, {} lines", fixture.lines);
    assert!(kills >= 20, "{kills} kills");
}

/// When `erase` has ended, the client's events are deleted from the archive's files, not only hidden from searches. A
/// killed `erase` is completed by the next one.
#[test]
fn erase_killed_at_every_durable_step_is_completed_by_the_next() {
    let mut fixture = Fixture::new();
    if !can_trace(fixture.home.path()) {
        println!("SKIPPED: strace is not there, or may not trace");
        return;
    }
    let home = fixture.home.path().to_owned();
    let text = fs::read_to_string(home.join("config.toml")).unwrap();
    let (sources, _) = text.split_once("[sink.out]").unwrap();
    let sealed = format!("{sources}[privacy]\nseal = [\"client_id\"]\n");
    fs::write(home.join("config.toml"), sealed).unwrap();
    // Two commits, so that two segments contain the id.
    for round in 0..2 {
        fixture.append(round);
        program::expect(&mut fixture.command(&["--no-ui", "--once"]), 0);
    }
    let (state, kept) = (home.join("state"), home.join("kept"));
    fs::rename(&state, &kept).unwrap();
    let erase = ["erase", "--client", "CLIENT1", "--yes"];
    let (mut kills, mut cut_short) = (0, 0);
    for call in CALLS {
        for number in 1.. {
            let copied = Command::new("cp").arg("-a").args([&kept, &state]).status().unwrap();
            assert!(copied.success());
            let killed = fixture.killed_at(call, number, &erase).is_some();
            let archive = Reader::open(&state.join("archive")).unwrap();
            if archive.snapshot().unwrap().deleted() > 0 {
                cut_short += 1;
                let messages = program::run(&mut fixture.command(&erase[..3]));
                let messages = program::text(&messages.stdout) + &program::text(&messages.stderr);
                assert!(
                    messages.contains("of any id, marked as deleted but still in its files"),
                    "{messages}"
                );
                assert!(!messages.contains("no events found"), "{messages}");
            }
            if killed {
                kills += 1;
                program::expect(&mut fixture.command(&erase), 0);
            }
            let snapshot = archive.snapshot().unwrap();
            let others = fixture.lines - fixture.lines / 5;
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
