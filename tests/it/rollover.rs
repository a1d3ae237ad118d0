//! Targets whose write index changes: aliases and data streams. A retry would go to another index, so nothing is
//! delivered to them, or at least once if the settings allow it; there are no unannounced duplicates.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::fault_proxy::{Fault, FaultProxy};
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{self, Engine, send_signal, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;

const PATIENCE: Duration = Duration::from_secs(60);

fn sink(url: &str, index: &str) -> String {
    format!("urls = [\"{url}\"]\nindex = \"{index}\"\n")
}

fn wait_for_message(engine: &Engine, words: &str) {
    wait_for(words, PATIENCE, || engine.messages().contains(words).then_some(()));
}

fn documents(server: &RejectingElasticsearch) -> Vec<Value> {
    server.documents().into_iter().map(|(_, document)| document).collect()
}

/// Exit code and output of `logwarden check`.
fn check(fixture: &Fixture) -> (Option<i32>, String) {
    let output = program::run(&mut fixture.beside(&["check"]));
    (output.status.code(), program::text(&output.stdout))
}

#[test]
fn nothing_is_sent_to_an_alias_and_the_reason_is_reported() {
    let server = RejectingElasticsearch::start();
    server.alias("app");
    let fixture = Fixture::new(&sink(&server.url, "app"));
    fixture.append("a.log", &lines(1, 0..100));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    let words =
        "app is an alias (for app-000001): after a rollover, a retry would store events twice";
    assert!(messages.contains(words) && messages.contains("allow_rollover = true"), "{messages}");
    assert!(documents(&server).is_empty());
    let (code, out) = check(&fixture);
    assert!(code == Some(1) && out.contains(words), "{out}");

    fixture.configure(&format!("{}allow_rollover = true", sink(&server.url, "app")));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&documents(&server), 1, 100);
    let (code, out) = check(&fixture);
    assert!(
        code == Some(0)
            && out.contains("app is an alias (for app-000001): duplicates are possible"),
        "{out}"
    );
}

/// A template turns a new name into a data stream, the reply is lost, the data stream rolls over: a retry would
/// duplicate everything.
#[test]
fn a_rollover_between_a_lost_reply_and_the_retry_duplicates_nothing() {
    let server = RejectingElasticsearch::start();
    server.template("app");
    let address: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    let proxy = FaultProxy::in_front_of(address);
    proxy.set(Fault::Cut(0));
    let fixture = Fixture::new(&sink(&proxy.url(), "app"));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for("a bulk", PATIENCE, || (documents(&server).len() == 500).then_some(()));
    server.roll_over("app");
    wait_for_message(&engine, "broke");
    proxy.set(Fault::None);
    wait_for_message(&engine, "app is a data stream");
    let asked = server.resolve_requests();
    send_signal(engine.id(), "USR1");
    wait_for("one more attempt", PATIENCE, || (server.resolve_requests() > asked).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&documents(&server), 1, 500);
    // Neither does a restart.
    assert_eq!(fixture.once().0, Some(1));
    assert_each_once(&documents(&server), 1, 500);
    // With `allow_rollover`, duplicates are accepted.
    fixture.configure(&format!("{}allow_rollover = true", sink(&proxy.url(), "app")));
    assert_eq!(fixture.once().0, Some(0));
    assert_eq!(documents(&server).len(), 1_000);
}

/// The reply to the first bulk reveals the data stream; nothing more is sent to it, and other targets continue.
#[test]
fn nothing_more_is_sent_to_a_name_that_becomes_a_data_stream() {
    for secret in [false, true] {
        let server = RejectingElasticsearch::start();
        server.template("app");
        if secret {
            server.refuse_to_resolve_names();
        }
        let route = "[[sink.es.route]]\nwhere = \"writer:2\"\nindex = \"other\"";
        let fixture = Fixture::new(&format!("{}{route}", sink(&server.url, "app")));
        fixture.append("a.log", &lines(1, 0..100));
        fixture.append("b.log", &lines(2, 0..100));
        let engine = fixture.engine();
        let count = |index: &str| {
            let all = server.documents();
            all.iter().filter(|(name, _)| name == index).count()
        };
        wait_for("both", PATIENCE, || (documents(&server).len() == 200).then_some(()));
        assert_eq!(count(".ds-app-000001"), 100);
        fixture.append("a.log", &lines(1, 100..200));
        wait_for_message(&engine, "app is a data stream");
        fixture.append("b.log", &lines(2, 100..200));
        wait_for("the others", PATIENCE, || (count("other") == 200).then_some(()));
        server.roll_over("app");
        assert!(engine.terminate().success());
        assert_eq!((count(".ds-app-000001"), count(".ds-app-000002")), (100, 0), "{secret}");
        assert_each_once(documents(&server).iter().filter(|it| it["writer"] == 2), 1, 200);
    }
}

/// Without permission to resolve names, events are delivered to an index anyway, and `check` names the missing
/// permission.
#[test]
fn names_are_resolved_once_and_not_per_bulk() {
    for secret in [false, true] {
        let server = RejectingElasticsearch::start();
        if secret {
            server.refuse_to_resolve_names();
        }
        let fixture = Fixture::new(&sink(&server.url, "app-%Y.%m.%d"));
        let engine = fixture.engine();
        for part in 0..20 {
            fixture.append("a.log", &lines(1, part * 50..part * 50 + 50));
            let there = part * 50 + 50;
            wait_for("a part", PATIENCE, || (documents(&server).len() == there).then_some(()));
        }
        assert!(engine.terminate().success());
        assert!(
            server.requests() >= 20 && server.resolve_requests() == 1,
            "{}",
            server.resolve_requests()
        );
        let (code, out) = check(&fixture);
        assert_eq!(code, Some(0), "{out}");
        assert_eq!(out.contains("grant this user `view_index_metadata`"), secret, "{out}");
    }
}
