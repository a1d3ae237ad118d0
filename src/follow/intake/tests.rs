//! Segments of standard input: together they are the input, and each begins where a record does.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::stdin::Input;
use super::{Intake, MOST};
use crate::base::SystemClock;
use crate::event::IdKey;
use crate::follow::LogConfig;
use crate::follow::shared::Shared;

fn shared(directory: &Path) -> Arc<Shared> {
    let directory = directory.join("intake");
    let config = LogConfig {
        sources: Vec::new(),
        once: true,
        host: "host".into(),
        key: IdKey::from_host_id("test"),
        intake: Some(Intake { directory, input: true, looking: false, rescue: MOST }),
    };
    Arc::new(Shared::new(config, Arc::new(SystemClock::new())))
}

/// What the segments hold, in the order of their names, when `pieces` came in one after the other.
fn taken_in(pieces: &[Vec<u8>], limit: u64, longest: u64) -> Vec<Vec<u8>> {
    taken_in_with(pieces, limit, longest, 0)
}

/// The reader breaks so often meanwhile.
fn taken_in_with(pieces: &[Vec<u8>], limit: u64, longest: u64, breaks: u32) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path());
    (0..breaks).for_each(|_| shared.supervisor.break_part("standard input reader"));
    let (read, write) = std::io::pipe().unwrap();
    let mut input = Input::with(shared.clone(), read.into(), limit, longest).unwrap();
    let mut write = write;
    for piece in pieces {
        write.write_all(piece).unwrap();
    }
    drop(write);
    while shared.incoming.is_open() {
        std::thread::yield_now();
    }
    input.stop();
    let mut directories: Vec<_> =
        fs::read_dir(directory.path().join("intake")).unwrap().map(|f| f.unwrap().path()).collect();
    directories.sort();
    directories.iter().map(|directory| fs::read(directory.join("stdin")).unwrap()).collect()
}

#[test]
fn a_segment_begins_where_a_record_begins() {
    let record = |n: usize| {
        format!(
            "2026-11-20 10:00:{:02},123 ERROR app: failed {n}\nTraceback (most recent call last):\n  \
             File \"a.py\", line {n}, in f\nValueError: {n}\n",
            n % 60
        )
    };
    // Pieces that end anywhere, also within a line.
    let text: String = (0..20_000).map(record).collect();
    let pieces: Vec<Vec<u8>> = text.as_bytes().chunks(4_099).map(<[u8]>::to_vec).collect();
    let segments = taken_in(&pieces, 100_000, u64::MAX);
    assert!(segments.len() > 1, "{} segments", segments.len());
    assert_eq!(segments.concat(), text.as_bytes());
    for segment in &segments {
        assert!(segment.starts_with(b"2026-11-20 10:"), "{:?}", &segment[..40]);
    }
}

#[test]
fn where_no_record_begins_any_line_will_do_and_a_line_is_never_cut() {
    let mut pieces = vec![b"2026-11-20 10:00:00,123 ERROR app: failed\n".repeat(200)];
    pieces.extend((0..200).map(|_| b"  at com.example.Deep.call(Deep.java:7)\n".repeat(500)));
    pieces.push(vec![b'x'; 500_000]);
    pieces.push(b"\nend\n".to_vec());
    let segments = taken_in(&pieces, 4_000, 1_000_000);
    assert!(segments.len() > 1);
    assert_eq!(segments.concat(), pieces.concat());
    for segment in &segments[..segments.len() - 1] {
        assert_eq!(segment.last(), Some(&b'\n'));
    }
}

#[test]
fn what_says_its_encoding_in_its_first_bytes_is_one_segment() {
    let mut bytes = vec![0xff, 0xfe];
    for unit in "a line of text\n".repeat(60_000).encode_utf16() {
        bytes.extend(unit.to_le_bytes());
    }
    let segments = taken_in(std::slice::from_ref(&bytes), 1_000, 2_000);
    assert_eq!(segments, vec![bytes]);
}

#[test]
fn a_directory_whose_name_looks_like_a_pattern_is_that_directory() {
    let intake = |directory: &str| Intake {
        directory: directory.into(),
        input: true,
        looking: false,
        rescue: 0,
    };
    assert_eq!(intake("/a/[b]*?").pattern(), Path::new("/a/[[]b][*][?]/*/stdin"));
    assert!(intake("/a").is_segment(Path::new("/a/1/stdin")));
    assert!(!intake("/a").is_segment(Path::new("/a/stdin")));
}

#[test]
fn what_was_read_outlives_a_reader_that_breaks() {
    let pieces: Vec<Vec<u8>> = (0..50).map(|n| format!("line {n}\n").into_bytes()).collect();
    assert_eq!(taken_in_with(&pieces, 1 << 20, 1 << 20, 2).concat(), pieces.concat());
}

/// A stream has no lines: what would follow a cut is no stream, and no text.
#[test]
fn what_is_compressed_or_otherwise_no_text_is_one_segment() {
    let heads: [&[u8]; 5] =
        [b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\xfd7zXZ\0", b"\x7fELF"];
    for head in heads {
        // Its first bytes come one by one.
        let mut pieces: Vec<Vec<u8>> = head.iter().map(|byte| vec![*byte]).collect();
        pieces.extend((0..50).map(|_| b"with a line end\nand another\n".repeat(200)));
        let segments = taken_in(&pieces, 1_000, 2_000);
        assert_eq!(segments, vec![pieces.concat()]);
    }
}

/// ext4 gives the inode of a file that is gone to the next one.
#[test]
fn a_segment_in_the_place_of_one_that_has_ended_has_not_ended() {
    let incoming = crate::follow::stdin_progress::Incoming::new(true);
    let place = crate::follow::identity::Place { device: 1, inode: 2 };
    incoming.begin(place);
    incoming.end_segment(place);
    assert!(incoming.note_end(place));
    incoming.begin(place);
    incoming.end_segment(place);
    incoming.end();
    assert!(!incoming.is_through());
    assert!(incoming.note_end(place));
    assert!(incoming.is_through());
}
