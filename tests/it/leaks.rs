//! The leak scan: unique ids are written to logs of three months, in every place of a line that can contain an id, and
//! pass through every output. Outside the logs no id may be found, and each must be decryptable.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::fixture::Fixture;
use crate::program::{self, Random, seed, wait_for};

const PATIENCE: Duration = Duration::from_secs(180);
const MONTHS: [&str; 3] = ["Mar", "Apr", "May"];
/// Ids per month.
const EACH: usize = 60;
/// One in this many lines has a text as its number, which the index rejects.
const BAD: usize = 7;

type Places = Vec<(String, Vec<u8>)>;

/// `sink`: the settings of `[sink.es]`, whose index rejects a `number` that is a text. `stored` returns its documents.
/// Returns the ids of the accepted events.
pub fn scan_all_outputs(sink: &str, stored: &dyn Fn() -> Vec<Value>) -> Vec<String> {
    let ids = markers();
    let fixture = Fixture::new("");
    let metrics = configure(&fixture, sink);
    for (month, name) in MONTHS.iter().enumerate() {
        let of_month = ids[month * EACH..][..EACH].iter().enumerate();
        let lines: String = of_month.map(|(number, id)| line(id, number)).collect();
        fixture.append(&format!("logs_2021_{name}.txt"), &lines);
    }
    let mut places = delivered(&fixture, &ids, &metrics, stored);
    let found: Vec<&Vec<u8>> = places.iter().map(|(_, bytes)| bytes).collect();
    assert!(found.iter().any(|bytes| memchr::memmem::find(bytes, b"tag1.").is_some()));
    places.extend(printed(&fixture, &ids));
    files_of(fixture.home.path(), &mut places);
    assert!(places.len() > 16, "state, archive, dead letters, output: {}", places.len());
    for (name, bytes) in &places {
        for id in &ids {
            assert!(memchr::memmem::find(bytes, id.as_bytes()).is_none(), "{id} is in {name}");
        }
    }
    assert_each_can_be_decrypted(&fixture, &ids);
    let is_good = |place: &usize| *place == 3 * EACH || !(place % EACH).is_multiple_of(BAD);
    (0..ids.len()).filter(is_good).map(|place| ids[place].clone()).collect()
}

/// One id per line; the last one is for a line that is written later.
fn markers() -> Vec<String> {
    let mut random = Random(seed("privacy"));
    let letter = |random: &mut Random| char::from(b'A' + random.below(26) as u8);
    (0..=MONTHS.len() * EACH)
        .map(|_| format!("MK{}", (0..8).map(|_| letter(&mut random)).collect::<String>()))
        .collect()
}

/// A line with the id in every place that can contain one.
pub fn line(id: &str, number: usize) -> String {
    let bad = number.is_multiple_of(BAD).then(|| format!("\"none of {id}\""));
    let number = bad.unwrap_or_else(|| number.to_string());
    // The current time: rules announce no events of the distant past.
    let time = jiff::Timestamp::now();
    format!(
        "{{\"timestamp\":\"{time:.3}\",\"level\":\"error\",\"CLIENT ID\":\"{id}\",\
         \"message\":\"login of {id} from /home/{id}/x failed for '{id}'\",\"number\":{number},\
         \"request\":{{\"clientId\":\"{id}\",\"url\":\"/u?c={id}&x\",\"json\":\"{{\\\"c\\\":\\\"{id}\\\"}}\"}},\
         \"list\":[\"{id}\",\"of {id}\"],\"keys\":{{\"{id}\":1}}}}\n"
    )
}

/// Configures every kind of sink, a rule and the most verbose log of Logwarden itself. Returns the metrics address.
fn configure(fixture: &Fixture, sink: &str) -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = free.local_addr().unwrap().to_string();
    let text = format!(
        "log_level = \"trace\"\n[source.sre]\npaths = [\"{}/*.txt\"]\n\
         [sink.es]\nkind = \"elasticsearch\"\n{sink}\n\
         [sink.out]\nkind = \"file\"\npath = \"{}\"\n[sink.archive]\nkind = \"archive\"\n\
         [privacy]\nkeep_original = true\n[metrics]\nlisten = \"{listen}\"\n\
         [rule.client]\nkind = \"threshold\"\nwhere = \"level:error\"\nby = [\"client_id\"]\ncount = 1\nwindow = \"5m\"\n",
        fixture.path("logs").display(),
        fixture.path("out.jsonl").display()
    );
    fs::write(fixture.path("config.toml"), text).unwrap();
    listen
}

/// Runs an engine until everything is delivered. Returns the server's documents, the metrics and Logwarden's own log.
fn delivered(
    fixture: &Fixture,
    ids: &[String],
    listen: &str,
    stored: &dyn Fn() -> Vec<Value>,
) -> Places {
    let engine = fixture.engine();
    // A line written while the file is followed is announced at once.
    wait_for("the first documents", PATIENCE, || (!stored().is_empty()).then_some(()));
    fixture.append("logs_2021_May.txt", &line(ids.last().unwrap(), 1));
    let refused = MONTHS.len() * EACH.div_ceil(BAD);
    wait_for("every document", PATIENCE, || {
        (stored().len() + fixture.dead_letters().len() == ids.len()).then_some(())
    });
    assert_eq!(fixture.dead_letters().len(), refused);
    let out = || fs::read_to_string(fixture.path("out.jsonl")).unwrap_or_default();
    wait_for("the file", PATIENCE, || (out().lines().count() == ids.len()).then_some(()));
    let alert = "client firing for tag1.";
    wait_for("an alert", PATIENCE, || engine.messages().contains(alert).then_some(()));
    let archived = || program::archived(fixture.home.path(), &fixture.path("state"), "*");
    wait_for("the archive", PATIENCE, || (archived() == ids.len() as u64).then_some(()));
    let metrics = metrics(listen);
    let messages = engine.messages();
    assert_eq!(engine.terminate().code(), Some(3), "there were dead letters");
    let of_server: String = stored().iter().map(Value::to_string).collect();
    let archived = program::documents(fixture.home.path(), &fixture.path("state"));
    assert_eq!(archived.len(), ids.len());
    let archived: String = archived.iter().map(Value::to_string).collect();
    let places = [
        ("metrics", metrics),
        ("standard error", messages),
        ("Elasticsearch", of_server),
        ("archive", archived),
    ];
    places.map(|(name, text)| (name.to_owned(), text.into_bytes())).into()
}

fn metrics(address: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The output of all commands that print events.
fn printed(fixture: &Fixture, ids: &[String]) -> Places {
    let commands: [&[&str]; 6] = [
        &["search", "*", "--in", "archive", "--format", "csv"],
        &["search", "*", "--in", "archive", "--limit", "1000"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
        &["find", "--client", &ids[1]],
        &["check"],
    ];
    let print = |arguments: &&[&str]| {
        let output = program::run(&mut fixture.beside(arguments));
        assert!(output.stdout.len() > 100, "{arguments:?}: {}", program::text(&output.stderr));
        (arguments[..2.min(arguments.len())].join(" "), [output.stdout, output.stderr].concat())
    };
    let mut places: Places = commands.iter().map(print).collect();
    places.push(("standard output".to_owned(), to_standard_output(fixture)));
    // A search for the plain id must find nothing, too: the scan cannot see into the archive's compressed files.
    for id in ids {
        let found =
            program::run(&mut fixture.beside(&["search", "--count", "--in", "archive", id]));
        assert_eq!(program::text(&found.stdout).trim(), "0", "{id}");
    }
    places
}

/// Delivers the same logs again, through a sink of kind stdout.
fn to_standard_output(fixture: &Fixture) -> Vec<u8> {
    let config = fixture.path("stdout.toml");
    let text = format!(
        "[source.sre]\npaths = [\"{}/*.txt\"]\n[sink.out]\nkind = \"stdout\"\n\
         [privacy]\nkeep_original = true\nkeys = \"{}\"\n",
        fixture.path("logs").display(),
        fixture.path("state/keys").display()
    );
    fs::write(&config, text).unwrap();
    let mut command = program::logwarden(fixture.home.path());
    command.args(["--no-ui", "--once", "--config"]).arg(&config);
    let output = program::run(command.arg("--state-dir").arg(fixture.path("other-state")));
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, MONTHS.len() * EACH + 1, "{}", program::text(&output.stderr));
    [output.stdout, output.stderr].concat()
}

/// The bytes of all files in the directory except the logs.
fn files_of(directory: &Path, found: &mut Places) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "logs" {
            files_of(&path, found);
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

/// Checks that a copy of the keys directory alone decrypts each id.
fn assert_each_can_be_decrypted(fixture: &Fixture, ids: &[String]) {
    let elsewhere = tempfile::tempdir().unwrap();
    let keys = elsewhere.path().join("keys");
    fs::rename(fixture.path("state/keys"), &keys).unwrap();
    let mut decrypt = program::logwarden(elsewhere.path());
    decrypt.arg("decrypt").arg("--keys").arg(&keys).arg(fixture.path("out.jsonl"));
    let opened = program::expect(&mut decrypt, 0);
    assert_eq!(opened.lines().count(), ids.len());
    for line in opened.lines() {
        let document: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(ids.iter().any(|id| document["CLIENT ID"] == **id), "{line}");
    }
    for id in ids {
        assert!(opened.contains(&format!("\"clientId\":\"{id}\"")), "{id}");
    }
    assert!(!opened.contains("enc1."));
}
