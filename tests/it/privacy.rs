//! No client id leaves in clear, whichever way out there is; and each can be opened again with the keys alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::bench::Bench;
use crate::judging_elasticsearch::JudgingElasticsearch;
use crate::program::{self, Random, seed, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);
const EACH: usize = 60;

/// Ids that stand nowhere by chance.
fn markers(count: usize) -> Vec<String> {
    let mut random = Random(seed("privacy"));
    let letter = |random: &mut Random| char::from(b'A' + random.below(26) as u8);
    (0..count)
        .map(|_| format!("MK{}", (0..8).map(|_| letter(&mut random)).collect::<String>()))
        .collect()
}

/// Everywhere an id may stand in a log.
fn line(id: &str, number: usize) -> String {
    let bad = if number.is_multiple_of(7) { "\"bad\"".to_owned() } else { number.to_string() };
    // Of now: a rule tells nothing of what is long past.
    let time = jiff::Timestamp::now();
    format!(
        "{{\"timestamp\":\"{time:.3}\",\"level\":\"error\",\"CLIENT ID\":\"{id}\",\
         \"message\":\"login of {id} from /home/{id}/x failed for '{id}'\",\"number\":{bad},\
         \"request\":{{\"clientId\":\"{id}\",\"url\":\"/u?c={id}&x\",\"json\":\"{{\\\"c\\\":\\\"{id}\\\"}}\"}},\
         \"list\":[\"{id}\",{{\"{id}\":1}}]}}\n"
    )
}

/// Everything in the folder but the logs, as bytes.
fn files_of(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "logs" {
            files_of(&path, found);
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
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

#[test]
fn no_id_is_found_behind_any_way_out_and_each_opens_again() {
    let ids = markers(3 * EACH + 1);
    let server = JudgingElasticsearch::start();
    // As a server does it, the reason quotes the value.
    server.judge(|_, document| {
        let reason = format!("failed to parse field [number] of {document}");
        let wrong = document["number"].is_string();
        wrong
            .then(|| JudgingElasticsearch::refuse(400, "document_parsing_exception", &reason))
            .flatten()
    });
    let listen = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let bench = Bench::new("urls = [\"http://127.0.0.1:1\"]");
    let (logs, out) = (bench.path("logs"), bench.path("out.jsonl"));
    let text = format!(
        "log_level = \"trace\"\n[source.sre]\npaths = [\"{}/*.txt\"]\n\
         [sink.es]\nkind = \"elasticsearch\"\nurls = [\"{}\"]\n[[sink.es.route]]\nwhere = \"client_id:*\"\nindex = \"error\"\n\
         [sink.out]\nkind = \"file\"\npath = \"{}\"\n[sink.archive]\nkind = \"archive\"\n\
         [privacy]\nkeep_original = true\n[metrics]\nlisten = \"{listen}\"\n\
         [rule.client]\nkind = \"threshold\"\nwhere = \"level:error\"\nby = [\"client_id\"]\ncount = 1\nwindow = \"5m\"\n",
        logs.display(),
        server.url,
        out.display()
    );
    fs::write(bench.path("config.toml"), text).unwrap();
    for (month, name) in ["Mar", "Apr", "May"].iter().enumerate() {
        let of_month = &ids[month * EACH..][..EACH];
        let lines: String =
            of_month.iter().enumerate().map(|(number, id)| line(id, number)).collect();
        bench.append(&format!("logs_2021_{name}.txt"), &lines);
    }
    let engine = bench.engine();
    // One that comes while it is followed is told at once.
    wait_for("the first documents", PATIENCE, || (!server.documents().is_empty()).then_some(()));
    bench.append("logs_2021_May.txt", &line(&ids[3 * EACH], 1));
    let refused = 3 * EACH.div_ceil(7);
    wait_for("every document", PATIENCE, || {
        (server.documents().len() + bench.dead_letters().len() == ids.len()).then_some(())
    });
    assert_eq!(bench.dead_letters().len(), refused);
    let delivered = || fs::read_to_string(&out).unwrap_or_default();
    wait_for("the file", PATIENCE, || (delivered().lines().count() == ids.len()).then_some(()));
    wait_for("an alert", PATIENCE, || engine.said().contains("client fires for").then_some(()));
    let page = metrics(&listen);
    let said = engine.said();
    assert_eq!(engine.terminate().code(), Some(3), "there were dead letters");
    let archived = program::documents(bench.home.path(), &bench.path("state"));
    assert_eq!(archived.len(), ids.len());

    let mut all = Vec::new();
    files_of(bench.home.path(), &mut all);
    assert!(all.len() > 8, "state, archive, dead letters, output: {}", all.len());
    all.push(("metrics".into(), page.into_bytes()));
    all.push(("stderr".into(), said.clone().into_bytes()));
    let of_server: String =
        server.documents().iter().map(|(_, document)| document.to_string()).collect();
    all.push(("Elasticsearch".into(), of_server.into_bytes()));
    let of_archive: String = archived.iter().map(ToString::to_string).collect();
    all.push(("archive".into(), of_archive.into_bytes()));
    for (name, bytes) in &all {
        for id in &ids {
            assert!(memchr::memmem::find(bytes, id.as_bytes()).is_none(), "{id} stands in {name}");
        }
    }
    assert!(said.contains("client fires for tag1."), "{said}");

    // With nothing but the keys folder, elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    let keys = elsewhere.path().join("keys");
    fs::rename(bench.path("state/keys"), &keys).unwrap();
    let mut decrypt = program::logwarden(elsewhere.path());
    decrypt.arg("decrypt").arg("--keys").arg(&keys).arg(&out);
    let opened = program::expect(&mut decrypt, 0);
    assert_eq!(opened.lines().count(), ids.len());
    for (id, line) in ids.iter().zip(opened.lines()) {
        let _: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(ids.iter().any(|id| line.contains(&format!("\"CLIENT ID\":\"{id}\""))), "{line}");
        assert!(opened.contains(&format!("\"clientId\":\"{id}\"")), "{id}");
    }
    assert!(!opened.contains("enc1."));
}

/// [Missing key] The month whose key is gone waits and says so; the others go on; put back, it goes on where it was.
#[test]
fn the_month_whose_key_is_missing_waits_and_the_others_go_on() {
    let bench = Bench::new("urls = [\"http://127.0.0.1:1\"]");
    let (logs, out) = (bench.path("logs"), bench.path("out.jsonl"));
    let text = format!(
        "[source.sre]\npaths = [\"{}/*.txt\"]\n[sink.out]\nkind = \"file\"\npath = \"{}\"\n",
        logs.display(),
        out.display()
    );
    fs::write(bench.path("config.toml"), text).unwrap();
    let delivered = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    bench.append("logs_2021_Mar.txt", &line("CLIENTID1", 1));
    bench.append("logs_2021_Apr.txt", &line("CLIENTID2", 1));
    assert_eq!(bench.once().0, Some(0));
    assert_eq!(delivered(), 2);
    // The whole folder: the state knows what was used.
    fs::rename(bench.path("state/keys"), bench.path("away")).unwrap();
    bench.append("logs_2021_Mar.txt", &line("CLIENTID1", 2));
    bench.append("logs_2021_May.txt", &line("CLIENTID3", 1));
    let engine = bench.engine();
    wait_for("it is said", PATIENCE, || {
        engine.said().contains("2021_March was used and is missing").then_some(())
    });
    wait_for("the other month", PATIENCE, || (delivered() == 3).then_some(()));
    fs::rename(bench.path("away/2021_March.key"), bench.path("state/keys/2021_March.key")).unwrap();
    wait_for("the rest of March", PATIENCE, || (delivered() == 4).then_some(()));
    assert!(engine.terminate().success());
    assert!(!fs::read_to_string(&out).unwrap().contains("CLIENTID"));
}
