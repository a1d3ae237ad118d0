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

/// At every position of the chunks that are checked in one step.
#[test]
fn each_unsafe_character_is_escaped_at_every_position() {
    let odd = [
        ("\"", "\\\""),
        ("\\", "\\\\"),
        ("\n", "\\n"),
        ("\u{1b}", "\\u001b"),
        ("\u{7f}", "\\u007f"),
        ("\u{9b}", "\\u009b"),
        ("\u{ad}", "\\u00ad"),
        ("\u{61c}", "\\u061c"),
        ("\u{202e}", "\\u202e"),
        ("\u{feff}", "\\ufeff"),
        ("é", "é"),
        ("~ }", "~ }"),
    ];
    for (letter, escaped) in odd {
        for place in 0..=33 {
            let around = |letter: &str| format!("{}{letter}{}", "x".repeat(place), "y".repeat(20));
            let mut written = Vec::new();
            write_string(&around(letter), &mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("\"{}\"", around(escaped)));
            let shown = harmless(around(letter).as_bytes()).into_owned();
            // Characters that JSON requires to be escaped are already escaped in valid input.
            let stays = matches!(letter, "\"" | "\\" | "\n" | "\u{1b}");
            let expected = around(if stays { letter } else { escaped });
            assert_eq!(String::from_utf8(shown).unwrap(), expected, "{letter:?} at {place}");
        }
    }
}

#[test]
fn invalid_json_is_an_error() {
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
fn strings_are_decoded() {
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
fn terminal_controls_and_invisible_characters_are_escaped() {
    let check = |text: &str, written: &str| {
        let mut body = Vec::new();
        write_string(text, &mut body);
        assert_eq!(String::from_utf8(body).unwrap(), format!("\"{written}\""));
    };
    check("plain é “…” ü 日本 😀", "plain é “…” ü 日本 😀");
    check("\u{1b}[2J\n\"\\", r#"\u001b[2J\n\"\\"#);
    check("a\u{9b}2J\u{7f}b", r"a\u009b2J\u007fb");
    check("\u{2028}\u{2029}\u{202e}\u{2066}", r"\u2028\u2029\u202e\u2066");
    check("\u{200b}\u{200e}\u{61c}\u{feff}é", r"\u200b\u200e\u061c\ufeffé");
}

#[test]
fn json_and_sanitize_agree_on_unsafe_characters() {
    let marked = |text: &str| matches!(text.as_bytes()[0], 0xc2 | 0xd8 | 0xe2 | 0xef);
    for character in '\u{80}'..='\u{ffff}' {
        let text = character.to_string();
        let expected = (marked(&text) && crate::base::sanitize::is_unsafe(character))
            .then_some((character as u16, text.len()));
        assert_eq!(hidden(text.as_bytes()), expected, "{character:?}");
    }
}

#[test]
fn json_from_elsewhere_is_made_safe_to_show_and_stays_equivalent() {
    let json = "{\"a\u{202e}\":\"\u{9b}2J é\\n\u{200b}\"}\n";
    let harmless_one = harmless(json.as_bytes());
    assert_eq!(harmless_one, b"{\"a\\u202e\":\"\\u009b2J \xc3\xa9\\n\\u200b\"}\n".as_slice());
    let value = |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).unwrap();
    assert_eq!(value(&harmless_one), value(json.as_bytes()));
    assert!(matches!(harmless(b"{\"a\":1}"), Cow::Borrowed(_)));
}

#[test]
fn write_escaped_uses_only_the_escapes_that_json_requires() {
    let mut body = Vec::new();
    write_escaped("a\"\u{200b}\t", &mut body);
    assert_eq!(String::from_utf8(body).unwrap(), "a\\\"\u{200b}\\t");
}

#[test]
fn deep_nesting_does_not_overflow_the_stack() {
    assert!(reads(&("[".repeat(100_000) + &"]".repeat(100_000))));
}

proptest! {
    #[test]
    fn any_text_survives_encoding_and_decoding(text in any::<String>()) {
        let mut body = Vec::new();
        write_string(&text, &mut body);
        prop_assert_eq!(&serde_json::from_slice::<String>(&body).unwrap(), &text);
        let written = std::str::from_utf8(&body).unwrap();
        prop_assert_eq!(Quoted(&written[1..written.len() - 1]).decode(), text);
    }

    #[test]
    fn tokens_accept_what_serde_json_accepts(text in r#"[\[\]{},:" a0-9.eE+tn-]{0,12}"#) {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        prop_assert_eq!(reads(&text), theirs, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Tokens::new(&text).count();
        let _ = Quoted(&text).decode();
    }
}
