//! Ids where no parser says that a field begins: in quoted objects, in JSON that is not quite JSON, under dotted keys.

use std::time::{Duration, Instant};

use super::keys::Keys;
use super::sealed::{document, of_april};
use super::*;

fn of_json(text: &str) -> Batch {
    let mut event = of_april(text);
    event.decode = crate::format::detection::by_name("json", b"").unwrap();
    event
}

/// All tags of one name.
fn tags(document: &Json, name: &str) -> Vec<String> {
    let texts = |value: &Json| value.as_str().unwrap().to_owned();
    match &document[name] {
        Json::Array(all) => all.iter().map(texts).collect(),
        one => vec![texts(one)],
    }
}

#[test]
fn an_inner_object_with_invalid_json_is_sealed_too() {
    let keys = Keys::new();
    for more in [r#""latency":NaN"#, r#""p":"C:\dir""#, "\"p\":\"a\tb\"", r#""x":1,"#] {
        let text = format!(r#"{{"msg":"x","request":{{"client_id":"CLIENTID2",{more}}}}}"#);
        let document = document(&keys.policy(), &of_json(&text));
        assert!(!document.to_string().contains("CLIENTID2"), "{document}");
        assert_eq!(tags(&document, "client_id_tag"), [keys.tag("2021_April", "CLIENTID2")]);
    }
}

#[test]
fn an_object_quoted_in_a_field_is_sealed_too() {
    let keys = Keys::new();
    let body = r#""{\"client_id\":\"CLIENTID2\"}""#;
    for text in [
        format!(r#"{{"msg":"x","body":{body}}}"#),
        format!(r#"{{"msg":"x","a":{{"b":[{body}]}}}}"#),
    ] {
        let document = document(&keys.policy(), &of_json(&text));
        assert!(!document.to_string().contains("CLIENTID2"), "{document}");
        assert_eq!(tags(&document, "client_id_tag"), [keys.tag("2021_April", "CLIENTID2")]);
    }
}

#[test]
fn a_text_that_looks_like_an_object_is_a_value() {
    let keys = Keys::new();
    for id in ["{3F25-11AB}", "[ID-1]"] {
        let text = format!(r#"{{"msg":"of {id}","request":{{"client_id":"{id}"}}}}"#);
        let document = document(&keys.policy(), &of_json(&text));
        assert_eq!(keys.open(&document["request"]["client_id"]), id);
        assert_eq!(document["request"]["client_id_tag"], keys.tag("2021_April", id));
        assert!(!document.to_string().contains(id), "{document}");
    }
}

/// For example, the name of a group of a rule.
#[test]
fn a_single_value_has_the_same_alias_as_in_its_event() {
    let keys = Keys::new();
    let mut event = of_json(
        r#"{"msg":"of 1234567","client_id":"CLIENTID2","user":"CLIENTID2","a":{"client_id":{"x":"1234567"}}}"#,
    );
    event.path = std::path::Path::new("/logs/CLIENTID2/logs_2021_Apr.txt").into();
    let alias_of = |path: &str, value: &str| alias(&keys.policy(), &event.event(0), path, value);
    let tag = keys.tag("2021_April", "CLIENTID2");
    assert_eq!(alias_of("client_id", "CLIENTID2"), Some(tag.clone()));
    assert_eq!(alias_of("user", "CLIENTID2"), Some(tag.clone()));
    assert_eq!(
        alias_of("log.file.path", "/logs/CLIENTID2/logs_2021_Apr.txt"),
        Some(format!("/logs/{tag}/logs_2021_Apr.txt"))
    );
    assert_eq!(alias_of("a.client_id.x", "1234567"), Some(keys.tag("2021_April", "1234567")));
    assert_eq!(alias_of("user", "ada"), None);
    // Without the key of the month, the value is hidden too.
    std::fs::remove_file(keys.directory().join("2021_April.key")).unwrap();
    let policy = keys.policy();
    policy.refresh();
    assert_eq!(alias(&policy, &event.event(0), "user", "CLIENTID2"), Some(SEALED.to_owned()));
}

#[test]
fn a_dot_inside_a_key_separates_names() {
    let keys = Keys::new();
    let text = r#"{"msg":"of CLIENTID2","attributes":{"enduser.client_id":"CLIENTID2","client_id.x":"y"}}"#;
    let document = document(&keys.policy(), &of_json(text));
    assert_eq!(keys.open(&document["attributes"]["enduser.client_id"]), "CLIENTID2");
    assert_eq!(document["attributes"]["client_id.x"], "y");
    let tag = keys.tag("2021_April", "CLIENTID2");
    assert_eq!(document["attributes"]["enduser.client_id_tag"], tag);
    assert!(!document.to_string().contains("CLIENTID2"), "{document}");
}

#[test]
fn every_id_of_an_event_has_its_tag() {
    let keys = Keys::new();
    let pattern = Pattern::new("client_id", regex::Regex::new(r"customer (\w+)").unwrap()).unwrap();
    let policy = keys.policy().with_patterns(vec![pattern]);
    let text =
        r#"{"client_id":"AAAA1","message":"sent {\"client_id\":\"BBBB2\"} to customer CCCC3"}"#;
    let document = document(&policy, &of_json(text));
    let mut expected = ["AAAA1", "BBBB2", "CCCC3"].map(|id| keys.tag("2021_April", id));
    expected.sort();
    assert_eq!(tags(&document, "client_id_tag"), expected);
    // Ids of a pattern have tags too, even if the log has a field with that name.
    let pattern = Pattern::new("customer", regex::Regex::new(r"customer (\w+)").unwrap()).unwrap();
    let policy = keys.policy().with_patterns(vec![pattern]);
    let document = super::sealed::document(
        &policy,
        &of_json(r#"{"customer_tag":"mine","message":"customer CCCC3"}"#),
    );
    assert_eq!(document["customer_tag_"], "mine");
    assert_ne!(document["customer_tag"], "mine");
}

#[test]
fn a_pattern_match_beside_a_member_damages_no_token() {
    let keys = Keys::new();
    let pattern = Pattern::new("client_id", regex::Regex::new(r"client_id\W+(\w+)").unwrap());
    let policy = keys.policy().with_patterns(vec![pattern.unwrap()]);
    let text = r#"{"x":"enc1","client_id":"enc1","message":"sent {\"client_id\":\"CLIENTID2\"}"}"#;
    let document = document(&policy, &of_json(text));
    let message = document["message"].as_str().unwrap().strip_prefix("sent ").unwrap();
    let object: Json = serde_json::from_str(message).unwrap();
    assert_eq!(keys.open(&object["client_id"]), "CLIENTID2");
    assert_eq!(keys.open(&document["client_id"]), "enc1");
}

#[test]
fn overlapping_values_are_both_sealed_completely() {
    let keys = Keys::new();
    let pattern = |regex| Pattern::new("client_id", regex::Regex::new(regex).unwrap()).unwrap();
    let policy = keys.policy().with_patterns(vec![pattern("KKKK-LLLL"), pattern("LLLL-MMMM")]);
    let document = document(&policy, &of_json(r#"{"message":"x KKKK-LLLL-MMMM y KKKK-LLLL"}"#));
    let text = document.to_string();
    assert!(!["KKKK", "LLLL", "MMMM"].iter().any(|part| text.contains(part)), "{text}");
    assert_eq!(tags(&document, "client_id_tag").len(), 2);
}

/// Each of these lines takes minutes if every position is compared with the whole rest of the line.
#[test]
fn hostile_lines_take_no_longer_than_ordinary_long_lines() {
    let keys = Keys::new();
    let lines = [
        format!(r#"x "{}""#, r#"\""#.repeat(500_000)),
        format!(r#"{{"client_id":"{}","x":"{}"}}"#, "a".repeat(350_000), "a".repeat(700_000)),
        format!(r#"{{"client_id":1{}"#, r#","client_id":1"#.repeat(70_000)),
        format!(
            r#"{{"client_id":"{}!","clientId":"10.0","x":"{}"}}"#,
            "b-".repeat(150_000),
            "b-".repeat(350_000)
        ),
        (0..40_000).map(|n| format!(r#""{n}.client_id":1,"#)).collect(),
    ];
    for line in lines {
        let began = Instant::now();
        document(&keys.policy(), &of_json(&line));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?} for {}…", &line[..40]);
    }
}
