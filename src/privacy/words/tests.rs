use super::*;

#[test]
fn whole_words_are_replaced_and_nothing_else() {
    let sealed = |value: &&str| (value.to_string(), SEALED.to_owned());
    let words = |values: &[&str]| Words::new(values.iter().map(sealed).collect());
    let cases: &[(&[&str], &str, &str)] = &[
        (&["1234567"], "client 1234567 logged in", "client [sealed] logged in"),
        (&["1234567"], "1234567", "[sealed]"),
        (&["1234567"], "id=1234567,/1234567/x_1234567", "id=[sealed],/[sealed]/x_[sealed]"),
        (&["1234567"], "12345678 a1234567 1234567b", "12345678 a1234567 1234567b"),
        (&["1234567"], r#"{"m":"a\n1234567"}"#, r#"{"m":"a\n[sealed]"}"#),
        (&["1234567"], r"a\u00201234567", r"a\u0020[sealed]"),
        (&["123"], "123", "123"),
        (&["12345678", "1234"], "12345678 1234", "[sealed] [sealed]"),
        (&["1234", "1234-5678"], "1234-5678", "[sealed]"),
        (&["a\"b c"], r#"x a\"b c y"#, "x [sealed] y"),
        (&["José"], r"x Jos\u00e9 José Jos\u00E9", "x [sealed] [sealed] [sealed]"),
        (
            &["a/b\tc😀"],
            r"a\/b\u0009c\uD83D\ude00 a/b\tc\ud83d\ude01",
            r"[sealed] a/b\tc\ud83d\ude01",
        ),
        (&["ABCD"], r"\u0041\u0042CD \u0041BCDE", r"[sealed] \u0041BCDE"),
        (&[r"a\b\c"], r#"a\b\c "a\\b\\c""#, r#"[sealed] "[sealed]""#),
        (&["éabc"], r"ü\", r"ü\"),
        (&["aaaa"], "aaaaa aaaa", "aaaaa [sealed]"),
        (&["äöüß"], "äöüß.äöüßa", "[sealed].äöüßa"),
    ];
    for (values, text, expected) in cases {
        let replaced = words(values).replace(text);
        assert_eq!(replaced.as_deref().unwrap_or(text), *expected, "{text}");
    }
}
#[test]
fn what_stands_for_a_value_is_left_alone() {
    let pair = |value: &str, stand: &str| (value.to_owned(), stand.to_owned());
    let words = Words::new(vec![pair("12345", "enc1.a-abcd-b"), pair("abcd", "enc1.other")]);
    let replaced = words.replace("x 12345 abcd 12345");
    assert_eq!(replaced.as_deref(), Some("x enc1.a-abcd-b enc1.other enc1.a-abcd-b"));
    assert_eq!(words.stand_for("abcd"), Some("enc1.other"));
    assert_eq!(words.replace("1234 abc"), None);
}
