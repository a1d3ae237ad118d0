//! UTF-16 files are decoded in all places where files are read; offsets are those of their bytes.

use std::fs;

use logwarden::event::{Encoding, Flags};
use tempfile::TempDir;

use super::program::{expect, logwarden};
use super::rotation::{Fixture, line, lines};

/// UTF-16 with or without a byte order mark.
#[derive(Clone, Copy, Debug)]
struct Utf16Form {
    big: bool,
    mark: bool,
}

const WAYS: [Utf16Form; 4] = [
    Utf16Form { big: false, mark: true },
    Utf16Form { big: true, mark: true },
    Utf16Form { big: false, mark: false },
    Utf16Form { big: true, mark: false },
];

impl Utf16Form {
    /// The bytes that the writer of the file appends.
    fn bytes(self, text: &str) -> Vec<u8> {
        let bytes = |unit: u16| if self.big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn file(self, text: &str) -> Vec<u8> {
        self.bytes(&format!("{}{text}", if self.mark { "\u{feff}" } else { "" }))
    }

    fn encoding(self) -> Encoding {
        if self.big { Encoding::Utf16Be } else { Encoding::Utf16Le }
    }
}

/// Checks that the events' bounds fit their texts, without gaps.
fn expect_places(fixture: &Fixture, way: Utf16Form) {
    let mut at = if way.mark { 2 } else { 0 };
    for (index, event) in fixture.consumer.events.iter().enumerate() {
        let end = at + way.bytes(&event.text).len() as u64 + 2;
        let start = if index == 0 { 0 } else { at };
        assert_eq!(event.bounds, (start, end), "{way:?} {event:?}");
        at = end;
    }
}

#[test]
fn s21_utf16_that_grows_byte_by_byte_is_read_correctly_through_restarts() {
    for way in WAYS {
        let mut fixture = Fixture::new(&["app.log"]);
        let text = lines("ab", 0..2) + "{\"text\":\"😀 \u{a0a}\u{d0d} é\"}\n" + &lines("ab", 2..4);
        let bytes = way.file(&text);
        // Enough bytes to detect the encoding without a byte order mark.
        fixture.append("app.log", &bytes[..40]);
        fixture.open();
        for (number, byte) in bytes[40..].iter().enumerate() {
            fixture.append("app.log", [*byte]);
            fixture.drain();
            if number % 61 == 0 {
                fixture.restart();
            }
        }
        let expected: Vec<&str> = text.lines().collect();
        fixture.until("all", |fixture| fixture.consumer.events.len() == expected.len());
        assert_eq!(fixture.texts(), expected, "{way:?}");
        assert_eq!(fixture.store().generations()[0].encoding, way.encoding());
        expect_places(&fixture, way);
        // Read again from the beginning in one go: the same events.
        let before = std::mem::take(&mut fixture.consumer);
        fixture.restart();
        fixture.until("all again", |fixture| fixture.consumer.events.len() == before.events.len());
        assert_eq!(fixture.consumer.events, before.events);
    }
}

#[test]
fn s21_long_files_are_read_across_buffer_boundaries() {
    for way in WAYS {
        let mut fixture = Fixture::new(&["app.log"]);
        // Lines of odd lengths, with surrogate pairs at every offset; the beginning is ASCII, for the detection.
        let pairs = |n: usize| if n < 30 { String::new() } else { "a😀".repeat(n % 17) };
        let text: String =
            (0..9000).map(|n| format!("{{\"n\":{n},\"t\":\"{}\"}}\n", pairs(n))).collect();
        fixture.append("app.log", way.file(&text));
        fixture.open();
        fixture.until("all", |fixture| fixture.consumer.events.len() == 9000);
        assert!(fixture.texts().into_iter().eq(text.lines()), "{way:?}");
        expect_places(&fixture, way);
    }
}

#[test]
fn s21_traces_in_utf16_are_joined_and_cut_by_the_timeout() {
    for way in WAYS {
        let mut fixture = Fixture::new(&["app.log"]);
        let error = "2024-05-01 10:00:00 [ERROR] it broke\r\n  at one.rs\r\n";
        fixture.append("app.log", way.file(error));
        fixture.open();
        fixture.until("the error", |fixture| fixture.consumer.events.len() == 1);
        fixture.append("app.log", way.bytes("  at two.rs\r\n2024-05-01 10:00:01 [INFO] on\r\n"));
        fixture.until("the rest", |fixture| fixture.consumer.events.len() == 3);
        assert_eq!(
            fixture.texts(),
            [
                "2024-05-01 10:00:00 [ERROR] it broke\r\n  at one.rs",
                "  at two.rs",
                "2024-05-01 10:00:01 [INFO] on"
            ]
        );
        assert!(fixture.consumer.events[1].flags.contains(Flags::CONTINUATION));
    }
}

#[test]
fn s21_a_huge_utf16_line_is_truncated_and_the_next_one_is_complete() {
    let way = WAYS[0];
    let mut fixture = Fixture::new(&["app.log"]);
    fixture.append("app.log", way.file(&lines("a", 0..2)));
    fixture.append("app.log", way.bytes(&"é".repeat(3 << 20)));
    fixture.open();
    fixture.append("app.log", way.bytes("\n"));
    fixture.append("app.log", way.bytes(&lines("a", 2..4)));
    fixture.until("all", |fixture| fixture.consumer.events.len() == 5);
    let huge = &fixture.consumer.events[2];
    assert!(huge.flags.contains(Flags::TRUNCATED));
    assert_eq!(huge.text.len(), 1 << 20);
    assert_eq!(huge.bounds.1 - huge.bounds.0, 2 * (3 << 20) + 2);
    assert_eq!(fixture.texts()[3..], [line("a", 2), line("a", 3)]);
}

#[test]
fn s21_parse_stats_and_search_read_utf16() {
    let home = TempDir::new().unwrap();
    let text: String = (0..40_000)
        .map(|n| format!("{{\"level\":\"info\",\"message\":\"number {n} 😀\"}}\r\n"))
        .collect();
    for way in WAYS {
        let path = home.path().join("app.log");
        let bytes = way.file(&text);
        fs::write(&path, &bytes).unwrap();
        let stats =
            expect(logwarden(home.path()).arg("stats").arg(&path).args(["--format", "json"]), 0);
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(
            (&stats["events"], &stats["lines"]),
            (&40_000.into(), &40_000.into()),
            "{way:?}"
        );
        assert_eq!(stats["bytes"], bytes.len());
        assert_eq!(stats["formats"], serde_json::json!(["json"]));
        let parsed = expect(logwarden(home.path()).arg("parse").arg(&path), 0);
        assert_eq!(parsed.lines().count(), 40_000);
        assert!(parsed.lines().last().unwrap().contains("number 39999 😀"), "{way:?}");
        let mut search = logwarden(home.path());
        search.args(["search", "\"number 31234\""]).arg(&path).args(["--format", "json"]);
        let found = expect(&mut search, 0);
        assert_eq!(found.lines().count(), 1, "{way:?} {found}");
        assert!(found.contains("number 31234 😀"), "{found}");
        // The same offset has the same id in every read.
        let id = |document: &str| -> String {
            let document: serde_json::Value = serde_json::from_str(document).unwrap();
            document["event"]["id"].to_string()
        };
        let line = parsed.lines().find(|line| line.contains("number 31234 ")).unwrap();
        assert_eq!(id(line), id(found.trim_end()), "{way:?}");
    }
}
