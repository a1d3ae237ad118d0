//! The leak scan with a real server: its documents, its mapping and its search results.

use logwarden::client::elasticsearch::Method;
use serde_json::{Value, json};

use crate::elasticsearch::Elasticsearch;
use crate::fixture::Fixture;
use crate::{leaks, program};

/// The index is prepared by `logwarden setup`; its mapping rejects some documents.
pub fn holds_no_id_and_finds_events_by_their_tags(server: &Elasticsearch) {
    // The test distributions lack the default tokenizer.
    let sink = format!("urls = [\"{}\"]\nindex = \"leaks\"\nanalyzer = \"standard\"", server.url());
    let setup = Fixture::new(&sink);
    program::expect(&mut setup.beside(&["setup", "elasticsearch"]), 0);
    let mapping = r#"{"mappings":{"properties":{"number":{"type":"long"}}}}"#;
    server.ask(Method::Put, "leaks", mapping);
    let search = |query: Value| -> Vec<Value> {
        server.ask(Method::Post, "leaks/_refresh", "");
        let body = json!({ "size": 1000, "query": query }).to_string();
        let answer = server.ask(Method::Post, "leaks/_search", &body);
        assert_eq!(answer["_shards"]["failed"], 0, "{answer}");
        let hits = answer["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{answer}"));
        hits.iter().map(|hit| hit["_source"].clone()).collect()
    };
    let all = || search(json!({ "match_all": {} }));
    let ids = leaks::scan_all_outputs(&sink, &all);
    assert_eq!(all().len(), ids.len());

    let mapping = server.ask(Method::Get, "leaks/_mapping", "");
    let properties = &mapping["leaks"]["mappings"]["properties"];
    for tag in [&properties["CLIENT ID_tag"], &properties["request"]["properties"]["clientId_tag"]]
    {
        assert_eq!(tag["type"], "keyword", "{properties}");
    }
    for id in &ids {
        let text = format!("{id} *{id}*");
        let query = json!({"query_string": { "query": text, "fields": ["*"], "lenient": true }});
        assert_eq!(search(query), Vec::<Value>::new(), "{id}");
        assert!(!mapping.to_string().contains(id.as_str()), "{id} in the name of a field");
    }
    for document in all() {
        let by_tag = json!({ "term": { "CLIENT ID_tag": document["CLIENT ID_tag"] } });
        assert_eq!(search(by_tag), [document], "by its tag, and no other");
    }
}

/// A hashed address is not an address for the server: it is found by the keyword field beside it.
pub fn finds_addresses_by_their_stand_ins(server: &Elasticsearch) {
    let sink = format!(
        "urls = [\"{}\"]\nindex = \"addresses\"\nanalyzer = \"standard\"\n[privacy]\npseudonymise = [\"ip\"]",
        server.url()
    );
    let fixture = Fixture::new(&sink);
    program::expect(&mut fixture.beside(&["setup", "elasticsearch"]), 0);
    for last in 1..=3 {
        fixture.append("a.log", &format!("{{\"message\":\"m\",\"ip\":\"192.0.2.{last}\"}}\n"));
    }
    assert_eq!(fixture.once().0, Some(0));
    assert_eq!(server.count("addresses"), 3);
    let ask = |body: Value| server.ask(Method::Post, "addresses/_search", &body.to_string());
    let all = ask(json!({}));
    assert!(!all.to_string().contains("192.0.2."), "{all}");
    for hit in all["hits"]["hits"].as_array().unwrap() {
        let stand_in = hit["_source"]["ip"].as_str().unwrap();
        assert!(stand_in.starts_with("ip1."), "{stand_in}");
        let found = ask(json!({ "query": { "term": { "ip.keyword": stand_in } } }));
        assert_eq!(found["hits"]["total"]["value"], 1, "{found}");
    }
}
