//! Sealed values can be found again with the keys: by a query, by `find`, and by `erase`, which deletes their events
//! from the archive, the dead letters and Elasticsearch.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program::{self, Engine, expect, run, text, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;

/// Logs of two months, shipped to the archive and to a server.
struct Fixture {
    home: TempDir,
    server: RejectingElasticsearch,
}

const MARCH: &str = r#"{"time":"2021-03-02T10:00:00Z","level":"info","client_id":"CLIENTID2","message":"a"}
{"time":"2021-03-02T10:00:01Z","level":"info","client_id":"CLIENTID3","ip":"10.1.2.3","message":"b"}
"#;
const APRIL: &str = r#"{"time":"2021-04-02T10:00:00Z","level":"info","CLIENT ID":"CLIENTID2","message":"c"}
{"time":"2021-04-02T10:00:01Z","level":"error","request":{"client_id":"CLIENTID2"},"message":"d"}
{"time":"2021-04-02T10:00:02Z","level":"error","client_id":"CLIENTID3","ip":"10.1.2.3","message":"e"}
{"time":"2021-04-02T10:00:03Z","level":"error","message":"f"}
"#;

impl Fixture {
    fn new() -> Self {
        let fixture =
            Fixture { home: TempDir::new().unwrap(), server: RejectingElasticsearch::start() };
        fs::write(fixture.path("logs_2021_Mar.txt"), MARCH).unwrap();
        fs::write(fixture.path("logs_2021_Apr.txt"), APRIL).unwrap();
        let config = format!(
            "[source.app]\npaths = [\"{}\"]\n[privacy]\nseal = [\"client_id\"]\npseudonymise = [\"ip\"]\n\
             [sink.archive]\nkind = \"archive\"\nkeep = \"forever\"\n\
             [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n\
             [[sink.es.route]]\nwhere = \"level:error\"\nindex = \"error\"\n",
            fixture.path("logs_*.txt").display(),
            fixture.server.url
        );
        fs::write(fixture.path("config.toml"), config).unwrap();
        let server = fixture.server.clone();
        fixture.server.reply_to_others(move |asked, body| answer(&server, asked, body));
        fixture
    }

    fn shipped() -> Self {
        let fixture = Fixture::new();
        expect(&mut fixture.command(&["--no-ui", "--once"]), 0);
        assert_eq!(fixture.server.documents().len(), 6);
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::logwarden(self.home.path());
        command.arg("--config").arg(self.path("config.toml"));
        command.arg("--state-dir").arg(self.path("state")).args(arguments);
        command
    }

    #[track_caller]
    fn run_expecting(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output: Output = run(&mut self.command(arguments));
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }

    #[track_caller]
    fn counts(&self, query: &str, expected: u64) {
        let code = i32::from(expected == 0);
        let (out, _) = self.run_expecting(&["search", "--count", "--", query], code);
        assert_eq!(out.trim(), expected.to_string(), "{query}");
    }

    /// Name of each store, the number of its events, and the number of those printed as newest.
    fn events_found(&self, client: &str) -> Vec<(String, u64, usize)> {
        let output = run(&mut self.command(&["find", "--json", "--client", client]));
        let printed = text(&output.stdout);
        let found = printed.lines().map(|line| {
            let place: Value = serde_json::from_str(line).unwrap();
            let newest = place["newest"].as_array().unwrap().len();
            let name = place["place"].as_str().unwrap().to_owned();
            (name, place["events"].as_u64().unwrap(), newest)
        });
        found.collect()
    }
}

/// Answers a search as Elasticsearch does: by the tags in the query, in any field whose name ends like a tag field.
fn answer(server: &RejectingElasticsearch, asked: &str, body: &str) -> (u16, Value) {
    let (path, verb) = asked.split('?').next().unwrap().rsplit_once('/').unwrap();
    assert_eq!(path, "POST /error,logwarden-*", "only the indexes of the sink");
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let clauses = body["query"]["bool"]["should"].as_array().cloned().unwrap_or_default();
    let tags: Vec<&Value> = clauses.iter().map(|clause| &clause["multi_match"]["query"]).collect();
    match verb {
        "_refresh" => (200, json!({"_shards": {"failed": 0}})),
        "_search" => {
            let documents = server.documents().into_iter().map(|(_, document)| document);
            let mut found: Vec<Value> =
                documents.filter(|document| contains_tag(document, &tags)).collect();
            found.sort_by_key(|document| std::cmp::Reverse(document["@timestamp"].to_string()));
            let total = found.len();
            let shown = found.into_iter().take(body["size"].as_u64().unwrap() as usize);
            let hits: Vec<Value> = shown
                .enumerate()
                .map(|(n, hit)| json!({"_source": hit, "sort": [100 - n]}))
                .collect();
            let total = json!({"value": total, "relation": "eq"});
            (
                200,
                json!({"timed_out": false, "_shards": {"failed": 0}, "hits": {"total": total, "hits": hits}}),
            )
        }
        "_delete_by_query" => {
            let deleted = server.remove(|document| contains_tag(document, &tags));
            (200, json!({"deleted": deleted, "version_conflicts": 0, "failures": []}))
        }
        other => panic!("{other}"),
    }
}

fn contains_tag(value: &Value, tags: &[&Value]) -> bool {
    let Some(object) = value.as_object() else { return false };
    object.iter().any(|(name, value)| {
        contains_tag(value, tags) || (name.ends_with("_tag") && tags.contains(&value))
    })
}

#[test]
fn a_query_for_a_complete_id_finds_its_sealed_values_in_all_months() {
    let fixture = Fixture::shipped();
    fixture.counts("client_id:CLIENTID2", 2);
    fixture.counts("request.client_id:CLIENTID2", 1);
    fixture.counts("client_id:(CLIENTID2 CLIENTID3)", 4);
    fixture.counts("client_id:CLIENTID2 and clientId:CLIENTID3", 0);
    fixture.counts("not client_id:CLIENTID3", 4);
    fixture.counts("client_id:clientid2", 0);
    fixture.counts("client_id:*", 4);
    fixture.counts("ip:10.1.2.3", 2);
    fixture.counts("ip:10.1.2.4", 0);
    fixture.counts("ip:*", 2);
    let (_, err) = fixture.run_expecting(&["search", "client_id:CLIENT*"], 2);
    assert!(err.contains("sealed") && err.contains("`client_id:VALUE`"), "{err}");
    let (_, err) = fixture.run_expecting(&["search", "ip:10.0.0.0/8"], 2);
    assert!(err.contains("a whole address"), "{err}");
    // One key is unusable: this is reported, and the other months are searched.
    let key = fixture.path("state/keys/2021_April.key");
    let whole = fs::read(&key).unwrap();
    fs::write(&key, "lwkey1.AAAA").unwrap();
    let (out, err) = fixture.run_expecting(&["search", "--count", "client_id:CLIENTID2"], 0);
    assert_eq!((out.trim(), err.contains("2021_April.key")), ("1", true), "{err}");
    fs::write(&key, whole).unwrap();
    fs::rename(fixture.path("state/keys"), fixture.path("elsewhere")).unwrap();
    let (_, err) = fixture.run_expecting(&["search", "client_id:CLIENTID2"], 2);
    assert!(err.contains("create it with: mkdir -m 700"), "{err}");
    let other = fixture.path("elsewhere");
    let at = ["--keys", other.to_str().unwrap(), "search", "--count", "client_id:CLIENTID2"];
    assert_eq!(fixture.run_expecting(&at, 0).0.trim(), "2");
    fixture.counts("client_id:*", 4);
}

#[test]
fn find_prints_the_number_per_target_and_the_newest_events() {
    let fixture = Fixture::shipped();
    let places = [("archive".to_owned(), 3, 3), ("sink es (error,logwarden-*)".to_owned(), 3, 3)];
    assert_eq!(fixture.events_found("CLIENTID2"), places);
    let (out, _) = fixture.run_expecting(&["find", "--client", "CLIENTID2", "--limit", "1"], 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(
        (lines[0], lines[2]),
        ("archive: 3 events", "sink es (error,logwarden-*): 3 events")
    );
    assert!(lines[1].contains("2021-04-02T10:00:01") && lines[3].contains("2021-04-02T10:00:01"));
    assert!(!out.contains("CLIENTID2"), "{out}");
    let (out, _) = fixture.run_expecting(&["find", "--client", "clientid2"], 1);
    assert_eq!(out, "archive: 0 events\nsink es (error,logwarden-*): 0 events\n");
    fixture.run_expecting(&["find", "--client", " "], 2);
    fixture.server.reply_to_others(|_, _| {
        (403, json!({"error": {"type": "security_exception", "reason": "no"}, "status": 403}))
    });
    let (out, err) = fixture.run_expecting(&["find", "--client", "CLIENTID2", "--limit", "0"], 1);
    assert_eq!(out, "archive: 3 events\n");
    assert!(err.contains("sink es") && err.contains("403") && err.contains("`read`"), "{err}");
}

/// Text for people never contains terminal controls or extra line breaks, also if it is piped.
#[test]
fn a_decrypted_value_stays_on_its_line() {
    let fixture = Fixture::new();
    let odd =
        r#"{"time":"2021-04-02T10:00:00Z","client_id":"ID\u001b]0;x\u0007\nforged","message":"m"}"#;
    fs::write(fixture.path("logs_2021_Apr.txt"), format!("{odd}\n")).unwrap();
    fs::write(fixture.path("logs_2021_Mar.txt"), "").unwrap();
    expect(&mut fixture.command(&["--no-ui", "--once"]), 0);
    let (out, _) = fixture.run_expecting(&["search", "client_id:*", "--open"], 0);
    assert!(out.contains("ID") && out.contains("forged"), "{out}");
    assert_eq!((out.lines().count(), out.contains('\u{1b}')), (1, false), "{out:?}");
    let (out, _) =
        fixture.run_expecting(&["search", "client_id:*", "--open", "--format", "json"], 0);
    let document: Value = serde_json::from_str(out.trim_end()).unwrap();
    assert_eq!(document["client_id"], "ID\u{1b}]0;x\u{7}\nforged");
}

/// On demand, if the key exists; each decryption is recorded in the audit log.
#[test]
fn tokens_from_the_archive_and_from_a_server_are_decrypted_on_demand() {
    let fixture = Fixture::shipped();
    let audit = || -> Vec<Value> {
        let text = fs::read_to_string(fixture.path("state/audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let search = ["search", "client_id:CLIENTID2", "--format", "json"];
    let (closed, _) = fixture.run_expecting(&search, 0);
    assert!(closed.contains("enc1.") && !closed.contains("CLIENTID2"), "{closed}");
    assert!(audit().is_empty(), "nothing was decrypted");
    let (open, _) = fixture.run_expecting(&[&search[..], &["--open"]].concat(), 0);
    let documents: Vec<Value> =
        open.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents[0]["client_id"], "CLIENTID2");
    assert_eq!(documents[1]["CLIENT ID"], "CLIENTID2");
    assert!(!open.contains("enc1."), "{open}");
    let records = audit();
    let months: Vec<&Value> = records.iter().map(|line| &line["month"]).collect();
    assert_eq!(months, ["2021_March", "2021_April"]);
    assert!(records.iter().all(|line| line["by"] == "search" && line["file"] == "the archive"));
    assert!(!fs::read_to_string(fixture.path("state/audit.jsonl")).unwrap().contains("CLIENTID"));

    let find = ["find", "--client", "CLIENTID2", "--json", "--open"];
    let (open, _) = fixture.run_expecting(&find, 0);
    let places: Vec<Value> = open.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for place in &places {
        assert_eq!(place["newest"].as_array().unwrap().len(), 3, "{open}");
        assert_eq!(place["newest"][0]["request"]["client_id"], "CLIENTID2", "{open}");
    }
    assert_eq!((places.len(), open.contains("enc1.")), (2, false), "{open}");
    assert!(audit().iter().any(|line| line["by"] == "find"));
    fixture.run_expecting(&["search", "a", "--open", "--format", "csv"], 2);
    fixture.run_expecting(&["search", "a", "logs_2021_Apr.txt", "--view"], 2);
    fixture.run_expecting(&["find", "--client", "CLIENTID2", "--view"], 2);
    // Tokens that cannot be decrypted are printed unchanged, and this is reported.
    fs::remove_file(fixture.path("state/keys/2021_March.key")).unwrap();
    let (open, err) = fixture.run_expecting(&["search", "*", "--format", "json", "--open"], 1);
    assert_eq!(
        (open.matches("enc1.").count(), open.matches("CLIENTID2").count()),
        (2, 2),
        "{open}"
    );
    assert!(err.contains("2 of 5 tokens cannot be decrypted"), "{err}");
}

#[test]
fn erase_asks_first_then_deletes_the_events_from_every_store() {
    let fixture = Fixture::shipped();
    let (out, err) = fixture.run_expecting(&["erase", "--client", "CLIENTID2"], 0);
    assert_eq!(out, "archive: 3 events\nsink es (error,logwarden-*): 3 events\n");
    assert!(
        err.contains("nothing was erased; use --yes to erase these events permanently"),
        "{err}"
    );
    assert!(err.contains("not changed: the logs themselves"), "{err}");
    assert_eq!(fixture.events_found("CLIENTID2")[0].1, 3);

    let engine = Engine::spawn(fixture.home.path(), &mut fixture.command(&["--no-ui"]));
    let socket = fixture.path("state/control.sock");
    wait_for("the engine", Duration::from_secs(60), || socket.exists().then_some(()));
    let (_, err) = fixture.run_expecting(&["erase", "--client", "CLIENTID2", "--yes"], 4);
    assert!(err.contains("nothing was erased"), "{err}");
    assert!(engine.terminate().success());
    assert_eq!((fixture.events_found("CLIENTID2")[0].1, fixture.server.documents().len()), (3, 6));

    let (out, err) = fixture.run_expecting(&["erase", "--client", "CLIENTID2", "--yes"], 0);
    assert!(
        out.ends_with("archive: 3 events erased\nsink es (error,logwarden-*): 3 events erased\n")
    );
    assert!(err.contains("not changed: the logs themselves"), "{err}");
    assert!(!err.contains("erased"), "{err}");
    let all = |events| fixture.events_found("CLIENTID2").iter().all(|place| place.1 == events);
    assert!(all(0));
    assert_eq!(fixture.server.documents().len(), 3);
    fixture.counts("*", 3);
    fixture.counts("client_id:CLIENTID3", 2);
    // Erased events are not read again, and new ones are delivered.
    let more = format!("{APRIL}{}", MARCH.replace("03-02", "04-09"));
    fs::write(fixture.path("logs_2021_Apr.txt"), more).unwrap();
    expect(&mut fixture.command(&["--no-ui", "--once"]), 0);
    fixture.counts("*", 5);
    fixture.counts("client_id:CLIENTID2", 1);
    let (_, err) = fixture.run_expecting(&["erase", "--client", "NOBODY", "--yes"], 0);
    assert!(err.contains("no events found"), "{err}");
}

/// The output of `erase` on a terminal on which this is typed.
fn erase_typing(fixture: &Fixture, answer: &str) -> String {
    let size = PtySize { rows: 40, cols: 200, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_logwarden"));
    for path in ["config.toml", "state"].map(|name| fixture.path(name)) {
        command.arg(if path.ends_with("state") { "--state-dir" } else { "--config" });
        command.arg(path);
    }
    command.args(["erase", "--client", "CLIENTID2"]);
    command.env("HOME", fixture.home.path());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    // The terminal keeps the input until the program reads it.
    let mut keys = pair.master.take_writer().unwrap();
    keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
    let mut messages = Vec::new();
    // Linux reports the end of a pseudo terminal as an error.
    let _ = pair.master.try_clone_reader().unwrap().read_to_end(&mut messages);
    assert!(child.wait().unwrap().success());
    String::from_utf8(messages).unwrap()
}

#[test]
fn erase_requires_typing_the_id_and_deletes_dead_letters_that_hold_it() {
    let fixture = Fixture::new();
    fixture.server.reply_to_items(|_, document| match document["message"].as_str() {
        Some("d" | "e") => {
            RejectingElasticsearch::rejection(400, "document_parsing_exception", "no")
        }
        _ => None,
    });
    let mut config = fs::read_to_string(fixture.path("config.toml")).unwrap();
    let out = fixture.path("out.jsonl");
    config.push_str(&format!("[sink.out]\nkind = \"file\"\npath = \"{}\"\n", out.display()));
    fs::write(fixture.path("config.toml"), config).unwrap();
    expect(&mut fixture.command(&["--no-ui", "--once"]), 3);
    let places = [
        ("archive".to_owned(), 3, 3),
        ("dead letters".to_owned(), 1, 1),
        ("sink es (error,logwarden-*)".to_owned(), 2, 2),
    ];
    assert_eq!(fixture.events_found("CLIENTID2"), places);

    for answer in ["", "yes", "CLIENTID3"] {
        let messages = erase_typing(&fixture, answer);
        assert!(
            messages.contains("Type CLIENTID2 to erase") && messages.contains("nothing was erased")
        );
        assert_eq!(fixture.events_found("CLIENTID2"), places, "{messages}");
    }
    let messages = erase_typing(&fixture, "CLIENTID2");
    for erased in ["archive: 3 events erased", "dead letters: 1 event erased"] {
        assert!(messages.contains(erased), "{messages}");
    }
    assert!(messages.contains("(error,logwarden-*): 2 events erased"), "{messages}");
    assert!(messages.contains(&format!("not searched: {}", out.display())), "{messages}");
    assert_eq!(fixture.events_found("CLIENTID2").iter().map(|place| place.1).max(), Some(0));
    // The dead letter of another id stays and is delivered once it is accepted; no erased event is delivered again.
    fixture.server.reply_to_items(|_, _| None);
    fixture.run_expecting(&["dead-letters", "replay"], 0);
    assert_eq!(fixture.events_found("CLIENTID2").iter().map(|place| place.1).max(), Some(0));
    assert_eq!(fixture.events_found("CLIENTID3").last().unwrap().1, 2);
}
