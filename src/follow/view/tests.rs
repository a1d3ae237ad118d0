use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::base::Timestamp;
use crate::event::status::FileState;
use crate::event::{FileId, Level};
use crate::follow::SourceConfig;
use crate::follow::file::{FileFacts, FileHandle};

/// 2024-01-01T00:00:00Z, long before the files of these tests are written.
const START: i64 = 1_704_067_200;

struct Directory {
    directory: tempfile::TempDir,
    handles: Vec<Arc<FileHandle>>,
    paths: Vec<PathBuf>,
}

impl Directory {
    fn new() -> Self {
        Directory {
            directory: tempfile::tempdir().unwrap(),
            handles: Vec::new(),
            paths: Vec::new(),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> usize {
        let number = self.handles.len();
        let path = self.directory.path().join(format!("{number}.log"));
        std::fs::write(&path, bytes).unwrap();
        let source = SourceConfig::of_file("source", path.clone());
        let facts = FileFacts {
            path: Arc::from(path.as_path()),
            size: bytes.len() as u64,
            generation: None,
            begin: 0,
            start: 0,
            encoding: None,
            formats: Vec::new(),
            cuts: Default::default(),
            days: Vec::new(),
            state: FileState::Live,
            stuck: None,
            check_error: None,
            lost: 0,
            last_growth: Timestamp::default(),
        };
        let file = File::open(&path).unwrap();
        let handle = FileHandle::new(FileId(number as u32), Arc::new(source), file, facts);
        self.handles.push(Arc::new(handle));
        self.paths.push(path);
        number
    }

    fn append(&self, number: usize, bytes: &[u8]) {
        File::options().append(true).open(&self.paths[number]).unwrap().write_all(bytes).unwrap();
        self.handles[number].update(|known| {
            known.facts.size += bytes.len() as u64;
            known.available += bytes.len() as u64;
        });
    }

    fn timeline(&self) -> Timeline {
        let mut timeline = Timeline::default();
        timeline.refresh(&self.handles, Timestamp::from_seconds(START + 400_000_000));
        timeline
    }
}

fn line(second: i64, level: &str, text: &str) -> String {
    let time = jiff::Timestamp::from_second(START + second).unwrap();
    format!("{} [{level}] {text}\n", time.strftime("%Y-%m-%d %H:%M:%S"))
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(entry.event().text()).into_owned()
}

fn back(timeline: &mut Timeline, scope: &Scope) -> Vec<String> {
    let mut at = timeline.end().to_vec();
    let mut found = Vec::new();
    loop {
        // The budget is spent at once, so that every step is interrupted and continued.
        match timeline.back(&mut at, scope, &mut |_| true, &mut Budget::bytes(1)) {
            Step::Found(entry) => found.push(text(&entry)),
            Step::Later => {}
            Step::Edge => break,
        }
    }
    found.reverse();
    found
}

fn forward(timeline: &mut Timeline, scope: &Scope) -> Vec<String> {
    let mut at = timeline.start().to_vec();
    let mut found = Vec::new();
    loop {
        match timeline.forward(&mut at, scope, &mut |_| true, &mut Budget::bytes(1 << 20)) {
            Step::Found(entry) => found.push(text(&entry)),
            Step::Later => {}
            Step::Edge => break,
        }
    }
    found
}

fn open(timeline: &mut Timeline) -> Vec<String> {
    timeline.open_records(&Scope::all()).iter().map(text).collect()
}

fn numbered(count: usize) -> String {
    (0..count)
        .map(|number| line(number as i64, "INFO", &format!("line {number} of many")))
        .collect()
}

#[test]
fn both_directions_return_every_record_once_in_file_order() {
    let mut directory = Directory::new();
    directory.add(numbered(10_000).as_bytes());
    let expected: Vec<String> = numbered(10_000).lines().map(str::to_owned).collect();
    let mut timeline = directory.timeline();
    let mut seen = back(&mut timeline, &Scope::all());
    seen.extend(open(&mut timeline));
    assert_eq!(seen, expected);
    let mut seen = forward(&mut timeline, &Scope::all());
    seen.extend(open(&mut timeline));
    assert_eq!(seen, expected);
    // From the other end first, while no piece is known.
    let mut timeline = directory.timeline();
    let mut seen = forward(&mut timeline, &Scope::all());
    seen.extend(open(&mut timeline));
    assert_eq!(seen, expected);
}

#[test]
fn the_first_screen_reads_one_piece() {
    let mut directory = Directory::new();
    directory.add(numbered(50_000).as_bytes());
    let mut timeline = directory.timeline();
    let mut at = timeline.end().to_vec();
    let mut budget = Budget::bytes(u64::MAX);
    for _ in 0..60 {
        let step = timeline.back(&mut at, &Scope::all(), &mut |_| true, &mut budget);
        assert!(matches!(step, Step::Found(_)));
    }
    let start = timeline.files[0].size() - PIECE;
    assert!(at[0] > start, "60 records are in the last piece");
    assert!(timeline.files[0].weight() < 3 * PIECE as usize);
}

#[test]
fn files_are_merged_by_time() {
    let mut directory = Directory::new();
    let mut expected = Vec::new();
    let mut texts = vec![String::new(); 3];
    for second in 0..9_000 {
        let written = line(second, "INFO", &format!("second {second}"));
        expected.push(written.trim_end().to_owned());
        texts[(second % 7 % 3) as usize].push_str(&written);
    }
    for text in &texts {
        directory.add(text.as_bytes());
    }
    let mut timeline = directory.timeline();
    let mut last = open(&mut timeline);
    last.sort();
    let closed = &expected[..];
    let seen = back(&mut timeline, &Scope::all());
    let complete: Vec<&String> = closed.iter().filter(|text| !last.contains(text)).collect();
    assert_eq!(seen.iter().collect::<Vec<_>>(), complete);
    assert_eq!(forward(&mut timeline, &Scope::all()), seen);
}

#[test]
fn a_line_dated_in_the_future_keeps_its_place_in_file_order() {
    let mut directory = Directory::new();
    let far = "2066-01-01 00:00:00 [INFO] from the future\n";
    directory.add(format!("{}{far}{}", line(0, "INFO", "a"), line(2, "INFO", "c")).as_bytes());
    directory.add(format!("{}{}", line(1, "INFO", "b"), line(3, "INFO", "d")).as_bytes());
    directory.append(0, line(9, "INFO", "open").as_bytes());
    directory.append(1, line(9, "INFO", "open").as_bytes());
    let mut timeline = directory.timeline();
    let seen = back(&mut timeline, &Scope::all());
    let letters: Vec<&str> = seen.iter().map(|text| text.rsplit(' ').next().unwrap()).collect();
    assert_eq!(letters, ["a", "future", "b", "c", "d"]);
}

#[test]
fn records_of_many_lines_are_whole_in_both_directions() {
    let mut directory = Directory::new();
    let trace = "  at one\n".repeat(40);
    let written: String =
        (0..3_000).map(|second| line(second, "ERROR", "failed") + &trace).collect();
    directory.add(written.as_bytes());
    let mut timeline = directory.timeline();
    let seen = back(&mut timeline, &Scope::all());
    assert_eq!(seen.len(), 2_999);
    assert!(seen.iter().all(|text| text.lines().count() == 41));
    assert_eq!(forward(&mut timeline, &Scope::all()), seen);
}

#[test]
fn appended_records_are_found_and_the_open_record_is_replaced() {
    let mut directory = Directory::new();
    let file = directory.add(numbered(2_000).as_bytes());
    let mut timeline = directory.timeline();
    let before = back(&mut timeline, &Scope::all()).len();
    assert_eq!((before, open(&mut timeline).len()), (1_999, 1));
    directory.append(file, b"2024-06-01 00:00:00 [INFO] beg");
    assert!(timeline.refresh(&directory.handles, Timestamp::from_seconds(START)));
    assert_eq!(open(&mut timeline).last().unwrap(), "2024-06-01 00:00:00 [INFO] beg");
    directory.append(file, b"un\n2024-06-01 00:00:01 [INFO] next\n");
    timeline.refresh(&directory.handles, Timestamp::from_seconds(START));
    let seen = back(&mut timeline, &Scope::all());
    assert_eq!(seen.len(), before + 2);
    assert_eq!(seen.last().unwrap(), "2024-06-01 00:00:00 [INFO] begun");
    assert_eq!(open(&mut timeline), ["2024-06-01 00:00:01 [INFO] next"]);
    assert!(!timeline.refresh(&directory.handles, Timestamp::from_seconds(START)));
}

#[test]
fn an_offset_is_found_by_time_without_reading_the_whole_file() {
    let mut directory = Directory::new();
    directory.add(numbered(200_000).as_bytes());
    let mut timeline = directory.timeline();
    for second in [0, 1, 77_777, 123_456, 199_998] {
        let key = (START + second) * 1_000_000_000;
        let at = timeline.place(key, |_| None, &mut Budget::bytes(u64::MAX));
        let mut at = at.to_vec();
        let step =
            timeline.forward(&mut at, &Scope::all(), &mut |_| true, &mut Budget::bytes(1 << 20));
        let Step::Found(entry) = step else { panic!("{step:?}") };
        assert!(text(&entry).contains(&format!("line {second} of")), "{}", text(&entry));
    }
    assert!(timeline.files[0].weight() < 12_000_000 / 2);
}

#[test]
fn the_tally_counts_every_record_and_allows_blocks_to_be_skipped() {
    let mut directory = Directory::new();
    let mut written = String::new();
    for second in 0..120_000 {
        let level = if second == 60_000 { "ERROR" } else { "INFO" };
        written.push_str(&line(second, level, "a line of a large file"));
    }
    let file = directory.add(written.as_bytes());
    let mut timeline = directory.timeline();
    while timeline.count_more(&mut Budget::bytes(PIECE)) {}
    let totals = *timeline.files[0].tally.totals();
    assert_eq!(totals[Level::Info as usize], 119_998);
    assert_eq!(totals[Level::Error as usize], 1);
    directory.append(file, line(120_000, "FATAL", "appended").as_bytes());
    directory.append(file, line(120_001, "INFO", "appended").as_bytes());
    timeline.refresh(&directory.handles, Timestamp::from_seconds(START));
    while timeline.count_more(&mut Budget::bytes(PIECE)) {}
    let totals = *timeline.files[0].tally.totals();
    assert_eq!(totals[Level::Info as usize], 119_999);
    assert_eq!(totals[Level::Fatal as usize], 1);

    let scope = Scope { levels: 1 << Level::Error as u8, hidden: Vec::new() };
    let mut at = timeline.end().to_vec();
    let mut budget = Budget::bytes(3 * 1024 * 1024);
    let step = timeline.back(&mut at, &scope, &mut |_| true, &mut budget);
    let Step::Found(entry) = step else { panic!("blocks without an error are read: {step:?}") };
    assert_eq!(entry.event().level(), Some(Level::Error));
}

#[test]
fn a_line_without_end_and_binary_bytes_are_shown() {
    let mut directory = Directory::new();
    directory.add(&vec![b'x'; 9_000_000]);
    directory.add(b"");
    let noise: Vec<u8> =
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    directory.add(&noise);
    let mut timeline = directory.timeline();
    while timeline.count_more(&mut Budget::bytes(1 << 20)) {}
    let backwards = back(&mut timeline, &Scope::all()).len();
    assert_eq!(forward(&mut timeline, &Scope::all()).len(), backwards);
    assert!(!open(&mut timeline).is_empty());
}

#[test]
fn memory_stays_bounded_while_a_large_file_is_read() {
    let mut directory = Directory::new();
    directory.add(numbered(700_000).as_bytes());
    let mut timeline = directory.timeline();
    let seen = forward(&mut timeline, &Scope::all()).len();
    assert_eq!(seen, 699_999);
    assert!(timeline.files[0].weight() <= 17 * 1024 * 1024, "{}", timeline.files[0].weight());
}

#[test]
fn a_hidden_file_is_not_read() {
    let mut directory = Directory::new();
    directory.add(numbered(10).as_bytes());
    directory.add(numbered(20).as_bytes());
    let mut timeline = directory.timeline();
    let scope = Scope { levels: u8::MAX, hidden: vec![false, true] };
    assert_eq!(back(&mut timeline, &scope).len(), 9);
    assert!(Path::new(&directory.paths[1]).exists());
}

#[test]
fn utf16_is_shown_in_both_directions() {
    let expected: Vec<String> = numbered(6_000).lines().map(|line| format!("{line} 😀")).collect();
    for (big, mark) in [(false, "\u{feff}"), (true, "\u{feff}"), (false, ""), (true, "")] {
        let text = format!("{mark}{}\r\n", expected.join("\r\n"));
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let bytes: Vec<u8> = text.encode_utf16().flat_map(bytes).collect();
        let mut directory = Directory::new();
        directory.add(&bytes);
        for read in [back, forward] {
            let mut timeline = directory.timeline();
            let mut seen = read(&mut timeline, &Scope::all());
            seen.extend(open(&mut timeline));
            assert!(seen == expected, "{big} {mark:?}: {:?}", seen.first());
        }
        let mut timeline = directory.timeline();
        let mut budget = Budget::bytes(u64::MAX);
        let key = Timestamp::from_seconds(START + 4_321).0;
        let at = timeline.files[0].locate(key, &mut budget);
        let piece = timeline.files[0].after(at, &mut budget).unwrap();
        let found = piece.first_from(at).map(|index| piece.batch.event(index).text().to_vec());
        assert_eq!(found.as_deref(), Some(expected[4_321].as_bytes()), "{big} {mark:?}");
        while timeline.files[0].count_more(&mut Budget::bytes(1 << 20)) {}
        let counted: u64 = timeline.files[0].tally.totals().iter().sum();
        assert_eq!(counted, 5_999, "all but the open one");
    }
}
