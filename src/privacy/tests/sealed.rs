//! Tests sealing with keys: outgoing values can be decrypted, and found by their tags.

use super::keys::Keys;
use super::*;

pub(super) fn document(policy: &Policy, batch: &Batch) -> Json {
    let mut body = Vec::new();
    protect(policy, batch.event(0)).unwrap().write_json(&mut body);
    serde_json::from_slice(&body).unwrap()
}

/// An event in a file whose name contains April 2021.
pub(super) fn of_april(text: &str) -> Batch {
    let mut batch = batch(text, None);
    batch.path = std::path::Path::new("/logs/logs_2021_Apr.txt").into();
    batch
}

#[test]
fn sealed_values_have_a_tag_and_can_be_decrypted_everywhere() {
    let keys = Keys::new();
    let text =
        r#"CLIENT_ID=CLIENTID2 message=<CLIENTID2> a={"b":{"clientId":1234567},"c":"1234567"}"#;
    let document = document(&keys.policy(), &of_april(text));
    assert_eq!(keys.open(&document["CLIENT_ID"]), "CLIENTID2");
    assert_eq!(document["CLIENT_ID_tag"], keys.tag("2021_April", "CLIENTID2"));
    let token = document["CLIENT_ID"].as_str().unwrap();
    assert_eq!(document["message"], format!("<{token}>"), "the same token");
    assert_eq!(keys.open(&document["a"]["b"]["clientId"]), "1234567");
    assert_eq!(document["a"]["b"]["clientId_tag"], keys.tag("2021_April", "1234567"));
    assert_eq!(document["a"]["c"], document["a"]["b"]["clientId"]);
    let text = document.to_string();
    assert!(!text.contains("CLIENTID2") && !text.contains("1234567"), "{text}");
}

/// Values in JSON that is nested too deeply, which leaves as a text.
#[test]
fn the_tag_of_a_value_in_a_text_is_beside_the_fields() {
    let keys = Keys::new();
    let (open, close) = ("[".repeat(120), "]".repeat(120));
    let text =
        format!(r#"a={{"x":{open}{{"clientId":"CLIENTID2","client_id":"CLIENTID3"}}{close}}}"#);
    let document = document(&keys.policy(), &of_april(&text));
    assert!(document["a"].is_string(), "{document}");
    assert_eq!(document["clientId_tag"], keys.tag("2021_April", "CLIENTID2"));
    assert_eq!(document["client_id_tag"], keys.tag("2021_April", "CLIENTID3"));
}

/// Two spellings of one field, a third without a value, and a name that contains the value.
#[test]
fn one_value_in_several_fields_has_one_token_in_each() {
    let keys = Keys::new();
    let text =
        "client_id=CLIENTID2 clientId=CLIENTID2 a.CLIENTID2.client_id=CLIENTID2 b.CLIENTID2=x";
    let document = document(&keys.policy(), &of_april(text));
    let (token, tag) = (&document["client_id"], keys.tag("2021_April", "CLIENTID2"));
    assert_eq!(keys.open(token), "CLIENTID2");
    let named = format!("a.{}.client_id", token.as_str().unwrap());
    for name in ["client_id", "clientId", &named] {
        assert_eq!(&document[name], token, "{document}");
        assert_eq!(document[format!("{name}_tag")], tag, "{document}");
    }
    assert!(!document.to_string().contains("CLIENTID2"), "{document}");
}

/// The host and service names from the settings leave with every event.
#[test]
fn a_value_in_the_names_of_host_and_service_is_sealed_too() {
    let keys = Keys::new();
    let mut event = of_april("client_id=CLIENTID2");
    let generation = Arc::get_mut(&mut event.generation).unwrap();
    generation.host = "CLIENTID2.example".into();
    generation.service = Some("of-CLIENTID2".into());
    let document = document(&keys.policy(), &event);
    let token = document["client_id"].as_str().unwrap();
    assert_eq!(document["host"]["name"], format!("{token}.example"));
    assert_eq!(document["service"]["name"], format!("of-{token}"));
}

/// The name of a sealed field marks it as sealed.
#[test]
fn a_sealed_field_keeps_its_name_even_if_it_equals_a_value() {
    let keys = Keys::new();
    let policy =
        Policy::new(&["client_id".into(), "user".into()], false).with_keys(keys.sealer.clone());
    let text = r#"user=client_id client_id=null a={"client_id":"CLIENTID2"} b=client_id"#;
    let document = document(&policy, &of_april(text));
    assert_eq!(document["client_id"], Json::Null, "{document}");
    assert_eq!(keys.open(&document["user"]), "client_id");
    assert_eq!(document["b"], document["user"]);
    assert_eq!(keys.open(&document["a"]["client_id"]), "CLIENTID2");
}

#[test]
fn the_month_comes_from_the_file_name_or_the_day_of_the_event() {
    let keys = Keys::new();
    let mut event = batch("client_id=CLIENTID2", None);
    event.records[0].time = Timestamp(1_699_957_381_446_000_000);
    assert_eq!(
        document(&keys.policy(), &event)["client_id_tag"],
        keys.tag("2023_November", "CLIENTID2")
    );
    event.records[0].flags = Flags::TIME_SEEN;
    event.day = 18_737;
    assert_eq!(
        document(&keys.policy(), &event)["client_id_tag"],
        keys.tag("2021_April", "CLIENTID2")
    );
    event.path = std::path::Path::new("/logs/logs_2021_Mar.txt.1").into();
    assert_eq!(
        document(&keys.policy(), &event)["client_id_tag"],
        keys.tag("2021_March", "CLIENTID2")
    );
}

#[test]
fn objects_and_lists_are_sealed_as_their_json_text() {
    let keys = Keys::new();
    let text = r#"client_id=["first-id",{"x":"second-id"}] a={"client_id":{"y":"third-id"}} message=first-id,second-id,third-id"#;
    let document = document(&keys.policy(), &of_april(text));
    assert_eq!(keys.open(&document["client_id"]), r#"["first-id",{"x":"second-id"}]"#);
    assert_eq!(keys.open(&document["a"]["client_id"]), r#"{"y":"third-id"}"#);
    assert_eq!(document.get("client_id_tag"), None);
    let message = document["message"].as_str().unwrap();
    let opened: Vec<String> = message.split(',').map(|token| keys.open(&token.into())).collect();
    assert_eq!(opened, ["first-id", "second-id", "third-id"]);
}

#[test]
fn a_field_of_the_log_is_not_mistaken_for_a_tag() {
    let keys = Keys::new();
    let text = r#"client_id=CLIENTID2 client_id_tag=mine a={"client_id_tag":"mine","client_id":"CLIENTID2"}"#;
    let document = document(&keys.policy(), &of_april(text));
    assert_eq!(
        (&document["client_id_tag_"], &document["a"]["client_id_tag_"]),
        (&json!("mine"), &json!("mine"))
    );
    let tag = keys.tag("2021_April", "CLIENTID2");
    assert_eq!(
        (&document["client_id_tag"], &document["a"]["client_id_tag"]),
        (&json!(tag), &json!(tag))
    );
}

#[test]
fn values_in_messages_are_found_by_patterns() {
    let keys = Keys::new();
    let pattern = Pattern::new("client_id", regex::Regex::new(r"customer:(\w+)").unwrap()).unwrap();
    let policy = keys.policy().with_patterns(vec![pattern]);
    let document = document(&policy, &of_april("message=customer:abc;customer:77;abcd n=abc"));
    let message: Vec<&str> = document["message"].as_str().unwrap().split([':', ';']).collect();
    assert_eq!(keys.open(&message[1].into()), "abc");
    assert_eq!(keys.open(&message[3].into()), "77");
    assert_eq!(message[4], "abcd");
    let tags: Vec<String> = document["client_id_tag"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t.as_str().unwrap().into())
        .collect();
    let mut expected = [keys.tag("2021_April", "abc"), keys.tag("2021_April", "77")];
    expected.sort();
    assert_eq!(tags, expected);
    let original = document["event"]["original"].as_str().unwrap();
    assert!(!original.contains("customer:abc") && !original.contains("customer:77"), "{original}");
}

#[test]
fn addresses_leave_as_pseudonyms_everywhere() {
    let keys = Keys::new();
    let names = ["ip".into(), "source.ip".into()];
    let event = of_april("ip=192.168.17.4 message=from:192.168.17.4");
    let of = |mode| {
        let policy = keys.policy().with_addresses(&names, mode, false);
        let document = document(&policy, &event);
        let ip = document["ip"].as_str().unwrap().to_owned();
        assert_eq!(document["message"], format!("from:{ip}"));
        ip
    };
    assert!(of(AddressMode::Hmac).starts_with("ip1."));
    assert!(of(AddressMode::Pfx).parse::<std::net::Ipv4Addr>().is_ok());
    assert_eq!(of(AddressMode::Truncate), "192.168.17.0");
    assert_eq!(of(AddressMode::Clear), "192.168.17.4");
}

#[test]
fn without_the_key_that_was_used_nothing_leaves() {
    let keys = Keys::new();
    assert!(protect(&keys.policy(), of_april("client_id=CLIENTID2").event(0)).is_ok());
    std::fs::remove_file(keys.directory().join("2021_April.key")).unwrap();
    let policy = keys.policy();
    policy.refresh();
    let refused = protect(&policy, of_april("client_id=CLIENTID2").event(0)).unwrap_err();
    assert!(matches!(refused, KeyError::Missing { .. }), "{refused}");
    // Events that need no key leave, and so do those of another month.
    assert!(protect(&policy, of_april("message=x").event(0)).is_ok());
    let mut may = of_april("client_id=CLIENTID2");
    may.path = std::path::Path::new("logs_2021_May.txt").into();
    assert!(protect(&policy, may.event(0)).is_ok());
}

/// A line of one megabyte consisting of ids.
#[test]
fn tens_of_thousands_of_ids_in_one_event_are_sealed_one_by_one() {
    let keys = Keys::new();
    let ids: Vec<String> = (0..60_000).map(|number| format!("\"{number:07}\"")).collect();
    let text = format!("client_id=[{}] message=<0000007>", ids.join(","));
    let document = document(&keys.policy(), &of_april(&text));
    let message = document["message"].as_str().unwrap();
    assert_eq!(keys.open(&message[1..message.len() - 1].into()), "0000007");
    assert!(!document.to_string().contains("0000007"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    /// For any event: the id can be decrypted, and is nowhere else in plain text.
    #[test]
    fn no_sealed_value_leaves(
        parts in prop::collection::vec(
            (name(), prop::option::of(any::<String>()), json_text()), 0..8),
        id in "[A-Z]{7}[Q-Z]",
        more in "[a-z]{0,3}",
    ) {
        let keys = Keys::new();
        let mut parts = parts;
        let nested = format!(r#"{{"x":["{id}",{{"{id}":"a {id}","clientId":"{id}{more}"}}]}}"#);
        parts.push(("message".into(), Some(format!("<{id}> {id}/{id}{more}")), String::new()));
        parts.push(("deep".into(), None, nested));
        parts.push(("client_id".into(), Some(id.clone()), String::new()));
        let mut event = of_april(&format!("{id} x"));
        event.path = std::path::PathBuf::from(format!("/{id}/logs_2021_Apr.txt")).into();
        event.decode = Arc::new(Raw(parts));
        let document = document(&keys.policy(), &event);
        prop_assert_eq!(keys.open(&document["client_id"]), id.clone());
        let text = document.to_string();
        let inside = |text: &str| text.match_indices(&id).any(|(at, _)| {
            !text[at + id.len()..].starts_with(|c: char| c.is_alphanumeric())
        });
        prop_assert!(!inside(&text), "{}", text);
    }
}

#[test]
fn values_too_short_to_replace_in_other_text_are_counted() {
    let count = |text: &str| {
        let batch = batch(text, None);
        shown(&policy(), batch.event(0)).unprotected()
    };
    assert_eq!(count("client_id=CLIENTID2 message=x"), 0);
    assert_eq!(count("client_id=1234 clientId=123 CLIENT_ID=ab x=y"), 2);
    assert_eq!(count("client_id= message=x"), 0);
    assert_eq!(count(r#"a={"b":{"clientId":7},"c":7} clientId=7"#), 1, "the same value");
    assert_eq!(count(r#"client_id=["ab","abcd","",{"c":1}]"#), 2);
}

/// A record of a killed writer, or a record over the length limit, has no fields.
#[test]
fn an_id_in_a_broken_record_is_sealed_in_place() {
    let keys = Keys::new();
    let whole = r#"{"client_id":"CLIENTID2","n":{"clientId":7,"x":"of CLIENTID2"},"m":"#;
    for cut in r#"{"client_id":"CL"#.len()..whole.len() {
        let mut event = of_april(&whole[..cut]);
        event.decode = crate::format::detection::by_name("json", b"").unwrap();
        let document = document(&keys.policy(), &event);
        let id = &whole[r#"{"client_id":""#.len()..cut.min(r#"{"client_id":"CLIENTID2"#.len())];
        assert_eq!(document["client_id_tag"], keys.tag("2021_April", id), "{document}");
        let message = document["message"].as_str().unwrap();
        let token = &message[r#"{"client_id":""#.len()..].split('"').next().unwrap();
        assert_eq!(keys.open(&(*token).into()), id);
        let text = document.to_string();
        assert!(!text.contains("CLIENTID2") && !text.contains(":7,"), "{text}");
        assert!(!message[14..].starts_with(id), "{message}");
    }
}

#[test]
fn an_object_quoted_in_a_message_is_sealed_too() {
    let keys = Keys::new();
    let message = r#"sent {"client_id":17,"x":"y"}"#;
    let mut event = of_april("x");
    event.decode = Arc::new(Raw(vec![("message".into(), Some(message.into()), String::new())]));
    let document = document(&keys.policy(), &event);
    let message = document["message"].as_str().unwrap();
    let object: Json = serde_json::from_str(message.strip_prefix("sent ").unwrap()).unwrap();
    assert_eq!((keys.open(&object["client_id"]).as_str(), &object["x"]), ("17", &json!("y")));
    assert_eq!(document["client_id_tag"], keys.tag("2021_April", "17"));
}

/// Texts and JSON around ids, as in a log.
fn around(ids: Vec<String>) -> impl Strategy<Value = Vec<(String, Option<String>, String)>> {
    let id = prop::sample::select(ids.clone());
    let text =
        (any::<String>(), id, "[a-z]{0,2}", any::<bool>()).prop_map(|(text, id, more, is)| {
            if is { format!("{text}/{id}{more} '{id}'") } else { text }
        });
    let json = prop::collection::vec((text.clone(), text.clone(), prop::sample::select(ids)), 0..3)
        .prop_map(|members| {
            let member = |(key, value, id): (String, String, String)| json!({ key: [value, id], "clientId": id });
            Json::Array(members.into_iter().map(member).collect()).to_string()
        });
    prop::collection::vec(("[a-z]{1,6}", prop::option::of(text), json), 0..6)
}

/// Long runs: `make soak`.
#[test]
fn sealing_and_decrypting_restores_the_event() {
    let keys = Keys::new();
    let (policy, clear) = (keys.policy(), Policy::new(&[], true));
    let ids = || prop::collection::vec("[A-Z]{4}[0-9]{2}[Q-Z]{2}", 1..4);
    let case = ids().prop_flat_map(|ids| (Just(ids.clone()), around(ids)));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((ids, mut parts) in case)| {
        parts.extend(ids.iter().map(|id| ("CLIENT ID".to_owned(), Some(id.clone()), String::new())));
        let said = format!("{} of {:?}", ids[0], ids);
        parts.push(("message".into(), Some(said), String::new()));
        let mut event = of_april(&format!("{} {}", ids[0], ids.join("/")));
        event.path = std::path::PathBuf::from(format!("/{}/logs_2021_Apr.txt", ids[0])).into();
        event.decode = Arc::new(Raw(parts));
        let sealed = document(&policy, &event).to_string();
        for id in &ids {
            prop_assert!(!sealed.contains(&format!("\"{id}\"")), "{id} in {sealed}");
        }
        let opener = Decryptor::new(Arc::new(Keyring::open(&keys.directory()).unwrap()));
        let (mut opened, mut failures) = (Vec::new(), 0);
        let mut revealer = crate::privacy::decrypt_stream::StreamDecryptor::new(&opener);
        revealer.push(sealed.as_bytes(), &mut opened, &mut |one| failures += u32::from(one.is_err()));
        revealer.finish(&mut opened, &mut |one| failures += u32::from(one.is_err()));
        prop_assert_eq!(failures, 0);
        let opened = without_tags(serde_json::from_slice(&opened).unwrap());
        prop_assert_eq!(opened, document(&clear, &event));
    });
}

fn without_tags(value: Json) -> Json {
    match value {
        Json::Array(values) => values.into_iter().map(without_tags).collect(),
        Json::Object(members) => {
            let rest = members.into_iter().filter(|(name, _)| !name.ends_with("_tag"));
            Json::Object(rest.map(|(name, value)| (name, without_tags(value))).collect())
        }
        other => other,
    }
}

#[test]
fn a_record_that_starts_inside_a_line_leaves_as_one_token() {
    let keys = Keys::new();
    let mut batch = of_april("TID2=x user=ann bought=3");
    batch.records[0].flags.insert(Flags::INSIDE);
    let document = document(&keys.policy(), &batch);
    assert_eq!(keys.open(&document["message"]), "TID2=x user=ann bought=3");
    assert_eq!(document.get("user"), None);
    assert!(!document.to_string().contains("TID2"));
    let nothing = Policy::new(&[], false);
    let clear = super::document(&nothing, &batch);
    assert_eq!(clear["user"], "ann");
}

#[test]
fn half_a_value_of_a_pattern_at_the_end_of_a_truncated_record_is_sealed() {
    let keys = Keys::new();
    let regex = regex::Regex::new(r"\b\d{8}\b").unwrap();
    let patterns = vec![Pattern::new("client_id", regex).unwrap()];
    let policy = keys.policy().with_patterns(patterns);
    let of_text = |text: &str, flag: Flags| {
        let mut batch = of_april(text);
        batch.decode = crate::format::detection::by_name("json", b"").unwrap();
        batch.records[0].flags.insert(flag);
        batch
    };
    for flag in [Flags::TRUNCATED, Flags::PARTIAL] {
        let cut = |text: &str| document(&policy, &of_text(text, flag));
        for (text, rest, piece) in [
            ("no money for 1234", "no money for ", "1234"),
            ("no money for (1234", "no money for ", "(1234"),
            ("1234", "", "1234"),
            (r#"{"message":"no money for 1234"#, r#"{"message":"no money for "#, "1234"),
        ] {
            let document = cut(text);
            for field in [&document["message"], &document["event"]["original"]] {
                let sealed = field.as_str().unwrap();
                let token = sealed.strip_prefix(rest).unwrap_or_else(|| panic!("{sealed}"));
                assert_eq!(keys.open(&token.into()), piece);
            }
        }
        // A complete id has its tag; complete words are not affected.
        let document = cut("no money for 12345678");
        assert!(document["client_id_tag"].is_string(), "{document}");
        let token = document["message"].as_str().unwrap().strip_prefix("no money for ").unwrap();
        assert_eq!(keys.open(&token.into()), "12345678");
        assert_eq!(cut("no money ")["event"]["original"], "no money ");
    }
    let text = "no money for 1234";
    let whole = document(&policy, &of_text(text, Flags::default()));
    assert_eq!(whole["message"], text);
    let no_pattern = document(&keys.policy(), &of_text(text, Flags::PARTIAL));
    assert_eq!(no_pattern["message"], text);
    let object = document(&policy, &of_text(r#"{"message":"1234","n":5}"#, Flags::PARTIAL));
    assert_eq!((&object["message"], &object["n"]), (&"1234".into(), &5.into()));
}
