pub(super) mod keys;
mod quoted;
mod sealed;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::base::Timestamp;
use crate::event::test_batches::batch;
use crate::event::{Batch, Decode, Flags, GenerationId, Level, Part, Value};
use crate::query::Subject;

fn policy() -> Policy {
    Policy::new(&["client_id".into()], false)
}

fn document(policy: &Policy, batch: &Batch) -> Json {
    let mut body = Vec::new();
    shown(policy, batch.event(0)).write_json(&mut body);
    assert!(!body.contains(&b'\n'), "one line");
    let read = |body: &[u8]| -> Json {
        serde_json::from_slice(body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(body));
        })
    };
    let written = read(&body);
    assert_eq!(
        read(&stored_and_written(std::str::from_utf8(&body).unwrap())),
        written,
        "stored and read back"
    );
    written
}

fn stored_and_written(document: &str) -> Vec<u8> {
    let origin = Origin { generation: GenerationId(1), day: None };
    let mut body = Vec::new();
    stored(document, origin).unwrap().write_json(&mut body);
    body
}

/// The parsed fields of the document.
fn fields(text: &str) -> Json {
    let mut document = document(&policy(), &batch(text, None));
    for own in ["@timestamp", "log", "event", "host"] {
        document.as_object_mut().unwrap().remove(own).expect("always there");
    }
    document
}

#[test]
fn the_document_is_as_designed() {
    let mut batch =
        batch("message=Hello ip_address=127.0.0.1 host=h n=1.50 nested={\"a\":[1]}", Some("app"));
    batch.seen = Timestamp(1_699_957_381_512_999_999);
    let record = &mut batch.records[0];
    record.time = Timestamp(1_699_957_381_446_000_000);
    record.precision = 3;
    record.level = Some(Level::Warning);
    record.flags = Flags(Flags::TRUNCATED.0 | Flags::TIME_PREVIOUS.0);
    let mut body = Vec::new();
    let event = batch.event(0);
    shown(&policy(), event).write_json(&mut body);
    let expected = format!(
        concat!(
            r#"{{"@timestamp":"2023-11-14T10:23:01.446Z","message":"Hello","#,
            r#""log":{{"level":"warning","file":{{"path":"/var/log/app.log"}},"offset":0,"truncated":true}},"#,
            r#""event":{{"id":"{}","created":"2023-11-14T10:23:01.512Z","time_source":"previous"}},"#,
            r#""host":{{"name":"host"}},"service":{{"name":"app"}},"#,
            r#""ip_address":"127.0.0.1","n":1.50,"nested":{{"a":[1]}},"fields":{{"host":"h"}}}}"#
        ),
        event.id()
    );
    assert_eq!(String::from_utf8(stored_and_written(&expected)).unwrap(), expected);
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[test]
fn stored_events_leave_again_with_their_own_id_and_day() {
    let mut batch = batch("message=x", None);
    batch.day = 7;
    batch.records[0].flags = Flags::TIME_SEEN;
    let event = batch.event(0);
    let first = shown(&policy(), event);
    let mut body = Vec::new();
    first.write_json(&mut body);
    let origin = Origin { generation: first.generation(), day: Some(first.day()) };
    let second = stored(std::str::from_utf8(&body).unwrap(), origin).unwrap();
    assert_eq!((second.id(), second.day(), second.offset()), (event.id(), 7, first.offset()));
    assert!(matches!(stored("[1]", origin), Err(StoredError::Document(_))));
    assert!(matches!(stored("{}", origin), Err(StoredError::NoId)));
}

#[test]
fn a_sealed_field_leaves_sealed_at_any_depth() {
    let cases = [
        ("client_id=abc", json!({"client_id": "[sealed]"})),
        ("ClientID=7", json!({"ClientID": "[sealed]"})),
        ("client_id=null", json!({"client_id": null})),
        (r#"client_id={"a":[1]}"#, json!({"client_id": "[sealed]"})),
        (
            r#"a={"b":[{"client-id":"x","c":1}]}"#,
            json!({"a": {"b": [{"client-id": "[sealed]", "c": 1}]}}),
        ),
        (r#"a={"client\u005fid":"x"}"#, json!({"a": {"client_id": "[sealed]"}})),
        (
            r#"a={"client_id":{"x":["y",{}]},"d":[2]}"#,
            json!({"a": {"client_id": "[sealed]", "d": [2]}}),
        ),
        (
            r#"a=[{"client_id":[]},{"client_id":null}]"#,
            json!({"a": [{"client_id": "[sealed]"}, {"client_id": null}]}),
        ),
        ("host.client_id=x", json!({"host.client_id": "[sealed]"})),
    ];
    for (text, expected) in cases {
        assert_eq!(fields(text), expected, "{text}");
    }
}

#[test]
fn a_sealed_value_is_replaced_in_every_text_of_its_event() {
    let cases = [
        (
            "message=id:7654321! client_id=7654321",
            json!({"message": "id:[sealed]!", "client_id": "[sealed]"}),
        ),
        (
            r#"client_id=7654321 n=7654321 m=76543210 a=["x/7654321",7654321,{"7654321":1}]"#,
            json!({"client_id": "[sealed]", "n": "[sealed]", "m": 76543210,
                   "a": ["x/[sealed]", "[sealed]", {"[sealed]": 1}]}),
        ),
        (
            r#"q={"client_id":"abcd"} message=abcd,abcde r="abcd""#,
            json!({"q": {"client_id": "[sealed]"}, "message": "[sealed],abcde", "r": "\"[sealed]\""}),
        ),
        ("client_id=abc message=abc", json!({"client_id": "[sealed]", "message": "abc"})),
    ];
    for (text, expected) in cases {
        assert_eq!(fields(text), expected, "{text}");
    }
}

#[test]
fn path_and_original_are_protected_too() {
    let mut batch = batch(r#"client_id=7654321 e="a\n7654321""#, None);
    batch.path = std::path::Path::new("/logs/7654321/app.log").into();
    let keeps = Policy::new(&["client_id".into()], true);
    let document = document(&keeps, &batch);
    assert_eq!(document["log"]["file"]["path"], "/logs/[sealed]/app.log");
    assert_eq!(document["event"]["original"], r#"client_id=[sealed] e="a\n[sealed]""#);
    assert_eq!(document.to_string().matches("7654321").count(), 0);
}

#[test]
fn invalid_json_values_become_valid_text() {
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    let cases = [
        (r#"a={"b":"\ud800"}"#.to_string(), json!({"a": {"b": "\u{fffd}"}})),
        ("a=1e999".to_string(), json!({"a": "1e999"})),
        ("a=[1e999,-1e-400]".to_string(), json!({"a": ["1e999", -0.0]})),
        (format!("a={deep}"), json!({"a": deep})),
        ("a=[1,".to_string(), json!({"a": "[sealed]"})),
        ("a=01".to_string(), json!({"a": "01"})),
    ];
    for (text, expected) in cases {
        assert_eq!(fields(&text), expected);
    }
}

#[test]
fn multi_line_nested_json_becomes_one_line() {
    #[derive(Debug)]
    struct Lines;
    impl Decode for Lines {
        fn name(&self) -> &'static str {
            "lines"
        }
        fn parts<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
            each(Part::Field("a".into(), Value::Json(std::str::from_utf8(text).unwrap())));
        }
    }
    let mut batch = batch("{\r\n  \"b\": [ 1,\n 2 ]\n}", None);
    batch.decode = Arc::new(Lines);
    assert_eq!(document(&policy(), &batch)["a"], json!({"b": [1, 2]}));
}

#[test]
fn a_query_gives_the_same_result_on_an_event_and_its_outgoing_form() {
    let text = r#"a={"b":[1,"x"]} host=h c=y d=null e=2"#;
    let batch = batch(text, Some("app"));
    let of = |subject: &dyn Subject| {
        let mut all = vec![format!("{}", subject.search_text())];
        subject.leaves(&mut |path, value| all.push(format!("{path}={value:?}")));
        all
    };
    let event = batch.event(0);
    assert_eq!(of(&event), of(&shown(&policy(), event)));
    assert_eq!(of(&event)[0], "1 x h y 2");
    assert_eq!(of(&event).len(), 1 + 5 + 4);
}

/// Returns the given parts, valid or not.
#[derive(Debug)]
struct Raw(Vec<(String, Option<String>, String)>);

impl Decode for Raw {
    fn name(&self) -> &'static str {
        "given parts"
    }
    fn parts<'a>(&self, _text: &'a [u8], each: &mut dyn FnMut(Part<'a>)) {
        for (name, text, json) in &self.0 {
            // `Part` borrows from the record; leaking a few bytes per case lets it borrow from here.
            let name: &'static str = name.clone().leak();
            each(match text {
                Some(text) if name == "message" => Part::Message(text.clone().into()),
                Some(text) => Part::Field(name.into(), Value::Text(text.clone().into())),
                None => Part::Field(name.into(), Value::Json(json.clone().leak())),
            });
        }
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        Just("null".to_string()),
        Just("\"client_id\"".to_string()),
        Just("7654321".to_string()),
        any::<String>().prop_map(|text| Json::String(text).to_string()),
        r#""(\\u[0-9a-f]{4}|[a-z]){0,4}""#,
        r#"[\[\]{},:"a1\\]{0,6}"#,
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(", "))),
            prop::collection::vec(
                (prop_oneof!["[a-z]{1,3}", Just("client_id".into())], inner),
                0..4
            )
            .prop_map(|members| {
                let member = |(name, value): &(String, String)| format!("\"{name}\" :{value}");
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    const OWN: [&str; 7] =
        ["message", "client_id", "host", "log.level", "fields.a", "@timestamp", "a"];
    prop_oneof![any::<String>(), prop::sample::select(&OWN[..]).prop_map(String::from)]
}

proptest! {
    #[test]
    fn any_parts_make_a_valid_document(
        parts in prop::collection::vec(
            (name(), prop::option::of(any::<String>()), json_text()), 0..12),
        id in "[a-z0-9]{4,8}",
        path in prop::collection::vec(1u8..255, 1..20),
    ) {
        use std::os::unix::ffi::OsStrExt;
        let mut parts = parts;
        parts.push(("message".into(), Some(format!("<{id}>")), String::new()));
        parts.push(("client_id".into(), Some(id), String::new()));
        let mut batch = batch("x", None);
        batch.path = std::path::Path::new(std::ffi::OsStr::from_bytes(&path)).into();
        batch.decode = Arc::new(Raw(parts));
        let document = document(&Policy::new(&["client_id".into()], true), &batch);
        prop_assert_eq!(&document["client_id"], "[sealed]");
        prop_assert_eq!(&document["message"], "<[sealed]>");
    }
}

fn log_line() -> impl Strategy<Value = Vec<u8>> {
    let json = (json_text(), json_text(), any::<String>()).prop_map(|(a, b, message)| {
        let message = Json::String(message);
        format!(r#"{{"a":{a},"message":{message},"client_id":"7654321","b":{b}}}"#).into_bytes()
    });
    let text = r#"[ -~]{0,20}(a|client_id|msg|"k")[=:]("[^"]{0,8}"|[^ ]{0,8})[ -~]{0,20}"#;
    prop_oneof![json, text.prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..80),]
}

proptest! {
    /// Any bytes of a log, read in any format.
    #[test]
    fn any_bytes_in_any_format_make_a_valid_document(line in log_line()) {
        for name in crate::format::detection::names() {
            let mut batch = batch(&" ".repeat(line.len()), None);
            batch.bytes = line.as_slice().into();
            batch.decode = crate::format::detection::by_name(name, b"").unwrap();
            let document = document(&Policy::new(&["client_id".into()], true), &batch);
            prop_assert!(document.is_object());
        }
    }
}
