//! No client id leaves in clear, whichever way out there is; and each can be opened again with the keys alone.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::bench::Bench;
use crate::judging_elasticsearch::JudgingElasticsearch;
use crate::leaks;
use crate::program::{self, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn no_id_is_found_behind_any_way_out_and_each_opens_again() {
    let server = JudgingElasticsearch::start();
    // As a server does it, the reason quotes the value.
    server.judge(|_, document| {
        let reason = format!("failed to parse field [number] of {document}");
        let wrong = document["number"].is_string();
        wrong
            .then(|| JudgingElasticsearch::refuse(400, "document_parsing_exception", &reason))
            .flatten()
    });
    let sink = format!("urls = [\"{}\"]", server.url);
    let stored = || server.documents().into_iter().map(|(_, document)| document).collect();
    leaks::none_behind_any_way_out(&sink, &stored);
}

/// The month files, into nothing but that file.
fn into_a_file(bench: &Bench) -> PathBuf {
    let (logs, out) = (bench.path("logs"), bench.path("out.jsonl"));
    let text = format!(
        "[source.sre]\npaths = [\"{}/*.txt\"]\n[sink.out]\nkind = \"file\"\npath = \"{}\"\n",
        logs.display(),
        out.display()
    );
    fs::write(bench.path("config.toml"), text).unwrap();
    out
}

/// [Missing key] The month whose key is gone waits and says so; the others go on; put back, it goes on where it was.
#[test]
fn the_month_whose_key_is_missing_waits_and_the_others_go_on() {
    let bench = Bench::new("urls = [\"http://127.0.0.1:1\"]");
    let out = into_a_file(&bench);
    let delivered = || fs::read_to_string(&out).unwrap_or_default().lines().count();
    bench.append("logs_2021_Mar.txt", &leaks::line("CLIENTID1", 1));
    bench.append("logs_2021_Apr.txt", &leaks::line("CLIENTID2", 1));
    assert_eq!(bench.once().0, Some(0));
    assert_eq!(delivered(), 2);
    let (key, away) = (bench.path("state/keys/2021_March.key"), bench.path("2021_March.key"));
    fs::rename(&key, &away).unwrap();
    bench.append("logs_2021_Mar.txt", &leaks::line("CLIENTID1", 2));
    bench.append("logs_2021_May.txt", &leaks::line("CLIENTID3", 1));
    let engine = bench.engine();
    wait_for("it is said", PATIENCE, || {
        engine.said().contains("2021_March was used but is missing").then_some(())
    });
    wait_for("the other month", PATIENCE, || (delivered() == 3).then_some(()));
    fs::rename(&away, &key).unwrap();
    wait_for("the rest of March", PATIENCE, || (delivered() == 4).then_some(()));
    assert!(engine.terminate().success());
    assert!(!fs::read_to_string(&out).unwrap().contains("CLIENTID"));
}

/// `--protect`: what is printed of a file is what would leave; without a key nothing of the event is.
#[test]
fn what_is_printed_of_a_file_can_be_protected_as_if_it_left() {
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
    assert!(ids.iter().all(|id| shown.contains(id)), "a file is shown as it is");
    // There are keys, and none of that month.
    program::expect(&mut command(&["keys", "new", "2021_March"]), 0);
    for arguments in printed {
        let output = program::run(&mut command(arguments));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = program::text(&output.stderr);
        assert!(said.contains("create this one with: logwarden keys new 2021_April"), "{said}");
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

/// Short values leave in clear outside of their own field, and that is counted where somebody sees it; and a keys
/// directory that is gone is missed.
#[test]
fn check_tells_what_could_not_be_protected_and_which_months_miss_their_key() {
    let bench = Bench::new("urls = [\"http://127.0.0.1:1\"]");
    let out = into_a_file(&bench);
    let short = |id: &str| format!("{{\"client_id\":\"{id}\",\"message\":\"{id} came\"}}\n");
    bench.append("logs_2021_Mar.txt", &(short("Q9") + &short("CLIENTID1") + &short("")));
    bench.append("logs_2021_Apr.txt", "{\"client_id\":[\"R7\",\"CLIENTID1\"]}\n");
    let engine = bench.engine();
    let delivered = || fs::read_to_string(&out).unwrap_or_default();
    wait_for("all events", PATIENCE, || (delivered().lines().count() == 4).then_some(()));
    assert!(delivered().contains("\"message\":\"Q9 came\""));
    let check = || program::text(&bench.beside(&["check"]).output().unwrap().stdout);
    let said =
        wait_for("the count", PATIENCE, || Some(check()).filter(|said| said.contains("2 to out")));
    assert!(
        said.contains("sealed only in their own field: 2 to out since the engine started"),
        "{said}"
    );
    assert!(
        said.contains("months with sealed values: 2021_March to 2021_April: key present"),
        "{said}"
    );
    assert!(engine.terminate().success());
    fs::rename(bench.path("state/keys"), bench.path("away")).unwrap();
    let said = check();
    assert!(said.contains("/state/keys not found: key "), "{said}");
    fs::DirBuilder::new().mode(0o700).create(bench.path("state/keys")).unwrap();
    let said = check();
    assert!(
        said.contains("months with sealed values: 2021_March to 2021_April: key missing"),
        "{said}"
    );
}
