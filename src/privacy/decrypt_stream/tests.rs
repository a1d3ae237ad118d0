use proptest::prelude::*;

use super::*;
use crate::privacy::tests::keys::{Keys, month};

struct Case {
    keys: Keys,
}

impl Case {
    fn new() -> Case {
        Case { keys: Keys::new() }
    }

    fn seal(&self, value: &str) -> String {
        self.keys.seal(month("2021_April"), "clientid", value)
    }

    /// The output and the number of failures, for input in pieces of `size` bytes.
    fn reveal(&self, text: &[u8], size: usize) -> (Vec<u8>, usize) {
        let (mut out, mut failed) = (Vec::new(), 0);
        let mut revealer = StreamDecryptor::new(&self.keys.opener);
        for piece in text.chunks(size) {
            revealer.push(piece, &mut out, &mut |found| failed += usize::from(found.is_err()));
            assert!(revealer.pending.len() <= PREFIX.len() + LONGEST_TEXT + size);
        }
        revealer.finish(&mut out, &mut |found| failed += usize::from(found.is_err()));
        (out, failed)
    }

    #[track_caller]
    fn check(&self, text: &str, expected: &str, failures: usize) {
        for size in [text.len().max(1), 1, 2, 3, 7, 64, 100] {
            let (out, failed) = self.reveal(text.as_bytes(), size);
            assert_eq!(String::from_utf8_lossy(&out), expected, "in pieces of {size}");
            assert_eq!(failed, failures, "in pieces of {size}");
        }
    }
}

#[test]
fn tokens_are_found_at_any_position() {
    let case = Case::new();
    let (one, two) = (case.seal("ONE"), case.seal("sixteen bytes ab"));
    case.check(&one, "ONE", 0);
    case.check(&format!("{one}\n"), "ONE\n", 0);
    case.check(&format!("a {one}, b={two};{one}"), "a ONE, b=sixteen bytes ab;ONE", 0);
    case.check(&format!("{one}{two}{one}"), "ONEsixteen bytes abONE", 0);
    case.check(&format!("x{one}.log {one}."), "xONE.log ONE.", 0);
    case.check(
        &format!("enc1.{one} enc1 enc1. enc1.{two}"),
        "enc1.ONE enc1 enc1. enc1.sixteen bytes ab",
        0,
    );
    // The text after the token consists of the same characters.
    for behind in
        ["-retry", "_2", "A", "enc1", "enc1.", "-enc1.", "0123456789012345678901234567890123456789"]
    {
        case.check(&format!("{one}{behind}"), &format!("ONE{behind}"), 0);
        case.check(&format!("{two}{behind} {one}"), &format!("sixteen bytes ab{behind} ONE"), 0);
    }
    let long = "0123456789".repeat(300);
    case.check(&format!("<{}>", case.seal(&long)), &format!("<{long}>"), 0);
    case.check(&format!("{one}{}", "A".repeat(5000)), &format!("ONE{}", "A".repeat(5000)), 0);
}

#[test]
fn tokens_that_cannot_be_decrypted_stay_unchanged_and_are_counted() {
    let case = Case::new();
    let one = case.seal("ONE");
    let foreign = Case::new().seal("TWO");
    let cut = &one[..one.len() - 1];
    for bad in [foreign.as_str(), cut, &one[..40], &one.replace("enc1.A", "enc1.B")] {
        case.check(&format!("a {bad} b {one}"), &format!("a {bad} b ONE"), 1);
    }
    case.check(&format!("{foreign}{foreign}{one}"), &format!("{foreign}{foreign}ONE"), 2);
    case.check("enc1.txt enc1. enc1.short", "enc1.txt enc1. enc1.short", 0);
}

#[test]
fn a_value_inside_a_json_string_is_escaped() {
    let case = Case::new();
    let token = case.seal("a\"b\\c\n");
    let json = format!("{{\"client id\":\"{token}\",\"m\":\"\\\"x\\\\ {token}\"}}");
    let expected = r#"{"client id":"a\"b\\c\n","m":"\"x\\ a\"b\\c\n"}"#;
    case.check(&json, expected, 0);
    let parsed: serde_json::Value = serde_json::from_str(expected).unwrap();
    assert_eq!(parsed["client id"], "a\"b\\c\n");
    case.check(&format!("a 5\" disk\n{token}"), "a 5\" disk\na\"b\\c\n", 0);
    case.check(&format!("\"x\" \\\" {token}"), "\"x\" \\\" a\\\"b\\\\c\\n", 0);
    case.check(
        &format!("  \"k\" : \"{token}\",\n{token}"),
        "  \"k\" : \"a\\\"b\\\\c\\n\",\na\"b\\c\n",
        0,
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_stay_unchanged(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(b"enc1.".to_vec()),
                "[-_a-zA-Z0-9]{0,60}".prop_map(String::into_bytes),
                "enc1\\.AV[-_a-zA-Z0-9]{80,200}".prop_map(String::into_bytes),
            ],
            0..20,
        ),
        size in 1_usize..100,
    ) {
        let case = Case::new();
        let text = pieces.concat();
        let (out, _) = case.reveal(&text, size);
        prop_assert_eq!(out, text);
    }

    #[test]
    fn any_document_keeps_its_meaning(value in "[^\u{0}]{0,40}", size in 1_usize..200) {
        let case = Case::new();
        let sealed = serde_json::json!({"a": case.seal(&value), "m": format!("x {} y", case.seal(&value))});
        let (out, failed) = case.reveal(sealed.to_string().as_bytes(), size);
        let opened: serde_json::Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(failed, 0);
        prop_assert_eq!(opened, serde_json::json!({"a": value.as_str(), "m": format!("x {value} y")}));
    }
}
