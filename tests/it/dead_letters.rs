//! Events that a target rejects permanently are kept and can be listed, replayed and deleted, with or without a running
//! engine.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::open_state;
use crate::program::{self, Engine, Random, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;
use crate::small_disk::SmallDisk;

const PATIENCE: Duration = Duration::from_secs(60);

/// A log, a server, and a state.
struct Fixture {
    home: TempDir,
    server: RejectingElasticsearch,
}

impl Fixture {
    /// Its server rejects documents whose `number` is not a number.
    fn new(more: &str) -> Self {
        let fixture =
            Fixture { home: TempDir::new().unwrap(), server: RejectingElasticsearch::start() };
        fs::write(fixture.path("app.log"), "").unwrap();
        let text = format!(
            "[source.app]\npaths = [\"{}\"]\n[sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n\
             [[sink.es.route]]\nwhere = \"level:error\"\nindex = \"errors\"\n{more}\n",
            fixture.path("app.log").display(),
            fixture.server.url
        );
        fs::write(fixture.path("config.toml"), text).unwrap();
        fixture.server.reply_to_items(|_, document| {
            let wrong = document["number"].is_string();
            let reason = format!("failed to parse field [number] of {}", document["number"]);
            wrong
                .then(|| {
                    RejectingElasticsearch::rejection(400, "document_parsing_exception", &reason)
                })
                .flatten()
        });
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path("app.log")).unwrap();
        writeln!(file, "{text}").unwrap();
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program::logwarden(self.home.path());
        command.args(arguments).arg("--config").arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state"));
        command
    }

    /// Returns the exit code, standard output and standard error.
    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = program::run(&mut self.command(arguments));
        let code = output.status.code().expect("it ends on its own");
        (code, program::text(&output.stdout), program::text(&output.stderr))
    }

    fn letters(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(&[&["dead-letters"], arguments].concat())
    }

    fn engine(&self) -> Engine {
        Engine::spawn(self.home.path(), &mut self.command(&["--no-ui"]))
    }

    /// The stored dead letters, as JSON.
    fn stored_letters(&self) -> Vec<Value> {
        let (_, out, _) = self.letters(&["show", "--json"]);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait_for_documents(&self, count: usize) {
        wait_for("documents", PATIENCE, || (self.server.documents().len() == count).then_some(()));
    }

    fn accept_everything(&self) {
        self.server.reply_to_items(|_, _| None);
    }
}

fn line(level: &str, number: &str) -> String {
    format!(
        r#"{{"time":"2026-11-20T10:00:00Z","level":"{level}","message":"m","number":{number}}}"#
    )
}

#[test]
fn a_dead_letter_names_target_event_and_reason_and_is_delivered_once_the_cause_is_fixed() {
    let fixture = Fixture::new("");
    fixture.append(&line("info", "1"));
    fixture.append(&line("info", r#""a\u001b[2Jb""#));
    fixture.append(&line("error", r#""c""#));
    assert_eq!(fixture.run(&["--no-ui", "--once"]).0, 3);
    let letters = fixture.stored_letters();
    assert_eq!(letters.len(), 2);
    let targets: Vec<&Value> = letters.iter().map(|letter| &letter["target"]).collect();
    assert_eq!(targets, ["logwarden-2026.11.20", "errors"]);
    for letter in &letters {
        assert_eq!((&letter["sink"], &letter["status"]), (&"es".into(), &400.into()));
        assert_eq!(letter["type"], "document_parsing_exception");
        assert!(letter["reason"].as_str().unwrap().starts_with("failed to parse field [number]"));
        assert_eq!((&letter["attempts"], &letter["document"]["message"]), (&1.into(), &"m".into()));
    }

    let (code, out, _) = fixture.letters(&["list"]);
    assert_eq!(code, 0);
    assert!(out.contains("2 × 400 document_parsing_exception: failed to parse"), "{out}");
    let (_, out, _) = fixture.letters(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&listed["letters"], &listed["reasons"][0][1]), (&2.into(), &2.into()));
    let (_, out, _) = fixture.letters(&["show", "--where", "level:error"]);
    assert!(out.contains("target    errors") && !out.contains("logwarden-2026"), "{out}");
    let (_, out, _) = fixture.letters(&["show"]);
    assert!(!out.contains('\u{1b}') && out.contains(r"a\u001b[2Jb"), "{out:?}");
    assert_eq!(fixture.letters(&["show", "--sink", "other"]).0, 1);

    let (code, _, messages) = fixture.letters(&["replay"]);
    assert_eq!(code, 3, "{messages}");
    assert!(messages.contains("0 delivered, 2 rejected again"), "{messages}");
    assert!(fixture.stored_letters().iter().all(|letter| letter["attempts"] == 2));
    fixture.accept_everything();
    let (code, _, messages) = fixture.letters(&["replay"]);
    assert_eq!((code, messages.contains("2 delivered")), (0, true), "{messages}");
    assert_eq!(
        fixture.letters(&["list"]),
        (0, String::new(), "logwarden: no dead letters\n".into())
    );
    let indexes: Vec<String> =
        fixture.server.documents().into_iter().map(|(index, _)| index).collect();
    assert_eq!(indexes, ["errors", "logwarden-2026.11.20", "logwarden-2026.11.20"]);
    assert_eq!(fixture.letters(&["replay"]).0, 0, "there is nothing left to replay");
}

#[test]
fn the_engine_that_owns_the_state_replays_and_drops() {
    let fixture = Fixture::new("");
    fixture.append(&line("info", "1"));
    fixture.append(&line("info", r#""a""#));
    fixture.append(&line("error", r#""b""#));
    let engine = fixture.engine();
    wait_for("two letters", PATIENCE, || (fixture.stored_letters().len() == 2).then_some(()));
    let (code, out, messages) = fixture.letters(&["drop", "--where", "level:error"]);
    assert_eq!(code, 0);
    assert!(out.contains("1 × 400") && messages.contains("nothing was deleted"), "{out}{messages}");
    assert_eq!(fixture.stored_letters().len(), 2);
    let (code, _, messages) = fixture.letters(&["drop", "--where", "level:error", "--yes"]);
    assert_eq!((code, messages.as_str()), (0, "logwarden: 1 dead letter deleted\n"));
    fixture.accept_everything();
    let (code, _, messages) = fixture.letters(&["replay"]);
    assert_eq!((code, messages.contains("1 delivered")), (0, true), "{messages}");
    fixture.wait_for_documents(2);
    // Delivery continues as before.
    fixture.append(&line("info", "2"));
    fixture.wait_for_documents(3);
    assert!(fixture.stored_letters().is_empty());
    assert_eq!(engine.terminate().code(), Some(3), "there were dead letters");
}

/// The first request is delivered, the kill is in the second: the next replay repeats it, and nothing is lost.
#[test]
fn a_kill_in_the_middle_of_a_replay_loses_nothing() {
    let fixture = Fixture::new("");
    fixture.append(&line("info", "1"));
    for number in 0..8 {
        let long = "x".repeat(300_000);
        fixture.append(&line("info", &format!(r#""{number}{long}""#)));
    }
    assert_eq!(fixture.run(&["--no-ui", "--once"]).0, 3);
    let before = fixture.server.requests();
    // The second request is not answered until the test allows it.
    let (release, released) = mpsc::channel::<()>();
    let mut items = 0;
    fixture.server.reply_to_items(move |_, _| {
        items += 1;
        if items == 6 {
            let _ = released.recv();
        }
        None
    });
    let mut replay = fixture.command(&["dead-letters", "replay"]).spawn().unwrap();
    wait_for("the first request", PATIENCE, || (fixture.server.requests() > before).then_some(()));
    replay.kill().unwrap();
    replay.wait().unwrap();
    release.send(()).unwrap();
    assert_eq!(fixture.stored_letters().len(), 8);
    let (code, _, messages) = fixture.letters(&["replay"]);
    assert_eq!(code, 0, "{messages}");
    assert!(messages.contains("8 delivered (") && messages.contains("duplicates"), "{messages}");
    assert_eq!((fixture.server.documents().len(), fixture.stored_letters().len()), (9, 0));
}

/// Rejects every tenth event. The first item of each run reports its arrival and waits to be released.
fn reject_every_tenth(server: &RejectingElasticsearch) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (arrived, arrival) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let mut gate = Some((arrived, released));
    server.reply_to_items(move |_, document| {
        if let Some((arrived, released)) = gate.take() {
            let _ = arrived.send(());
            let _ = released.recv();
        }
        let refused = document["number"].as_u64().unwrap() % 10 == 7;
        refused
            .then(|| RejectingElasticsearch::rejection(400, "document_parsing_exception", "no"))
            .flatten()
    });
    (arrival, release)
}

fn numbers<'a>(documents: impl IntoIterator<Item = &'a Value>) -> BTreeSet<u64> {
    documents.into_iter().map(|document| document["number"].as_u64().unwrap()).collect()
}

fn truncate(path: &Path) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
}

/// The log no longer contains the events that the reply rejects.
#[test]
fn events_rejected_after_their_log_was_truncated_are_kept() {
    let fixture = Fixture::new("");
    let (arrival, release) = reject_every_tenth(&fixture.server);
    let text: Vec<String> = (0..1000).map(|number| line("info", &number.to_string())).collect();
    fixture.append(&text.join("\n"));
    let engine = fixture.engine();
    arrival.recv_timeout(PATIENCE).expect("a bulk comes");
    truncate(&fixture.path("app.log"));
    release.send(()).unwrap();
    fixture.wait_for_documents(900);
    wait_for("the letters", PATIENCE, || (fixture.stored_letters().len() == 100).then_some(()));
    assert_eq!(engine.terminate().code(), Some(3), "there were dead letters");
    let kept = fixture.stored_letters();
    let refused = numbers(kept.iter().map(|letter| &letter["document"]));
    assert_eq!(refused, (0..100).map(|ten| ten * 10 + 7).collect());
    for letter in &kept {
        let number = letter["document"]["number"].as_u64().unwrap() as usize;
        let before: usize = text[..number].iter().map(|line| line.len() + 1).sum();
        assert_eq!((&letter["offset"], &letter["source"]), (&before.into(), &"app".into()));
        assert_eq!(letter["id"], letter["document"]["event"]["id"]);
    }
}

/// Truncated and killed at random moments around the reply: each line is a document or a dead letter, or it was after
/// the cursor at the kill and is counted as lost by the next run.
#[test]
fn a_kill_around_a_truncation_and_a_rejection_never_loses_events_silently() {
    let mut random = Random(program::seed("refused"));
    for round in 0..20 {
        let fixture = Fixture::new("");
        let (arrival, release) = reject_every_tenth(&fixture.server);
        let all: Vec<String> = (0..300).map(|number| line("info", &number.to_string())).collect();
        fixture.append(&all.join("\n"));
        let engine = fixture.engine();
        arrival.recv_timeout(PATIENCE).expect("a bulk comes");
        let mut moments = [0, 1, 2].map(|step| (random.below(60), step));
        moments.sort_unstable();
        let (mut engine, mut passed) = (Some(engine), 0);
        for (moment, step) in moments {
            std::thread::sleep(Duration::from_millis(moment - passed));
            passed = moment;
            match step {
                0 => release.send(()).unwrap(),
                1 => truncate(&fixture.path("app.log")),
                _ => engine.take().expect("killed once").kill(),
            }
        }
        let store = open_state(&fixture.path("state"));
        let cursor = store.cursors("es").iter().map(|row| row.offset).max().unwrap_or(0);
        drop(store);
        let (code, _, messages) = fixture.run(&["--no-ui", "--once"]);
        let documents: Vec<Value> =
            fixture.server.documents().into_iter().map(|(_, it)| it).collect();
        let letters = fixture.stored_letters();
        let mut there = numbers(&documents);
        there.extend(numbers(letters.iter().map(|letter| &letter["document"])));
        let (mut missing, mut offset) = (0, 0);
        for (number, line) in all.iter().enumerate() {
            if !there.contains(&(number as u64)) {
                missing += 1;
                assert!(offset >= cursor, "round {round}: {line} is behind the cursor {cursor}");
            }
            offset += line.len() as u64 + 1;
        }
        assert!(
            missing == 0 || code == 3,
            "round {round}: {missing} missing, and {code}: {messages}"
        );
    }
}

#[test]
fn a_full_store_blocks_its_sink_and_deletes_nothing() {
    let fixture = Fixture::new("[dead_letters]\nmost = \"1KiB\"\n[sink.archive]");
    for number in ["\"a\"", "\"b\"", "1"] {
        fixture.append(&line("info", number));
    }
    let engine = fixture.engine();
    wait_for("the message", PATIENCE, || {
        let messages = engine.messages();
        let full = messages.contains("dead_letters.most (1.0 KiB)");
        (full && messages.contains("raise it")).then_some(())
    });
    // The archive continues.
    fixture.append(&line("info", "2"));
    let state = fixture.path("state");
    wait_for("the archive", PATIENCE, || {
        (program::archived(fixture.home.path(), &state, "*") == 4).then_some(())
    });
    assert!(engine.terminate().success());
    // While the target rejects it and the store is full, the sink is blocked; with free space it continues.
    let more = fs::read_to_string(fixture.path("config.toml")).unwrap().replace("1KiB", "1MiB");
    fs::write(fixture.path("config.toml"), more).unwrap();
    assert_eq!(fixture.run(&["--no-ui", "--once"]).0, 3);
    assert_eq!((fixture.stored_letters().len(), fixture.server.documents().len()), (2, 2));
}

#[test]
fn a_full_disk_blocks_the_sink_until_space_is_free() {
    let fixture = Fixture::new("[sink.archive]");
    let directory = fixture.path("state/dead-letters");
    let Some(disk) = SmallDisk::mount(&directory, "256k") else { return };
    disk.fill();
    for number in ["\"a\"", "1", "2"] {
        fixture.append(&line("info", number));
    }
    let engine = fixture.engine();
    wait_for("the message", PATIENCE, || {
        let messages = engine.messages();
        (messages.contains("No space left") && messages.contains("/dead-letters/es")).then_some(())
    });
    let state = fixture.path("state");
    let archived = |events| program::archived(fixture.home.path(), &state, "*") == events;
    wait_for("the archive, which continues", PATIENCE, || archived(3).then_some(()));
    assert!(fixture.stored_letters().is_empty());
    disk.make_room();
    fixture.append(&line("info", "3"));
    wait_for("the letter", PATIENCE, || (fixture.stored_letters().len() == 1).then_some(()));
    wait_for("the rest", PATIENCE, || (fixture.server.documents().len() == 3).then_some(()));
    // The exit code is that of a run with dead letters.
    assert_eq!(engine.terminate().code(), Some(3));
    assert_eq!((fixture.stored_letters().len(), fixture.server.documents().len()), (1, 3));
    // No partly written dead letter is left.
    assert_eq!(fixture.letters(&["list"]).0, 0);
}

#[test]
fn a_damaged_store_is_reported_and_the_rest_stays_usable() {
    let fixture = Fixture::new("");
    fixture.append(&line("info", r#""a""#));
    assert_eq!(fixture.run(&["--no-ui", "--once"]).0, 3);
    let directory = fixture.path("state/dead-letters/es");
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("gar\u{1b}bage\n{whole}{}", &whole[..50])).unwrap();
    fixture.accept_everything();
    let place = format!("{}:1: not a dead letter", file.display());
    for arguments in [&["list"][..], &["show"], &["drop"], &["replay"]] {
        let (code, _, messages) = fixture.letters(arguments);
        assert_eq!(code, 3, "{arguments:?} {messages}");
        assert!(messages.contains(&place) && messages.contains(":3: truncated line"), "{messages}");
    }
    assert_eq!(fixture.server.documents().len(), 1);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("gar\u{1b}bage\n{}", &whole[..50]));
}

#[test]
fn dead_letters_that_cannot_be_sent_are_reported() {
    let fixture = Fixture::new("");
    fixture.append(&line("info", r#""a""#));
    assert_eq!(fixture.run(&["--no-ui", "--once"]).0, 3);
    let text = fs::read_to_string(fixture.path("config.toml")).unwrap();
    fs::write(fixture.path("config.toml"), text.replace("sink.es", "sink.other")).unwrap();
    let (code, _, messages) = fixture.letters(&["replay"]);
    assert_eq!(code, 1);
    assert!(
        messages.contains("sink es: its dead letters were not sent: no such sink"),
        "{messages}"
    );
    let (code, _, messages) = fixture.letters(&["show", "--where", "("]);
    assert_eq!((code, messages.contains("query, column")), (2, true), "{messages}");
    assert_eq!(fixture.letters(&["show", "--day", "yesterday"]).0, 2);
    assert_eq!(fixture.stored_letters().len(), 1);
}
