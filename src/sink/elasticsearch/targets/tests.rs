use bytes::Bytes;

use super::*;

fn items(names: &[&str]) -> Items {
    let mut items = Items::default();
    for name in names {
        let item = format!("{{\"create\":{{\"_index\":\"{name}\",\"_id\":\"1\"}}}}\n{{}}\n");
        items.push(item.as_bytes());
    }
    items
}

fn reply(status: u16, body: &str) -> Reply {
    let body = Bytes::from(body.to_owned());
    Reply { server: "http://es:9200/".to_owned(), status, body, retry_after: None }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_kind_of_a_name_is_read_from_the_reply() {
    let asked = names(&["plain", "roll", "stream", "none"]);
    let body = r#"{"indices":[{"name":"plain"}],"aliases":[{"name":"roll","indices":["a-1","a-2"]}],"data_streams":[{"name":"stream"}]}"#;
    let alias = TargetKind::Alias(names(&["a-1", "a-2"]));
    assert_eq!(
        parse_kinds(&reply(200, body), &asked).unwrap(),
        [TargetKind::Index, alias, TargetKind::DataStream, TargetKind::Absent]
    );
    // Empty lists are omitted.
    assert_eq!(parse_kinds(&reply(200, "{}"), &asked[..1]).unwrap(), [TargetKind::Absent]);
}

#[test]
fn a_forbidden_lookup_does_not_block_delivery_but_an_unreachable_server_does() {
    let asked = names(&["plain", "roll"]);
    for (status, body) in
        [(403, "{}"), (404, "{}"), (405, ""), (400, "no handler"), (200, "<html>"), (302, "")]
    {
        let kinds = parse_kinds(&reply(status, body), &asked).unwrap();
        assert_eq!(kinds, [TargetKind::Unknown, TargetKind::Unknown], "{status}");
    }
    assert!(matches!(parse_kinds(&reply(401, ""), &asked), Err(Delivery::Blocked(_))));
    assert!(matches!(parse_kinds(&reply(503, ""), &asked), Err(Delivery::Busy(_))));
    assert!(matches!(parse_kinds(&reply(500, ""), &asked), Err(Delivery::Down(_))));
}

#[test]
fn an_index_is_looked_up_until_it_is_known_and_again_after_an_unknown_outcome() {
    let targets = Targets::default();
    let bulk = items(&["a", "a", "b", "a", "ab", "b"]);
    assert_eq!(targets.unknown(&bulk), ["a", "b", "ab"]);
    let kinds = [("a", TargetKind::Index), ("b", TargetKind::Index), ("ab", TargetKind::Absent)];
    let kinds = kinds.map(|(name, kind)| (name.to_owned(), kind));
    assert!(targets.record_kinds(kinds.to_vec()).is_empty());
    assert_eq!(targets.unknown(&bulk), ["ab"]);
    let in_itself = |items: &Items| -> Vec<StoredIn<'static>> {
        items
            .iter()
            .map(|item| StoredIn::Index(super::super::target(item).to_owned().into()))
            .collect()
    };
    targets.record(&bulk, &in_itself(&bulk));
    assert!(targets.unknown(&bulk).is_empty());
    targets.forget(&items(&["b"]));
    assert_eq!(targets.unknown(&bulk), ["b"]);
}

#[test]
fn a_name_whose_events_another_index_stored_is_refused_later() {
    let targets = Targets::default();
    let bulk = items(&["app", "old", "new"]);
    let stored_in = [
        StoredIn::Index(".ds-app-000001".into()),
        StoredIn::Index("old-7".into()),
        // The server does not report it, or stored nothing.
        StoredIn::Unknown,
    ];
    targets.record(&bulk, &stored_in);
    assert_eq!(targets.unknown(&bulk), ["app", "old"]);
    let unreported = |name: &str| (name.to_owned(), TargetKind::Unknown);
    let refused = targets.record_kinds(vec![unreported("app"), unreported("old")]);
    assert!(refused["app"].contains("app is a data stream"), "{refused:?}");
    assert!(refused["old"].contains("old is an alias (for old-7)"), "{refused:?}");
    // An operator replaced it with an index.
    assert!(targets.record_kinds(vec![("app".to_owned(), TargetKind::Index)]).is_empty());
    assert_eq!(targets.unknown(&bulk), ["old"]);
}

#[test]
fn an_outcome_is_known_only_if_every_item_has_one() {
    let each = |outcomes: &[Outcome]| has_known_outcome(&Delivery::Each(outcomes.to_vec()));
    assert!(each(&[Outcome::Done, Outcome::Duplicate, Outcome::Blocked("read-only".into())]));
    assert!(!each(&[Outcome::Done, Outcome::Retry(None)]));
    assert!(has_known_outcome(&Delivery::TooLarge("413".into())));
    assert!(!has_known_outcome(&Delivery::Busy(None)));
    assert!(!has_known_outcome(&Delivery::Blocked("408".into())));
    assert!(!has_known_outcome(&Delivery::Down(crate::sink::SinkError::Unavailable(
        "broke".into()
    ))));
}
