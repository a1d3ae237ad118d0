//! Every byte of any input is in exactly one event, and the formats parse the records of the corpus as expected.
//!
//! The corpus is beside the checkout (or where `LOGWARDEN_CORPUS` says); if it is missing, its tests report that and
//! check nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use logwarden::base::Timestamp;
use logwarden::event::{Encoding, Flags, Level, Part, Record};
use logwarden::format::{Context, End, Format, Framer, detection};
use serde_json::Value;

const CAP: usize = 1 << 20;

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let directory = std::env::var_os("LOGWARDEN_CORPUS").map_or(beside, PathBuf::from);
    if directory.join("visible_cases.jsonl").is_file() {
        return Some(directory);
    }
    eprintln!("NOT CHECKED: no corpus at {}; set LOGWARDEN_CORPUS", directory.display());
    None
}

fn context() -> Context {
    Context {
        zone: TimeZone::UTC,
        day_mark: 20_000,
        last: None,
        since_last: 0,
        seen: Timestamp::from_seconds(1_728_000_000),
    }
}

/// All records of the bytes in their detected format; checks that they cover the bytes.
fn records(bytes: &[u8]) -> (std::sync::Arc<dyn Format>, Vec<Record>) {
    let format = detection::detect(bytes).format;
    let framer = Framer { format: format.clone(), encoding: Encoding::Utf8, max_length: CAP };
    let mut records = Vec::new();
    let framed = framer.frame(bytes, 0, &[], End::Closed, &mut context(), &mut records);
    assert_eq!(framed.consumed, bytes.len());
    let mut next = 0;
    for record in &records {
        assert_eq!(record.start, next, "a gap");
        assert!(record.end > record.start, "an empty record");
        next = record.end;
    }
    assert_eq!(next, bytes.len() as u64, "bytes in no record");
    (format, records)
}

fn text<'a>(bytes: &'a [u8], record: &Record) -> &'a [u8] {
    &bytes[record.at as usize..][..record.len as usize]
}

#[derive(Default, Debug)]
struct Score {
    right: u32,
    of: u32,
}

impl Score {
    fn count(&mut self, right: bool) {
        self.right += u32::from(right);
        self.of += 1;
    }
}

/// Sets whose formats are not implemented: no crash and no lost byte, but nothing else is expected of them.
const LATER: [&str; 2] = ["loghub:logpai/loghub:HPC", "slowlog"];

#[test]
fn the_corpus_is_parsed() {
    let Some(directory) = corpus() else { return };
    let cases = std::fs::read_to_string(directory.join("visible_cases.jsonl")).expect("the cases");
    let mut scores: BTreeMap<String, [Score; 3]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let source = case["source"].as_str().expect("a source");
        let raw = case["raw"].as_str().expect("raw text");
        let set = source.split('#').next().unwrap_or(source).to_string();
        let (format, found) = records(raw.as_bytes());
        for record in &found {
            format.parts(text(raw.as_bytes(), record), &mut |_: Part<'_>| {});
        }
        if LATER.iter().any(|later| set.contains(later)) {
            continue;
        }
        let expect = &case["expect"];
        let [time, level, join] = scores.entry(set).or_default();
        let first = found.iter().find(|record| !record.flags.contains(Flags::QUIET));
        let mut note = |score: &mut Score, what: &str, right: bool| {
            score.count(right);
            if !right {
                wrong.push(format!("{what} {} {source}: {raw:.150}", format.name()));
            }
        };
        if let (Some(wanted), Some(record)) = (expect["timestamp"].as_str(), first) {
            note(time, "time", is_time(record, wanted));
        }
        if let (Some(wanted), Some(record)) = (expect["level"].as_str(), first) {
            note(level, "level", is_level(record.level, wanted));
        }
        if let Some(wanted) = expect["records"].as_array() {
            let wanted: Vec<_> = wanted.iter().filter_map(Value::as_str).collect();
            note(join, "join", are_joined(raw.as_bytes(), &found, &wanted));
        }
    }
    for wrong in wrong.iter().take(40) {
        eprintln!("{wrong}");
    }
    for (set, scores) in &scores {
        for (what, score) in ["time", "level", "join"].iter().zip(scores) {
            assert!(
                score.right * 100 >= score.of * 99,
                "{what} of {set}: {} of {}",
                score.right,
                score.of
            );
        }
    }
}

/// Compares to the precision given; `--` stands for any year.
fn is_time(record: &Record, wanted: &str) -> bool {
    if record.flags.contains(Flags::TIME_PREVIOUS) || record.flags.contains(Flags::TIME_SEEN) {
        return false;
    }
    let found = jiff::Timestamp::from_nanosecond(i128::from(record.time.0)).expect("in range");
    if let Some(yearless) = wanted.strip_prefix("--") {
        return format!("{found:.9}")[5..].starts_with(yearless.trim_end_matches('Z'));
    }
    match wanted.parse::<jiff::Timestamp>() {
        Ok(time) => format!("{found:.9}").starts_with(format!("{time}").trim_end_matches('Z')),
        Err(_) => format!("{found:.9}").starts_with(wanted),
    }
}

fn is_level(found: Option<Level>, wanted: &str) -> bool {
    match wanted {
        "none" => found.is_none(),
        "warn" => found == Some(Level::Warning),
        name => found.map(Level::name) == Some(name),
    }
}

/// The expected records, in order, from the first of them; blank lines are not in the list.
fn are_joined(bytes: &[u8], found: &[Record], wanted: &[&str]) -> bool {
    let texts: Vec<_> = found
        .iter()
        .filter(|record| !record.flags.contains(Flags::QUIET))
        .map(|record| String::from_utf8_lossy(text(bytes, record)).trim_end().to_string())
        .collect();
    let Some(first) = wanted.first() else { return true };
    let Some(at) = texts.iter().position(|text| text == first.trim_end()) else { return false };
    let found = texts[at..].iter().take(wanted.len());
    found.eq(wanted.iter().map(|text| text.trim_end()))
}

#[test]
fn each_sample_is_detected_as_its_own_format() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    for name in detection::names() {
        let path = directory.join(format!("{name}.log"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let (format, found) = records(&bytes);
        assert_eq!(format.name(), name);
        let timed = |record: &&Record| {
            let flags = record.flags;
            !flags.contains(Flags::TIME_PREVIOUS) && !flags.contains(Flags::TIME_SEEN)
        };
        let times = found.iter().filter(timed).count();
        assert!(name == "plain" || times * 10 >= found.len() * 9, "{name}: {times}");
        let levels = found.iter().filter(|record| record.level.is_some()).count();
        let expected = !matches!(name, "plain" | "access");
        assert_eq!(levels > 0, expected, "{name}");
    }
}

#[test]
fn stack_traces_of_the_samples_are_complete() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    for (name, begins, ends) in [
        ("json", "Traceback", "BrokenPipeError: [Errno 32] Broken pipe"),
        ("python", "", "ValueError: invalid literal for int() with base 10: 'n/a'"),
        ("generic", "", "\t... 2 more"),
        ("plain", "panic: ", "\t/src/main.go:24 +0x13a"),
    ] {
        let bytes = std::fs::read(directory.join(format!("{name}.log"))).expect("a sample");
        let (_, found) = records(&bytes);
        let whole = found.iter().any(|record| {
            let text = String::from_utf8_lossy(text(&bytes, record));
            text.starts_with(begins) && text.ends_with(ends) && text.lines().count() >= 6
        });
        assert!(whole, "{name}");
    }
}
