//! `assets/examples/sre.toml` with only the server's address and the directory of the logs changed: months of a
//! service's logs are shipped to two indexes with sealed ids, and the keys directory alone decrypts them all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Duration;

use logwarden::client::elasticsearch::Method;
use serde_json::Value;

use crate::elasticsearch::Elasticsearch;
use crate::fixture::Fixture;
use crate::program::{self, wait_for};

const EXAMPLE: &str = include_str!("../../assets/examples/sre.toml");
const PATIENCE: Duration = Duration::from_secs(60);
const MONTHS: [&str; 3] = ["logs_2021_Apr.txt", "logs_2021_Jun.txt", "logs_2021_May.txt"];

/// File and offset of each line → its fields, as written or as a document.
type Lines = BTreeMap<(String, u64), Value>;

pub fn ships_months_that_can_be_decrypted_with_the_keys_alone(server: &Elasticsearch) {
    let fixture = configured(server);
    let written = generate(&fixture, &["--count", "2100", "--start", "2021-04-01"]);
    let names: Vec<String> = files(&fixture).into_iter().map(|(name, _)| name).collect();
    assert_eq!((written, names), (2100, MONTHS.map(String::from).to_vec()));
    let check = program::expect(&mut fixture.beside(&["check"]), 0);
    assert!(check.contains("sink es: ") && check.contains("client"), "{check}");

    let (code, messages) = fixture.once();
    assert_eq!((code, messages.contains("es: 2,100 events")), (Some(0), true), "{messages}");
    let first = assert_sealed_and_once(&fixture, server);
    let keys = key_files(&fixture);
    assert_eq!(keys.len(), 3);

    // A later process ships only new lines, sealed with the same keys.
    for (number, name) in MONTHS.iter().cycle().take(60).enumerate() {
        let id = format!("CLIENTID{}", 1 + number % 40);
        fixture.append(name, &line("2021-06-30T20:00:00", &id, "INFO"));
    }
    let (code, messages) = fixture.once();
    assert_eq!((code, messages.contains("es: 60 events")), (Some(0), true), "{messages}");
    let second = assert_sealed_and_once(&fixture, server);
    assert_eq!(second.len(), 2160);
    assert!(first.iter().all(|(place, document)| second[place] == *document), "unchanged");
    assert_eq!(key_files(&fixture), keys);
    assert_one_tag_per_month_and_id(&fixture, &second);
    assert_decrypts_with_the_keys_alone(&fixture, &second);
    every_trigger_works(&fixture, server);
    let all = assert_sealed_and_once(&fixture, server);
    assert_decrypts_with_the_keys_alone(&fixture, &all);
}

fn configured(server: &Elasticsearch) -> Fixture {
    let fixture = Fixture::new("");
    let logs = fixture.path("logs").display().to_string();
    let mut text = EXAMPLE.to_owned();
    for (example, here) in [("/var/log/sre", logs), ("http://localhost:9200", server.url())] {
        assert_eq!(text.matches(example).count(), 1, "{example}");
        text = text.replace(example, &here);
    }
    fs::write(fixture.path("config.toml"), text).unwrap();
    fixture
}

/// Generates logs; returns the number of lines.
fn generate(fixture: &Fixture, arguments: &[&str]) -> usize {
    let mut command = program::logwarden(fixture.home.path());
    command.args(["generate", "sre", "--out"]).arg(fixture.path("logs")).args(arguments);
    program::expect(&mut command, 0);
    files(fixture).iter().map(|(_, text)| text.lines().count()).sum()
}

fn line(time: &str, id: &str, level: &str) -> String {
    format!(
        "{{\"CLIENT ID\": \"{id}\", \"timestamp\": \"{time}\", \"log_level\": \"{level}\", \
         \"message\": \"{id} was refused, see /clients/{id}\", \"thread\": \"thread1\"}}\n"
    )
}

/// The name and text of each log, in order.
fn files(fixture: &Fixture) -> Vec<(String, String)> {
    let entries = fs::read_dir(fixture.path("logs")).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files: Vec<_> =
        entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
    files.sort();
    files
}

/// All written lines, by file and offset.
fn source(fixture: &Fixture) -> Lines {
    let mut lines = Lines::new();
    for (name, text) in files(fixture) {
        let path = fixture.path("logs").join(name).display().to_string();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            lines.insert((path.clone(), offset), serde_json::from_str(line).unwrap());
            offset += line.len() as u64;
        }
    }
    lines
}

fn key_files(fixture: &Fixture) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(fixture.path("state/keys")).unwrap().map(|entry| entry.unwrap());
    let key = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        name.ends_with(".key").then(|| (name, fs::read(entry.path()).unwrap()))
    };
    entries.filter_map(key).collect()
}

/// Checks that each line is in one document, in `error` if it has an id, else in `data`, and that ids are only in
/// tokens and tags.
fn assert_sealed_and_once(fixture: &Fixture, server: &Elasticsearch) -> Lines {
    let source = source(fixture);
    let mut found = Lines::new();
    for (index, document) in server.documents("data,error") {
        let path = document["log"]["file"]["path"].as_str().unwrap().to_owned();
        let place = (path, document["log"]["offset"].as_u64().unwrap());
        let written = source.get(&place).unwrap_or_else(|| panic!("never written: {document}"));
        let has_id = written.get("CLIENT ID").is_some();
        assert_eq!(index, if has_id { "error" } else { "data" }, "{document}");
        assert_eq!(document["thread"], written["thread"]);
        assert_eq!(document.get("ID"), written.get("ID"));
        for (name, form) in [("CLIENT ID", "enc1."), ("CLIENT ID_tag", "tag1.")] {
            let sealed = document[name].as_str().is_some_and(|value| value.starts_with(form));
            assert_eq!(sealed, has_id, "{document}");
        }
        assert!(!document.to_string().contains("CLIENTID"), "{document}");
        assert_eq!(found.insert(place, document), None, "twice");
    }
    assert_eq!(found.len(), source.len());
    let body = r#"{"query":{"query_string":{"query":"*CLIENTID*","fields":["*"],"lenient":true}}}"#;
    let answer = server.ask(Method::Post, "data,error/_search", body);
    assert_eq!(answer["hits"]["hits"].as_array().map(Vec::len), Some(0), "{answer}");
    found
}

/// Checks that each id has one tag per month, whichever process sealed it.
fn assert_one_tag_per_month_and_id(fixture: &Fixture, documents: &Lines) {
    let mut tags: HashMap<(&str, &str), &str> = HashMap::new();
    let source = source(fixture);
    for (place, document) in documents {
        let Some(id) = source[place]["CLIENT ID"].as_str() else { continue };
        let tag = document["CLIENT ID_tag"].as_str().unwrap();
        assert_eq!(*tags.entry((&place.0, id)).or_insert(tag), tag, "{id}");
    }
    let different: std::collections::HashSet<&&str> = tags.values().collect();
    assert_eq!((tags.len(), different.len()), (120, 120), "40 ids in 3 months");
}

/// Decrypts like another machine: with a copy of the keys, without configuration and state.
fn assert_decrypts_with_the_keys_alone(fixture: &Fixture, documents: &Lines) {
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    fs::create_dir(&copy).unwrap();
    for (name, key) in key_files(fixture) {
        fs::write(copy.join(&name), key).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(copy.join(&name), mode).unwrap();
    }
    let read_back: String = documents.values().map(|document| format!("{document}\n")).collect();
    fs::write(elsewhere.path().join("read-back.jsonl"), read_back).unwrap();
    let mut decrypt = program::logwarden(elsewhere.path());
    decrypt.arg("decrypt").arg("--keys").arg(&copy).arg("read-back.jsonl");
    let opened = program::expect(&mut decrypt, 0);
    assert!(!opened.contains("enc1."), "tokens are left");
    let source = source(fixture);
    assert_eq!(opened.lines().count(), documents.len());
    for (place, line) in documents.keys().zip(opened.lines()) {
        let (document, written): (Value, _) = (serde_json::from_str(line).unwrap(), &source[place]);
        for field in ["CLIENT ID", "message"] {
            assert_eq!(document.get(field), written.get(field), "{line}");
        }
    }
}

/// Ships by number of pending events, manually and by schedule; a rule by level and id within a window only announces.
fn every_trigger_works(fixture: &Fixture, server: &Elasticsearch) {
    let ready = server.count("data,error");
    let holds = |events: u64| {
        wait_for("the shipped events", PATIENCE, || {
            (server.count("data,error") == ready + events).then_some(())
        });
    };
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let name = jiff::Timestamp::now().strftime("logs_%Y_%b.txt").to_string();
    let engine = fixture.engine();
    wait_for("the first pass", PATIENCE, || {
        fixture.path("state/control.sock").exists().then_some(())
    });
    fixture.append(&name, &line(&now, "CLIENTID7", "ERROR").repeat(1000));
    holds(1000);
    wait_for("an alert", PATIENCE, || {
        engine.messages().contains("client firing for").then_some(())
    });
    fixture.append(&name, &line(&now, "CLIENTID8", "ERROR").repeat(5));
    wait_for("another", PATIENCE, || {
        (engine.messages().matches("client firing for tag1.").count() == 2).then_some(())
    });
    assert_eq!(server.count("data,error"), ready + 1000, "they wait for their pass");
    program::expect(&mut fixture.beside(&["ship", "now"]), 0);
    holds(1005);
    assert!(!engine.messages().contains("CLIENTID"), "{}", engine.messages());
    assert!(engine.terminate().success());

    // The same with a shorter interval: fewer events are pending than start a pass.
    let config = fs::read_to_string(fixture.path("config.toml")).unwrap();
    assert_eq!(config.matches("every = \"15m\"").count(), 1);
    let short = config.replace("every = \"15m\"", "every = \"5s\"");
    fs::write(fixture.path("config.toml"), short).unwrap();
    let engine = fixture.engine();
    // The first may be shipped by the pass at the start, the others only after it.
    for events in [1010, 1015] {
        fixture.append(&name, &line(&now, "CLIENTID9", "ERROR").repeat(5));
        holds(events);
    }
    assert!(engine.terminate().success());
    fs::write(fixture.path("config.toml"), config).unwrap();
}
