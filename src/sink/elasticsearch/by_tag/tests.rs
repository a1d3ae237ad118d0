use super::*;
use crate::sink::elasticsearch::{IndexPattern, Route, test_server};

/// Erases one event at the first request and none later, and answers the lookup of names with `status` and
/// `resolved`.
async fn erased(status: u16, resolved: &'static str) -> Result<u64, String> {
    let mut deleted = 1;
    let url = test_server::server(move |line| match line {
        line if line.starts_with("GET /_resolve/index/error,logs-*?") => {
            (status, resolved.to_owned())
        }
        line if line.contains("/_delete_by_query?") => {
            let now = std::mem::take(&mut deleted);
            (200, format!(r#"{{"deleted":{now},"version_conflicts":0,"failures":[]}}"#))
        }
        _ => (200, "{}".to_owned()),
    })
    .await;
    let pattern = |written| IndexPattern::parse(written).unwrap();
    let settings = Settings {
        index: pattern("logs-%Y.%m.%d"),
        routes: vec![Route { where_: crate::query::Expr::All, index: pattern("error") }],
        ..test_server::settings(&url)
    };
    let sink = ElasticsearchSink::new(settings.clone());
    sink.erase_tags(&settings, &["tag1.AAAAAAAAAAAAAAAAAAAAAA".to_owned()]).await
}

/// Servers skip closed indexes silently, and opening them later would bring the events back.
#[tokio::test]
async fn nothing_counts_as_erased_while_an_index_is_closed() {
    const OPEN: &str = r#"{"indices":[{"name":"error","attributes":["open"]},{"name":"logs-1"}]}"#;
    const CLOSED: &str = r#"{"indices":[{"name":"error","attributes":["open"]},{"name":"logs-1","attributes":["closed"]}]}"#;
    assert_eq!(erased(200, OPEN).await, Ok(1));
    let said = erased(200, CLOSED).await.unwrap_err();
    assert!(said.starts_with("1 erased; ") && said.contains("closed: logs-1;"), "{said}");
    // The user may not ask, or the server does not support the lookup.
    assert_eq!(erased(403, "{}").await, Ok(1));
    assert_eq!(erased(405, "<html>").await, Ok(1));
}

/// From two requests, and within the same millisecond.
#[test]
fn an_event_found_by_two_requests_is_listed_once() {
    let hit = |number: u32| Hit {
        source: RawValue::from_string(format!("{{\"number\":{number}}}")).unwrap(),
        sort: vec![1_700_000_000_000_u64.into()],
    };
    let shown: Vec<String> = each_once([1, 2, 1, 2].map(hit).into()).collect();
    assert_eq!(shown, [r#"{"number":1}"#, r#"{"number":2}"#]);
}
