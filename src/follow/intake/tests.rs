//! Tests for segments of standard input: together they are the input, and each starts at the beginning of a record.

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

/// The contents of the segments, in the order of their names, after `pieces` were received one after the other.
fn received(pieces: &[Vec<u8>], limit: u64, longest: u64) -> Vec<Vec<u8>> {
    received_with_panics(pieces, limit, longest, 0)
}

/// Like [`received`], with this number of panics of the reader.
fn received_with_panics(pieces: &[Vec<u8>], limit: u64, longest: u64, panics: u32) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let shared = shared(directory.path());
    (0..panics).for_each(|_| shared.supervisor.break_part("standard input reader"));
    let (read, write) = std::io::pipe().unwrap();
    let mut input = Input::with(shared.clone(), read.into(), limit, longest).unwrap();
    let mut write = write;
    for piece in pieces {
        write.write_all(piece).unwrap();
    }
    drop(write);
    while shared.stdin_progress.is_open() {
        std::thread::yield_now();
    }
    input.stop();
    let mut directories: Vec<_> =
        fs::read_dir(directory.path().join("intake")).unwrap().map(|f| f.unwrap().path()).collect();
    directories.sort();
    directories.iter().map(|directory| fs::read(directory.join("stdin")).unwrap()).collect()
}

#[test]
fn a_segment_starts_at_the_beginning_of_a_record() {
    let record = |n: usize| {
        format!(
            "2026-11-20 10:00:{:02},123 ERROR app: failed {n}\nTraceback (most recent call last):\n  \
             File \"a.py\", line {n}, in f\nValueError: {n}\n",
            n % 60
        )
    };
    // Pieces end anywhere, even within a line.
    let text: String = (0..20_000).map(record).collect();
    let pieces: Vec<Vec<u8>> = text.as_bytes().chunks(4_099).map(<[u8]>::to_vec).collect();
    let segments = received(&pieces, 100_000, u64::MAX);
    assert!(segments.len() > 1, "{} segments", segments.len());
    assert_eq!(segments.concat(), text.as_bytes());
    for segment in &segments {
        assert!(segment.starts_with(b"2026-11-20 10:"), "{:?}", &segment[..40]);
    }
}

#[test]
fn a_segment_without_a_new_record_ends_at_a_line_and_never_within_one() {
    let mut pieces = vec![b"2026-11-20 10:00:00,123 ERROR app: failed\n".repeat(200)];
    pieces.extend((0..200).map(|_| b"  at com.example.Deep.call(Deep.java:7)\n".repeat(500)));
    pieces.push(vec![b'x'; 500_000]);
    pieces.push(b"\nend\n".to_vec());
    let segments = received(&pieces, 4_000, 1_000_000);
    assert!(segments.len() > 1);
    assert_eq!(segments.concat(), pieces.concat());
    for segment in &segments[..segments.len() - 1] {
        assert_eq!(segment.last(), Some(&b'\n'));
    }
}

#[test]
fn input_with_a_byte_order_mark_is_one_segment() {
    let mut bytes = vec![0xff, 0xfe];
    for unit in "a line of text\n".repeat(60_000).encode_utf16() {
        bytes.extend(unit.to_le_bytes());
    }
    let segments = received(std::slice::from_ref(&bytes), 1_000, 2_000);
    assert_eq!(segments, vec![bytes]);
}

#[test]
fn a_directory_name_with_pattern_characters_is_taken_literally() {
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
fn bytes_already_read_survive_a_panic_of_the_reader() {
    let pieces: Vec<Vec<u8>> = (0..50).map(|n| format!("line {n}\n").into_bytes()).collect();
    assert_eq!(received_with_panics(&pieces, 1 << 20, 1 << 20, 2).concat(), pieces.concat());
}

/// A compressed stream has no lines: its second part would be neither a valid stream nor text.
#[test]
fn compressed_or_other_binary_input_is_one_segment() {
    let heads: [&[u8]; 5] =
        [b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"\xfd7zXZ\0", b"\x7fELF"];
    for head in heads {
        // Its first bytes arrive one by one.
        let mut pieces: Vec<Vec<u8>> = head.iter().map(|byte| vec![*byte]).collect();
        pieces.extend((0..50).map(|_| b"with a line end\nand another\n".repeat(200)));
        let segments = received(&pieces, 1_000, 2_000);
        assert_eq!(segments, vec![pieces.concat()]);
    }
}

/// ext4 reuses the inode of a removed file for the next one.
#[test]
fn a_new_segment_with_the_inode_of_an_ended_one_has_not_ended() {
    let progress = crate::follow::stdin_progress::StdinProgress::new(true);
    let place = crate::follow::identity::DeviceInode { device: 1, inode: 2 };
    progress.begin_segment(place);
    progress.end_segment(place);
    assert!(progress.note_end_of_segment(place));
    progress.begin_segment(place);
    progress.end_segment(place);
    progress.end_input();
    assert!(!progress.is_through());
    assert!(progress.note_end_of_segment(place));
    assert!(progress.is_through());
}
