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
fn a_name_is_what_the_server_says_it_is() {
    let asked = names(&["plain", "roll", "stream", "none"]);
    let body = r#"{"indices":[{"name":"plain"}],"aliases":[{"name":"roll","indices":["a-1","a-2"]}],"data_streams":[{"name":"stream"}]}"#;
    let alias = Kind::Alias(names(&["a-1", "a-2"]));
    assert_eq!(
        answered(&reply(200, body), &asked).unwrap(),
        [Kind::Index, alias, Kind::DataStream, Kind::Absent]
    );
    // Lists that are empty are left out.
    assert_eq!(answered(&reply(200, "{}"), &asked[..1]).unwrap(), [Kind::Absent]);
}

#[test]
fn who_may_not_ask_is_not_held_back_and_who_cannot_reach_it_is() {
    let asked = names(&["plain", "roll"]);
    for (status, body) in
        [(403, "{}"), (404, "{}"), (405, ""), (400, "no handler"), (200, "<html>"), (302, "")]
    {
        let kinds = answered(&reply(status, body), &asked).unwrap();
        assert_eq!(kinds, [Kind::Untold, Kind::Untold], "{status}");
    }
    assert!(matches!(answered(&reply(401, ""), &asked), Err(Delivery::Blocked(_))));
    assert!(matches!(answered(&reply(503, ""), &asked), Err(Delivery::Busy(_))));
    assert!(matches!(answered(&reply(500, ""), &asked), Err(Delivery::Down(_))));
}

#[test]
fn an_index_is_asked_for_until_it_is_known_and_again_once_an_outcome_is_not() {
    let targets = Targets::default();
    let bulk = items(&["a", "a", "b", "a", "ab", "b"]);
    assert_eq!(targets.unknown(&bulk), ["a", "b", "ab"]);
    let kinds = [("a", Kind::Index), ("b", Kind::Index), ("ab", Kind::Absent)];
    let kinds = kinds.map(|(name, kind)| (name.to_owned(), kind));
    assert!(targets.sort(kinds.to_vec()).is_empty());
    assert_eq!(targets.unknown(&bulk), ["ab"]);
    let in_itself = |items: &Items| -> Vec<Taker<'static>> {
        items
            .iter()
            .map(|item| Taker::Index(super::super::target(item).to_owned().into()))
            .collect()
    };
    targets.learn(&bulk, &in_itself(&bulk));
    assert!(targets.unknown(&bulk).is_empty());
    targets.forget(&items(&["b"]));
    assert_eq!(targets.unknown(&bulk), ["b"]);
}

#[test]
fn what_another_index_took_is_refused_from_then_on() {
    let targets = Targets::default();
    let bulk = items(&["app", "old", "new"]);
    let takers = [
        Taker::Index(".ds-app-000001".into()),
        Taker::Index("old-7".into()),
        // The server does not say it, or took nothing.
        Taker::Untold,
    ];
    targets.learn(&bulk, &takers);
    assert_eq!(targets.unknown(&bulk), ["app", "old"]);
    let untold = |name: &str| (name.to_owned(), Kind::Untold);
    let refused = targets.sort(vec![untold("app"), untold("old")]);
    assert!(refused["app"].contains("app is a data stream"), "{refused:?}");
    assert!(refused["old"].contains("old is an alias (for old-7)"), "{refused:?}");
    // A person put an index in its place.
    assert!(targets.sort(vec![("app".to_owned(), Kind::Index)]).is_empty());
    assert_eq!(targets.unknown(&bulk), ["old"]);
}

#[test]
fn an_outcome_is_known_only_where_every_item_has_one() {
    let each = |outcomes: &[Outcome]| is_settled(&Delivery::Each(outcomes.to_vec()));
    assert!(each(&[Outcome::Done, Outcome::Duplicate, Outcome::Blocked("read-only".into())]));
    assert!(!each(&[Outcome::Done, Outcome::Retry(None)]));
    assert!(is_settled(&Delivery::TooLarge("413".into())));
    assert!(!is_settled(&Delivery::Busy(None)));
    assert!(!is_settled(&Delivery::Blocked("408".into())));
    assert!(!is_settled(&Delivery::Down(crate::sink::SinkError::Unavailable("broke".into()))));
}
