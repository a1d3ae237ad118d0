//! Every line reaches Elasticsearch once, despite failures. The names in brackets are those of the table of faults in
//! docs/DELIVERY.md.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use logwarden::client::elasticsearch::Method;
use tempfile::TempDir;

use crate::client_ids;
use crate::dead_letters;
use crate::elasticsearch::{
    Elasticsearch, OPENSEARCH, OPENSEARCH_3, PASSWORD, USER, certificates, java,
};
use crate::example;
use crate::fixture::{self, Fixture, lines};
use crate::odd_events;
use crate::privacy;
use crate::program::{self, wait_for};
use crate::rollover;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs a server: make test"]
fn elasticsearch_8_15() {
    all(&mut Elasticsearch::start("elasticsearch-8.15.0"));
}

#[test]
#[ignore = "needs a server: make test"]
fn elasticsearch_7_17() {
    all(&mut Elasticsearch::start("elasticsearch-7.17.29"));
}

/// Needs a Java that not every machine has.
#[test]
#[ignore = "needs a server: make test"]
fn elasticsearch_9_1() {
    match java(21) {
        Some(_) => all(&mut Elasticsearch::start("elasticsearch-9.1.0")),
        None => eprintln!("NOT RUN: Elasticsearch 9.1 needs Java 21 or newer, and there is none"),
    }
}

#[test]
#[ignore = "needs a server: make test"]
fn opensearch_2_19() {
    all(&mut Elasticsearch::start(OPENSEARCH));
}

/// Needs a Java that not every machine has.
#[test]
#[ignore = "needs a server: make test"]
fn opensearch_3_8() {
    match java(21) {
        Some(_) => all(&mut Elasticsearch::start(OPENSEARCH_3)),
        None => eprintln!("NOT RUN: OpenSearch 3.8 needs Java 21 or newer, and there is none"),
    }
}

/// The tests for every version, one after the other, each with its own indexes.
fn all(server: &mut Elasticsearch) {
    odd_events::arrive_changed_as_little_as_possible(server);
    odd_events::that_would_be_rejected_forever_block_no_others(server);
    odd_events::wait_for_an_index_at_its_field_limit(server);
    odd_events::wait_for_a_server_at_its_shard_limit(server);
    odd_events::of_an_index_without_a_primary_delay_no_others(server);
    delivers_each_line_once_and_recognises_duplicates(server);
    prepares_the_server(server);
    keeps_a_rejected_document_as_a_dead_letter(server);
    dead_letters::are_delivered_once_the_mapping_is_fixed(server);
    client_ids::are_found_and_erased_by_their_tags(server);
    example::ships_months_that_can_be_decrypted_with_the_keys_alone(server);
    privacy::holds_no_id_and_finds_events_by_their_tags(server);
    privacy::finds_addresses_by_their_stand_ins(server);
    takes_packed_bodies(server);
    rollover::nothing_is_sent_to_an_alias_and_the_reason_is_reported(server);
    rollover::a_rollover_between_a_lost_reply_and_the_retry_duplicates_nothing(server);
    rollover::a_lost_reply_of_an_index_duplicates_nothing(server);
    waits_for_a_read_only_index_while_the_others_continue(server);
    loses_nothing_when_logwarden_is_killed(server);
    loses_nothing_when_the_server_is_killed(server);
}

fn assert_each_once(documents: &[(String, serde_json::Value)], writers: usize, numbers: usize) {
    fixture::assert_each_once(documents.iter().map(|(_, document)| document), writers, numbers);
}

fn sink(server: &Elasticsearch, index: &str) -> String {
    format!("urls = [\"{}\"]\nindex = \"{index}\"", server.url())
}

/// 409 counts as delivered: the same bytes in the same file have the same ids, also without the state.
fn delivers_each_line_once_and_recognises_duplicates(server: &Elasticsearch) {
    let fixture = Fixture::new(&sink(server, "once-%Y.%m.%d"));
    fixture.append("a.log", &lines(1, 0..2500));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    let documents = server.documents("once-*");
    assert_each_once(&documents, 1, 2500);
    let (index, document) = &documents[0];
    assert_eq!(index, "once-2026.11.20", "the event's own day");
    assert_eq!(document["log"]["level"], "info");
    assert_eq!(document["@timestamp"], "2026-11-20T10:00:00.000Z");
    fs::remove_dir_all(fixture.path("state")).unwrap();
    fixture.append("a.log", &lines(1, 2500..2600));
    assert_eq!(fixture.once().0, Some(0));
    assert_each_once(&server.documents("once-*"), 1, 2600);
}

/// `compress = true`
fn takes_packed_bodies(server: &Elasticsearch) {
    let fixture = Fixture::new(&format!("{}\ncompress = true", sink(server, "packed")));
    fixture.append("a.log", &lines(1, 0..5000));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&server.documents("packed"), 1, 5000);
}

/// The test distribution of Elasticsearch lacks the default tokenizer: the message names the setting to change.
fn prepares_the_server(server: &Elasticsearch) {
    let fixture = Fixture::new(&sink(server, "prepared-%Y"));
    let setup = |fixture: &Fixture| {
        let mut command = program::logwarden(fixture.home.path());
        command.args(["setup", "elasticsearch", "--config"]).arg(fixture.path("config.toml"));
        let output = program::run(&mut command);
        (output.status.code(), program::text(&output.stdout) + &program::text(&output.stderr))
    };
    let (code, messages) = setup(&fixture);
    if !server.is_opensearch() {
        assert_eq!(code, Some(1), "{messages}");
        assert!(messages.contains("analyzer = \"standard\""), "{messages}");
        fixture.configure(&format!("{}\nanalyzer = \"standard\"", sink(server, "prepared-%Y")));
    }
    for _ in 0..2 {
        let (code, messages) = setup(&fixture);
        assert_eq!(code, Some(0), "{messages}");
        assert!(messages.contains("prepared-*"), "{messages}");
    }
    // None of these distributions can delete indexes automatically.
    let keeping = Fixture::new(&format!("{}\nkeep = \"30d\"", sink(server, "kept-%Y.%m.%d")));
    let (code, messages) = setup(&keeping);
    assert_eq!((code, messages.contains("remove `keep`")), (Some(1), true), "{messages}");
    fixture.append("a.log", &lines(1, 0..10));
    assert_eq!(fixture.once().0, Some(0));
    let mapping = server.ask(Method::Get, "prepared-2026/_mapping", "");
    let properties = &mapping["prepared-2026"]["mappings"]["properties"];
    assert_eq!(properties["message"]["type"], "text");
    assert_eq!(properties["log"]["properties"]["level"]["type"], "keyword");
    assert_eq!(properties["event"]["properties"]["id"]["type"], "keyword");
}

/// [S31] A field with two types.
fn keeps_a_rejected_document_as_a_dead_letter(server: &Elasticsearch) {
    server.ask(Method::Put, "typed", r#"{"mappings":{"properties":{"number":{"type":"long"}}}}"#);
    let fixture = Fixture::new(&sink(server, "typed"));
    fixture.append("a.log", &lines(1, 0..250));
    fixture.append("a.log", "{\"message\":\"bad\",\"writer\":1,\"number\":\"no number\"}\n");
    fixture.append("a.log", &lines(1, 250..499));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(3), "{messages}");
    assert!(messages.contains("1 event dead-lettered"), "{messages}");
    assert_each_once(&server.documents("typed"), 1, 499);
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 1);
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("[number]"), "{reason}");
    assert_eq!((&letters[0]["status"], &letters[0]["target"]), (&400.into(), &"typed".into()));
    assert_eq!(letters[0]["document"]["message"], "bad");
}

/// [S34, S45]
fn waits_for_a_read_only_index_while_the_others_continue(server: &Elasticsearch) {
    const MANY: usize = 15_000;
    for index in ["odd", "even"] {
        server.ask(Method::Put, index, "{}");
    }
    let block = |on: bool| {
        let body = format!(r#"{{"index.blocks.write":{on}}}"#);
        server.ask(Method::Put, "odd/_settings", &body);
    };
    block(true);
    let route = "[[sink.es.route]]\nwhere = \"writer:1\"\nindex = \"odd\"";
    let fixture = Fixture::new(&format!("{}\n{route}", sink(server, "even")));
    let engine = fixture.engine();
    for part in (0..MANY).step_by(100) {
        fixture.append("a.log", &lines(1, part..part + 100));
        fixture.append("a.log", &lines(2, part..part + 100));
    }
    wait_for("the open index", PATIENCE, || (server.count("even") == MANY as u64).then_some(()));
    assert_eq!(server.count("odd"), 0);
    wait_for("the message", PATIENCE, || {
        let messages = engine.messages();
        (messages.contains("read-only") || messages.contains("block")).then_some(())
    });
    engine.kill();
    fixture.append("b.log", &lines(3, 0..MANY));
    let engine = fixture.engine();
    wait_for("the open index again", PATIENCE, || {
        (server.count("even") == 2 * MANY as u64).then_some(())
    });
    block(false);
    wait_for("the blocked index", PATIENCE, || (server.count("odd") == MANY as u64).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents("odd"), 1, MANY);
    assert_each_once(&server.documents("even"), 2, MANY);
}

/// [S02] Killed at random moments while eight files grow, also in the middle of a line. `make soak` kills 200 times.
fn loses_nothing_when_logwarden_is_killed(server: &Elasticsearch) {
    const WRITERS: usize = 8;
    let kills = std::env::var("LOGWARDEN_KILLS").ok().and_then(|text| text.parse().ok());
    let seed = program::seed("kills");
    let mut random = program::Random(seed);
    let fixture = Fixture::new(&sink(server, "killed"));
    let stop = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut random = program::Random(seed ^ u64::MAX);
            let mut written = 0;
            while !stop.load(Ordering::Relaxed) {
                let next = written + random.below(40) as usize;
                for writer in 0..WRITERS {
                    let (name, text) = (format!("{writer}.log"), lines(writer, written..next));
                    let (first, rest) = text.split_at(random.below(text.len() as u64 + 1) as usize);
                    fixture.append(&name, first);
                    std::thread::sleep(Duration::from_millis(random.below(4)));
                    fixture.append(&name, rest);
                }
                written = next;
            }
            written
        });
        for _ in 0..kills.unwrap_or(30) {
            let engine = fixture.engine();
            std::thread::sleep(Duration::from_millis(20 + random.below(500)));
            engine.kill();
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let documents = server.documents("killed");
    fixture
        .assert_bytes_before_cursors_are_delivered(documents.iter().map(|(_, document)| document));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&server.documents("killed"), WRITERS, written);
}

/// The server is killed during bulks and restarted; the engine keeps running.
fn loses_nothing_when_the_server_is_killed(server: &mut Elasticsearch) {
    let fixture = Fixture::new(&sink(server, "restarted"));
    let engine = fixture.engine();
    let writing = {
        let path = fixture.path("logs").join("a.log");
        std::thread::spawn(move || {
            for part in 0..100 {
                let text = lines(1, part * 200..part * 200 + 200);
                let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        })
    };
    wait_for("the first events", PATIENCE, || (server.count("restarted") > 500).then_some(()));
    server.kill();
    wait_for("the message", PATIENCE, || {
        let messages = engine.messages();
        (messages.contains("cannot reach http") || messages.contains("the connection to"))
            .then_some(())
    });
    writing.join().unwrap();
    server.launch();
    wait_for("everything", PATIENCE, || (server.count("restarted") >= 20_000).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents("restarted"), 1, 20_000);
}

/// [S28] The server is down at the start; the archive works anyway.
#[test]
#[ignore = "needs a server: make test"]
fn a_server_that_is_not_there_yet() {
    let mut server = Elasticsearch::prepared("elasticsearch-8.15.0", false);
    let fixture = Fixture::new(&format!("{}\n[sink.archive]", sink(&server, "late")));
    fixture.append("a.log", &lines(1, 0..300));
    let engine = fixture.engine();
    let state = fixture.path("state");
    wait_for("the archive", PATIENCE, || {
        (program::archived(fixture.home.path(), &state, "*") == 300).then_some(())
    });
    assert!(engine.messages().contains("cannot reach"), "{}", engine.messages());
    server.launch();
    wait_for("the server's copy", PATIENCE, || (server.count("late") == 300).then_some(()));
    assert!(engine.terminate().success());
}

/// [S35] [S36] A wrong authority, none, a wrong password, then correct settings: no event is lost.
#[test]
#[ignore = "needs a server: make test"]
fn tls_and_passwords() {
    let server = Elasticsearch::start_secure("elasticsearch-8.15.0");
    let others = TempDir::new().unwrap();
    certificates(others.path());
    let password = |text: &str, home: &Path| {
        let path = home.join("password");
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        path
    };
    let settings = |ca: Option<&Path>, home: &Path| {
        let ca = ca.map(|ca| format!("ca_file = \"{}\"\n", ca.display())).unwrap_or_default();
        let password = home.join("password");
        format!(
            "{}\nusername = \"{USER}\"\npassword_file = \"{}\"\n{ca}",
            sink(&server, "secure"),
            password.display()
        )
    };
    let fixture = Fixture::new("urls = [\"http://localhost:1\"]");
    let home = fixture.home.path();
    password("wrong", home);
    fixture.append("a.log", &lines(1, 0..100));
    let other = others.path().join("ca.crt");
    for ca in [None, Some(other.as_path())] {
        fixture.configure(&settings(ca, home));
        let (code, messages) = fixture.once();
        assert_eq!(code, Some(1), "{messages}");
        assert!(messages.contains("not signed by a trusted authority"), "{messages}");
    }
    let pinned = |fingerprint: &str| {
        fixture.configure(&format!("{}ca_fingerprint = \"{fingerprint}\"", settings(None, home)));
    };
    pinned(&"ab".repeat(32));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    assert!(
        messages.contains("none of its certificates has the configured ca_fingerprint"),
        "{messages}"
    );
    pinned(&server.fingerprint());
    assert!(fixture.once().1.contains("rejects the user name"), "trusted, but not authorized");
    fixture.configure(&settings(Some(&server.ca()), home));
    let engine = fixture.engine();
    wait_for("the message", PATIENCE, || {
        engine.messages().contains("rejects the user name").then_some(())
    });
    assert!(!engine.messages().contains("wrong"), "{}", engine.messages());
    // The new password is used without a restart.
    password(PASSWORD, home);
    wait_for("everything", PATIENCE, || (server.count("secure") == 100).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&server.documents("secure"), 1, 100);
}
