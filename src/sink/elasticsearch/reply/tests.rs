use bytes::Bytes;

use super::*;

fn classified(status: u16, body: &str, sent: usize) -> Delivery {
    judged_of(status, body, &vec!["a"; sent])
}

/// The items of a bulk for these indexes.
fn judged_of(status: u16, body: &str, indexes: &[&str]) -> Delivery {
    let body = Bytes::from(body.to_owned());
    let server = "http://es:9200/".to_owned();
    let reply = Reply { server, status, body, retry_after: None };
    let mut items = Items::default();
    indexes.iter().for_each(|index| items.push(&item_of(index)));
    items.set_request_bytes(2_000);
    classify(&reply, &items)
}

/// As sent to an index of this name.
fn item_of(index: &str) -> Vec<u8> {
    format!("{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"1\"}}}}\n{{}}\n").into_bytes()
}

fn item(status: u16, kind: &str, reason: &str) -> String {
    format!(r#"{{"create":{{"status":{status},"error":{{"type":"{kind}","reason":"{reason}"}}}}}}"#)
}

fn each(items: &[String]) -> Vec<Outcome> {
    let body = format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","));
    match classified(200, &body, items.len()) {
        Delivery::Each(outcomes) => outcomes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn created_and_existing_documents_are_done() {
    let body = r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[1]: version conflict"}}}]}"#;
    let Delivery::Each(outcomes) = classified(200, body, 2) else { panic!() };
    assert_eq!(outcomes, [Outcome::Done, Outcome::Duplicate]);
}

#[test]
fn a_page_with_status_200_confirms_nothing() {
    for page in ["<html>sign in</html>", "", "{}", r#"{"errors":false}"#, "null"] {
        assert!(
            matches!(classified(200, page, 1), Delivery::Down(SinkError::Unavailable(_))),
            "{page}"
        );
    }
    let fewer = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
    assert!(matches!(classified(200, fewer, 2), Delivery::Down(_)));
}

#[test]
fn faults_of_an_event_go_to_the_dead_letters_and_faults_of_the_target_wait() {
    let done = r#"{"create":{"status":201}}"#.to_owned();
    let parsing = item(400, "document_parsing_exception", "failed to parse field [n]");
    let blocked = item(403, "cluster_block_exception", "index [x] blocked by: read-only");
    let flood = item(429, "cluster_block_exception", "flood-stage watermark");
    let busy = item(429, "es_rejected_execution_exception", "queue full");
    let missing = item(404, "index_not_found_exception", "no such index [x]");
    let odd = item(400, "illegal_argument_exception", "no such thing");
    let limit = item(400, "illegal_argument_exception", "Limit of total fields [1000]");
    let all = [done, parsing, blocked, flood, busy, missing, odd.clone(), limit];
    let outcomes = each(&all);
    assert_eq!(outcomes[0], Outcome::Done);
    assert!(matches!(&outcomes[1], Outcome::Reject(why)
        if why.status == Some(400) && why.reason == "failed to parse field [n]"
            && why.kind.as_deref() == Some("document_parsing_exception")));
    assert!(matches!(outcomes[2], Outcome::Blocked(_)));
    assert!(matches!(outcomes[3], Outcome::Blocked(_)));
    assert_eq!(outcomes[4], Outcome::Retry(None));
    assert!(matches!(&outcomes[5], Outcome::Blocked(why) if why.contains("setup")));
    assert!(matches!(outcomes[6], Outcome::Reject(_)));
    assert!(matches!(outcomes[7], Outcome::Blocked(_)));
    // Every one of them: the target is at fault.
    assert!(matches!(each(&[odd.clone(), odd])[0], Outcome::Blocked(_)));
}

#[test]
fn a_reply_names_the_index_that_stored_an_event() {
    let body = r#"{"items":[{"create":{"_index":"a","status":201}},{"create":{"_index":"b","status":409,"error":{"type":"x"}}},{"create":{"status":201}},{"create":{"_index":"a","status":429}}]}"#;
    let expected = [
        StoredIn::Index("a".into()),
        StoredIn::Index("b".into()),
        StoredIn::Unknown,
        StoredIn::Nothing,
    ];
    assert_eq!(stored_in(body.as_bytes()), expected);
    assert!(stored_in(b"<html>").is_empty());
}

#[test]
fn refusals_of_whole_requests_are_classified() {
    assert!(matches!(classified(413, "", 3), Delivery::TooLarge(why)
        if why.contains("bodies of 2,000 bytes with 413: raise the limit of the proxy")));
    assert!(matches!(classified(429, "", 3), Delivery::Busy(None)));
    assert!(matches!(classified(503, "", 3), Delivery::Busy(None)));
    assert!(matches!(classified(500, "", 3), Delivery::Down(_)));
    for status in [400, 401, 403, 404] {
        assert!(matches!(classified(status, "\u{1b}[31mno", 3), Delivery::Blocked(text)
            if text.contains(&status.to_string()) && !text.contains('\u{1b}')));
    }
}

#[test]
fn an_error_for_every_event_of_one_index_is_the_fault_of_the_index() {
    let odd = item(400, "illegal_argument_exception", "no such thing");
    let done = r#"{"create":{"status":201}}"#.to_owned();
    let all = [odd.clone(), done.clone(), odd.clone(), odd.clone(), done, odd];
    let body = format!(r#"{{"errors":true,"items":[{}]}}"#, all.join(","));
    let Delivery::Each(outcomes) = judged_of(200, &body, &["a", "b", "a", "c", "c", "d"]) else {
        panic!()
    };
    let is_blocked = |outcome: &Outcome| matches!(outcome, Outcome::Blocked(_));
    let blocked: Vec<bool> = outcomes.iter().map(is_blocked).collect();
    assert_eq!(blocked, [true, false, true, false, false, false]);
    assert!(matches!(outcomes[3], Outcome::Reject(_)) && matches!(outcomes[5], Outcome::Reject(_)));
}

/// Replies of Elasticsearch 7.17, 8.15, 9.1 and OpenSearch 2.19, 3.8.
#[test]
fn reasons_decide_before_types() {
    let caused = |kind: &str, reason: &str, cause: &str| {
        format!(
            r#"{{"create":{{"status":400,"error":{{"type":"{kind}","reason":"{reason}","caused_by":{{"type":"x","reason":"{cause}"}}}}}}}}"#
        )
    };
    let (document, mapper) = ("document_parsing_exception", "mapper_parsing_exception");
    let (illegal, validation) = ("illegal_argument_exception", "validation_exception");
    let limit = "Limit of total fields [2] has been exceeded while adding new fields [3]";
    let shards = |words: &str| {
        let now = "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has";
        item(400, validation, &format!("{now} [9]/[1] maximum {words}shards open;"))
    };
    for target in [
        caused(document, &format!("[1:18] failed to parse: {limit}"), limit),
        caused(mapper, "failed to parse", limit),
        item(400, illegal, "Limit of total fields [2] has been exceeded"),
        shards(""),
        shards("normal "),
        shards("LOCAL_ONLY "),
        // Each one alone, without another event for this index.
        item(400, illegal, "pipeline with id [p] does not exist"),
        item(400, illegal, "no write index is defined for alias [x]. The write index may be"),
        item(400, "invalid_index_name_exception", "Invalid index name [x], must not contain"),
        caused(
            mapper,
            "Failed to parse mapping: analyzer [x] has not been configured in mappings",
            "analyzer [x] has not been configured in mappings",
        ),
        item(400, illegal, "Custom Analyzer [x] failed to find tokenizer under name [y]"),
        item(400, illegal, "unknown setting [index.x] please check that any required plugins"),
    ] {
        assert!(matches!(&each(std::slice::from_ref(&target))[0], Outcome::Blocked(_)), "{target}");
    }
    let depth = "Limit of mapping depth [20] has been exceeded due to object field [d.a]";
    let quoting =
        "failed to parse field [n]. Preview of field's value: 'Limit of total fields [2]'";
    for event in [
        caused(document, &format!("[1:101] failed to parse: {depth}"), depth),
        item(400, illegal, depth),
        caused(
            mapper,
            "failed to parse",
            "The depth of the field has exceeded the allowed limit of",
        ),
        item(400, illegal, "Document contains at least one immense term in field=k"),
        item(400, illegal, "mapper [http] cannot be changed from type [text] to [ObjectMapper]"),
        item(400, illegal, "can't merge a non object mapping [http] with an object mapping"),
        item(400, "strict_dynamic_mapping_exception", "[1:6] mapping set to strict"),
        // An event cannot block an index by its content.
        caused(document, quoting, "For input string: Limit of total fields [2]"),
    ] {
        // Also if all events of a bulk are such.
        let outcomes = each(&[event.clone(), event.clone()]);
        assert!(matches!(&outcomes[0], Outcome::Reject(_)), "{event}: {outcomes:?}");
    }
}

#[test]
fn missing_shards_block_and_pipeline_drops_are_recognised() {
    let shards = item(503, "unavailable_shards_exception", "[x][0] primary shard is not active");
    let dropped = r#"{"create":{"status":200}}"#.to_owned();
    let fails = item(500, "fail_processor_exception", "not this one");
    let broke = item(500, "null_pointer_exception", "null");
    let outcomes = each(&[shards, dropped, fails, broke]);
    assert!(
        matches!(&outcomes[0], Outcome::Blocked(why) if why.contains("no active primary shard"))
    );
    assert_eq!(outcomes[1], Outcome::Dropped);
    assert!(matches!(&outcomes[2], Outcome::Fails { own: true, .. }));
    assert!(matches!(&outcomes[3], Outcome::Fails { own: false, .. }));
}

#[test]
fn pages_of_proxies_are_not_bulk_replies() {
    for page in ["<html>please sign in</html>", "{}", "null", "[]", "", "\"items\"", "7"] {
        assert!(!is_of_bulk(page.as_bytes()), "{page}");
        assert!(!is_acknowledged(page.as_bytes()), "{page}");
    }
    let refused =
        r#"{"error":{"type":"parse_exception","reason":"request body is required"},"status":400}"#;
    assert!(is_of_bulk(refused.as_bytes()));
    assert!(is_of_bulk(br#"{"took":0,"errors":false,"items":[]}"#));
    assert!(is_acknowledged(br#"{"acknowledged":true}"#));
    assert!(!is_acknowledged(br#"{"acknowledged":false}"#));
}
