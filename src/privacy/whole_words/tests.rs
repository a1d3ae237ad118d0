use proptest::prelude::*;

use super::*;

#[test]
fn whole_words_are_replaced_and_nothing_else() {
    let words = |values: &[&'static str]| {
        WordReplacer::new(values.iter().map(|value| (*value, SEALED)).collect())
    };
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
fn a_replacement_is_not_replaced_again() {
    let words = WordReplacer::new(vec![("12345", "enc1.a-abcd-b"), ("abcd", "enc1.other")]);
    let replaced = words.replace("x 12345 abcd 12345");
    assert_eq!(replaced.as_deref(), Some("x enc1.a-abcd-b enc1.other enc1.a-abcd-b"));
    assert_eq!(words.replacement_of("abcd"), Some("enc1.other"));
    assert_eq!(words.replace("1234 abc"), None);
}

/// A piece of text around values.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Value(usize),
    /// Escaped as JSON this many times, in ASCII only or not, with upper-case digits or not.
    Escaped(usize, usize, bool, bool),
    /// Inside a longer word.
    Longer(usize, char),
}

fn values() -> impl Strategy<Value = Vec<String>> {
    let letters = "[A-Z][a-zA-Z0-9é]{6}[0-9A-Z]";
    let odd = "[A-Zß中][-_./\"\\\\\t\n a-z😀]{6,10}[A-Z9]";
    let base = prop::collection::vec(prop_oneof![letters, odd], 1..4);
    // Some values start with, end with or extend another one.
    (base, any::<[bool; 3]>()).prop_map(|(mut values, more)| {
        let first = values[0].clone();
        let last = values[values.len() - 1].clone();
        let related = [format!("{first}-{last}"), format!("{last}-9999"), format!("{first}0")];
        values.extend(related.into_iter().zip(more).filter_map(|(it, is)| is.then_some(it)));
        values
    })
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let value = 0..8_usize;
    let piece = prop_oneof![
        any::<String>().prop_map(Piece::Text),
        "[-a-z0-9\\\\\"/ nu,.{}:\t]{0,8}".prop_map(Piece::Text),
        value.clone().prop_map(Piece::Value),
        (value.clone(), 1..3_usize, any::<bool>(), any::<bool>()).prop_map(
            |(value, times, ascii, capitals)| Piece::Escaped(value, times, ascii, capitals)
        ),
        (value, prop::sample::select(vec!['a', 'Z', '0', 'é']))
            .prop_map(|(v, c)| Piece::Longer(v, c)),
    ];
    prop::collection::vec(piece, 0..12)
}

fn escaped(text: &str, ascii: bool, capitals: bool) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    let mut out = String::new();
    for letter in quoted[1..quoted.len() - 1].chars() {
        if !ascii || letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let digits = format!("{unit:04x}");
            out.push_str("\\u");
            out.push_str(&if capitals { digits.to_uppercase() } else { digits });
        }
    }
    out
}

fn written(pieces: &[Piece], values: &[String]) -> String {
    let value = |at: &usize| values[at % values.len()].as_str();
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Value(at) => value(at).to_owned(),
        Piece::Escaped(at, times, ascii, capitals) => {
            (0..*times).fold(value(at).to_owned(), |text, _| escaped(&text, *ascii, *capitals))
        }
        Piece::Longer(at, letter) => format!("{letter}{}{letter}", value(at)),
    };
    pieces.iter().map(piece).collect()
}

/// The reference implementation, character by character.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let inside = |a: Option<char>, b: Option<char>| {
            a.is_some_and(char::is_alphanumeric) && b.is_some_and(char::is_alphanumeric)
        };
        !inside(before.chars().next_back(), word.chars().next())
            && !inside(word.chars().next_back(), after.chars().next())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Long runs: `make soak`.
    #[test]
    fn no_value_remains_in_any_text(values in values(), pieces in pieces()) {
        let stands = Vec::from_iter((0..values.len()).map(|at| format!("\u{e000}{at}\u{e001}")));
        let pairs = values.iter().zip(&stands).map(|(value, stand)| (&**value, &**stand));
        let words = WordReplacer::new(pairs.collect());
        let text = written(&pieces, &values);
        let replaced = words.replace(&text).unwrap_or_else(|| text.clone());
        let mut shown = Some(replaced.clone());
        while let Some(text) = shown {
            for value in &values {
                prop_assert!(!contains_word(&text, value), "{value:?} in {text:?}");
            }
            shown = serde_json::from_str(&format!("\"{text}\"")).ok().filter(|it| *it != text);
        }
        // Only whole values are replaced, and each by its own replacement.
        if !text.contains('\\') && !text.contains(['\u{e000}', '\u{e001}']) {
            let back = values.iter().enumerate();
            let back = back.fold(replaced, |text, (at, value)| text.replace(&stands[at], value));
            prop_assert_eq!(back, text);
        }
    }
}
