//! Aliases and data streams of real servers: they are rejected with a message, and nothing is duplicated if a name
//! becomes one.

use std::time::Duration;

use logwarden::client::elasticsearch::Method;

use crate::elasticsearch::Elasticsearch;
use crate::fault_proxy::{Fault, FaultProxy};
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{self, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn sink(url: &str, index: &str) -> String {
    format!("urls = [\"{url}\"]\nindex = \"{index}\"\n")
}

/// Both for an alias of one index and for one that was rolled over.
pub fn nothing_is_sent_to_an_alias_and_the_reason_is_reported(server: &Elasticsearch) {
    server.ask(Method::Put, "turns-000001", r#"{"aliases":{"turns":{"is_write_index":true}}}"#);
    server.ask(Method::Put, "one-index", r#"{"aliases":{"one":{}}}"#);
    for (alias, index) in [("turns", "turns-000001"), ("one", "one-index")] {
        let fixture = Fixture::new(&sink(&server.url(), alias));
        fixture.append("a.log", &lines(1, 0..100));
        let (code, messages) = fixture.once();
        let words = format!(
            "{alias} is an alias (for {index}): after a rollover, a retry would store events twice"
        );
        assert!(code == Some(1) && messages.contains(&words), "{messages}");
        assert_eq!(server.count(alias), 0);
        let output = program::run(&mut fixture.beside(&["check"]));
        assert!(program::text(&output.stdout).contains(&words), "{output:?}");
    }
    server.ask(Method::Post, "turns/_rollover", "");
    let fixture = Fixture::new(&sink(&server.url(), "turns"));
    fixture.append("a.log", &lines(1, 0..100));
    let (_, messages) = fixture.once();
    assert!(messages.contains("is an alias (for turns-000001, turns-000002)"), "{messages}");
    // With `allow_rollover`, delivery is at least once.
    fixture.configure(&format!("{}allow_rollover = true", sink(&server.url(), "turns")));
    assert_eq!(fixture.once().0, Some(0));
    assert_eq!(server.count("turns"), 100);
}

/// The name does not exist, a template turns it into a data stream, the reply to its first bulk is lost, and the data
/// stream rolls over before the retry.
pub fn a_rollover_between_a_lost_reply_and_the_retry_duplicates_nothing(server: &Elasticsearch) {
    let template = r#"{"index_patterns":["rolls-*"],"data_stream":{},"priority":500}"#;
    let made = server.ask(Method::Put, "_index_template/rolls", template);
    if made["acknowledged"] != true {
        // The distribution of 7.17 that the tests fetch has no data streams.
        assert!(made.to_string().contains("unknown field [data_stream]"), "{made}");
        return;
    }
    let proxy = FaultProxy::in_front_of(server.address());
    proxy.set(Fault::Cut(0));
    let fixture = Fixture::new(&sink(&proxy.url(), "rolls-app"));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for("a bulk", PATIENCE, || (server.count("rolls-app") == 500).then_some(()));
    let rolled = server.ask(Method::Post, "rolls-app/_rollover", "");
    assert_eq!(rolled["rolled_over"], true, "{rolled}");
    proxy.set(Fault::None);
    send_signal(engine.id(), "USR1");
    wait_for("the message", PATIENCE, || {
        engine.messages().contains("rolls-app is a data stream").then_some(())
    });
    assert!(engine.terminate().success());
    assert_eq!(fixture.once().0, Some(1));
    let documents = server.documents("rolls-app");
    assert_each_once(documents.iter().map(|(_, document)| document), 1, 500);
}

/// The same with an index: the retry goes to the same one.
pub fn a_lost_reply_of_an_index_duplicates_nothing(server: &Elasticsearch) {
    let proxy = FaultProxy::in_front_of(server.address());
    proxy.set(Fault::Cut(0));
    let fixture = Fixture::new(&sink(&proxy.url(), "lost-%Y.%m.%d"));
    fixture.append("a.log", &lines(1, 0..500));
    let engine = fixture.engine();
    wait_for("a bulk", PATIENCE, || (server.count("lost-*") == 500).then_some(()));
    proxy.set(Fault::None);
    send_signal(engine.id(), "USR1");
    assert!(engine.terminate().success());
    let (code, messages) = fixture.once();
    assert_eq!(code, Some(0), "{messages}");
    let documents = server.documents("lost-*");
    assert_each_once(documents.iter().map(|(_, document)| document), 1, 500);
    let delivered = documents.iter().map(|(_, document)| document);
    let all = lines(1, 0..500).len() as u64;
    assert_eq!(fixture.assert_bytes_before_cursors_are_delivered(delivered), all);
}
