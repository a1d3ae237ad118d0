use crate::format::test_output::show;

fn check(line: &str, expected: &str) {
    assert_eq!(show("json", line), expected, "{line}");
}

#[test]
fn the_output_of_common_loggers_is_parsed() {
    for (line, expected) in [
        // slog, zerolog, logrus
        (
            r#"{"time":"2023-11-14T22:13:20Z","level":"INFO","msg":"up","port":80}"#,
            "2023-11-14T22:13:20Z info | [up] port:80",
        ),
        // bunyan
        (
            r#"{"name":"a","level":50,"msg":"no","time":"2023-11-14T22:13:20.123Z","v":0}"#,
            "2023-11-14T22:13:20.123Z error | name=a [no] v:0",
        ),
        // pino
        (r#"{"level":30,"time":1700000000123,"msg":"x"}"#, "2023-11-14T22:13:20.123Z info | [x]"),
        // zap
        (
            r#"{"level":"warn","ts":1700000000.5,"caller":"a.go:1","msg":"x"}"#,
            "2023-11-14T22:13:20.5Z warning | caller=a.go:1 [x]",
        ),
        // logback
        (
            r#"{"@timestamp":"2023-11-14T22:13:20.123+01:00","@version":"1","message":"m","level":"ERROR","level_value":40000}"#,
            "2023-11-14T21:13:20.123Z error | @version=1 [m] level_value:40000",
        ),
        // Serilog, compact
        (
            r#"{"@t":"2023-11-14T22:13:20Z","@mt":"Hi {N}","N":1}"#,
            "2023-11-14T22:13:20Z info | [Hi {N}] N:1",
        ),
        (
            r#"{"@t":"2023-11-14T22:13:20Z","@m":"Hi","@l":"Fatal"}"#,
            "2023-11-14T22:13:20Z fatal | [Hi]",
        ),
        // ECS
        (
            r#"{"@timestamp":"2023-11-14T22:13:20Z","log.level":"error","message":"m"}"#,
            "2023-11-14T22:13:20Z error | [m]",
        ),
        (
            r#"{"@timestamp":"2023-11-14T22:13:20Z","log":{"level":"warn"},"message":"m"}"#,
            r#"2023-11-14T22:13:20Z warning | log:{"level":"warn"} [m]"#,
        ),
        // Rust's tracing, logstash 0
        (
            r#"{"timestamp":"2023-11-14T22:13:20Z","level":"WARN","fields":{"message":"m","n":1},"target":"a"}"#,
            r#"2023-11-14T22:13:20Z warning | [m] fields:{"message":"m","n":1} target=a"#,
        ),
        (
            r#"{"ts":"2023-11-14T22:13:20Z","@fields":{"lvl":"DEBUG4","msg":"m"}}"#,
            r#"2023-11-14T22:13:20Z debug | [m] @fields:{"lvl":"DEBUG4","msg":"m"}"#,
        ),
        (
            r#"{"fields":{"level":"error"},"level":"info","fields":{"msg":"y"},"msg":"x"}"#,
            r#"- info | fields:{"level":"error"} fields:{"msg":"y"} [x]"#,
        ),
        // GELF
        (
            r#"{"version":"1.1","host":"h","level":3,"short_message":"m","timestamp":1700000000.25}"#,
            "2023-11-14T22:13:20.25Z error | version=1.1 host=h [m]",
        ),
        // journald export
        (
            r#"{"PRIORITY":"4","MESSAGE":"m","__REALTIME_TIMESTAMP":"1700000000123456"}"#,
            "2023-11-14T22:13:20.123456Z warning | [m]",
        ),
        // Docker's json-file
        (
            r#"{"log":"m\n","stream":"stderr","time":"2023-11-14T22:13:20.123456789Z"}"#,
            "2023-11-14T22:13:20.123456789Z - | [m\n] stream=stderr",
        ),
        // MongoDB
        (
            r#"{"t":{"$date":"2023-11-14T22:13:20.123+00:00"},"s":"I","c":"NETWORK","msg":"m"}"#,
            "2023-11-14T22:13:20.123Z info | c=NETWORK [m]",
        ),
        // python-json-logger
        (
            r#"{"asctime":"2023-11-14 22:13:20,123","levelname":"CRITICAL","message":"m"}"#,
            "2023-11-14T22:13:20.123Z fatal | [m]",
        ),
        (r#"{"a":1,"b":[1,{"level":"error"}]}"#, r#"- - | a:1 b:[1,{"level":"error"}]"#),
        (r#"{"ctx":{"level":"error"},"level":"info"}"#, r#"- info | ctx:{"level":"error"}"#),
        (
            r#"{"level":3,"status":"terror","type":"errorCode"}"#,
            "- - | level:3 status=terror type=errorCode",
        ),
        (r#"{"level":200,"level_name":"INFO"}"#, "- info | level:200"),
    ] {
        check(line, expected);
    }
}

#[test]
fn text_that_is_not_one_complete_object_is_a_message() {
    for line in [
        r#"{"level":"error","msg":"x"#,
        r#"{"level":"error"} x"#,
        r#"{"level":"error",}"#,
        r#"{"level":01}"#,
        r#"{"level":error}"#,
        r#"["level"]"#,
        "{",
        "",
    ] {
        check(line, &format!("- - | [{line}]"));
    }
}

#[test]
fn escapes_are_decoded_and_invalid_ones_kept() {
    for (line, expected) in [
        (r#"{"a":"\"\\\/\n\t\u00e9\ud83d\ude00"}"#, "- - | a=\"\\/\n\té😀"),
        (r#"{"a":"\ud83d \x \u12"}"#, "- - | a=\u{fffd} \\x \\u12"),
        (r#"{"k\u0065y":"v"}"#, "- - | key=v"),
        ("{\"a\":[1,}", "- - | [{\"a\":[1,}]"),
        ("{\"a\":[1,]}", "- - | a=[1,]"),
    ] {
        check(line, expected);
    }
}
