//! The metrics endpoint: exact figures in the Prometheus text format, without any content of the logs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use regex::Regex;

use crate::fake_elasticsearch::FakeElasticsearch;
use crate::fixture::{Fixture, lines};
use crate::program::{Engine, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

struct MonitoredEngine {
    fixture: Fixture,
    address: SocketAddr,
    engine: Engine,
}

impl MonitoredEngine {
    /// `more`: additional sinks and rules.
    fn start(fake: &FakeElasticsearch, more: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sink = format!("urls = [\"{}\"]\n[metrics]\nlisten = \"{free}\"\n{more}", fake.url());
        let fixture = Fixture::new(&sink);
        let engine = fixture.engine();
        wait_for("the endpoint", PATIENCE, || TcpStream::connect(free).ok());
        MonitoredEngine { fixture, address: free, engine }
    }

    /// Sends the request and returns the whole answer.
    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    }

    fn page(&self) -> Page {
        let answer = self.get("/metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        Page::read(body)
    }
}

/// Series (with its labels as written) → value.
struct Page(BTreeMap<String, f64>);

impl Page {
    /// Parses a page; panics if it violates the format or the naming conventions.
    fn read(text: &str) -> Page {
        assert!(text.ends_with('\n'));
        let comment = Regex::new(r"^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$").unwrap();
        let label = r#"[a-z_][a-z0-9_]*="([^"\\\n]|\\[\\"n])*""#;
        let sample =
            Regex::new(&format!(r"^([a-z_:][a-z0-9_:]*)(\{{{label}(,{label})*\}})? (\S+)$"));
        let sample = sample.unwrap();
        let (mut families, mut series) = (BTreeSet::new(), BTreeMap::new());
        let (mut family, mut kind) = (String::new(), None);
        for line in text.lines() {
            if let Some(found) = comment.captures(line) {
                let name = found[2].to_owned();
                match &found[1] {
                    "HELP" => {
                        assert!(families.insert(name.clone()), "{name} occurs twice");
                        (family, kind) = (name, None);
                    }
                    _ => {
                        assert_eq!(name, family, "TYPE follows its HELP");
                        assert!(["counter", "gauge"].contains(&&found[3]), "{line}");
                        assert_eq!(&found[3] == "counter", name.ends_with("_total"), "{line}");
                        kind = Some(found[3].to_owned());
                    }
                }
                continue;
            }
            let found = sample.captures(line).unwrap_or_else(|| panic!("not a sample: {line}"));
            assert_eq!(found[1], family, "{line} follows its family");
            assert!(kind.is_some(), "{line} has no type");
            let value: f64 = found.iter().last().flatten().unwrap().as_str().parse().unwrap();
            let name = line.rsplit_once(' ').unwrap().0.to_owned();
            assert_eq!(series.insert(name, value), None, "{line} occurs twice");
        }
        Page(series)
    }

    fn value(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} is not in {:#?}", self.0.keys()))
    }
}

#[test]
fn figures_are_exact_and_reveal_nothing_of_the_logs() {
    let fake = FakeElasticsearch::start();
    let rule = r#"[rule."a \"q\" \\ ü"]
kind = "threshold"
where = "client_id:*"
count = 1
window = "1m"
by = ["client_id"]
[sink.out]
kind = "file"
path = "out.jsonl"
where = "writer:1"
"#;
    let monitored = MonitoredEngine::start(&fake, rule);
    let text = lines(1, 0..100) + &lines(2, 0..50);
    monitored.fixture.append("a.log", &text);
    let client =
        r#"{"level":"error","message":"of 7654321","writer":2,"number":50,"client_id":"7654321"}"#;
    monitored.fixture.append("a.log", &format!("{client}\n"));
    let size = (text.len() + client.len() + 1) as f64;
    let page = wait_for("everything", PATIENCE, || {
        let page = monitored.page();
        let fired = page.0.iter().any(|(name, value)| name.contains("rule_firing") && *value > 0.0);
        let through = |sink| {
            let bytes = |what| page.value(&format!("logwarden_sink_{what}{{sink=\"{sink}\"}}"));
            let left = bytes("waiting_bytes") + bytes("in_flight_bytes");
            bytes("seen_bytes_total") == size && left == 0.0
        };
        (fired && fake.count() == 151 && through("es") && through("out")).then_some(page)
    });
    for (series, value) in [
        (r#"logwarden_sink_confirmed_events_total{sink="es"}"#, 151.0),
        (r#"logwarden_sink_confirmed_events_total{sink="out"}"#, 100.0),
        (r#"logwarden_sink_filtered_events_total{sink="out"}"#, 51.0),
        (r#"logwarden_sink_confirmed_bytes_total{sink="es"}"#, size),
        (r#"logwarden_sink_dead_letters_total{sink="es"}"#, 0.0),
        (r#"logwarden_source_size_bytes{source="app"}"#, size),
        (r#"logwarden_source_files{source="app"}"#, 1.0),
        (r#"logwarden_rule_firing{rule="a \"q\" \\ ü"}"#, 1.0),
        (r#"logwarden_rule_fired_total{rule="a \"q\" \\ ü"}"#, 1.0),
        (r#"logwarden_engine_state{state="running"}"#, 1.0),
        (r#"logwarden_engine_state{state="draining"}"#, 0.0),
    ] {
        assert_eq!(page.value(series), value, "{series}");
    }
    for sink in ["es", "out"] {
        let bytes = |what| page.value(&format!("logwarden_sink_{what}{{sink=\"{sink}\"}}"));
        let parts = ["confirmed_bytes_total", "filtered_bytes_total", "in_flight_bytes"];
        let rest = ["waiting_bytes", "dead_letter_bytes_total", "lost_bytes_total"];
        let all: f64 = parts.into_iter().chain(rest).map(bytes).sum();
        assert_eq!((bytes("seen_bytes_total"), all), (size, size), "{sink}");
    }
    let on: f64 = page.0.iter().filter(|(name, _)| name.contains("sink_state{")).map(|s| s.1).sum();
    assert_eq!(on, 2.0, "one state per sink");
    assert!(page.value("process_cpu_seconds_total") > 0.0);
    assert!(page.value("logwarden_memory_anonymous_bytes") > 1e6);
    let text = monitored.get("/metrics");
    assert!(!text.contains("7654321") && !text.contains("line 1"), "{text}");
    assert!(monitored.engine.terminate().success());
}

#[test]
fn only_known_paths_are_answered() {
    let fake = FakeElasticsearch::start();
    let monitored = MonitoredEngine::start(&fake, "");
    let starts = |answer: String, with: &str| assert!(answer.starts_with(with), "{answer}");
    starts(monitored.get("/healthz"), "HTTP/1.1 200 OK");
    starts(monitored.get("/metrics?x=1"), "HTTP/1.1 200 OK");
    starts(monitored.get("/"), "HTTP/1.1 404 ");
    starts(monitored.get("/metrics/../etc/passwd"), "HTTP/1.1 404 ");
    starts(
        monitored.send("POST /metrics HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"),
        "HTTP/1.1 405 ",
    );
    starts(monitored.send("\u{1b}[2J\r\n\r\n"), "HTTP/1.1 404 ");
    let long = format!("GET /metrics HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    starts(monitored.send(&long), "HTTP/1.1 431 ");
    // More silent connections than are served at once: they are closed, and others are served.
    let silent: Vec<TcpStream> =
        (0..10).map(|_| TcpStream::connect(monitored.address).unwrap()).collect();
    starts(monitored.get("/healthz"), "HTTP/1.1 200 OK");
    drop(silent);
    assert!(monitored.engine.terminate().success());
}

#[test]
fn an_address_in_use_is_reported_and_everything_else_works() {
    let fake = FakeElasticsearch::start();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let sink = format!("urls = [\"{}\"]\n[metrics]\nlisten = \"{address}\"", fake.url());
    let fixture = Fixture::new(&sink);
    fixture.append("a.log", &lines(1, 0..10));
    let engine = fixture.engine();
    wait_for("the message", PATIENCE, || {
        engine.messages().contains("metrics: cannot listen on").then_some(())
    });
    wait_for("every line", PATIENCE, || (fake.count() == 10).then_some(()));
    // The address is free now; the configuration is unchanged.
    drop(taken);
    send_signal(engine.id(), "HUP");
    wait_for("the endpoint", PATIENCE, || TcpStream::connect(address).ok());
    assert!(engine.terminate().success());
}

/// The old address and the new one cannot be listened on at once.
#[test]
fn a_new_address_with_the_same_port_is_used() {
    let fake = FakeElasticsearch::start();
    let monitored = MonitoredEngine::start(&fake, "");
    let port = monitored.address.port();
    for (listen, reached) in [("0.0.0.0", "127.0.0.2"), ("127.0.0.1", "127.0.0.1")] {
        monitored.fixture.configure(&format!(
            "urls = [\"{}\"]\n[metrics]\nlisten = \"{listen}:{port}\"",
            fake.url()
        ));
        let before = monitored.engine.messages().len();
        send_signal(monitored.engine.id(), "HUP");
        let messages = wait_for("an answer", PATIENCE, || {
            let messages = monitored.engine.messages()[before..].to_owned();
            messages.contains("metrics: changed").then_some(messages)
        });
        assert!(!messages.contains("cannot listen"), "{messages}");
        assert!(TcpStream::connect((reached, port)).is_ok(), "{listen}: {messages}");
    }
    assert!(monitored.engine.terminate().success());
}
