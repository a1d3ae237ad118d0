use super::*;

fn check(sample: &str, expected: &str) {
    assert_eq!(detect(sample.as_bytes()).format.name(), expected, "{sample:?}");
}

#[test]
fn the_format_is_detected() {
    check("{\"a\":1}\n{\"b\":2}\n", "json");
    check("{\n  \"a\": 1\n}\n{\n  \"a\": 1\n}\n", "json");
    check("2023-11-14 10:23:01,462 - [WARNING] - x\n", "python");
    check("2023-11-14 10:23:01,462 - app - WARNING - x\n", "python");
    check("WARNING:root:x\nINFO:app.db:y\n", "python");
    check("2023-11-14 10:23:01,462 INFO [main] com.foo.Bar - x\n", "generic");
    check("2023/11/14 10:23:01 listening\n", "generic");
    check("hello\nworld\n", "plain");
    check("", "plain");
    check("2023/11/14 10:23:01 a\nx\ny\nz\nq\n", "generic");
}

#[test]
fn a_vote_is_settled_by_enough_lines_or_bytes() {
    assert!(!detect(b"{\"a\":1}\n").settled);
    assert!(detect("{\"a\":1}\n".repeat(100).as_bytes()).settled);
    assert!(detect(&[b'x'; 64 << 10]).settled);
}

#[test]
fn a_first_line_longer_than_the_sample_is_detected_by_its_beginning() {
    let long = format!("{{\"client_id\":[{}", "\"0123456\",".repeat(10_000));
    for end in (ENOUGH_BYTES - 12)..ENOUGH_BYTES {
        check(&long[..end], "json");
    }
    check(r#"{"a":"x \"quoted"#, "json");
    check(r#"{"a":"x \"quoted\\"#, "json");
    check("time=2021-04-01T00:00:00Z level=info msg=\"not yet", "logfmt");
    check("x \"open", "plain");
}
