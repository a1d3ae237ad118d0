//! For any bytes: every byte is in exactly one record, nothing panics, and interrupted reading gives the same records.

use jiff::tz::TimeZone;
use logwarden::base::Timestamp;
use logwarden::event::{Encoding, Part, Record};
use logwarden::format::{Context, End, Fit, Framer, detection, first_begin};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Small, so that long lines and long records are reached.
const CAP: usize = 300;

fn context() -> Context {
    Context {
        zone: TimeZone::UTC,
        day_mark: 20_000,
        last: None,
        since_last: 0,
        seen: Timestamp::from_seconds(1_728_000_000),
    }
}

/// Lines of known formats and arbitrary lines.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let long = (CAP - 3..CAP + 4).prop_map(|length| vec![b'x'; length]);
    ended(prop_oneof![8 => text(), 1 => long])
}

/// With a line end, or without one.
fn ended(line: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let end = select(vec![&b"\n"[..], b"\n", b"\n", b"\r\n", b""]);
    (line, end).prop_map(|(mut line, end)| {
        line.extend_from_slice(end);
        line
    })
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "{\"time\":\"2023-11-14T22:13:20Z\",\"level\":\"error\",\"msg\":\"x\"}",
        "{ \"a\": [1, {\"b\": \"}\"}] }",
        "{\"a\":\"unfinished",
        "{",
        "  \"key\": {",
        "    \"inner\": 1,",
        "  }",
        "}",
        "2023-11-14 10:23:01,462 - [WARNING] - x",
        "2023-11-14 10:23:01 [ERROR] y",
        "Traceback (most recent call last):",
        "  File \"x.py\", line 3",
        "ValueError: z",
        "\tat org.example.Main(Main.java:3)",
        "Caused by: y",
        "panic: boom",
        "goroutine 1 [running]:",
        "main.main()",
        "",
        "",
        "   ",
        "\r",
        "Mar  9 08:14:02 gate-1 sshd[7]: Accepted",
        "<34>1 2003-10-11T22:14:15.003Z h su - ID47 - failed",
        "192.0.2.7 - - [09/Mar/2026:08:14:02 +0000] \"GET / HTTP/1.1\" 200 5",
        "time=2023-11-14T22:13:20Z level=info msg=\"x y\"",
        "just words",
        "10:23:01.5 INFO x",
        "\u{feff}bom",
    ]);
    prop_oneof![
        6 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
        1 => "[ -~]{0,60}".prop_map(String::into_bytes),
    ]
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    vec(line(), 0..40).prop_map(|lines| lines.concat())
}

fn framer(name: &str) -> Framer {
    let format = detection::by_name(name, &[]).expect("a format of the list");
    Framer { format, encoding: Encoding::Utf8, max_length: CAP }
}

fn whole(framer: &Framer, bytes: &[u8], cuts: &[u64]) -> Vec<Record> {
    let mut records = Vec::new();
    let framed = framer.frame(bytes, 0, cuts, End::Closed, &mut context(), &mut records);
    assert_eq!(framed.consumed, bytes.len());
    records
}

/// Reads as a reader does: the buffer grows in steps, and lines longer than it are skipped.
fn in_pieces(framer: &Framer, bytes: &[u8], cuts: &[u64], sizes: &[usize]) -> Vec<Record> {
    let (mut records, mut context) = (Vec::new(), context());
    let (mut at, mut stop, mut sizes) = (0, 0, sizes.iter().cycle());
    while at < bytes.len() {
        stop = (stop.max(at) + sizes.next().copied().unwrap_or(1)).min(bytes.len());
        let end = if stop == bytes.len() { End::Closed } else { End::Open };
        let piece = &bytes[at..stop];
        let first = records.len();
        let framed = framer.frame(piece, at as u64, cuts, end, &mut context, &mut records);
        for record in &mut records[first..] {
            record.at += at as u32;
        }
        // The framer does not see the bytes before the piece.
        if at > 0 && bytes[at - 1] != b'\n' && cuts.contains(&(at as u64)) {
            framer.began_inside_a_line(&mut records[first..]);
        }
        at += framed.consumed;
        let rest = &bytes[at..stop];
        if framed.consumed == 0 && cuts.is_empty() && framer.is_overlong(rest, at as u64) {
            let line = bytes[at..].iter().position(|byte| *byte == b'\n').map(|end| at + end + 1);
            if let Some(end) = line {
                let mut record =
                    framer.truncated(rest, (at as u64, end as u64), cuts, &mut context);
                record.at += at as u32;
                records.push(record);
                at = end;
            }
        }
    }
    records
}

proptest! {
    #[test]
    fn every_byte_is_in_exactly_one_record(bytes in input()) {
        for name in detection::names() {
            let framer = framer(name);
            let mut next = 0;
            for record in whole(&framer, &bytes, &[]) {
                prop_assert_eq!(record.start, next, "{}", name);
                prop_assert!(record.end > record.start && record.len as usize <= CAP);
                let text = &bytes[record.at as usize..][..record.len as usize];
                framer.format.parts(text, &mut |_: Part<'_>| {});
                next = record.end;
            }
            prop_assert_eq!(next, bytes.len() as u64, "{}", name);
        }
    }

    #[test]
    fn reading_in_pieces_gives_the_same_records(
        bytes in input(),
        cuts in vec(0..4_000u64, 0..4),
        sizes in vec(1..600usize, 1..8),
    ) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        cuts.dedup();
        for name in detection::names() {
            let framer = framer(name);
            prop_assert_eq!(
                in_pieces(&framer, &bytes, &cuts, &sizes),
                whole(&framer, &bytes, &cuts),
                "{}", name
            );
            prop_assert_eq!(
                in_pieces(&framer, &bytes, &[], &sizes),
                whole(&framer, &bytes, &[]),
                "{}", name
            );
        }
    }

    #[test]
    fn any_format_takes_any_record(bytes in vec(any::<u8>(), 0..300), text in input()) {
        for name in detection::names() {
            let framer = framer(name);
            for text in [&bytes, &text] {
                framer.format.head(text, &context());
                framer.format.fit(text);
                framer.format.begins(text);
                framer.format.parts(text, &mut |_: Part<'_>| {});
            }
        }
        let vote = detection::detect(&bytes);
        prop_assert!(vote.format.fit(b"") >= Fit::No);
    }

    #[test]
    fn a_certain_record_start_always_starts_a_record(
        bytes in vec(ended(text()), 0..40),
        skip in 0..200usize,
    ) {
        let bytes = bytes.concat();
        let skip = skip.min(bytes.len());
        for name in detection::names() {
            let framer = Framer { max_length: 1 << 20, ..framer(name) };
            let records = whole(&framer, &bytes, &[]);
            if let Some(at) = first_begin(&*framer.format, &bytes[skip..], false) {
                let start = (skip + at) as u64;
                prop_assert!(
                    records.binary_search_by_key(&start, |record| record.start).is_ok(),
                    "{}: {}", name, start
                );
            }
        }
    }
}
