use proptest::prelude::*;

use super::*;

fn reads(text: &str) -> bool {
    Tokens::new(text).all(|token| token.is_ok())
}

#[test]
fn tokens_come_in_order() {
    let tokens: Vec<_> =
        Tokens::new(r#" {"a":[1, "x\n", {}],"b":null} "#).map(Result::unwrap).collect();
    assert_eq!(
        tokens,
        [
            Token::ObjectStart,
            Token::Key(Quoted("a")),
            Token::ArrayStart,
            Token::Scalar("1"),
            Token::Text(Quoted("x\\n")),
            Token::ObjectStart,
            Token::ObjectEnd,
            Token::ArrayEnd,
            Token::Key(Quoted("b")),
            Token::Scalar("null"),
            Token::ObjectEnd,
        ]
    );
}

#[test]
fn what_is_not_json_is_found() {
    let wrong = [
        "",
        "{",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{\"a\" 1}",
        "{a:1}",
        "01",
        "1.",
        "-",
        "+1",
        "1e",
        "tru",
        "\"",
        "\"\\",
        "\"\\\"",
        "[}",
        "1 2",
        "{}}",
        "nulls",
        "[,1]",
        "{\"a\":}",
    ];
    for text in wrong {
        assert!(!reads(text), "{text}");
    }
    for text in ["0", "-0.5e+10", "\"\"", "[[],{}]", "true", " [ ] "] {
        assert!(reads(text), "{text}");
    }
}

#[test]
fn strings_are_read() {
    let cases = [
        (r"plain", "plain"),
        (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r"\u00e9\ud83d\ude00", "é😀"),
        (r"\ud83d", "\u{fffd}"),
        (r"\ud83dx", "\u{fffd}x"),
        (r"\ud83d\u0041", "\u{fffd}A"),
        (r"\ude00", "\u{fffd}"),
        (r"\u12", "\u{fffd}12"),
        (r"\u+123", "\u{fffd}+123"),
        (r"\q", "\u{fffd}"),
    ];
    for (written, text) in cases {
        assert_eq!(Quoted(written).decode(), text, "{written}");
    }
}

#[test]
fn a_deep_text_needs_no_deep_stack() {
    assert!(reads(&("[".repeat(100_000) + &"]".repeat(100_000))));
}

proptest! {
    #[test]
    fn any_text_is_written_and_read_back(text in any::<String>()) {
        let mut body = Vec::new();
        write_string(&text, &mut body);
        prop_assert_eq!(&serde_json::from_slice::<String>(&body).unwrap(), &text);
        let written = std::str::from_utf8(&body).unwrap();
        prop_assert_eq!(Quoted(&written[1..written.len() - 1]).decode(), text);
    }

    #[test]
    fn it_agrees_with_serde_json(text in r#"[\[\]{},:" a0-9.eE+tn-]{0,12}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(reads(&text), theirs, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Tokens::new(&text).count();
        let _ = Quoted(&text).decode();
    }
}
