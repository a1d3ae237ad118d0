//! Events that a server rejects permanently: the reason is stored, and they are delivered once the cause is fixed.

use logwarden::client::elasticsearch::Method;
use serde_json::Value;

use crate::elasticsearch::Elasticsearch;
use crate::fixture::{Fixture, lines};
use crate::program;

/// Returns the exit code, standard output and standard error.
fn letters(fixture: &Fixture, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = program::run(fixture.beside(&["dead-letters"]).args(arguments));
    (output.status.code(), program::text(&output.stdout), program::text(&output.stderr))
}

/// An index rejects a text as a number; then the sink writes to an index that accepts it.
pub fn are_delivered_once_the_mapping_is_fixed(server: &Elasticsearch) {
    let mapped = |index: &str, kind: &str| {
        let body = format!(r#"{{"mappings":{{"properties":{{"number":{{"type":"{kind}"}}}}}}}}"#);
        server.ask(Method::Put, index, &body);
    };
    mapped("narrow-2026", "long");
    mapped("wide-2026", "keyword");
    let sink = |index: &str| format!("urls = [\"{}\"]\nindex = \"{index}\"", server.url());
    let fixture = Fixture::new(&sink("narrow-%Y"));
    fixture.append("a.log", &lines(1, 0..10));
    let bad = r#"{"time":"2026-11-20T10:00:00Z","message":"bad","writer":1,"number":"none"}"#;
    fixture.append("a.log", &format!("{bad}\n"));
    assert_eq!(fixture.once().0, Some(3));

    let (_, out, _) = letters(&fixture, &["show", "--json"]);
    let letter: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&letter["target"], &letter["status"]), (&"narrow-2026".into(), &400.into()));
    let kind = letter["type"].as_str().unwrap();
    assert!(["mapper_parsing_exception", "document_parsing_exception"].contains(&kind), "{kind}");
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("failed to parse field [number] of type [long]"), "{reason}");

    let (code, _, messages) = letters(&fixture, &["replay"]);
    assert_eq!((code, messages.contains("1 rejected again")), (Some(3), true), "{messages}");
    fixture.configure(&sink("wide-%Y"));
    let (code, _, messages) = letters(&fixture, &["replay"]);
    assert_eq!((code, messages.contains("1 delivered")), (Some(0), true), "{messages}");
    let documents = server.documents("wide-2026");
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].1, letter["document"]);
    assert_eq!(
        letters(&fixture, &["list"]),
        (Some(0), String::new(), "logwarden: no dead letters\n".into())
    );
    assert_eq!(server.count("narrow-2026"), 10);
}
