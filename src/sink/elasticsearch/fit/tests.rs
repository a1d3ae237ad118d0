use proptest::prelude::*;
use serde_json::Value as Json;

use super::names::{acceptable, are_plain};
use super::*;

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

/// What becomes of these names, each with its value.
fn named(fields: &[(&str, Value<'_>)]) -> Vec<String> {
    let names: Vec<String> = acceptable(fields).iter().map(ToString::to_string).collect();
    let unchanged = names.iter().zip(fields).all(|(name, (before, _))| name == before);
    assert!(!are_plain(fields.iter().cloned()) || unchanged, "{names:?}");
    names
}

fn written(name: &str, json: &'static str) -> String {
    let mut body = Vec::new();
    let changed = values::write(name, &Value::Json(json), &mut body);
    let body = String::from_utf8(body).unwrap();
    assert_eq!(changed, body != json, "{json}");
    serde_json::from_str::<Json>(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
    body
}

#[test]
fn names_that_no_server_takes_are_changed_and_others_are_not() {
    for (name, expected) in [
        ("_id", "fields._id"),
        ("_source.x", "fields._source.x"),
        ("_doc_count", "fields._doc_count"),
        ("", "fields._"),
        (" ", "fields._"),
        (".", "fields._"),
        (".usage.json", "fields._usage.json"),
        ("a.", "a_"),
        ("a..b", "a_b"),
        ("a.b..", "a.b_"),
        ("a. .b", "a._.b"),
        ("fields.host..name", "fields.host_name"),
        ("fields..", "fields._"),
        ("_PID", "_PID"),
        ("__CURSOR", "__CURSOR"),
        ("_", "_"),
        ("a", "a"),
        ("a b", "a b"),
        ("ä.ö", "ä.ö"),
        ("a._id", "a._id"),
        ("fields.host", "fields.host"),
    ] {
        assert_eq!(named(&[(name, text("x"))]), [expected], "{name:?}");
    }
    let deep = ["a"; 25].join(".");
    let expected = ["a"; 20].join(".") + "_a_a_a_a_a";
    assert_eq!(named(&[(&deep, text("x"))]), [expected]);
    assert_eq!(named(&[(&["a"; 20].join("."), text("x"))]), [["a"; 20].join(".")]);
}

#[test]
fn of_two_names_that_contradict_each_other_the_dotted_one_gives_way() {
    let json = Value::Json;
    for (fields, expected) in [
        ([("http", text("x")), ("http.status", json("500"))], ["http", "http_status"]),
        ([("http.status", json("500")), ("http", text("x"))], ["http_status", "http"]),
        ([("a.b", json("1")), ("a.b.c", json("2"))], ["a.b", "a_b_c"]),
        ([("a", json(r#"{"b":{"c":1}}"#)), ("a.b", json("2"))], ["a", "a_b"]),
        ([("a", json(r#"{"b":1}"#)), ("a.b", text("x"))], ["a", "a_b"]),
        ([("a", json("[1]")), ("a.b", json("2"))], ["a", "a_b"]),
        // These two have room beside each other.
        ([("a", json(r#"{"b":1}"#)), ("a.b", json("2"))], ["a", "a.b"]),
        ([("a", json(r#"{"c":1}"#)), ("a.b", text("x"))], ["a", "a.b"]),
        ([("a", json("null")), ("a.b", text("x"))], ["a", "a.b"]),
        (
            [("fields.host", text("x")), ("fields.host.name", text("y"))],
            ["fields.host", "fields.host_name"],
        ),
        ([("a..b", text("x")), ("a_b", text("y"))], ["a_b", "a_b_"]),
    ] {
        assert_eq!(named(&fields), expected, "{fields:?}");
    }
}

#[test]
fn values_that_no_server_takes_are_texts_and_others_are_not() {
    for (json, expected) in [
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("18446744073709551615", r#""18446744073709551615""#),
        ("-9223372036854775809", r#""-9223372036854775809""#),
        ("9223372036854775808.5", "9223372036854775808.5"),
        ("3.4e38", "3.4e38"),
        ("1e39", r#""1e39""#),
        ("-1e39", r#""-1e39""#),
        ("true", "true"),
        (r#"{"a":[1,18446744073709551615]}"#, r#"{"a":["1","18446744073709551615"]}"#),
        (r#"{"a.b":1,"":2," ":3,".":4}"#, r#"{"a_b":1,"_":2,"__":3,"___":4}"#),
        (
            r#"{"app":"s","app.kubernetes.io/name":"s"}"#,
            r#"{"app":"s","app_kubernetes_io/name":"s"}"#,
        ),
        (r#"{"a":1,"a":2,"b":{"a":3}}"#, r#"{"a":1,"a_":2,"b":{"a":3}}"#),
        (r#"{"\u0061":1,"a":2}"#, r#"{"a":1,"a_":2}"#),
        (r#"{"_id":1,"a":null,"b":{},"c":[]}"#, r#"{"_id":1,"a":null,"b":{},"c":[]}"#),
        (r#"[1,"a",null,true]"#, r#"["1","a",null,"true"]"#),
        ("[2,1.5]", "[2.0,1.5]"),
        (r#"[1,{"a":"\n"}]"#, r#"["1","{\"a\":\"\\n\"}"]"#),
        (r#"[{"x":1},{"x":"a"}]"#, r#"[{"x":"1"},{"x":"a"}]"#),
        (r#"[{"x":1},{"x":{"y":1}}]"#, r#"[{"x":"1"},{"x":"{\"y\":1}"}]"#),
        (r#"[{"x":1},{"x":2,"y":[["a"],["b"]]}]"#, r#"[{"x":1},{"x":2,"y":[["a"],["b"]]}]"#),
        ("[[1],[2]]", "[[1],[2]]"),
    ] {
        assert_eq!(written("f", json), expected, "{json}");
    }
}

#[test]
fn what_lies_too_deep_is_the_text_of_its_json() {
    let nest = |open: &str, inner: &str, close: &str, depth| {
        open.repeat(depth) + inner + &close.repeat(depth)
    };
    let objects = |depth| nest(r#"{"a":"#, "1", "}", depth);
    let lists = |depth| nest("[", "1", "]", depth);
    for (name, value, expected) in [
        ("f", objects(19), objects(19)),
        ("f", objects(20), nest(r#"{"a":"#, r#""{\"a\":1}""#, "}", 19)),
        ("f.g", objects(19), nest(r#"{"a":"#, r#""{\"a\":1}""#, "}", 18)),
        ("f", lists(20), lists(20)),
        ("f", lists(22), nest("[", r#""[[1]]""#, "]", 20)),
    ] {
        assert_eq!(written(name, value.leak()), expected);
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-3i64..3).prop_map(Json::from),
        (-2.0f64..2.0).prop_map(Json::from),
        "[ab.]{0,3}".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[ab. ]{0,2}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever comes: JSON leaves that needs no further change, without two kinds at one path.
    #[test]
    fn what_leaves_is_fit_to_leave(
        fields in prop::collection::btree_map("[ab_. ]{0,4}", any_json(), 1..5)
    ) {
        let texts: Vec<(String, String)> =
            fields.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let fields: Vec<(&str, Value<'_>)> =
            texts.iter().map(|(name, json)| (name.as_str(), match json.starts_with('"') {
                true => text(json),
                false => Value::Json(json),
            })).collect();
        let names = acceptable(&fields);
        let mut again = Vec::new();
        for (name, (_, value)) in names.iter().zip(&fields) {
            let mut body = Vec::new();
            values::write(name, value, &mut body);
            let body = String::from_utf8(body).unwrap();
            prop_assert!(serde_json::from_str::<Json>(&body).is_ok(), "{}", body);
            let mut twice = Vec::new();
            let value = match body.starts_with('"') {
                true => text(&body),
                false => Value::Json(&body),
            };
            prop_assert!(body.starts_with('"') || !values::write(name, &value, &mut twice), "{}", body);
            again.push((name.to_string(), body));
        }
        let again: Vec<(&str, Value<'_>)> =
            again.iter().map(|(name, json)| (name.as_str(), match json.starts_with('"') {
                true => text(json),
                false => Value::Json(json),
            })).collect();
        prop_assert_eq!(acceptable(&again), names);
    }
}
