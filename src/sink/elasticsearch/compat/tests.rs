mod properties;

use serde_json::Value as Json;

use super::names::{acceptable, are_plain};
use super::*;

fn text(text: &str) -> Value<'_> {
    Value::Text(text.into())
}

/// The resulting names for these names, each with its value.
fn named(fields: &[(&str, Value<'_>)]) -> Vec<String> {
    let names: Vec<String> = acceptable(fields).iter().map(ToString::to_string).collect();
    let unchanged = names.iter().zip(fields).all(|(name, (before, _))| name == before);
    assert!(!are_plain(fields.iter().cloned()) || unchanged, "{names:?}");
    names
}

fn written(name: &str, json: &'static str) -> String {
    let mut body = Vec::new();
    let changed = values::write(name, &Value::Json(json), &mut body, &mut Vec::new());
    let body = String::from_utf8(body).unwrap();
    assert_eq!(changed, body != json, "{json}");
    serde_json::from_str::<Json>(&body).unwrap_or_else(|error| panic!("{body}: {error}"));
    body
}

#[test]
fn only_names_that_servers_reject_are_changed() {
    for (name, expected) in [
        ("_id", "fields._id"),
        ("_source.x", "fields._source.x"),
        ("_doc_count", "fields._doc_count"),
        ("", "fields._"),
        (" ", "fields._"),
        ("\u{1f}", "fields._"),
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
fn of_two_conflicting_names_the_dotted_one_is_changed() {
    let json = Value::Json;
    for (fields, expected) in [
        ([("http", text("x")), ("http.status", json("500"))], ["http", "http_status"]),
        ([("http.status", json("500")), ("http", text("x"))], ["http_status", "http"]),
        ([("a.b", json("1")), ("a.b.c", json("2"))], ["a.b", "a_b_c"]),
        ([("a", json(r#"{"b":{"c":1}}"#)), ("a.b", json("2"))], ["a", "a_b"]),
        ([("a", json(r#"{"b":1}"#)), ("a.b", text("x"))], ["a", "a_b"]),
        ([("a", json("[1]")), ("a.b", json("2"))], ["a", "a_b"]),
        // These two do not conflict.
        ([("a", json(r#"{"b":1}"#)), ("a.b", json("2"))], ["a", "a.b"]),
        ([("a", json(r#"{"c":1}"#)), ("a.b", text("x"))], ["a", "a.b"]),
        ([("a", json("null")), ("a.b", text("x"))], ["a", "a.b"]),
        (
            [("fields.host", text("x")), ("fields.host.name", text("y"))],
            ["fields.host", "fields.host_name"],
        ),
        ([("a..b", text("x")), ("a_b", text("y"))], ["a_b", "a_b_"]),
        ([("a..b_tag", text("x")), ("a_b_tag", text("y"))], ["a_b_tag", "a_b__tag"]),
    ] {
        assert_eq!(named(&fields), expected, "{fields:?}");
    }
}

/// The document's `service.name` is the service of the source.
#[test]
fn a_service_field_of_the_log_does_not_conflict_with_the_document() {
    let json = Value::Json;
    for (name, value, expected) in [
        ("service", text("checkout"), "fields.service"),
        ("service", json("7"), "fields.service"),
        ("service", json(r#"["a"]"#), "fields.service"),
        ("service", json(r#"{"name":{"a":1}}"#), "fields.service"),
        ("service.name", json(r#"{"a":1}"#), "fields.service.name"),
        ("service.name.a", json("1"), "fields.service.name.a"),
        ("service", json(r#"{"name":"checkout","id":7}"#), "service"),
        ("service", json("null"), "service"),
        ("service.name", text("checkout"), "service.name"),
        ("service.id", json(r#"{"a":1}"#), "service.id"),
        ("services", text("x"), "services"),
    ] {
        assert_eq!(named(&[(name, value)]), [expected], "{name}");
    }
}

#[test]
fn a_changed_name_conflicts_with_no_other() {
    let json = Value::Json;
    let fields = [("x", text("t")), ("x_y.z", json("1")), ("x.y", json("2"))];
    assert_eq!(named(&fields), ["x", "x_y.z", "x_y_"]);
    let fields = [("x", text("t")), ("x_y", json(r#"{"z":1}"#)), ("x.y.z", json("2"))];
    assert_eq!(named(&fields), ["x", "x_y", "x_y_z"]);
    let fields =
        [("x", text("t")), ("x_y_.z", json("1")), ("x_y.z", json("1")), ("x.y", json("2"))];
    assert_eq!(named(&fields), ["x", "x_y_.z", "x_y.z", "x_y_3"]);
}

/// The fields of one event, as they are sent.
fn fitted(fields: &[(&str, Value<'_>)]) -> String {
    let mut body = b"{".to_vec();
    Compat::default().write_fields(fields.iter().cloned(), &mut body);
    let body = String::from_utf8(body).unwrap() + "}";
    body.replacen("{,", "{", 1)
}

#[test]
fn the_tag_of_a_value_inside_a_text_gets_its_own_field() {
    const ONE: &str = "tag1.AAAAAAAAAAAAAAAAAAAAAA";
    const TWO: &str = "tag1.BBBBBBBBBBBBBBBBBBBBBB";
    let args = format!(r#"["login",{{"id":"enc1.x","id_tag":"{ONE}"}}]"#);
    let as_text = format!(r#""args":["login","{{\"id\":\"enc1.x\",\"id_tag\":\"{ONE}\"}}"]"#);
    let args = ("args", Value::Json(&args));
    let both = format!(r#""id_tag":["{ONE}","{TWO}"]"#);
    let list = format!(r#"["{TWO}","{ONE}"]"#);
    for (field, expected) in [
        (("k", text("v")), format!(r#"{{{as_text},"k":"v","id_tag":"{ONE}"}}"#)),
        (("id_tag", text(ONE)), format!(r#"{{{as_text},"id_tag":"{ONE}"}}"#)),
        (("id_tag", text(TWO)), format!("{{{as_text},{both}}}")),
        (("id_tag", Value::Json(&list)), format!("{{{as_text},{both}}}")),
        // A tag field of the log itself.
        (("id_tag", text("x")), format!(r#"{{{as_text},"id_tag":"x","id__tag":"{ONE}"}}"#)),
        (("id_tag", Value::Json("7")), format!(r#"{{{as_text},"id_tag":7,"id__tag":"{ONE}"}}"#)),
    ] {
        assert_eq!(fitted(&[args.clone(), field]), expected);
    }
    let hidden = format!(r#"[1,{{"_a.id":"enc1.x","_a.id_tag":"{ONE}"}}]"#);
    let leaves: Json = serde_json::from_str(&fitted(&[("x", Value::Json(&hidden))])).unwrap();
    assert_eq!(leaves["fields"]["_a_id_tag"], ONE, "{leaves}");
}

#[test]
fn many_equal_names_and_long_paths_take_no_more_than_their_bytes() {
    // Quadratic time would not end today.
    let twice: String = (0..30_000).map(|_| r#""a":1,"#).collect();
    let body = written("f", format!(r#"{{{twice}"b":1}}"#).leak());
    assert!(body.len() < 500_000, "{}", body.len());
    let members: String = (0..30_000).map(|n| format!(r#""a{n:05}":1,"#)).collect();
    let plain = format!(r#"{{{members}"b":1}}"#);
    assert_eq!(written("f", plain.clone().leak()), plain);
    let long = "x".repeat(1_000_000);
    let body = written("f", format!(r#"{{"{long}":{{{members}"b":1,"c.d":2}}}}"#).leak());
    assert!(body.ends_with(r#""b":1,"c_d":2}}"#));
    let names: Vec<String> = (1..2_000).map(|dots| format!("a{}b", ".".repeat(dots))).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), text("x"))).collect();
    assert_eq!(named(&fields)[1_998], "a_b_1998");
    let names: Vec<String> = (0..20_000).map(|n| format!("a{n:05}.b")).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), text("x"))).collect();
    assert_eq!(acceptable(&fields), names);
}

#[test]
fn the_number_of_messages_about_names_is_bounded() {
    let mut reported = ReportedNames::default();
    let mut note = |n: usize| reported.note(&n.to_string());
    for n in 1..MOST {
        assert_eq!(note(n), Report::Name);
        assert_eq!(note(n), Report::None);
    }
    assert_eq!(note(0), Report::LastName);
    assert_eq!(note(0), Report::None);
    let more = (MOST..MOST + 2_000_000).map(note);
    let sums: Vec<Report> = more.filter(|report| *report != Report::None).collect();
    assert_eq!(sums, [1_000, 10_000, 100_000, 1_000_000].map(Report::Sum));
}

#[test]
fn only_values_that_servers_reject_become_texts() {
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
        (r#"{"a.b":1,"":2," ":3,".":4}"#, r#"{"a_b":1,"_":2,"__":3,"__3":4}"#),
        (
            r#"{"app":"s","app.kubernetes.io/name":"s"}"#,
            r#"{"app":"s","app_kubernetes_io/name":"s"}"#,
        ),
        (r#"{"a":1,"a":2,"b":{"a":3}}"#, r#"{"a":1,"a_":2,"b":{"a":3}}"#),
        (r#"{"\u0061":1,"a":2}"#, r#"{"a":1,"a_":2}"#),
        (r#"{"a":1,"a":2,"a_":3,"a":4}"#, r#"{"a":1,"a_":2,"a__":3,"a_3":4}"#),
        (r#"{"x_tag":1,"x_tag":2,"x_tag":3}"#, r#"{"x_tag":1,"x__tag":2,"x_3_tag":3}"#),
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
    let long = format!("0.{}1", "0".repeat(1_000));
    assert_eq!(written("f", long.clone().leak()), format!("{long:?}"));
}

#[test]
fn too_deeply_nested_values_become_the_text_of_their_json() {
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
