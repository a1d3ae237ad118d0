use super::*;

fn check(sample: &str, expected: &str) {
    assert_eq!(detect(sample.as_bytes()).format.name(), expected, "{sample:?}");
}

#[test]
fn the_vote() {
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
