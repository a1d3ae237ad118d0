//! `.gz` and `.zst`: what rotation compressed goes on where it was left, whatever else is compressed is read too.

mod idle;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::program::{self, Engine, Random, documents, expect, logwarden, run, text};
use super::rotation::{Bench, line, lines};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    // As the program does it.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [(&str, Pack); 2] = [("gz", gzip), ("zst", zstd)];

/// As `gzip FILE` does it: a new file with the time of the old one, which goes at the end.
pub fn pack(path: &Path, ending: &str, pack: Pack) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let packed = path.with_extension(format!("{}.{ending}", path.extension().unwrap().display()));
    fs::write(&packed, pack(&fs::read(path).unwrap())).unwrap();
    File::options().write(true).open(&packed).unwrap().set_modified(modified).unwrap();
    fs::remove_file(path).unwrap();
}

fn numbered(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|number| line("a", number))
}

#[test]
fn compressed_files_are_read_as_what_they_hold() {
    for once in [false, true] {
        let mut bench = Bench::new(&["*"]);
        bench.once = once;
        bench.append("one.gz", gzip(lines("a", 0..40_000).as_bytes()));
        // In a row, and the last line without its end.
        bench.append("two.gz", gzip(lines("b", 0..10).as_bytes()));
        bench.append("two.gz", gzip((lines("b", 10..20) + "end").as_bytes()));
        bench.append("three.zst", zstd(lines("c", 0..10).as_bytes()));
        bench.append("three.zst", zstd(lines("c", 10..20).as_bytes()));
        bench.append("no_ending", zstd(lines("d", 0..5).as_bytes()));
        bench.append("empty.gz", gzip(b""));
        bench.append("short.gz", gzip(b"no line end"));
        bench.append("plain.log", lines("e", 0..5));
        bench.open();
        let others = |writer: &'static str, count: usize| (0..count).map(move |n| line(writer, n));
        let all = || {
            let packed = numbered(0..40_000)
                .chain(others("b", 20))
                .chain(["end".to_owned(), "no line end".to_owned()]);
            packed.chain(others("c", 20)).chain(others("d", 5)).chain(others("e", 5))
        };
        bench.expect_lines(all());
        let before = bench.consumer.events.len();
        bench.restart();
        bench.until("unpacked again", |bench| bench.log().ends().len() == 6);
        assert_eq!(bench.consumer.events.len(), before, "nothing comes again");
        assert_eq!(bench.log().notices(), []);
    }
}

#[test]
fn the_rest_of_a_file_that_was_compressed_while_nobody_looked_is_read_from_there() {
    for (ending, packed) in PACKS {
        for paths in [&["app.log"][..], &["app.log*"], &["*.log"]] {
            let mut bench = Bench::new(paths);
            bench.append("app.log", lines("a", 0..2000));
            bench.open();
            bench.until("the first", |bench| bench.consumer.events.len() == 2000);
            bench.append("app.log", lines("a", 2000..5000));
            bench.close();
            let generation = bench.consumer.events[0].generation;
            let at = *bench.consumer.cursors.get(&generation).unwrap();
            fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
            pack(&bench.path("app.log.1"), ending, packed);
            bench.append("app.log", lines("a", 5000..5010));
            bench.open();
            bench.expect_lines(numbered(0..5010));
            let rest = &bench.consumer.events[2000..];
            let first = rest.iter().find(|event| event.text == line("a", 2000)).unwrap();
            assert_eq!((first.generation, first.bounds.0), (generation, at), "{ending} {paths:?}");
            // Renumbered by the next rotation, and everything still stands.
            bench.close();
            let name = |number: u32| format!("app.log.{number}.{ending}");
            fs::rename(bench.path(&name(1)), bench.path(&name(2))).unwrap();
            bench.open();
            bench.expect_lines(numbered(0..5010));
        }
    }
}

#[test]
fn a_restart_in_the_middle_of_a_compressed_file_goes_on_by_its_offset() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log.1.gz", gzip(lines("a", 0..60_000).as_bytes()));
    bench.open();
    bench.until("the generation", |bench| !bench.log().generations().is_empty());
    // One batch at a time, each in another life of ours.
    while bench.consumer.events.len() < 60_000 {
        bench.read_one_batch();
        bench.restart();
        bench.until("unpacked", |bench| !bench.log().generations().is_empty());
    }
    bench.expect_lines(numbered(0..60_000));
}

#[test]
fn what_was_read_before_it_was_compressed_does_not_come_again() {
    let mut bench = Bench::new(&["app.log*"]);
    bench.append("app.log", lines("a", 0..100));
    bench.open();
    bench.until("all", |bench| bench.consumer.events.len() == 100);
    fs::rename(bench.path("app.log"), bench.path("app.log.1")).unwrap();
    bench.append("app.log", lines("a", 100..200));
    bench.until("the next", |bench| bench.consumer.events.len() == 200);
    pack(&bench.path("app.log.1"), "gz", gzip);
    bench.until("it is found", |bench| {
        bench.log().files().iter().any(|file| file.facts().path.ends_with("app.log.1.gz"))
    });
    // The time after which it would be taken for a file of its own.
    std::thread::sleep(Duration::from_millis(2500));
    bench.expect_lines(numbered(0..200));
    bench.restart();
    bench.until("it is known", |bench| bench.log().generations().len() == 2);
    bench.expect_lines(numbered(0..200));
}

#[test]
fn truncated_while_unread_is_read_from_a_copy_that_was_compressed_at_once() {
    for paths in [&["app.log"][..], &["app.log*"]] {
        let mut bench = Bench::new(paths);
        bench.append("app.log", lines("a", 0..2000));
        bench.open();
        let size = fs::metadata(bench.path("app.log")).unwrap().len();
        bench.until("seen", |bench| {
            bench.log().ends().first().is_some_and(|end| end.offset == size)
        });
        bench.consumer.forget_all_but(100);
        // `gzip -c app.log > app.log.1.gz; : > app.log`
        fs::write(bench.path("app.log.1.gz"), gzip(&fs::read(bench.path("app.log")).unwrap()))
            .unwrap();
        File::create(bench.path("app.log")).unwrap();
        bench.append("app.log", lines("a", 2000..2010));
        bench.expect_lines(numbered(0..2010));
    }
}

#[test]
fn a_stream_that_is_still_written_is_waited_for() {
    let mut bench = Bench::new(&["*.gz"]);
    let whole = gzip(lines("a", 0..50_000).as_bytes());
    bench.append("app.gz", &whole[..2]);
    bench.open();
    for part in whole[2..].chunks(whole.len() / 7) {
        std::thread::sleep(Duration::from_millis(300));
        bench.append("app.gz", part);
        bench.drain();
    }
    bench.expect_lines(numbered(0..50_000));
    assert_eq!(bench.log().notices(), []);
}

#[test]
fn what_stands_before_the_damage_is_read_and_the_damage_is_said() {
    for (ending, packed) in PACKS {
        let mut bench = Bench::new(&["app.*"]);
        // Too little alike to become one block of a few bytes.
        let texts: Vec<String> = (0..60_000u64)
            .map(|n| format!("{{\"n\":{}}}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let mut bytes = packed((texts.join("\n") + "\n").as_bytes());
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0xa5);
        bench.append(&format!("app.{ending}"), &bytes);
        bench.append("app.log", "beside\n");
        bench.open();
        let said = |bench: &Bench| {
            bench
                .log()
                .notices()
                .iter()
                .any(|notice| notice.text.contains(&format!("app.{ending} is damaged after")))
        };
        bench.until("it is said", |bench| said(bench) && bench.log().generations().len() == 2);
        bench.until("the rest of it is told", |bench| bench.consumer.events.len() > 2);
        bench.drain();
        let found: Vec<&str> = bench.texts().into_iter().filter(|text| *text != "beside").collect();
        assert!(found.len() > 1000 && found.len() < 60_000, "{ending}: {}", found.len());
        assert!(found[..1000].iter().eq(texts[..1000].iter()), "{ending}");
        // An intact one in its place.
        fs::write(
            bench.path(&format!("app.{ending}")),
            packed((texts.join("\n") + "\n").as_bytes()),
        )
        .unwrap();
        bench.until("all", |bench| bench.texts().last() == Some(&texts[59_999].as_str()));
        bench.until("nothing is said", |bench| bench.log().notices().is_empty());
    }
}

#[test]
fn a_stream_that_stays_cut_is_read_as_far_as_it_goes() {
    let mut bench = Bench::new(&["*.gz"]);
    let whole = gzip(lines("a", 0..50_000).as_bytes());
    bench.append("app.gz", &whole[..whole.len() / 2]);
    bench.open();
    bench.until("some", |bench| bench.consumer.events.len() > 1000);
    assert!(bench.log().notices()[0].text.contains("is incomplete"), "{:?}", bench.log().notices());
    bench.append("app.gz", &whole[whole.len() / 2..]);
    bench.until("all", |bench| bench.texts().last() == Some(&line("a", 49_999).as_str()));
}

/// Everything as from the plain file, and the ids too.
#[test]
fn parse_stats_and_search_read_compressed_files() {
    let home = TempDir::new().unwrap();
    let content: String = (0..30_000)
        .map(|n| format!("{{\"level\":\"info\",\"message\":\"number {n}\"}}\n"))
        .collect();
    for (ending, packed) in PACKS {
        let path = home.path().join(format!("app.log.{ending}"));
        fs::write(&path, packed(content.as_bytes())).unwrap();
        let json = |command: &mut std::process::Command| -> serde_json::Value {
            serde_json::from_str(&expect(command, 0)).unwrap()
        };
        let stats = json(logwarden(home.path()).arg("stats").arg(&path).args(["--format", "json"]));
        assert_eq!((&stats["events"], &stats["bytes"]), (&30_000.into(), &content.len().into()));
        let parsed = expect(logwarden(home.path()).arg("parse").arg(&path), 0);
        assert_eq!(parsed.lines().count(), 30_000);
        let mut search = logwarden(home.path());
        search.args(["search", "\"number 28123\""]).arg(&path).args(["--format", "json"]);
        let found = json(&mut search);
        let line: serde_json::Value =
            serde_json::from_str(parsed.lines().nth(28_123).unwrap()).unwrap();
        assert_eq!(found["message"], "number 28123");
        assert_eq!(found["event"]["id"], line["event"]["id"]);
        // Cut in the middle: what stands before is told, and then that it is not all.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        for arguments in [&["stats"][..], &["parse"], &["search", "number"]] {
            let output = run(logwarden(home.path()).args(arguments).arg(&path));
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {}", text(&output.stderr));
            assert!(!output.stdout.is_empty(), "{arguments:?}");
            let said = text(&output.stderr);
            assert!(
                said.contains(&format!("app.log.{ending}")) && said.contains("after byte"),
                "{said}"
            );
        }
    }
}

/// With the real binary: rotated, compressed and killed at any moment, every line stands in the archive once.
#[test]
fn kills_while_rotation_compresses_leave_every_line_once() {
    let seed = program::seed("kills_while_rotation_compresses");
    let mut random = Random(seed);
    let scratch = TempDir::new().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let log = home.join("app.log");
    let glob = home.join("app.log*");
    let mut written = 0;
    let mut write = |count: usize| {
        let text: String = (written..written + count)
            .map(|n| format!("{{\"level\":\"info\",\"message\":\"m\",\"sequence\":{n}}}\n"))
            .collect();
        written += count;
        File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        written
    };
    // Large enough to be killed within.
    write(100_000);
    for round in 0..12 {
        let engine = Engine::start(home, &state, &[&glob]);
        std::thread::sleep(Duration::from_millis(random.below(600)));
        let rotated = home.join(format!("app.log.{round}"));
        fs::rename(&log, &rotated).unwrap();
        write(1 + random.below(2000) as usize);
        let compress_first = random.below(2) == 0;
        if compress_first {
            pack(&rotated, "gz", gzip);
        }
        engine.kill();
        if !compress_first {
            pack(&rotated, if random.below(2) == 0 { "gz" } else { "zst" }, gzip);
        }
    }
    let written = write(1);
    expect(logwarden(home).args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&glob), 0);
    let mut seen: Vec<u64> =
        documents(home, &state).iter().map(|d| d["sequence"].as_u64().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen.len(), written, "seed {seed}");
    assert!(seen.into_iter().eq(0..written as u64), "seed {seed}");
}

#[test]
fn a_run_that_could_not_unpack_all_of_a_file_is_no_success() {
    let text = lines("a", 0..2_000);
    let whole = gzip(text.as_bytes());
    let changed = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 255;
        bytes
    };
    let damaged = [
        whole[..whole.len() / 2].to_vec(),
        changed(whole.len() / 2),
        // Its checksum, so that nobody knows which bytes are wrong.
        changed(whole.len() - 6),
    ];
    for (bytes, code) in damaged.into_iter().map(|bytes| (bytes, 3)).chain([(whole.clone(), 0)]) {
        let home = TempDir::new().unwrap();
        let file = home.path().join("app.log.1.gz");
        fs::write(&file, bytes).unwrap();
        let state = home.path().join("state");
        for _ in 0..2 {
            let mut command = logwarden(home.path());
            let output = run(command
                .args(["--no-ui", "--once", "--state-dir"])
                .arg(&state)
                .arg(home.path().join("*.gz")));
            let said = program::text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{said}");
            let told = said.contains("1 compressed file damaged or truncated");
            assert_eq!(told, code == 3, "{said}");
        }
    }
}
