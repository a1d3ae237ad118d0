//! Valid JSON events that servers reject unless they are changed, and targets that accept only some events.

use std::time::{Duration, Instant};

use logwarden::client::elasticsearch::Method;
use serde_json::{Value, json};

use crate::elasticsearch::Elasticsearch;
use crate::fixture::{Fixture, lines};
use crate::program::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);

fn sink(server: &Elasticsearch, index: &str) -> String {
    format!("urls = [\"{}\"]\nindex = \"{index}\"", server.url())
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + "1" + &close.repeat(depth)
}

/// Each has its own field, so that none determines the type of another.
fn odd_members() -> Vec<String> {
    let names = [
        "_id",
        "_index",
        "_source",
        "_type",
        "_routing",
        "_version",
        "_seq_no",
        "_ignored",
        "_field_names",
        "_doc_count",
        "_tier",
        "_nested_path",
        "_feature",
        "_ignored_source",
        "_data_stream_timestamp",
        "_meta.x",
        "",
        " ",
        ".x",
        "a.",
        "a..b",
        "a. .b",
        ".",
        "_PID",
    ];
    let mut members: Vec<String> = names.iter().map(|name| format!("{:?}:\"x\"", name)).collect();
    let values = [
        "18446744073709551615",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "1e39",
        "-1e300",
        "[1,18446744073709551615]",
        "[1,\"a\"]",
        "[1,{\"a\":1}]",
        "[1.5,2]",
        "[true,\"x\"]",
        "[{\"x\":1},{\"x\":{\"y\":1}}]",
        "{\"x\":1,\"x\":2}",
        "{\"\":1,\" \":2}",
        "{\".x\":1,\"a..b\":2,\"c.\":3}",
        "{\"app\":\"s\",\"app.kubernetes.io/name\":\"s\"}",
    ];
    members.extend(values.iter().enumerate().map(|(at, value)| format!("\"v{at}\":{value}")));
    for (at, (open, close)) in [("{\"a\":", "}"), ("[", "]"), ("[{\"a\":", "}]")].iter().enumerate()
    {
        for depth in [19, 20, 21, 60] {
            members.push(format!("\"d{at}x{depth}\":{}", nested(open, close, depth)));
        }
    }
    members.push(format!("\"{}\":1", ["p"; 30].join(".")));
    members.push("\"http\":\"x\",\"http.status\":500".to_owned());
    members.push("\"q.r\":1,\"q.r.s\":{\"t\":1}".to_owned());
    members.push("\"host\":\"x\",\"host.name\":\"y\"".to_owned());
    members
}

pub fn arrive_changed_as_little_as_possible(server: &Elasticsearch) {
    let fixture = Fixture::new(&sink(server, "odd-events"));
    let members = odd_members();
    for (number, members) in members.iter().enumerate() {
        let time = "2026-11-20T10:00:00Z";
        fixture.append(
            "a.log",
            &format!("{{\"time\":\"{time}\",\"message\":\"m\",\"writer\":1,\"number\":{number},{members}}}\n"),
        );
    }
    let (code, messages) = fixture.once();
    let letters: Vec<Value> = fixture.dead_letters();
    assert_eq!((code, letters), (Some(0), Vec::new()), "{messages}");
    assert!(messages.contains("the field `_id` is sent as `fields._id`"), "{messages}");
    let documents = server.documents("odd-events");
    assert_eq!(documents.len(), members.len());
    let field = |name: &str| {
        let found = documents.iter().find_map(|(_, document)| document.get(name));
        found.unwrap_or_else(|| panic!("{name}")).clone()
    };
    assert_eq!(field("v0"), "18446744073709551615");
    assert_eq!(field("v6"), json!(["1", "a"]));
    assert_eq!(field("v8"), json!([1.5, 2.0]));
    assert_eq!(field("v14"), json!({ "app": "s", "app_kubernetes_io/name": "s" }));
    assert_eq!((field("http"), field("http_status")), ("x".into(), 500.into()));
    assert_eq!(field("_PID"), "x");
}

/// Also if a whole bulk consists of them.
pub fn that_would_be_rejected_forever_block_no_others(server: &Elasticsearch) {
    let mapping = r#"{"mappings":{"properties":{"k":{"type":"keyword"},"n":{"type":"long"}}}}"#;
    server.ask(Method::Put, "refusing", mapping);
    let fixture = Fixture::new(&sink(server, "refusing"));
    let immense = "x".repeat(40_000);
    for number in 0..4 {
        let member = match number % 2 {
            0 => format!("\"k\":\"{immense}\""),
            _ => "\"n\":{\"a\":1}".to_owned(),
        };
        fixture.append(
            "a.log",
            &format!("{{\"message\":\"bad\",\"writer\":1,\"number\":{number},{member}}}\n"),
        );
    }
    let (code, messages) = fixture.once();
    assert_eq!((code, fixture.dead_letters().len()), (Some(3), 4), "{messages}");
    fixture.append("a.log", &lines(1, 4..10));
    let (_, messages) = fixture.once();
    assert_eq!(server.count("refusing"), 6, "{messages}");
}

pub fn wait_for_an_index_at_its_field_limit(server: &Elasticsearch) {
    let limit = |limit: u32| json!({ "index.mapping.total_fields.limit": limit }).to_string();
    let made = format!("{{\"settings\":{}}}", limit(40));
    server.ask(Method::Put, "narrow-fields", &made);
    let fixture = Fixture::new(&sink(server, "narrow-fields"));
    let members: Vec<String> = (0..60).map(|number| format!("\"f{number}\":1")).collect();
    fixture.append("a.log", &format!("{{\"message\":\"m\",\"writer\":1,{}}}\n", members.join(",")));
    let (code, messages) = fixture.once();
    assert_eq!((code, fixture.dead_letters().len()), (Some(1), 0), "{messages}");
    assert!(messages.contains("the index has reached a limit"), "{messages}");
    server.ask(Method::Put, "narrow-fields/_settings", &limit(1_000));
    let (code, messages) = fixture.once();
    assert_eq!((code, server.count("narrow-fields")), (Some(0), 1), "{messages}");
}

pub fn wait_for_a_server_at_its_shard_limit(server: &Elasticsearch) {
    let limit = |limit: Value| {
        let body = json!({ "persistent": { "cluster.max_shards_per_node": limit } });
        server.ask(Method::Put, "_cluster/settings", &body.to_string());
    };
    limit(json!(1));
    let fixture = Fixture::new(&sink(server, "one-too-many"));
    fixture.append("a.log", &lines(1, 0..10));
    let (code, messages) = fixture.once();
    limit(Value::Null);
    assert_eq!((code, fixture.dead_letters().len()), (Some(1), 0), "{messages}");
    assert!(messages.contains("shards open"), "{messages}");
    let (code, messages) = fixture.once();
    assert_eq!((code, server.count("one-too-many")), (Some(0), 10), "{messages}");
}

pub fn of_an_index_without_a_primary_delay_no_others(server: &Elasticsearch) {
    let nowhere = r#"{"settings":{"index.routing.allocation.require.box":"none"}}"#;
    server.ask_with(
        Method::Put,
        "no-primary",
        &[("wait_for_active_shards", "0"), ("timeout", "1s")],
        nowhere,
    );
    let route = "[[sink.es.route]]\nwhere = \"writer:1\"\nindex = \"no-primary\"";
    let fixture = Fixture::new(&format!("{}\n{route}", sink(server, "with-primary")));
    fixture.append("a.log", &lines(1, 0..2));
    let engine = fixture.engine();
    wait_for("the first message", PATIENCE, || {
        engine.messages().contains("no active primary").then_some(())
    });
    let since = Instant::now();
    fixture.append("a.log", &lines(2, 0..50));
    fixture.append("a.log", &lines(1, 2..50));
    wait_for("the healthy index", PATIENCE, || (server.count("with-primary") == 50).then_some(()));
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    let anywhere = r#"{"index.routing.allocation.require.box":null}"#;
    server.ask(Method::Put, "no-primary/_settings", anywhere);
    wait_for("the repaired index", 2 * PATIENCE, || {
        (server.count("no-primary") == 50).then_some(())
    });
    assert!(engine.terminate().success());
    assert_eq!(fixture.dead_letters().len(), 0);
}
