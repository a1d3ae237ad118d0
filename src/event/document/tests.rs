use super::*;
use crate::event::test_batches::batch;

fn names(text: &str, service: Option<&str>) -> Vec<String> {
    let batch = batch(text, service);
    parts(batch.event(0)).fields.iter().map(|(name, _)| name.to_string()).collect()
}

#[test]
fn a_taken_name_moves_under_fields() {
    let cases = [
        ("host=a", "fields.host"),
        ("log.level=a", "fields.log.level"),
        ("log.file=a", "fields.log.file"),
        ("log.file.path.x=a", "fields.log.file.path.x"),
        ("log.logger=a", "log.logger"),
        ("event.dataset=a", "event.dataset"),
        ("event.idx=a", "event.idx"),
        ("fields.a=a", "fields.fields.a"),
        ("message.a=a", "fields.message.a"),
        ("service=a", "service"),
        ("hostname=a", "hostname"),
    ];
    for (text, name) in cases {
        assert_eq!(names(text, None), [name], "{text}");
    }
    assert_eq!(names("service.name=a", Some("app")), ["fields.service.name"]);
    assert_eq!(names("service.version=a", Some("app")), ["service.version"]);
}

#[test]
fn the_last_of_equal_names_counts() {
    let batch = batch("a=x b=y a=z c=w", None);
    let fields = parts(batch.event(0)).fields;
    let text = |value: &'static str| Value::Text(value.into());
    assert_eq!(fields, [("b".into(), text("y")), ("a".into(), text("z")), ("c".into(), text("w"))]);
}

#[test]
fn leaves_have_dotted_paths() {
    let mut seen = Vec::new();
    let value = Value::Json(r#"{"b":[1,{"c.d":"x"},null,[true]],"e":{},"f":"\u0041"}"#);
    leaves("a", &value, &mut |path, leaf| seen.push(format!("{path}={leaf:?}")));
    let expected =
        [r#"a.b=Json("1")"#, r#"a.b.c_d=Text("x")"#, r#"a.b=Json("true")"#, r#"a.f=Text("A")"#];
    assert_eq!(seen, expected);
}

#[test]
fn a_too_deeply_nested_value_is_one_text() {
    let deep = "[".repeat(DEEPEST + 1) + &"]".repeat(DEEPEST + 1);
    let mut seen = Vec::new();
    leaves("a", &Value::Json(&deep), &mut |path, _| seen.push(path.to_string()));
    assert_eq!(seen, ["a"]);
    assert!(!is_too_deep(&("[".repeat(DEEPEST) + &"]".repeat(DEEPEST))));
    assert!(!is_too_deep(&("[".to_string() + &"[],".repeat(DEEPEST) + "1]")));
}

#[test]
fn bare_words_search_the_message_or_all_leaves() {
    let search = |text: &str| {
        let batch = batch(text, None);
        let parts = parts(batch.event(0));
        let fields = parts.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()));
        search_text(parts.message.as_deref(), fields).into_owned()
    };
    assert_eq!(search("a=x message=hello b=y"), "hello");
    assert_eq!(search(r#"a=x b=[1,"two"] c=null d=3"#), "x 1 two 3");
}
