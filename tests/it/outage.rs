//! Failures of a server, of a proxy or of the network: nothing is lost or duplicated, no loop spins, and the reason is
//! reported. The names in brackets are cases; a fake server simulates them.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::fake_elasticsearch::{Acceptance, AfterReply, Answer, Attempt, FakeElasticsearch};
use crate::fault_proxy::{Fault, FaultProxy};
use crate::fixture::{Fixture, assert_each_once, lines, resident};
use crate::program::{self, Engine, Random, send_signal, wait_for};
use crate::rejecting_elasticsearch::RejectingElasticsearch;
use crate::tls_proxy::{self, TlsProxy};

const PATIENCE: Duration = Duration::from_secs(60);

fn to(url: &str) -> String {
    format!("urls = [\"{url}\"]")
}

fn wait_for_documents(fake: &FakeElasticsearch, count: usize) {
    wait_for("every line", PATIENCE, || (fake.count() >= count).then_some(()));
}

fn wait_for_message(engine: &Engine, words: &str) {
    wait_for(words, PATIENCE, || engine.messages().contains(words).then_some(()));
}

/// [S03] Killed after the server stored a bulk and before the cursor moved: the server recognises the duplicates.
#[test]
fn s03_killed_between_the_reply_and_the_cursor() {
    let fake = FakeElasticsearch::start();
    let fixture = Fixture::new(&to(&fake.url()));
    let mut random = Random(program::seed("s03"));
    const ROUNDS: usize = 8;
    for round in 0..ROUNDS {
        let (replied, reply) = mpsc::channel();
        fake.answer(move |_| {
            let replied = replied.clone();
            let then: AfterReply = Box::new(move || {
                let _ = replied.send(());
            });
            Answer { then: Some(then), ..Answer::default() }
        });
        fixture.append("a.log", &lines(1, round * 100..round * 100 + 100));
        let engine = fixture.engine();
        reply.recv_timeout(PATIENCE).expect("a bulk arrives");
        if round % 2 == 1 {
            // Before or after the next group commit.
            std::thread::sleep(Duration::from_millis(random.below(300)));
        }
        engine.kill();
        fixture.assert_bytes_before_cursors_are_delivered(&fake.documents());
    }
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    assert_each_once(&fake.documents(), 1, ROUNDS * 100);
    let mut sent: HashMap<String, usize> = HashMap::new();
    for id in fake.attempts().into_iter().flat_map(|attempt| attempt.ids) {
        *sent.entry(id).or_default() += 1;
    }
    let again = sent.values().filter(|times| **times > 1).count();
    assert!(again >= 100, "no kill was between a reply and its cursor: {again} sent again");
}

/// [S28] The server is down at the start: the archive and the alerts work, and later the server gets everything.
#[test]
fn s28_the_server_is_down_at_the_start() {
    let fake = FakeElasticsearch::prepared();
    let rule =
        "[rule.many]\nkind = \"threshold\"\nwhere = \"level:info\"\ncount = 10\nwindow = \"1m\"";
    let fixture = Fixture::new(&format!("{}\n[sink.archive]\n{rule}", to(&fake.url())));
    fixture.append("a.log", &lines(1, 0..300));
    let engine = fixture.engine();
    wait_for_message(&engine, "cannot reach");
    wait_for_message(&engine, "many");
    let state = fixture.path("state");
    wait_for("the archive", PATIENCE, || {
        (program::archived(fixture.home.path(), &state, "*") == 300).then_some(())
    });
    fake.launch();
    wait_for_documents(&fake, 300);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 300);
    assert_eq!(
        fixture.assert_bytes_before_cursors_are_delivered(&fake.documents()),
        lines(1, 0..300).len() as u64
    );
}

/// [S30] First every bulk gets a 429 with Retry-After, then every second event gets a 429 three times.
#[test]
fn s30_too_many_requests() {
    let fake = FakeElasticsearch::start();
    let mut tries: HashMap<String, usize> = HashMap::new();
    fake.answer(move |attempt| {
        if attempt.number < 2 {
            let headers = "retry-after: 1\r\n";
            return Answer { take: Acceptance::Nothing, status: 429, headers, ..Answer::default() };
        }
        let mut taken = |(place, id): (usize, &String)| {
            let tries = tries.entry(id.clone()).or_default();
            *tries += 1;
            *tries > 3 || (place % 2 == 0 && *tries == 1)
        };
        let places = attempt.ids.iter().enumerate().map(&mut taken).collect();
        Answer { take: Acceptance::Some(places), ..Answer::default() }
    });
    let fixture = Fixture::new(&to(&fake.url()));
    fixture.append("a.log", &lines(1, 0..1000));
    let engine = fixture.engine();
    wait_for_message(&engine, "asked to retry later");
    wait_for_documents(&fake, 1000);
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 1000);
    let attempts = fake.attempts();
    for pair in attempts.windows(2).take(2) {
        let waited = pair[1].at - pair[0].at;
        assert!(waited >= Duration::from_millis(990), "asked for 1 s, waited {waited:?}");
    }
    assert!(attempts.len() < 20, "{} attempts for three refusals each", attempts.len());
}

/// [S33] The target rejects bodies above 100 kB: bulks are halved, and the limit is remembered. A single event above
/// the limit becomes a dead letter.
#[test]
fn s33_bodies_that_are_too_large() {
    const LIMIT: usize = 100_000;
    let fake = FakeElasticsearch::start();
    fake.answer(|attempt| match attempt.bytes > LIMIT {
        true => Answer { take: Acceptance::Nothing, status: 413, ..Answer::default() },
        false => Answer::default(),
    });
    // With the raw record beside the parsed fields, a line of 0.9 MB is a document of 1.8 MB.
    let fixture = Fixture::new(&format!("{}\n[privacy]\nkeep_original = true", to(&fake.url())));
    fixture.append("a.log", &lines(1, 0..2000));
    let text = "x".repeat(900_000);
    let giant =
        format!("{{\"level\":\"info\",\"message\":\"{text}\",\"writer\":1,\"number\":2000}}\n");
    fixture.append("a.log", &giant);
    fixture.append("a.log", &lines(1, 2001..4000));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(3), "{messages}");
    let letters = fixture.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0]["reason"].as_str().unwrap().contains("too large"),
        "{}",
        letters[0]["reason"]
    );
    let kept = letters[0]["document"].clone();
    let all: Vec<Value> = fake.documents().into_iter().chain([kept]).collect();
    assert_each_once(&all, 1, 4000);
    fixture.assert_bytes_before_cursors_are_delivered(&all);
    let attempts = fake.attempts();
    let refused = attempts.iter().filter(|attempt| attempt.bytes > LIMIT);
    // Each is halved and tried again (two at a time), the giant one twice.
    assert!(refused.clone().count() <= 16, "{:?}", refused.map(|a| a.bytes).collect::<Vec<_>>());
}

/// A proxy rejects bodies of any size for a while. No event becomes a dead letter, the message contains advice, and
/// afterwards bulks are as large as before.
#[test]
fn a_proxy_that_refuses_everything_for_a_while() {
    let fake = FakeElasticsearch::start();
    let refuse =
        |_: &Attempt| Answer { take: Acceptance::Nothing, status: 413, ..Answer::default() };
    fake.answer(refuse);
    let fixture = Fixture::new(&to(&fake.url()));
    fixture.append("a.log", &lines(1, 0..5_000));
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(1), "{messages}");
    let words =
        "with 413: raise the limit of the proxy in front of it (nginx: client_max_body_size)";
    assert!(messages.contains(words), "{messages}");
    let engine = fixture.engine();
    let tries = fake.attempts().len();
    wait_for("more attempts", PATIENCE, || (fake.attempts().len() >= tries + 20).then_some(()));
    wait_for_message(&engine, words);
    fake.answer(|_| Answer::default());
    send_signal(engine.id(), "USR1");
    wait_for_documents(&fake, 5_000);
    let before = fake.attempts().len();
    fixture.append("a.log", &lines(1, 5_000..20_000));
    wait_for_documents(&fake, 20_000);
    let largest = fake.attempts()[before..].iter().map(|attempt| attempt.bytes).max();
    assert!(largest > Some(700_000), "{largest:?}");
    assert_eq!(engine.terminate().code(), Some(0));
    assert!(fixture.dead_letters().is_empty());
    assert_each_once(&fake.documents(), 1, 20_000);
    let attempts = fake.attempts().len();
    assert!(attempts < 300, "{attempts} requests");
}

/// [S38] An answer of one byte per second keeps two bulks in memory, no more, and delays no other sink.
#[test]
fn s38_one_byte_per_second() {
    let fake = FakeElasticsearch::start();
    let proxy = FaultProxy::in_front_of(fake.address());
    proxy.set(Fault::Slow);
    let fixture =
        Fixture::new(&format!("{}\n[sink.out]\nkind = \"file\"\npath = \"out\"", to(&proxy.url())));
    const LINES: usize = 40_000;
    fixture.append("a.log", &lines(1, 0..LINES));
    let engine = fixture.engine();
    wait_for("the other sink", PATIENCE, || {
        let written = std::fs::read_to_string(fixture.path("out")).unwrap_or_default();
        (written.lines().count() == LINES).then_some(())
    });
    wait_for("two requests", PATIENCE, || (fake.attempts().len() == 2).then_some(()));
    let held: usize = fake.attempts().iter().map(|attempt| attempt.bytes).sum();
    assert!(held <= 2 << 20, "{held} bytes are in flight");
    assert!(resident(engine.id()) < 64 << 20, "{} bytes", resident(engine.id()));
    assert_eq!(fake.attempts().len(), 2, "nothing more is sent while nothing is answered");
    proxy.set(Fault::None);
    wait_for_documents(&fake, LINES);
    assert!(proxy.sent() < 3 * lines(1, 0..LINES).len() as u64 + (4 << 20), "sent more than once");
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, LINES);
    fixture.assert_bytes_before_cursors_are_delivered(&fake.documents());
}

/// [S40] The server does not answer: after the first signal the engine drains until its deadline, a second signal ends
/// it at once.
#[test]
fn s40_two_signals_end_at_once() {
    let fake = FakeElasticsearch::start();
    let proxy = FaultProxy::in_front_of(fake.address());
    proxy.set(Fault::Silence);
    let fixture = Fixture::new(&to(&proxy.url()));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for("a bulk", PATIENCE, || (!fake.attempts().is_empty()).then_some(()));
    send_signal(engine.id(), "TERM");
    wait_for_message(&engine, "stopping");
    // Signals within one second of the first count as one.
    std::thread::sleep(Duration::from_millis(1100));
    assert!(engine.terminate().success());
    let messages = std::fs::read_to_string(fixture.path("engine.stderr")).unwrap();
    assert!(messages.contains("stopped immediately"), "{messages}");
    assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
    proxy.set(Fault::None);
    assert_eq!(fixture.once().0, Some(0));
    assert_each_once(&fake.documents(), 1, 500);
}

/// [S40] One signal, and the answer never arrives: the engine ends at its own deadline.
#[test]
fn s40_one_signal_ends_in_the_deadline() {
    let silent = FakeElasticsearch::start();
    let proxy = FaultProxy::in_front_of(silent.address());
    proxy.set(Fault::Silence);
    let refusing = FakeElasticsearch::prepared();
    for (url, waits_for) in [(proxy.url(), Some(&silent)), (refusing.url(), None)] {
        let fixture = Fixture::new(&to(&url));
        fixture.append("a.log", &lines(1, 0..500));
        let engine = fixture.engine();
        match waits_for {
            Some(fake) => {
                wait_for("a bulk", PATIENCE, || (fake.attempts().len() == 1).then_some(()))
            }
            None => wait_for_message(&engine, "cannot reach"),
        }
        assert!(engine.terminate().success());
        let messages = std::fs::read_to_string(fixture.path("engine.stderr")).unwrap();
        // A request times out only after a minute, and that is reported with its attempt.
        assert!(waits_for.is_none() || !messages.contains("attempt 1"), "{messages}");
        assert_eq!(messages.contains("stopping: waiting"), waits_for.is_some(), "{messages}");
        assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
    }
}

/// An answer with status 200 that is not a reply to this bulk confirms nothing, whether the bulk was stored or not.
#[test]
fn a_web_page_instead_of_a_reply_confirms_nothing() {
    let pages = [
        "<html><body>Please sign in</body></html>",
        r#"{"errors":false,"items":[{"create":{"sta"#,
        r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
        r#"{"errors":false,"items":[]}"#,
        r#"{"acknowledged":true}"#,
        "",
    ];
    for take in [|| Acceptance::All, || Acceptance::Nothing] {
        let fake = FakeElasticsearch::start();
        fake.answer(move |attempt: &Attempt| {
            let body = pages.get(attempt.number).map(|page| (*page).to_owned());
            let take = if body.is_some() { take() } else { Acceptance::All };
            Answer { take, body, ..Answer::default() }
        });
        let fixture = Fixture::new(&to(&fake.url()));
        fixture.append("a.log", &lines(1, 0..500));
        let engine = fixture.engine();
        wait_for_message(&engine, "not like Elasticsearch");
        // `--once` gives up after four such answers: some of them are for this engine.
        wait_for("some pages", PATIENCE, || (fake.attempts().len() >= 4).then_some(()));
        engine.kill();
        assert_eq!(
            fixture.assert_bytes_before_cursors_are_delivered([]),
            0,
            "a web page moved the cursor"
        );
        let (code, messages) = fixture.once();
        assert_eq!(code, Some(0), "{messages}");
        assert_each_once(&fake.documents(), 1, 500);
        let ids: HashSet<String> = fake.attempts().into_iter().flat_map(|a| a.ids).collect();
        assert_eq!(ids.len(), 500);
        assert!(fake.attempts().len() > pages.len(), "too few attempts");
    }
}

/// The connection ends in the middle of the answer, after the server has stored everything.
#[test]
fn a_truncated_reply_confirms_nothing() {
    let fake = FakeElasticsearch::start();
    let proxy = FaultProxy::in_front_of(fake.address());
    proxy.set(Fault::Cut(300));
    let fixture = Fixture::new(&to(&proxy.url()));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for_message(&engine, "broke");
    engine.kill();
    assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
    proxy.set(Fault::None);
    assert_eq!(fixture.once().0, Some(0));
    assert_each_once(&fake.documents(), 1, 500);
}

/// Another server at the address: this is reported, nothing is confirmed, and with the right address all is delivered.
#[test]
fn a_web_server_that_is_not_elasticsearch() {
    let web = FakeElasticsearch::start();
    let right = FakeElasticsearch::start();
    for (status, words) in [
        (200, "not like Elasticsearch"),
        (404, "is this the address"),
        (405, "is this the address"),
    ] {
        web.answer(move |_| {
            let body = Some("<html><h1>It works!</h1></html>".to_owned());
            Answer { take: Acceptance::Nothing, status, body, ..Answer::default() }
        });
        let fixture = Fixture::new(&to(&web.url()));
        fixture.append("a.log", &lines(1, 0..100));
        let engine = fixture.engine();
        wait_for_message(&engine, words);
        assert!(engine.terminate().success());
        assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
        fixture.configure(&to(&right.url()));
        let (code, messages) = fixture.once();
        assert_eq!(code, Some(0), "{messages}");
        assert!(right.count() >= 100);
    }
    assert_eq!(web.count(), 0);
}

/// [S36] A certificate that is expired, for another name, or of an unknown authority is replaced while the sink waits:
/// no event is lost.
#[test]
fn s36_a_certificate_that_does_not_fit() {
    let ca = format!("ca_file = \"{}\"", tls_proxy::file("ca.crt").display());
    for (certificate, ca, words) in [
        ("expired.crt", &*ca, "its certificate has expired; renew it"),
        ("other.crt", &*ca, "its certificate is for another name; use that name"),
        ("right.crt", "", "not signed by a trusted authority; set ca_file"),
    ] {
        let fake = FakeElasticsearch::start();
        let proxy = TlsProxy::in_front_of(fake.address(), certificate);
        let fixture = Fixture::new(&format!("{}\n{ca}", to(&proxy.url())));
        fixture.append("a.log", &lines(1, 0..100));
        let engine = fixture.engine();
        wait_for_message(&engine, words);
        assert!(engine.messages().contains("in the log files"), "{}", engine.messages());
        assert_eq!(fake.attempts().len(), 0, "nothing is sent to an untrusted server");
        if ca.is_empty() {
            assert!(engine.terminate().success());
            assert_eq!(fixture.assert_bytes_before_cursors_are_delivered([]), 0);
            continue;
        }
        proxy.show("right.crt");
        wait_for_documents(&fake, 100);
        assert!(engine.terminate().success());
        assert_each_once(&fake.documents(), 1, 100);
        assert_eq!(fake.attempts().iter().map(|attempt| attempt.ids.len()).sum::<usize>(), 100);
    }
}

/// No permission for one index, or a closed one: this is reported, and its events wait while the others are delivered.
/// Once it is fixed, they are delivered too.
#[test]
fn one_index_that_accepts_nothing() {
    for (status, kind, words) in [
        (403, "security_exception", "may not write to the index"),
        (400, "index_closed_exception", "the index is closed"),
        (404, "index_not_found_exception", "run `logwarden setup elasticsearch`"),
    ] {
        let server = RejectingElasticsearch::start();
        server.reply_to_items(move |index, _| match index {
            "shut" => RejectingElasticsearch::rejection(status, kind, "no"),
            _ => None,
        });
        let route = "index = \"open\"\n[[sink.es.route]]\nwhere = \"writer:2\"\nindex = \"shut\"";
        let fixture = Fixture::new(&format!("{}\n{route}", to(&server.url)));
        fixture.append("a.log", &lines(1, 0..50));
        fixture.append("b.log", &lines(2, 0..50));
        let engine = fixture.engine();
        wait_for_message(&engine, words);
        wait_for("the other index", PATIENCE, || (server.documents().len() == 50).then_some(()));
        server.reply_to_items(|_, _| None);
        send_signal(engine.id(), "USR1");
        wait_for("both", PATIENCE, || (server.documents().len() == 100).then_some(()));
        assert!(engine.terminate().success());
        let documents: Vec<Value> = server.documents().into_iter().map(|(_, it)| it).collect();
        assert_each_once(&documents, 2, 50);
        assert!(fixture.dead_letters().is_empty());
    }
}
