use jiff::tz::TimeZone;

use super::*;
use crate::base::Timestamp;
use crate::format::detection::by_name;

fn context() -> Context {
    Context::new(TimeZone::UTC, 19_800, Timestamp::from_seconds(7))
}

fn framer(format: &str, max_length: usize) -> Framer {
    let format = by_name(format, &[]).expect("a known format");
    Framer { format, encoding: Encoding::Utf8, max_length }
}

/// The records as text, each with its flags; checks that they cover the input.
fn frame(format: &str, text: &str, cuts: &[u64], end: End) -> (Vec<String>, usize) {
    let mut records = Vec::new();
    let framed =
        framer(format, 200).frame(text.as_bytes(), 0, cuts, end, &mut context(), &mut records);
    let mut next = 0;
    let shown = records
        .iter()
        .map(|record| {
            assert_eq!(record.start, next);
            next = record.end;
            let at = record.at as usize;
            let text = String::from_utf8_lossy(&text.as_bytes()[at..at + record.len as usize]);
            let flag = |flag, sign| if record.flags.contains(flag) { sign } else { "" };
            format!(
                "{}{}{}{}{text}",
                flag(Flags::CONTINUATION, "+"),
                flag(Flags::QUIET, "~"),
                flag(Flags::PARTIAL, "%"),
                flag(Flags::TRUNCATED, "!"),
            )
        })
        .collect();
    assert_eq!(framed.consumed as u64, next);
    (shown, framed.consumed)
}

fn check(format: &str, text: &str, cuts: &[u64], end: End, expected: &[&str]) {
    assert_eq!(frame(format, text, cuts, end).0, expected, "{format}: {text:?}");
}

#[test]
fn a_json_record_ends_at_its_newline_or_at_depth_zero() {
    let text = "{\"a\":1}\n{\n  \"b\": {\n    \"c\": 2\n  }\n}\n{\"d\":3}\n";
    check(
        "json",
        text,
        &[],
        End::Open,
        &["{\"a\":1}", "{\n  \"b\": {\n    \"c\": 2\n  }\n}", "{\"d\":3}"],
    );
    check("json", "{\"a\":1}\n{\n  \"b\": 1,\n", &[], End::Open, &["{\"a\":1}"]);
    check("json", "{\n  \"b\": 1,\n{\"a\":1}\n", &[], End::Open, &["{\n  \"b\": 1,", "{\"a\":1}"]);
    check(
        "json",
        "{\n \"b\": 1,\nup\n{\"a\":1}\n",
        &[],
        End::Open,
        &["{\n \"b\": 1,", "up", "{\"a\":1}"],
    );
    check(
        "json",
        "{\"a\":\"x\n{\"b\":1\n{\"c\":1}\n",
        &[],
        End::Closed,
        &["{\"a\":\"x", "{\"b\":1", "{\"c\":1}"],
    );
}

#[test]
fn consecutive_misfits_are_one_record() {
    let trace = "Traceback (most recent call last):\n  File \"x\"\n\nValueError: y";
    let text = format!("{{\"a\":1}}\n{trace}\n\n{{\"b\":1}}\n");
    check("json", &text, &[], End::Open, &["{\"a\":1}", trace, "~", "{\"b\":1}"]);
    check("json", &format!("{{\"a\":1}}\n{trace}\n"), &[], End::Open, &["{\"a\":1}"]);
}

#[test]
fn a_record_that_may_grow_is_not_returned() {
    let text = "2023-11-14 10:23:01 [ERROR] a\n  b\n2023-11-14 10:23:02 [INFO] c\n";
    check("generic", text, &[], End::Open, &["2023-11-14 10:23:01 [ERROR] a\n  b"]);
    check(
        "generic",
        &text[..text.len() - 1],
        &[],
        End::Closed,
        &["2023-11-14 10:23:01 [ERROR] a\n  b", "%2023-11-14 10:23:02 [INFO] c"],
    );
    check("json", "{\"a\":1}\n{\"b\":", &[], End::Open, &["{\"a\":1}"]);
}

#[test]
fn a_cut_always_ends_a_record() {
    let text = "2023-11-14 10:23:01 [ERROR] a\n  b\nc\n2023-11-14 10:23:02 [INFO] d\n";
    check(
        "generic",
        text,
        &[30],
        End::Closed,
        &["2023-11-14 10:23:01 [ERROR] a", "+  b\nc", "2023-11-14 10:23:02 [INFO] d"],
    );
    // In the middle of a line: the rest is a continuation.
    check("json", "{\"a\":1}\n{\"b\":1}\n", &[4], End::Closed, &["%{\"a\"", "+:1}", "{\"b\":1}"]);
    // At the end of the text.
    check("generic", &text[..30], &[30], End::Open, &["2023-11-14 10:23:01 [ERROR] a"]);
}

#[test]
fn line_ends_blanks_and_a_byte_order_mark() {
    check("plain", "a\r\n\r\nb\rc\n\n", &[], End::Closed, &["a", "~", "b\rc", "~"]);
    check("json", "\u{feff}{\"a\":1}\r\n", &[], End::Open, &["{\"a\":1}"]);
    check("json", "\n\n{\"a\":1}\n", &[], End::Open, &["~", "~", "{\"a\":1}"]);
    check(
        "generic",
        "\u{feff}2023-11-14 10:23:01 x\n",
        &[],
        End::Closed,
        &["2023-11-14 10:23:01 x"],
    );
}

#[test]
fn long_lines_are_truncated_and_long_records_are_split() {
    let long = "x".repeat(300);
    let kept = format!("!{}", "x".repeat(200));
    check("plain", &format!("a\n{long}\nb\n"), &[], End::Closed, &["a", &kept, "b"]);
    let header = "2023-11-14 10:23:01 [ERROR] a\n";
    let lines = "  twenty bytes a line\n".repeat(20);
    let (shown, consumed) = frame("generic", &format!("{header}{lines}"), &[], End::Open);
    assert!(shown.len() >= 2 && shown[1].starts_with("+  twenty"), "{shown:?}");
    assert!(consumed + 200 > header.len() + lines.len());
    let many = format!("{header}{}", " b\n".repeat(1500));
    let mut records = Vec::new();
    framer("generic", 1 << 20).frame(
        many.as_bytes(),
        0,
        &[],
        End::Closed,
        &mut context(),
        &mut records,
    );
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].len as usize, header.len() + 999 * 3 - 1);
}

#[test]
fn an_overlong_line_gives_the_same_record_from_its_kept_bytes() {
    let text = format!("2023-11-14 10:23:01 [ERROR] {}\n", "x".repeat(300));
    let framer = framer("generic", 200);
    let mut records = Vec::new();
    framer.frame(text.as_bytes(), 0, &[], End::Open, &mut context(), &mut records);
    let kept =
        framer.truncated(&text.as_bytes()[..200], (0, text.len() as u64), &[], &mut context());
    assert_eq!(records, [kept]);
    assert!(framer.is_overlong(&text.as_bytes()[..250], 0));
    assert!(!framer.is_overlong(&text.as_bytes()[..201], 0));
}

#[test]
fn a_record_without_time_has_the_last_time_or_when_it_was_first_seen() {
    let text = "x\n2023-11-14 22:13:20 [INFO] a\n";
    let mut context = context();
    let mut records = Vec::new();
    let framer = framer("generic", 200);
    framer.frame(text.as_bytes(), 0, &[], End::Closed, &mut context, &mut records);
    framer.frame(b"y\n", 31, &[31], End::Closed, &mut context, &mut records);
    let time = Timestamp::from_seconds(1_700_000_000);
    let shown: Vec<_> = records.iter().map(|record| (record.time, record.flags)).collect();
    let mut later = Flags::TIME_PREVIOUS;
    later.insert(Flags::CONTINUATION);
    assert_eq!(
        shown,
        [(Timestamp::from_seconds(7), Flags::TIME_SEEN), (time, Flags::default()), (time, later),]
    );
    context.since_last = 1_000;
    framer.frame(b"z\n", 33, &[33], End::Closed, &mut context, &mut records);
    assert_eq!(records[3].time, context.seen);
}

#[test]
fn a_change_of_format_is_visible_in_the_misfits_in_a_row() {
    let json = "{\"a\":1}\n".repeat(3);
    let text = "2023-11-14 22:13:20 [INFO] a\n";
    let mut records = Vec::new();
    let framed = framer("json", 1 << 20).frame(
        (json + &text.repeat(2_500)).as_bytes(),
        0,
        &[],
        End::Closed,
        &mut context(),
        &mut records,
    );
    assert!(framed.fitted && framed.trailing_misfits >= Framed::VOTE_AGAIN, "{framed:?}");
    let framed = framer("generic", 1 << 20).frame(
        "{\"a\":1}\n".repeat(1_500).as_bytes(),
        99,
        &[],
        End::Closed,
        &mut context(),
        &mut records,
    );
    assert!(!framed.fitted && framed.row(0) >= Framed::VOTE_AGAIN, "{framed:?}");
}

#[test]
fn the_first_record_in_a_chunk_is_found() {
    for (format, chunk, expected) in [
        ("json", "1}\n{\"b\":1}\n", Some(3)),
        ("json", "}\n  x\n", None),
        ("generic", "01 [INFO] a\n  b\n2023-11-14 22:13:20 [INFO] a\n", Some(16)),
        ("plain", "a\nb\nc\n", Some(4)),
        ("plain", "a\n  b\nc\nd\n", Some(8)),
    ] {
        let format = by_name(format, &[]).expect("a known format");
        assert_eq!(first_begin(&*format, chunk.as_bytes(), false), expected, "{chunk:?}");
    }
}

/// UTF-16 gives the same records as its text in UTF-8, at the offsets of its own bytes; also if reading begins or ends
/// in the middle of a code unit, or a cut is in one.
#[test]
fn s21_utf16_is_framed_like_its_text_in_utf8() {
    let text = "\u{feff}2023-11-14 10:23:01 [ERROR] a 😀\r\n  b\n\n2023-11-14 10:23:02 [INFO] é\u{a0a}\n  d\n";
    for encoding in [Encoding::Utf16Le, Encoding::Utf16Be] {
        let bytes: Vec<u8> = match encoding {
            Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        };
        let framer = Framer { encoding, ..framer("generic", 200) };
        let frame = |bytes: &[u8], base: u64, cuts: &[u64], end: End| {
            let mut records = Vec::new();
            let (framed, text) =
                framer.frame_file(bytes, base, cuts, end, &mut context(), &mut records);
            let shown: Vec<(u64, u64, String)> = records
                .iter()
                .map(|record| {
                    let at = record.at as usize;
                    let text = String::from_utf8_lossy(&text[at..at + record.len as usize]);
                    (record.start, record.end, text.into_owned())
                })
                .collect();
            let consumed = shown.last().map_or(base, |(_, end, _)| *end);
            assert_eq!(base + framed.consumed as u64, consumed);
            shown
        };
        // The blank line, the second record, the end.
        let (blank, second, whole) = (78, 80, bytes.len() as u64);
        let expected = [
            (0, blank, "2023-11-14 10:23:01 [ERROR] a 😀\r\n  b".to_owned()),
            (blank, second, String::new()),
            (second, whole, "2023-11-14 10:23:02 [INFO] é\u{a0a}\n  d".to_owned()),
        ];
        assert_eq!(frame(&bytes, 0, &[], End::Closed), expected);
        // For any length of the input, the complete records are the same.
        for to in 0..bytes.len() {
            let found = frame(&bytes[..to], 0, &[], End::Open);
            assert!(expected.starts_with(&found), "{to}: {found:?}");
        }
        assert_eq!(frame(&bytes[80..], second, &[], End::Closed), expected[2..]);
        for skip in 1..=80 {
            let begin = framer.first_begin(&bytes[skip..], skip as u64, false);
            // The first line is skipped, complete or not.
            assert_eq!(begin, (skip <= 78).then(|| 80 - skip), "{skip}");
        }
        // A cut in the middle of a code unit: its halves belong to different records.
        let torn = frame(&bytes, 0, &[second + 3], End::Closed);
        let (before, behind) = (&torn[0], &torn[1]);
        assert_eq!((before.1, behind.0, behind.1), (second + 3, second + 3, whole));
        assert!(before.2.ends_with("  b\n\n2\u{fffd}"), "{before:?}");
        assert!(behind.2.starts_with("\u{fffd}23-11-14"), "{behind:?}");
    }
}

#[test]
fn s21_an_overlong_line_of_utf16_is_truncated_like_one_of_utf8() {
    for character in ["x", "é", "€", "😀"] {
        let text = character.repeat(300);
        let bytes: Vec<u8> =
            format!("\u{feff}{text}\r\nb\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let framer = Framer { encoding: Encoding::Utf16Le, ..framer("plain", 200) };
        let mut whole = Vec::new();
        let (_, found) = framer.frame_file(&bytes, 0, &[], End::Closed, &mut context(), &mut whole);
        assert_eq!(whole.len(), 2, "{character}");
        assert!(whole[0].flags.contains(Flags::TRUNCATED));
        assert_eq!(whole[0].len, 200);
        assert_eq!(whole[1].start, bytes.len() as u64 - 4);
        let kept = framer.encoding.to_utf8(&bytes[..framer.kept()], 0);
        let record = framer.truncated(&kept, (0, whole[0].end), &[], &mut context());
        let text = |record: &Record, text: &[u8]| {
            text[record.at as usize..(record.at + record.len) as usize].to_vec()
        };
        assert_eq!(text(&record, &kept), text(&whole[0], &found), "{character}");
        assert!(framer.is_overlong(&bytes[..framer.kept() + 2], 0));
        assert!(!framer.is_overlong(&bytes[..framer.kept() + 1], 0));
    }
}
