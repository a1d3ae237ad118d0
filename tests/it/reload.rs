//! [S40] SIGHUP: a changed configuration takes effect without a restart; unchanged parts keep running.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fault_proxy::{Fault, FaultProxy};
use crate::fixture::{Fixture, assert_each_once, line, lines};
use crate::program::{self, Engine, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn to(fake: &FakeElasticsearch) -> String {
    format!("urls = [\"{}\"]", fake.url())
}

fn wait_for_documents(fake: &FakeElasticsearch, count: usize) {
    wait_for("every line", PATIENCE, || (fake.count() >= count).then_some(()));
}

fn started(fixture: &Fixture) -> Engine {
    let engine = fixture.engine();
    wait_for("its start", PATIENCE, || fixture.path("state/control.sock").exists().then_some(()));
    engine
}

/// Reloads and returns the messages about it.
fn reload(engine: &Engine) -> String {
    let before = engine.messages().len();
    send_signal(engine.id(), "HUP");
    wait_for("an answer", PATIENCE, || {
        let messages = engine.messages()[before..].to_owned();
        let answered = messages.contains("configuration reloaded")
            || messages.contains("previous settings stay in effect");
        answered.then_some(messages)
    })
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn s40_a_broken_file_changes_nothing() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&to(&fake));
    fixture.append("a.log", &lines(1, 0..100));
    let engine = fixture.engine();
    wait_for_documents(&fake, 100);
    fixture.configure(
        "urls = [\"http://localhost:1\"]\nusernme = \"x\"\n[rule.errors]\ncount = \"many\"",
    );
    let messages = reload(&engine);
    assert!(messages.contains("config.toml:6:1: unknown key `usernme`"), "{messages}");
    assert!(messages.contains("did you mean `username`?"), "{messages}");
    assert!(messages.contains("config.toml:8:"), "all errors: {messages}");
    fs::write(fixture.path("config.toml"), "[source.app").unwrap();
    reload(&engine);
    fs::remove_file(fixture.path("config.toml")).unwrap();
    reload(&engine);
    fixture.append("a.log", &lines(1, 100..200));
    wait_for_documents(&fake, 200);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 200);
}

/// While lines are written continuously, each is in exactly one of the two servers.
#[test]
fn a_changed_sink_continues_from_its_cursor() {
    let servers = [FakeElasticsearch::start(), FakeElasticsearch::start()];
    let fixture = Fixture::new(&to(&servers[0]));
    let engine = started(&fixture);
    const ROUNDS: usize = 6;
    for round in 0..ROUNDS {
        let part = round * 2000;
        fixture.append("a.log", &lines(1, part..part + 1000));
        fixture.configure(&to(&servers[(round + 1) % 2]));
        let messages = reload(&engine);
        assert!(messages.contains("sink es: continues from its cursor"), "{messages}");
        fixture.append("a.log", &lines(1, part + 1000..part + 2000));
    }
    let all = || servers.iter().map(FakeElasticsearch::count).sum::<usize>();
    wait_for("every line", PATIENCE, || (all() >= ROUNDS * 2000).then_some(()));
    assert!(engine.terminate().success());
    let documents: Vec<Value> = servers.iter().flat_map(FakeElasticsearch::documents).collect();
    assert_each_once(&documents, 1, ROUNDS * 2000);
    assert!(servers.iter().all(|server| server.count() > 0));
    fixture.assert_bytes_before_cursors_are_delivered(&documents);
}

#[test]
fn sources_sinks_and_rules_can_be_added_and_removed() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&to(&fake));
    fs::create_dir(fixture.path("more")).unwrap();
    let more = format!("[source.more]\npaths = [\"{}\"]", fixture.path("more").display());
    fs::write(fixture.path("more/b.log"), lines(2, 0..100)).unwrap();
    fixture.append("a.log", &lines(1, 0..100));
    let engine = fixture.engine();
    wait_for_documents(&fake, 100);

    let rule =
        "[rule.many]\nkind = \"threshold\"\nwhere = \"writer:2\"\ncount = 50\nwindow = \"1m\"";
    let out = "[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"";
    fixture.configure(&format!("{}\n{out}\n{more}\n{rule}", to(&fake)));
    let messages = reload(&engine);
    assert!(
        messages.contains("source more: new; sink es: continues"),
        "its share is smaller: {messages}"
    );
    assert!(messages.contains("sink out: new; rules: changed"), "{messages}");
    wait_for_documents(&fake, 200);
    wait_for("the new sink", PATIENCE, || {
        (json_lines(&fixture.path("out.jsonl")).len() == 200).then_some(())
    });
    wait_for("the new rule", PATIENCE, || engine.messages().contains("many").then_some(()));
    assert!(reload(&engine).contains("no changes"));

    fixture.configure(&format!(
        "{}\n[sink.out]\nkind = \"file\"\npath = \"out.jsonl\"\nenabled = false",
        to(&fake)
    ));
    let messages = reload(&engine);
    assert!(messages.contains("source more: removed"), "{messages}");
    assert!(messages.contains("sink out: stopped, its cursor is kept"), "{messages}");
    fixture.append("a.log", &lines(1, 100..200));
    let path = fixture.path("more/b.log");
    fs::write(&path, fs::read_to_string(&path).unwrap() + &lines(2, 100..200)).unwrap();
    wait_for_documents(&fake, 300);

    fixture.configure(&format!("{}\n{out}\n{more}", to(&fake)));
    let messages = reload(&engine);
    assert!(messages.contains("source more: new"), "{messages}");
    wait_for_documents(&fake, 400);
    wait_for("the lines written meanwhile", PATIENCE, || {
        (json_lines(&fixture.path("out.jsonl")).len() >= 400).then_some(())
    });
    assert!(engine.terminate().success());
    for documents in [fake.documents(), json_lines(&fixture.path("out.jsonl"))] {
        let of =
            |writer: u64| documents.iter().filter(move |document| document["writer"] == writer);
        assert_each_once(of(1), 1, 200);
        assert_each_once(of(2), 1, 200);
    }
}

/// A deleted file exists only through its open descriptor: a reload keeps that open.
#[test]
fn a_deleted_file_is_still_read_after_a_reload() {
    let fake = FakeElasticsearch::prepared();
    let fixture = Fixture::new(&to(&fake));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for("the outage", PATIENCE, || engine.messages().contains("cannot reach").then_some(()));
    fs::remove_file(fixture.path("logs/a.log")).unwrap();
    let more = format!("[source.more]\npaths = [\"{}\"]", fixture.path("more.log").display());
    fixture.configure(&format!("{}\n{more}", to(&fake)));
    assert!(reload(&engine).contains("source more: new"));
    fs::write(fixture.path("more.log"), line(1, 500)).unwrap();
    fake.launch();
    wait_for_documents(&fake, 501);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 501);
}

/// The same source with a changed format from the next unread byte on; delivered events are not sent again.
#[test]
fn a_source_with_a_changed_format_continues_at_its_offset() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&to(&fake));
    fixture.append("a.log", &lines(1, 0..100));
    fixture.append("b.log", &lines(2, 0..100));
    let engine = fixture.engine();
    wait_for_documents(&fake, 200);
    let text = fs::read_to_string(fixture.path("config.toml")).unwrap();
    fs::write(
        fixture.path("config.toml"),
        text.replace("[sink.es]", "service = \"shop\"\n[sink.es]"),
    )
    .unwrap();
    assert!(reload(&engine).contains("source app: changed"));
    fixture.append("a.log", &lines(1, 100..200));
    fixture.append("b.log", &lines(2, 100..200));
    wait_for_documents(&fake, 400);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 2, 200);
    assert_eq!(fake.attempts().iter().map(|attempt| attempt.ids.len()).sum::<usize>(), 400);
    let named =
        fake.documents().iter().filter(|document| document["service"]["name"] == "shop").count();
    assert_eq!(named, 200);
}

#[test]
fn a_new_password_is_used() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new("");
    let path = fixture.path("password");
    let password = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    password("one");
    let login = format!("username = \"u\"\npassword_file = \"{}\"", path.display());
    fixture.configure(&format!("{}\n{login}", to(&fake)));
    fixture.append("a.log", &line(1, 0));
    let engine = fixture.engine();
    wait_for_documents(&fake, 1);
    password("two");
    assert!(reload(&engine).contains("sink es: continues from its cursor"));
    fixture.append("a.log", &line(1, 1));
    wait_for_documents(&fake, 2);
    assert!(engine.terminate().success());
    let logins: Vec<String> = fake.attempts().into_iter().map(|attempt| attempt.login).collect();
    assert_eq!(logins, ["Basic dTpvbmU=", "Basic dTp0d28="]);
}

/// The archive can have only one writer: it is closed before it is opened again.
#[test]
fn the_archive_can_change_too() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&format!("{}\n[sink.archive]", to(&fake)));
    let engine = started(&fixture);
    for round in 0..4 {
        fixture.append("a.log", &lines(1, round * 500..round * 500 + 500));
        fixture.configure(&format!("{}\n[sink.archive]\nkeep = \"{}d\"", to(&fake), 10 + round));
        let messages = reload(&engine);
        assert!(messages.contains("sink archive: continues from its cursor"), "{messages}");
        assert!(!messages.contains("it is off"), "{messages}");
    }
    let (home, state) = (fixture.home.path(), fixture.path("state"));
    wait_for("the archive", PATIENCE, || {
        (program::archived(home, &state, "*") >= 2000).then_some(())
    });
    wait_for_documents(&fake, 2000);
    assert!(engine.terminate().success());
    assert_each_once(&program::documents(home, &state), 1, 2000);
    assert_each_once(&fake.documents(), 1, 2000);
    assert_eq!(fake.attempts().iter().map(|attempt| attempt.ids.len()).sum::<usize>(), 2000);
}

/// Some settings, such as the host name, cannot change while the engine runs; this is reported.
#[test]
fn settings_that_need_a_restart_are_reported() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&to(&fake));
    let engine = started(&fixture);
    let text = fs::read_to_string(fixture.path("config.toml")).unwrap();
    fs::write(fixture.path("config.toml"), format!("host_name = \"other\"\n{text}")).unwrap();
    let messages = reload(&engine);
    assert!(
        messages.contains("host_name was changed; the change takes effect at the next start"),
        "{messages}"
    );
    assert!(engine.terminate().success());
}

/// The old server does not answer, so its sink drains; a stop meanwhile does not wait twice.
#[test]
fn a_stop_during_a_reload_is_obeyed() {
    let fake = FakeElasticsearch::start();
    let proxy = FaultProxy::in_front_of(fake.address());
    proxy.set(Fault::Silence);
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", proxy.url()));
    fixture.append("a.log", &lines(1, 0..100));
    let engine = fixture.engine();
    wait_for("a bulk", PATIENCE, || (!fake.attempts().is_empty()).then_some(()));
    fixture.configure(&to(&fake));
    send_signal(engine.id(), "HUP");
    assert!(engine.terminate().success());
    assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
    assert_eq!(fixture.once().0, Some(0));
    assert_each_once(&fake.documents(), 1, 100);
}

/// A rule that groups by a newly sealed field announces its incidents, old and new, with the tag instead of the plain
/// value.
#[test]
fn a_field_that_a_reload_seals_is_sealed_in_alerts_too() {
    let es = "enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]\n";
    let rule = "[rule.clients]\nwhere = \"level:error\"\ncount = 1\nwindow = \"1h\"\nby = [\"client_id\"]\n";
    let fixture = Fixture::new(&format!("{es}{rule}[privacy]\nseal = []\n"));
    let error = |client: &str| {
        let time = jiff::Timestamp::now();
        format!(
            "{{\"time\":\"{time}\",\"level\":\"error\",\"client_id\":\"{client}\",\"message\":\"x\"}}\n"
        )
    };
    let engine = started(&fixture);
    fixture.append("a.log", &error("client-one"));
    let plain = "clients firing for client-one";
    wait_for("the first alert", PATIENCE, || engine.messages().contains(plain).then_some(()));
    fixture.configure(&format!("{es}{rule}[privacy]\nseal = [\"client_id\"]\n"));
    let before = engine.messages().len();
    let messages = reload(&engine);
    assert!(messages.contains("privacy: changed"), "{messages}");
    fixture.append("a.log", &error("client-two"));
    // The incident that is still firing, under its tag, and the new one.
    let sealed = || engine.messages()[before..].matches("clients firing for tag1.").count();
    wait_for("alerts by tag", PATIENCE, || (sealed() >= 2).then_some(()));
    let messages = engine.messages()[before..].to_owned();
    assert!(!messages.contains("client-"), "{messages}");
    assert!(engine.terminate().success());
}

/// A new rule does not cause alerts of other rules to be announced again.
#[test]
fn a_reload_announces_no_alert_twice() {
    let rule = |name: &str, query: &str| {
        format!("[rule.{name}]\nwhere = \"{query}\"\ncount = 2\nwindow = \"1m\"\n")
    };
    let off = "enabled = false\nurls = [\"http://localhost:1\"]\n[sink.stdout]\n";
    let errors = format!("{off}{}", rule("errors", "level:error"));
    let fixture = Fixture::new(&errors);
    fixture.append("a.log", "2024-01-01T00:00:00Z INFO begins\n");
    let engine = started(&fixture);
    let fired = || engine.messages().matches("error: errors firing").count();
    let mut hours = 1..;
    // Lines written before the rules have read the existing ones count as history, so one incident at a time.
    let mut next_incident = |announced: usize| {
        let mut due = Instant::now();
        wait_for("an announced incident", PATIENCE, || {
            if Instant::now() >= due {
                let hour = hours.next().expect("without end");
                let at = |time| format!("2024-01-{:02}T{:02}:{time}Z", 1 + hour / 24, hour % 24);
                let lines = [("00:00", "ERROR"), ("00:01", "ERROR"), ("10:01", "INFO")];
                let lines = lines.map(|(time, level)| format!("{} {level} news\n", at(time)));
                fixture.append("a.log", &lines.concat());
                due = Instant::now() + Duration::from_millis(300);
            }
            (fired() >= announced).then_some(())
        });
    };
    next_incident(1);
    fixture.configure(&format!("{errors}{}", rule("other", "message:nothing")));
    assert!(reload(&engine).contains("rules: changed"));
    next_incident(fired() + 1);
    let messages = engine.messages();
    let announced: Vec<&str> =
        messages.lines().filter(|line| line.contains("errors firing")).collect();
    let once: std::collections::BTreeSet<&str> = announced.iter().copied().collect();
    assert_eq!(announced.len(), once.len(), "{messages}");
    assert!(engine.terminate().success());
}
