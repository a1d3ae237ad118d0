use proptest::prelude::*;

use super::*;

#[test]
fn terminal_controls_become_visible() {
    let cases: &[(&str, &str)] = &[
        ("plain text, äöü 漢字 😀", "plain text, äöü 漢字 😀"),
        ("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m"),
        ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
        ("a\tb\r\nc\0", "a b␍␊c␀"),
        ("\u{9b}2J\u{85}", "<U+009B>2J<U+0085>"),
        ("user\u{202e}gnp.exe", "user<U+202E>gnp.exe"),
        ("a\u{200b}b\u{2066}c\u{feff}", "a<U+200B>b<U+2066>c<U+FEFF>"),
        ("tag \u{e0041}", "tag <U+E0041>"),
        ("\u{7f}", "␡"),
        ("two\u{2028}lines", "two<U+2028>lines"),
    ];
    for (input, expected) in cases {
        assert_eq!(line(input), *expected);
    }
    assert!(matches!(line("nothing to do"), Cow::Borrowed(_)));
    assert_eq!(line_of_bytes(b"a\xffb\x1b"), "a\u{fffd}b␛");
    assert_eq!(line_of_bytes(b"a\xffb"), "a\u{fffd}b");
}

#[test]
fn a_csv_cell_is_never_a_formula() {
    let cases: &[(&str, &str)] = &[
        ("plain", "plain"),
        ("a,b", "\"a,b\""),
        ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
        ("-12.5", "-12.5"),
        ("\n=1", "\"'\n=1\""),
        ("two\nlines", "\"two\nlines\""),
        ("", ""),
    ];
    for (input, expected) in cases {
        assert_eq!(csv_cell(input), *expected);
    }
}

#[test]
fn a_header_stays_one_line() {
    assert_eq!(header("ERROR on web-1"), "ERROR on web-1");
    assert_eq!(header("a\r\nBcc: x@y"), "a  Bcc: x@y");
    assert_eq!(header("a\u{1b}[31m\u{202e}b"), "a[31mb");
}

proptest! {
    #[test]
    fn any_bytes_become_one_safe_line(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let safe = line_of_bytes(&bytes);
        prop_assert!(!safe.contains(is_unsafe));
        prop_assert_eq!(line(&safe), safe.as_ref());
    }

    #[test]
    fn any_text_becomes_a_safe_header(text in any::<String>()) {
        prop_assert!(!header(&text).contains(is_unsafe));
    }

    #[test]
    fn a_csv_cell_can_be_read_back(text in "[ -~\n]{0,20}") {
        let cell = csv_cell(&text);
        let inner = match cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')) {
            Some(quoted) => quoted.replace("\"\"", "\""),
            None => cell.to_string(),
        };
        let with_apostrophe = format!("'{text}");
        prop_assert!(inner == text || inner == with_apostrophe);
    }
}
