//! No client id leaves in plain text through any output, and each can be decrypted with the keys alone.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::fake_elasticsearch::{Acceptance, Answer, FakeElasticsearch};
use crate::fixture::Fixture;
use crate::leaks;
use crate::program::{self, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn no_id_is_found_in_any_output_and_each_can_be_decrypted() {
    let server = RejectingElasticsearch::start();
    // The reason quotes the value, as real servers do.
    server.reply_to_items(|_, document| {
        let reason = format!("failed to parse field [number] of {document}");
        let wrong = document["number"].is_string();
        wrong
            .then(|| RejectingElasticsearch::rejection(400, "document_parsing_exception", &reason))
            .flatten()
    });
    let sink = format!("urls = [\"{}\"]", server.url);
    let stored = || server.documents().into_iter().map(|(_, document)| document).collect();
    leaks::scan_all_outputs(&sink, &stored);
}

/// Configures the delivery of the month files to one file only.
fn into_a_file(fixture: &Fixture) -> PathBuf {
    let (logs, out) = (fixture.path("logs"), fixture.path("out.jsonl"));
    let text = format!(
        "[source.sre]\npaths = [\"{}/*.txt\"]\n[sink.out]\nkind = \"file\"\npath = \"{}\"\n",
        logs.display(),
        out.display()
    );
    fs::write(fixture.path("config.toml"), text).unwrap();
    out
}

/// [Missing key] A month without its key waits and is reported; the others continue. With the key restored, it
/// continues at its cursor.
#[test]
fn a_month_without_its_key_waits_and_the_others_continue() {
    let fixture = Fixture::new("urls = [\"http://127.0.0.1:1\"]");
    let out = into_a_file(&fixture);
    let delivered = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    fixture.append("logs_2021_Mar.txt", &leaks::line("CLIENTID1", 1));
    fixture.append("logs_2021_Apr.txt", &leaks::line("CLIENTID2", 1));
    assert_eq!(fixture.once().0, Some(0));
    assert_eq!(delivered(), 2);
    let (key, away) = (fixture.path("state/keys/2021_March.key"), fixture.path("2021_March.key"));
    fs::rename(&key, &away).unwrap();
    fixture.append("logs_2021_Mar.txt", &leaks::line("CLIENTID1", 2));
    fixture.append("logs_2021_May.txt", &leaks::line("CLIENTID3", 1));
    let engine = fixture.engine();
    wait_for("the notice", PATIENCE, || {
        engine.messages().contains("2021_March was used but is missing").then_some(())
    });
    wait_for("the other month", PATIENCE, || (delivered() == 3).then_some(()));
    fs::rename(&away, &key).unwrap();
    wait_for("the rest of March", PATIENCE, || (delivered() == 4).then_some(()));
    assert!(engine.terminate().success());
    assert!(!fs::read_to_string(&out).unwrap().contains("CLIENTID"));
}

/// `--protect` prints events as they would be shipped; an event whose key is missing is not printed.
#[test]
fn protect_seals_printed_events_like_shipped_ones() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("logs_2021_Apr.txt");
    let ids: Vec<String> = (0..20).map(|number| format!("MKQWERTY{number:02}")).collect();
    let lines: String =
        ids.iter().enumerate().map(|(number, id)| leaks::line(id, number)).collect();
    fs::write(&log, lines).unwrap();
    let keys = home.path().join("keys");
    let command = |arguments: &[&str]| {
        let mut command = program::logwarden(home.path());
        command.arg("--keys").arg(&keys).args(arguments);
        command
    };
    let name = "logs_2021_Apr.txt";
    let printed: [&[&str]; 4] = [
        &["parse", "--protect", name],
        &["search", "--protect", "level:error", name],
        &["search", "--protect", "level:error", name, "--format", "json", "--newest"],
        &["search", "--protect", "login", name, "--format", "csv"],
    ];
    let shown = program::expect(&mut command(&["parse", name]), 0);
    assert!(
        ids.iter().all(|id| shown.contains(id)),
        "without --protect a file is printed unchanged"
    );
    // Keys exist, but none for that month.
    program::expect(&mut command(&["keys", "new", "2021_March"]), 0);
    for arguments in printed {
        let output = program::run(&mut command(arguments));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let messages = program::text(&output.stderr);
        assert!(
            messages.contains("create this one with: logwarden keys new 2021_April"),
            "{messages}"
        );
        let out = program::text(&output.stdout);
        assert!(!ids.iter().any(|id| out.contains(id)), "{out}");
    }
    assert!(!keys.join("2021_April.key").exists());
    program::expect(&mut command(&["keys", "new", "2021_April"]), 0);
    for arguments in printed {
        let out = program::expect(&mut command(arguments), 0);
        assert!(!ids.iter().any(|id| out.contains(id)), "{out}");
        assert!(out.contains("enc1."), "{out}");
        let path = home.path().join("printed");
        fs::write(&path, out).unwrap();
        let clear = program::expect(command(&["decrypt"]).arg(&path), 0);
        assert!(ids.iter().all(|id| clear.contains(&format!("login of {id} from"))), "{clear}");
    }
}

/// Short values leave in plain text outside of their own field, which `check` counts; it also reports a missing keys
/// directory.
#[test]
fn check_reports_unprotected_values_and_months_without_a_key() {
    let fixture = Fixture::new("urls = [\"http://127.0.0.1:1\"]");
    let out = into_a_file(&fixture);
    let short = |id: &str| format!("{{\"client_id\":\"{id}\",\"message\":\"{id} came\"}}\n");
    fixture.append("logs_2021_Mar.txt", &(short("Q9") + &short("CLIENTID1") + &short("")));
    fixture.append("logs_2021_Apr.txt", "{\"client_id\":[\"R7\",\"CLIENTID1\"]}\n");
    let engine = fixture.engine();
    let delivered = || fs::read_to_string(&out).unwrap_or_default();
    wait_for("all events", PATIENCE, || (delivered().lines().count() == 4).then_some(()));
    assert!(delivered().contains("\"message\":\"Q9 came\""));
    let check = || program::text(&fixture.beside(&["check"]).output().unwrap().stdout);
    let messages = wait_for("the count", PATIENCE, || {
        Some(check()).filter(|messages| messages.contains("2 to out"))
    });
    assert!(
        messages.contains("sealed only in their own field: 2 to out since the engine started"),
        "{messages}"
    );
    assert!(
        messages.contains("months with sealed values: 2021_March to 2021_April: key present"),
        "{messages}"
    );
    assert!(engine.terminate().success());
    fs::rename(fixture.path("state/keys"), fixture.path("away")).unwrap();
    let messages = check();
    assert!(messages.contains("/state/keys not found: key "), "{messages}");
    fs::DirBuilder::new().mode(0o700).create(fixture.path("state/keys")).unwrap();
    let messages = check();
    assert!(
        messages.contains("months with sealed values: 2021_March to 2021_April: key missing"),
        "{messages}"
    );
}

/// While the server is overloaded, its events are encoded again and again; their values count once.
#[test]
fn a_short_value_counts_once_however_often_its_event_is_retried() {
    let fake = FakeElasticsearch::start();
    fake.answer(|_| Answer { take: Acceptance::Nothing, status: 503, ..Answer::default() });
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", fake.url()));
    fixture.append("a.log", "{\"client_id\":\"Q9\",\"message\":\"came\"}\n");
    let engine = fixture.engine();
    wait_for("six attempts", PATIENCE, || (fake.attempts().len() >= 6).then_some(()));
    let check = || program::text(&fixture.beside(&["check"]).output().unwrap().stdout);
    let messages = wait_for("the count", PATIENCE, || {
        Some(check()).filter(|messages| messages.contains(" to es since the engine started"))
    });
    assert!(messages.contains("own field: 1 to es since the engine started"), "{messages}");
    assert!(engine.terminate().success());
}
