//! What left sealed is found again by whoever has the keys: by a query, by `find`, and by `erase`, which takes it
//! out of the archive, of dead letters and of Elasticsearch.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::judging_elasticsearch::JudgingElasticsearch;
use crate::program::{self, Engine, expect, run, text, wait_for};

/// Logs of two months, shipped to the archive and to a server.
struct Bench {
    home: TempDir,
    server: JudgingElasticsearch,
}

const MARCH: &str = r#"{"time":"2021-03-02T10:00:00Z","level":"info","client_id":"CLIENTID2","message":"a"}
{"time":"2021-03-02T10:00:01Z","level":"info","client_id":"CLIENTID3","ip":"10.1.2.3","message":"b"}
"#;
const APRIL: &str = r#"{"time":"2021-04-02T10:00:00Z","level":"info","CLIENT ID":"CLIENTID2","message":"c"}
{"time":"2021-04-02T10:00:01Z","level":"error","request":{"client_id":"CLIENTID2"},"message":"d"}
{"time":"2021-04-02T10:00:02Z","level":"error","client_id":"CLIENTID3","ip":"10.1.2.3","message":"e"}
{"time":"2021-04-02T10:00:03Z","level":"error","message":"f"}
"#;

impl Bench {
    fn new() -> Self {
        let bench = Bench { home: TempDir::new().unwrap(), server: JudgingElasticsearch::start() };
        fs::write(bench.path("logs_2021_Mar.txt"), MARCH).unwrap();
        fs::write(bench.path("logs_2021_Apr.txt"), APRIL).unwrap();
        let config = format!(
            "[source.app]\npaths = [\"{}\"]\n[privacy]\nseal = [\"client_id\"]\npseudonymise = [\"ip\"]\n\
             [sink.archive]\nkind = \"archive\"\nkeep = \"forever\"\n\
             [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n\
             [[sink.es.route]]\nwhere = \"level:error\"\nindex = \"error\"\n",
            bench.path("logs_*.txt").display(),
            bench.server.url
        );
        fs::write(bench.path("config.toml"), config).unwrap();
        let server = bench.server.clone();
        bench.server.other(move |asked, body| answer(&server, asked, body));
        bench
    }

    fn shipped() -> Self {
        let bench = Bench::new();
        expect(&mut bench.command(&["--no-ui", "--once"]), 0);
        assert_eq!(bench.server.documents().len(), 6);
        bench
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
    fn said(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output: Output = run(&mut self.command(arguments));
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        (out, err)
    }

    #[track_caller]
    fn counts(&self, query: &str, expected: u64) {
        let code = i32::from(expected == 0);
        let (out, _) = self.said(&["search", "--count", "--", query], code);
        assert_eq!(out.trim(), expected.to_string(), "{query}");
    }

    /// Place → events.
    fn found(&self, client: &str) -> Vec<(String, u64, usize)> {
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

/// As Elasticsearch does: by the tags that a query names, in any field that ends like one.
fn answer(server: &JudgingElasticsearch, asked: &str, body: &str) -> (u16, Value) {
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
                documents.filter(|document| holds(document, &tags)).collect();
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
            let deleted = server.remove(|document| holds(document, &tags));
            (200, json!({"deleted": deleted, "version_conflicts": 0, "failures": []}))
        }
        other => panic!("{other}"),
    }
}

fn holds(value: &Value, tags: &[&Value]) -> bool {
    let Some(object) = value.as_object() else { return false };
    object.iter().any(|(name, value)| {
        holds(value, tags) || (name.ends_with("_tag") && tags.contains(&value))
    })
}

#[test]
fn a_sealed_id_answers_a_query_for_the_whole_of_it_in_all_months() {
    let bench = Bench::shipped();
    bench.counts("client_id:CLIENTID2", 2);
    bench.counts("request.client_id:CLIENTID2", 1);
    bench.counts("client_id:(CLIENTID2 CLIENTID3)", 4);
    bench.counts("client_id:CLIENTID2 and clientId:CLIENTID3", 0);
    bench.counts("not client_id:CLIENTID3", 4);
    bench.counts("client_id:clientid2", 0);
    bench.counts("client_id:*", 4);
    bench.counts("ip:10.1.2.3", 2);
    bench.counts("ip:10.1.2.4", 0);
    bench.counts("ip:*", 2);
    let (_, err) = bench.said(&["search", "client_id:CLIENT*"], 2);
    assert!(err.contains("sealed") && err.contains("`client_id:VALUE`"), "{err}");
    let (_, err) = bench.said(&["search", "ip:10.0.0.0/8"], 2);
    assert!(err.contains("a whole address"), "{err}");
    // One key cannot be used: the other months are searched, and it is said.
    let key = bench.path("state/keys/2021_April.key");
    let whole = fs::read(&key).unwrap();
    fs::write(&key, "lwkey1.AAAA").unwrap();
    let (out, err) = bench.said(&["search", "--count", "client_id:CLIENTID2"], 0);
    assert_eq!((out.trim(), err.contains("2021_April.key")), ("1", true), "{err}");
    fs::write(&key, whole).unwrap();
    fs::rename(bench.path("state/keys"), bench.path("elsewhere")).unwrap();
    let (_, err) = bench.said(&["search", "client_id:CLIENTID2"], 2);
    assert!(err.contains("create it with: mkdir -m 700"), "{err}");
    let other = bench.path("elsewhere");
    let at = ["--keys", other.to_str().unwrap(), "search", "--count", "client_id:CLIENTID2"];
    assert_eq!(bench.said(&at, 0).0.trim(), "2");
    bench.counts("client_id:*", 4);
}

#[test]
fn find_says_how_many_where_and_shows_the_newest() {
    let bench = Bench::shipped();
    let places = [("archive".to_owned(), 3, 3), ("sink es (error,logwarden-*)".to_owned(), 3, 3)];
    assert_eq!(bench.found("CLIENTID2"), places);
    let (out, _) = bench.said(&["find", "--client", "CLIENTID2", "--limit", "1"], 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 4, "{out}");
    assert_eq!(
        (lines[0], lines[2]),
        ("archive: 3 events", "sink es (error,logwarden-*): 3 events")
    );
    assert!(lines[1].contains("2021-04-02T10:00:01") && lines[3].contains("2021-04-02T10:00:01"));
    assert!(!out.contains("CLIENTID2"), "{out}");
    let (out, _) = bench.said(&["find", "--client", "clientid2"], 1);
    assert_eq!(out, "archive: 0 events\nsink es (error,logwarden-*): 0 events\n");
    bench.said(&["find", "--client", " "], 2);
    bench.server.other(|_, _| {
        (403, json!({"error": {"type": "security_exception", "reason": "no"}, "status": 403}))
    });
    let (out, err) = bench.said(&["find", "--client", "CLIENTID2", "--limit", "0"], 1);
    assert_eq!(out, "archive: 3 events\n");
    assert!(err.contains("sink es") && err.contains("403") && err.contains("`read`"), "{err}");
}

/// For a person: it steers no terminal and makes no line of its own, also behind a pipe.
#[test]
fn an_opened_value_stays_on_its_line() {
    let bench = Bench::new();
    let odd =
        r#"{"time":"2021-04-02T10:00:00Z","client_id":"ID\u001b]0;x\u0007\nforged","message":"m"}"#;
    fs::write(bench.path("logs_2021_Apr.txt"), format!("{odd}\n")).unwrap();
    fs::write(bench.path("logs_2021_Mar.txt"), "").unwrap();
    expect(&mut bench.command(&["--no-ui", "--once"]), 0);
    let (out, _) = bench.said(&["search", "client_id:*", "--open"], 0);
    assert!(out.contains("ID") && out.contains("forged"), "{out}");
    assert_eq!((out.lines().count(), out.contains('\u{1b}')), (1, false), "{out:?}");
    let (out, _) = bench.said(&["search", "client_id:*", "--open", "--format", "json"], 0);
    let document: Value = serde_json::from_str(out.trim_end()).unwrap();
    assert_eq!(document["client_id"], "ID\u{1b}]0;x\u{7}\nforged");
}

/// On demand, where the key is there, and written down.
#[test]
fn tokens_from_the_archive_and_from_a_server_are_opened_on_demand() {
    let bench = Bench::shipped();
    let audit = || -> Vec<Value> {
        let text = fs::read_to_string(bench.path("state/audit.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let search = ["search", "client_id:CLIENTID2", "--format", "json"];
    let (closed, _) = bench.said(&search, 0);
    assert!(closed.contains("enc1.") && !closed.contains("CLIENTID2"), "{closed}");
    assert!(audit().is_empty(), "nothing was opened");
    let (open, _) = bench.said(&[&search[..], &["--open"]].concat(), 0);
    let documents: Vec<Value> =
        open.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents[0]["client_id"], "CLIENTID2");
    assert_eq!(documents[1]["CLIENT ID"], "CLIENTID2");
    assert!(!open.contains("enc1."), "{open}");
    let told = audit();
    let months: Vec<&Value> = told.iter().map(|line| &line["month"]).collect();
    assert_eq!(months, ["2021_March", "2021_April"]);
    assert!(told.iter().all(|line| line["by"] == "search" && line["file"] == "the archive"));
    assert!(!fs::read_to_string(bench.path("state/audit.jsonl")).unwrap().contains("CLIENTID"));

    let find = ["find", "--client", "CLIENTID2", "--json", "--open"];
    let (open, _) = bench.said(&find, 0);
    let places: Vec<Value> = open.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for place in &places {
        assert_eq!(place["newest"].as_array().unwrap().len(), 3, "{open}");
        assert_eq!(place["newest"][0]["request"]["client_id"], "CLIENTID2", "{open}");
    }
    assert_eq!((places.len(), open.contains("enc1.")), (2, false), "{open}");
    assert!(audit().iter().any(|line| line["by"] == "find"));
    bench.said(&["search", "a", "--open", "--format", "csv"], 2);
    bench.said(&["search", "a", "logs_2021_Apr.txt", "--view"], 2);
    bench.said(&["find", "--client", "CLIENTID2", "--view"], 2);
    // What cannot be opened stays, and is said.
    fs::remove_file(bench.path("state/keys/2021_March.key")).unwrap();
    let (open, err) = bench.said(&["search", "*", "--format", "json", "--open"], 1);
    assert_eq!(
        (open.matches("enc1.").count(), open.matches("CLIENTID2").count()),
        (2, 2),
        "{open}"
    );
    assert!(err.contains("2 of 5 tokens cannot be decrypted"), "{err}");
}

#[test]
fn erase_asks_first_then_takes_the_events_out_of_every_place_for_good() {
    let bench = Bench::shipped();
    let (out, err) = bench.said(&["erase", "--client", "CLIENTID2"], 0);
    assert_eq!(out, "archive: 3 events\nsink es (error,logwarden-*): 3 events\n");
    assert!(
        err.contains("nothing was erased; use --yes to erase these events permanently"),
        "{err}"
    );
    assert!(err.contains("not changed: the logs themselves"), "{err}");
    assert_eq!(bench.found("CLIENTID2")[0].1, 3);

    let engine = Engine::spawn(bench.home.path(), &mut bench.command(&["--no-ui"]));
    let socket = bench.path("state/control.sock");
    wait_for("the engine", Duration::from_secs(60), || socket.exists().then_some(()));
    let (_, err) = bench.said(&["erase", "--client", "CLIENTID2", "--yes"], 4);
    assert!(err.contains("nothing was erased"), "{err}");
    assert!(engine.terminate().success());
    assert_eq!((bench.found("CLIENTID2")[0].1, bench.server.documents().len()), (3, 6));

    let (out, err) = bench.said(&["erase", "--client", "CLIENTID2", "--yes"], 0);
    assert!(
        out.ends_with("archive: 3 events erased\nsink es (error,logwarden-*): 3 events erased\n")
    );
    assert!(err.contains("not changed: the logs themselves"), "{err}");
    assert!(!err.contains("erased"), "{err}");
    let all = |events| bench.found("CLIENTID2").iter().all(|place| place.1 == events);
    assert!(all(0));
    assert_eq!(bench.server.documents().len(), 3);
    bench.counts("*", 3);
    bench.counts("client_id:CLIENTID3", 2);
    // Nothing of it is read again, and what comes in goes on.
    let more = format!("{APRIL}{}", MARCH.replace("03-02", "04-09"));
    fs::write(bench.path("logs_2021_Apr.txt"), more).unwrap();
    expect(&mut bench.command(&["--no-ui", "--once"]), 0);
    bench.counts("*", 5);
    bench.counts("client_id:CLIENTID2", 1);
    let (_, err) = bench.said(&["erase", "--client", "NOBODY", "--yes"], 0);
    assert!(err.contains("nothing was found"), "{err}");
}

/// What `erase` says on a terminal where this is typed.
fn typed(bench: &Bench, answer: &str) -> String {
    let size = PtySize { rows: 40, cols: 200, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_logwarden"));
    for path in ["config.toml", "state"].map(|name| bench.path(name)) {
        command.arg(if path.ends_with("state") { "--state-dir" } else { "--config" });
        command.arg(path);
    }
    command.args(["erase", "--client", "CLIENTID2"]);
    command.env("HOME", bench.home.path());
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    // The terminal keeps it until somebody asks.
    let mut keys = pair.master.take_writer().unwrap();
    keys.write_all(format!("{answer}\n").as_bytes()).unwrap();
    let mut said = Vec::new();
    // Its end is an error on Linux.
    let _ = pair.master.try_clone_reader().unwrap().read_to_end(&mut said);
    assert!(child.wait().unwrap().success());
    String::from_utf8(said).unwrap()
}

#[test]
fn erase_wants_the_id_typed_and_takes_dead_letters_that_hold_it() {
    let bench = Bench::new();
    bench.server.judge(|_, document| match document["message"].as_str() {
        Some("d" | "e") => JudgingElasticsearch::refuse(400, "document_parsing_exception", "no"),
        _ => None,
    });
    let mut config = fs::read_to_string(bench.path("config.toml")).unwrap();
    let out = bench.path("out.jsonl");
    config.push_str(&format!("[sink.out]\nkind = \"file\"\npath = \"{}\"\n", out.display()));
    fs::write(bench.path("config.toml"), config).unwrap();
    expect(&mut bench.command(&["--no-ui", "--once"]), 3);
    let places = [
        ("archive".to_owned(), 3, 3),
        ("dead letters".to_owned(), 1, 1),
        ("sink es (error,logwarden-*)".to_owned(), 2, 2),
    ];
    assert_eq!(bench.found("CLIENTID2"), places);

    for answer in ["", "yes", "CLIENTID3"] {
        let said = typed(&bench, answer);
        assert!(said.contains("Type CLIENTID2 to erase") && said.contains("nothing was erased"));
        assert_eq!(bench.found("CLIENTID2"), places, "{said}");
    }
    let said = typed(&bench, "CLIENTID2");
    for erased in ["archive: 3 events erased", "dead letters: 1 event erased"] {
        assert!(said.contains(erased), "{said}");
    }
    assert!(said.contains("(error,logwarden-*): 2 events erased"), "{said}");
    assert!(said.contains(&format!("not searched: {}", out.display())), "{said}");
    assert_eq!(bench.found("CLIENTID2").iter().map(|place| place.1).max(), Some(0));
    // The letter of another id stays, and is delivered where it may be; nothing erased comes back.
    bench.server.judge(|_, _| None);
    bench.said(&["dead-letters", "replay"], 0);
    assert_eq!(bench.found("CLIENTID2").iter().map(|place| place.1).max(), Some(0));
    assert_eq!(bench.found("CLIENTID3").last().unwrap().1, 2);
}
