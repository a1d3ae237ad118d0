use super::*;

fn utf16(text: &str, encoding: Encoding) -> Vec<u8> {
    let bytes = |unit: u16| match encoding {
        Encoding::Utf16Be => unit.to_be_bytes(),
        _ => unit.to_le_bytes(),
    };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn a_byte_order_mark_or_zeros_determine_the_encoding() {
    let nul = |text: &str, encoding| utf16(text, encoding);
    let cases: [(&[u8], Encoding); 11] = [
        (b"\xff\xfe", Encoding::Utf16Le),
        (b"\xfe\xff\x00a", Encoding::Utf16Be),
        (b"\xef\xbb\xbfa\n", Encoding::Utf8),
        (&nul("a\n", Encoding::Utf16Le), Encoding::Utf16Le),
        (&nul("line one\r\n", Encoding::Utf16Be), Encoding::Utf16Be),
        (&nul("a 😀 and more\n", Encoding::Utf16Be), Encoding::Utf16Be),
        (b"", Encoding::Utf8),
        (b"a\0", Encoding::Utf8),
        (b"plain text\n", Encoding::Utf8),
        // The hole that a copytruncate rotation leaves.
        (&[0; 2000], Encoding::Utf8),
        (b"a\0b\0plain after all\n", Encoding::Utf8),
    ];
    for (head, expected) in cases {
        assert_eq!(Encoding::of(head), expected, "{head:?}");
    }
    // Only the beginning counts.
    let long = [utf16(&"x".repeat(512), Encoding::Utf16Le), b"zzz".to_vec()].concat();
    assert_eq!(Encoding::of(&long), Encoding::Utf16Le);
}

#[test]
fn s21_a_line_ends_with_a_whole_code_unit() {
    let le = Encoding::Utf16Le;
    // U+0A0D, U+0D0A and U+0A00 contain the byte of a newline; only the last character is one.
    let bytes = utf16("\u{a0d}\u{d0a}\u{a00}a\nb", le);
    assert_eq!((le.line_end(&bytes, 0), le.last_line_end(&bytes, 0)), (Some(10), Some(10)));
    // One byte later, each byte belongs to the other half of a unit.
    assert_eq!(le.line_end(&bytes[1..], 1), Some(9));
    assert_eq!(le.line_end(&bytes[..9], 0), None, "half a code unit is not a newline");
    assert_eq!(le.line_end(&bytes[9..], 9), None);
    let be = Encoding::Utf16Be;
    let bytes = utf16("\u{a0d}\u{d0a}\u{a00}a\nb\n", be);
    assert_eq!((be.line_end(&bytes, 0), be.last_line_end(&bytes, 0)), (Some(10), Some(14)));
    assert_eq!(be.line_end(&bytes[..9], 0), None);
    assert_eq!(be.line_end(&bytes[9..], 9), Some(5), "the first newline is incomplete");
}

#[test]
fn s21_surrogates_are_paired_and_lone_ones_replaced() {
    for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
        let check = |bytes: &[u8], offset: u64, expected: &str| {
            let text = encoding.to_utf8(bytes, offset);
            assert_eq!(String::from_utf8_lossy(&text), expected, "{encoding:?} {bytes:x?}");
            assert!(std::str::from_utf8(&text).is_ok());
        };
        let pair = utf16("a😀\0é", encoding);
        check(&pair, 0, "a😀\0é");
        check(&pair[..4], 0, "a\u{fffd}");
        check(&pair[..5], 0, "a\u{fffd}\u{fffd}");
        check(&pair[3..], 3, "\u{fffd}\u{fffd}\0é");
        check(&pair[4..], 4, "\u{fffd}\0é");
        let unit = |unit: u16| match encoding {
            Encoding::Utf16Be => unit.to_be_bytes(),
            _ => unit.to_le_bytes(),
        };
        let lone = [unit(0xd83d), unit(0xd83d), unit(0xde00), unit(0xde00), unit(0x41)].concat();
        check(&lone, 0, "\u{fffd}😀\u{fffd}A");
    }
    assert_eq!(&*Encoding::Utf8.to_utf8(b"\xff\xfe\0", 1), b"\xff\xfe\0");
}

#[test]
fn the_last_complete_character_ends_before_an_incomplete_one() {
    for text in ["", "a", "\u{e9}", "a\u{20ac}", "\u{1f600}"] {
        for cut in 0..=text.len() {
            let whole = (0..=cut).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let end = Encoding::Utf8.last_character_end(&text.as_bytes()[..cut], 100 + cut as u64);
            assert_eq!(end, 100 + whole as u64, "{text:?} {cut}");
        }
    }
    // Invalid text may be cut anywhere.
    assert_eq!(Encoding::Utf8.last_character_end(b"\x80\x80\x80\x80", 4), 4);
    assert_eq!(Encoding::Utf8.last_character_end(b"\xff", 1), 1);
    let pair = [0x3d, 0xd8, 0x00, 0xde];
    for (cut, whole) in [(4, 4), (3, 0), (2, 0), (1, 0)] {
        assert_eq!(Encoding::Utf16Le.last_character_end(&pair[..cut], cut as u64), whole);
    }
}
