use std::sync::{Arc, Mutex};

use super::*;
use crate::sink::elasticsearch::test_server;

/// Answers `GET /` with `root`, bulks with these statuses of one item (0: no answer), and a deletion with `deleted`.
/// Records its requests.
async fn server(
    root: &'static str,
    creates: &'static [u16],
    deleted: u16,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let mut creates = creates.iter();
    let url = test_server::server(move |line| {
        noted.lock().unwrap().push(line.to_owned());
        match line {
            "GET /" => (200, root.to_owned()),
            "POST /_bulk" => {
                let status = *creates.next().unwrap();
                let items = format!(r#"[{{"create":{{"status":{status}}}}}]"#);
                (status.min(200), format!(r#"{{"errors":false,"items":{items}}}"#))
            }
            _ => (deleted, "{}".to_owned()),
        }
    });
    (url.await, asked)
}

async fn delivery_problems(url: &str) -> Vec<String> {
    ElasticsearchSink::new(test_server::settings(url)).delivery_problems("1a2b").await
}

const ELASTIC: &str = r#"{"version":{"number":"8.15.0","build_hash":"1a77947f34deddb41af25e6f0ddb8e830159c179","lucene_version":"9.11.1"},"tagline":"You Know, for Search"}"#;
const OPEN: &str = r#"{"version":{"distribution":"opensearch","build_hash":"e5a3c5691be87af6c12dbe3e158c59c04ee72973","lucene_version":"10.4.0"},"tagline":"The OpenSearch Project: https://opensearch.org/"}"#;
const OTHER: &str = r#"{"version":{"number":"7.10.2","build_hash":"NA","lucene_version":"NA"},"tagline":"You Know, for Search"}"#;
const REMOVED: &str = "DELETE /logwarden-check-1a2b";

#[tokio::test]
async fn only_a_server_that_stores_an_event_twice_is_reported() {
    let (page, twice) = ("GET /", ["GET /", "POST /_bulk", "POST /_bulk"]);
    for (root, creates, doubted, expected) in [
        (ELASTIC, &[][..], false, vec![page]),
        (OPEN, &[], false, vec![page]),
        (OTHER, &[201, 201], true, [&twice[..], &[REMOVED]].concat()),
        (OTHER, &[201, 409], false, [&twice[..], &[REMOVED]].concat()),
        ("<html>", &[201, 201], true, [&twice[..], &[REMOVED]].concat()),
    ] {
        let (url, asked) = server(root, creates, 200).await;
        let said = delivery_problems(&url).await;
        assert_eq!(said.len(), usize::from(doubted), "{root}: {said:?}");
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked, expected, "{root}");
    }
}

#[tokio::test]
async fn a_check_leaves_nothing_on_a_server_or_reports_its_name() {
    for (creates, deleted, is_expected) in [
        (&[201, 409][..], 200, false),
        // It may exist: there was no answer.
        (&[0], 200, false),
        (&[201, 0], 404, false),
        (&[201, 409], 405, true),
        (&[201, 0], 0, true),
        (&[0], 405, true),
        // It never existed.
        (&[403], 405, false),
    ] {
        let (url, asked) = server(OTHER, creates, deleted).await;
        let said = delivery_problems(&url).await;
        let is_reported =
            said.iter().any(|text| text.contains("delete the index logwarden-check-1a2b"));
        assert_eq!(is_reported, is_expected, "{creates:?} {deleted}: {said:?}");
        assert_eq!(asked.lock().unwrap().last().unwrap(), REMOVED);
    }
}
