//! `logwarden setup elasticsearch`: the requests sent to servers, and the messages about missing features.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::program;
use crate::rejecting_elasticsearch::RejectingElasticsearch;

fn configure(home: &Path, url: &str, more: &str) {
    let text = format!(
        "[sink.es]\nkind = \"elasticsearch\"\nurls = [\"{url}\"]\nanalyzer = \"standard\"\n{more}\n"
    );
    fs::write(home.join("config.toml"), text).unwrap();
}

fn setup(home: &Path, more: &[&str]) -> (i32, String, String) {
    let mut command = program::logwarden(home);
    command.args(["setup", "elasticsearch", "--config"]).arg(home.join("config.toml")).args(more);
    let output = program::run(&mut command);
    (output.status.code().unwrap(), program::text(&output.stdout), program::text(&output.stderr))
}

/// Makes the server answer like this; returns its requests, also the later ones.
fn record_requests(
    server: &RejectingElasticsearch,
    answer: impl Fn(&str) -> (u16, Value) + Send + 'static,
) -> Arc<Mutex<Vec<(String, Value)>>> {
    let all: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let noted = all.clone();
    server.reply_to_others(move |asked, body| {
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        noted.lock().unwrap().push((asked.to_owned(), body));
        answer(asked)
    });
    all
}

#[test]
fn elasticsearch_gets_a_lifecycle_policy_and_a_template_that_names_it() {
    let (home, server) = (TempDir::new().unwrap(), RejectingElasticsearch::start());
    configure(home.path(), &server.url, "keep = \"30d\"");
    let all = record_requests(&server, |_| (200, json!({"acknowledged": true})));
    let (code, out, messages) = setup(home.path(), &[]);
    assert_eq!(code, 0, "{messages}");
    assert!(out.contains("ILM policy `logwarden`: deleted after 30d"), "{out}");
    let all = all.lock().unwrap();
    let [(policy, delete), (template, made)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(policy, "PUT /_ilm/policy/logwarden");
    assert_eq!(delete["policy"]["phases"]["delete"]["min_age"], "30d");
    assert_eq!(template, "PUT /_index_template/logwarden");
    assert_eq!(made["template"]["settings"]["index"]["lifecycle"]["name"], "logwarden");
}

#[test]
fn without_keep_nothing_is_ever_deleted() {
    let (home, server) = (TempDir::new().unwrap(), RejectingElasticsearch::start());
    configure(home.path(), &server.url, "");
    let all = record_requests(&server, |_| (200, json!({"acknowledged": true})));
    assert_eq!(setup(home.path(), &[]).0, 0);
    let all = all.lock().unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].1["template"].get("settings").is_none());
    assert!(!setup(home.path(), &["--print"]).1.contains("delete"));
}

/// An existing policy is replaced, with its version in the request.
#[test]
fn opensearch_gets_a_policy_that_names_the_indexes() {
    let (home, server) = (TempDir::new().unwrap(), RejectingElasticsearch::start());
    configure(home.path(), &server.url, "keep = \"7d\"");
    let all = record_requests(&server, |asked| match asked {
        "PUT /_ilm/policy/logwarden" => {
            let text = "no handler found for uri [/_ilm/policy/logwarden] and method [PUT]";
            (400, json!({"error": text}))
        }
        "PUT /_plugins/_ism/policies/logwarden" => {
            (409, json!({"error": {"type": "version_conflict_engine_exception"}, "status": 409}))
        }
        "GET /_plugins/_ism/policies/logwarden" => (200, json!({"_seq_no": 7, "_primary_term": 2})),
        _ => (200, json!({"_id": "logwarden", "acknowledged": true})),
    });
    let (code, out, messages) = setup(home.path(), &[]);
    assert_eq!(code, 0, "{messages}");
    assert!(out.contains("ISM policy `logwarden`: deleted after 7d"), "{out}");
    let all = all.lock().unwrap();
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(
        paths[3..],
        [
            "PUT /_plugins/_ism/policies/logwarden?if_seq_no=7&if_primary_term=2",
            "PUT /_index_template/logwarden"
        ]
    );
    let policy = &all[3].1["policy"];
    assert_eq!(policy["ism_template"][0]["index_patterns"], json!(["logwarden-*"]));
    assert_eq!(policy["states"][0]["transitions"][0]["conditions"]["min_index_age"], "7d");
    assert!(all[4].1["template"].get("settings").is_none(), "OpenSearch knows no lifecycle");
}

#[test]
fn missing_features_and_permissions_of_a_server_are_reported() {
    let (home, server) = (TempDir::new().unwrap(), RejectingElasticsearch::start());
    configure(home.path(), &server.url, "keep = \"7d\"");
    let (code, _, messages) = setup(home.path(), &[]);
    assert_eq!((code, messages.contains("remove `keep`")), (1, true), "{messages}");
    record_requests(&server, |_| {
        (403, json!({"error": {"type": "security_exception"}, "status": 403}))
    });
    let (code, _, messages) = setup(home.path(), &[]);
    assert_eq!((code, messages.contains("it needs `manage_ilm`")), (1, true), "{messages}");
    configure(home.path(), &server.url, "keep = \"7d\"\nindex = \"all\"");
    let (code, _, messages) = setup(home.path(), &[]);
    assert_eq!(
        (code, messages.contains("`all` does not name one index per day")),
        (2, true),
        "{messages}"
    );
}

/// A sign-in page, or another server that answers every request with 200.
#[test]
fn a_reply_of_another_server_installs_nothing() {
    let page = json!("<html>please sign in</html>");
    for more in ["", "keep = \"7d\""] {
        for answer in
            [page.clone(), json!({}), json!([]), Value::Null, json!({"acknowledged": false})]
        {
            let (home, server) = (TempDir::new().unwrap(), RejectingElasticsearch::start());
            configure(home.path(), &server.url, more);
            let reply = answer.clone();
            record_requests(&server, move |_| (200, reply.clone()));
            let (code, _, messages) = setup(home.path(), &[]);
            let is_reported = messages.contains("not like Elasticsearch");
            assert_eq!((code, is_reported), (1, true), "{answer}: {messages}");
        }
    }
}
