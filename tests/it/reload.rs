//! [S40] SIGHUP: what the configuration says now holds without a restart; what it leaves alone notices nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, assert_each_once, line, lines};
use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fault_proxy::{Fault, FaultProxy};
use crate::program::{self, Engine, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn to(fake: &FakeElasticsearch) -> String {
    format!("urls = [\"{}\"]", fake.url())
}

fn delivered(fake: &FakeElasticsearch, count: usize) {
    wait_for("every line", PATIENCE, || (fake.count() >= count).then_some(()));
}

fn started(bench: &Bench) -> Engine {
    let engine = bench.engine();
    wait_for("its start", PATIENCE, || bench.path("state/control.sock").exists().then_some(()));
    engine
}

/// Returns what it said of it.
fn reload(engine: &Engine) -> String {
    let before = engine.said().len();
    send_signal(engine.id(), "HUP");
    wait_for("an answer", PATIENCE, || {
        let said = engine.said()[before..].to_owned();
        let answered = said.contains("configuration reloaded")
            || said.contains("previous settings stay in effect");
        answered.then_some(said)
    })
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn s40_a_broken_file_changes_nothing() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new(&to(&fake));
    bench.append("a.log", &lines(1, 0..100));
    let engine = bench.engine();
    delivered(&fake, 100);
    bench.configure(
        "urls = [\"http://localhost:1\"]\nusernme = \"x\"\n[rule.errors]\ncount = \"many\"",
    );
    let said = reload(&engine);
    assert!(said.contains("config.toml:6:1: unknown key `usernme`"), "{said}");
    assert!(said.contains("did you mean `username`?"), "{said}");
    assert!(said.contains("config.toml:8:"), "all of it: {said}");
    fs::write(bench.path("config.toml"), "[source.app").unwrap();
    reload(&engine);
    fs::remove_file(bench.path("config.toml")).unwrap();
    reload(&engine);
    bench.append("a.log", &lines(1, 100..200));
    delivered(&fake, 200);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 200);
}

/// Each line is in one of the two servers, and none in both, while it is written all the time.
#[test]
fn a_sink_that_changes_goes_on_from_its_cursor() {
    let servers = [FakeElasticsearch::start(), FakeElasticsearch::start()];
    let bench = Bench::new(&to(&servers[0]));
    let engine = started(&bench);
    const ROUNDS: usize = 6;
    for round in 0..ROUNDS {
        let part = round * 2000;
        bench.append("a.log", &lines(1, part..part + 1000));
        bench.configure(&to(&servers[(round + 1) % 2]));
        let said = reload(&engine);
        assert!(said.contains("sink es: continues from its cursor"), "{said}");
        bench.append("a.log", &lines(1, part + 1000..part + 2000));
    }
    let all = || servers.iter().map(FakeElasticsearch::count).sum::<usize>();
    wait_for("every line", PATIENCE, || (all() >= ROUNDS * 2000).then_some(()));
    assert!(engine.terminate().success());
    let documents: Vec<Value> = servers.iter().flat_map(FakeElasticsearch::documents).collect();
    assert_each_once(&documents, 1, ROUNDS * 2000);
    assert!(servers.iter().all(|server| server.count() > 0));
    bench.assert_cursors_are_honest(&documents);
}

#[test]
fn sources_sinks_and_rules_come_and_go() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new(&to(&fake));
    fs::create_dir(bench.path("more")).unwrap();
    let more = format!("[source.more]\npaths = [\"{}\"]", bench.path("more").display());
    fs::write(bench.path("more/b.log"), lines(2, 0..100)).unwrap();
    bench.append("a.log", &lines(1, 0..100));
    let engine = bench.engine();
    delivered(&fake, 100);

    let rule =
        "[rule.many]\nkind = \"threshold\"\nwhere = \"writer:2\"\ncount = 50\nwindow = \"1m\"";
    let out = "[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"";
    bench.configure(&format!("{}\n{out}\n{more}\n{rule}", to(&fake)));
    let said = reload(&engine);
    assert!(said.contains("source more: new; sink es: continues"), "its share is smaller: {said}");
    assert!(said.contains("sink out: new; rules: changed"), "{said}");
    delivered(&fake, 200);
    wait_for("the new sink", PATIENCE, || {
        (json_lines(&bench.path("out.jsonl")).len() == 200).then_some(())
    });
    wait_for("the new rule", PATIENCE, || engine.said().contains("many").then_some(()));
    assert!(reload(&engine).contains("no changes"));

    bench.configure(&format!(
        "{}\n[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"\nenabled = false",
        to(&fake)
    ));
    let said = reload(&engine);
    assert!(said.contains("source more: removed"), "{said}");
    assert!(said.contains("sink out: stopped, its cursor is kept"), "{said}");
    bench.append("a.log", &lines(1, 100..200));
    let path = bench.path("more/b.log");
    fs::write(&path, fs::read_to_string(&path).unwrap() + &lines(2, 100..200)).unwrap();
    delivered(&fake, 300);

    bench.configure(&format!("{}\n{out}\n{more}", to(&fake)));
    let said = reload(&engine);
    assert!(said.contains("source more: new"), "{said}");
    delivered(&fake, 400);
    wait_for("what was written meanwhile", PATIENCE, || {
        (json_lines(&bench.path("out.jsonl")).len() >= 400).then_some(())
    });
    assert!(engine.terminate().success());
    for documents in [fake.documents(), json_lines(&bench.path("out.jsonl"))] {
        let of =
            |writer: u64| documents.iter().filter(move |document| document["writer"] == writer);
        assert_each_once(of(1), 1, 200);
        assert_each_once(of(2), 1, 200);
    }
}

/// A file without a name is held by its descriptor alone: a reload does not let go of it.
#[test]
fn a_deleted_file_is_still_read_after_a_reload() {
    let fake = FakeElasticsearch::prepared();
    let bench = Bench::new(&to(&fake));
    bench.append("a.log", &lines(1, 0..500));
    let engine = bench.engine();
    wait_for("trouble", PATIENCE, || engine.said().contains("cannot reach").then_some(()));
    fs::remove_file(bench.path("logs/a.log")).unwrap();
    let more = format!("[source.more]\npaths = [\"{}\"]", bench.path("more.log").display());
    bench.configure(&format!("{}\n{more}", to(&fake)));
    assert!(reload(&engine).contains("source more: new"));
    fs::write(bench.path("more.log"), line(1, 500)).unwrap();
    fake.launch();
    delivered(&fake, 501);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 501);
}

/// The same source, read otherwise from the next unread byte on; what was delivered does not come again.
#[test]
fn a_source_that_is_read_otherwise_goes_on_where_it_was() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new(&to(&fake));
    bench.append("a.log", &lines(1, 0..100));
    bench.append("b.log", &lines(2, 0..100));
    let engine = bench.engine();
    delivered(&fake, 200);
    let text = fs::read_to_string(bench.path("config.toml")).unwrap();
    fs::write(
        bench.path("config.toml"),
        text.replace("[sink.es]", "service = \"shop\"\n[sink.es]"),
    )
    .unwrap();
    assert!(reload(&engine).contains("source app: changed"));
    bench.append("a.log", &lines(1, 100..200));
    bench.append("b.log", &lines(2, 100..200));
    delivered(&fake, 400);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 2, 200);
    assert_eq!(fake.attempts().iter().map(|attempt| attempt.ids.len()).sum::<usize>(), 400);
    let named =
        fake.documents().iter().filter(|document| document["service"]["name"] == "shop").count();
    assert_eq!(named, 200);
}

#[test]
fn a_new_password_is_taken_up() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new("");
    let path = bench.path("password");
    let password = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    password("one");
    let login = format!("username = \"u\"\npassword_file = \"{}\"", path.display());
    bench.configure(&format!("{}\n{login}", to(&fake)));
    bench.append("a.log", &line(1, 0));
    let engine = bench.engine();
    delivered(&fake, 1);
    password("two");
    assert!(reload(&engine).contains("sink es: continues from its cursor"));
    bench.append("a.log", &line(1, 1));
    delivered(&fake, 2);
    assert!(engine.terminate().success());
    let logins: Vec<String> = fake.attempts().into_iter().map(|attempt| attempt.login).collect();
    assert_eq!(logins, ["Basic dTpvbmU=", "Basic dTp0d28="]);
}

/// Its writer is the only one: it is closed before it is opened again.
#[test]
fn the_archive_can_change_too() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new(&format!("{}\n[sink.archive]", to(&fake)));
    let engine = started(&bench);
    for round in 0..4 {
        bench.append("a.log", &lines(1, round * 500..round * 500 + 500));
        bench.configure(&format!("{}\n[sink.archive]\nkeep = \"{}d\"", to(&fake), 10 + round));
        let said = reload(&engine);
        assert!(said.contains("sink archive: continues from its cursor"), "{said}");
        assert!(!said.contains("it is off"), "{said}");
    }
    let (home, state) = (bench.home.path(), bench.path("state"));
    wait_for("the archive", PATIENCE, || {
        (program::archived(home, &state, "*") >= 2000).then_some(())
    });
    delivered(&fake, 2000);
    assert!(engine.terminate().success());
    assert_each_once(&program::documents(home, &state), 1, 2000);
    assert_each_once(&fake.documents(), 1, 2000);
    assert_eq!(fake.attempts().iter().map(|attempt| attempt.ids.len()).sum::<usize>(), 2000);
}

/// Where it keeps its state cannot change while it runs, and is said.
#[test]
fn what_cannot_change_now_is_said() {
    let fake = FakeElasticsearch::start();
    let bench = Bench::new(&to(&fake));
    let engine = started(&bench);
    let text = fs::read_to_string(bench.path("config.toml")).unwrap();
    fs::write(bench.path("config.toml"), format!("host_name = \"other\"\n{text}")).unwrap();
    let said = reload(&engine);
    assert!(
        said.contains("host_name was changed; the change takes effect at the next start"),
        "{said}"
    );
    assert!(engine.terminate().success());
}

/// The old server is silent, so its sink drains; whoever stops meanwhile does not wait twice.
#[test]
fn a_stop_during_a_reload_is_obeyed() {
    let fake = FakeElasticsearch::start();
    let proxy = FaultProxy::before(fake.address());
    proxy.set(Fault::Silence);
    let bench = Bench::new(&format!("urls = [\"{}\"]", proxy.url()));
    bench.append("a.log", &lines(1, 0..100));
    let engine = bench.engine();
    wait_for("a bulk", PATIENCE, || (!fake.attempts().is_empty()).then_some(()));
    bench.configure(&to(&fake));
    send_signal(engine.id(), "HUP");
    assert!(engine.terminate().success());
    assert_eq!(bench.assert_cursors_are_honest([]), 0);
    assert_eq!(bench.once().0, Some(0));
    assert_each_once(&fake.documents(), 1, 100);
}

/// What is sealed from now on is not told in plain text by a rule that groups by it, on its old incidents or on new
/// ones.
#[test]
fn a_field_that_a_reload_seals_is_not_told_by_rules_either() {
    let es = "enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]\n";
    let rule = "[rule.clients]\nwhere = \"level:error\"\ncount = 1\nwindow = \"1h\"\nby = [\"client_id\"]\n";
    let bench = Bench::new(&format!("{es}{rule}[privacy]\nseal = []\n"));
    let error = |client: &str| {
        let time = jiff::Timestamp::now();
        format!(
            "{{\"time\":\"{time}\",\"level\":\"error\",\"client_id\":\"{client}\",\"message\":\"x\"}}\n"
        )
    };
    let engine = started(&bench);
    bench.append("a.log", &error("client-one"));
    let plain = "clients firing for client-one";
    wait_for("the first alert", PATIENCE, || engine.said().contains(plain).then_some(()));
    bench.configure(&format!("{es}{rule}[privacy]\nseal = [\"client_id\"]\n"));
    let before = engine.said().len();
    let said = reload(&engine);
    assert!(said.contains("privacy: changed"), "{said}");
    bench.append("a.log", &error("client-two"));
    // The one that still fires, under its tag, and the new one.
    let sealed = || engine.said()[before..].matches("clients firing for tag1.").count();
    wait_for("alerts by tag", PATIENCE, || (sealed() >= 2).then_some(()));
    let said = engine.said()[before..].to_owned();
    assert!(!said.contains("client-"), "{said}");
    assert!(engine.terminate().success());
}

/// What was told is not told once more because a rule that has nothing to do with it is new.
#[test]
fn a_reload_tells_no_alert_again() {
    let rule = |name: &str, query: &str| {
        format!("[rule.{name}]\nwhere = \"{query}\"\ncount = 2\nwindow = \"1m\"\n")
    };
    let off = "enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]\n";
    let errors = format!("{off}{}", rule("errors", "level:error"));
    let bench = Bench::new(&errors);
    bench.append("a.log", "2024-01-01T00:00:00Z INFO begins\n");
    let engine = started(&bench);
    let fired = || engine.said().matches("error: errors firing").count();
    let mut hours = 1..;
    // What is written before the rules have read what was there counts as history, so one after the other.
    let mut next_incident = |told: usize| {
        let mut due = Instant::now();
        wait_for("an incident that is told", PATIENCE, || {
            if Instant::now() >= due {
                let hour = hours.next().expect("without end");
                let at = |time| format!("2024-01-{:02}T{:02}:{time}Z", 1 + hour / 24, hour % 24);
                let lines = [("00:00", "ERROR"), ("00:01", "ERROR"), ("10:01", "INFO")];
                let lines = lines.map(|(time, level)| format!("{} {level} news\n", at(time)));
                bench.append("a.log", &lines.concat());
                due = Instant::now() + Duration::from_millis(300);
            }
            (fired() >= told).then_some(())
        });
    };
    next_incident(1);
    bench.configure(&format!("{errors}{}", rule("other", "message:nothing")));
    assert!(reload(&engine).contains("rules: changed"));
    next_incident(fired() + 1);
    let said = engine.said();
    let told: Vec<&str> = said.lines().filter(|line| line.contains("errors firing")).collect();
    let once: std::collections::BTreeSet<&str> = told.iter().copied().collect();
    assert_eq!(told.len(), once.len(), "{said}");
    assert!(engine.terminate().success());
}
