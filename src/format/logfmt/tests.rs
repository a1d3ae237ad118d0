use crate::format::test_output::{check, show};

#[test]
fn pairs_are_parsed() {
    check(
        "logfmt",
        &[
            (
                r#"time="2023-11-14T22:13:20Z" level=warning msg="a \"b\" \n" err= n=5"#,
                "2023-11-14T22:13:20Z warning | [a \"b\" \n] err= n=5",
            ),
            (
                "ts=1700000000.5 lvl=eror caller=a.go:1 msg=down dry",
                "2023-11-14T22:13:20.5Z error | caller=a.go:1 [down]",
            ),
            ("level=30 msg=x type=terror", "- info | [x] type=terror"),
            ("at=info method=GET path=/ status=200", "- - | at=info method=GET path=/ status=200"),
        ],
    );
}

#[test]
fn other_lines_are_messages() {
    for line in ["a=1", "hello a=1 b=2", "a=\"x b=2", "a=1 b=2 c d e", "=1 a=2 b=3", ""] {
        assert_eq!(show("logfmt", line), format!("- - | [{line}]"));
    }
}
