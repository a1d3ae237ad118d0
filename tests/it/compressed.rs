//! `.gz` and `.zst`: a file that rotation compressed is read on from its last offset; other compressed files are read
//! from their start.

mod idle;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::program::{self, Engine, Random, documents, expect, logwarden, run, text};
use super::rotation::{Fixture, line, lines};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    // The same settings as the `zstd` program.
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;
const PACKS: [(&str, Pack); 2] = [("gz", gzip), ("zst", zstd)];

/// Compresses like `gzip FILE`: creates a new file with the time of the old one, then deletes the old one.
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
fn compressed_files_are_read_as_their_plain_content() {
    for once in [false, true] {
        let mut fixture = Fixture::new(&["*"]);
        fixture.once = once;
        fixture.append("one.gz", gzip(lines("a", 0..40_000).as_bytes()));
        // Two streams in a row, the last line without a line end.
        fixture.append("two.gz", gzip(lines("b", 0..10).as_bytes()));
        fixture.append("two.gz", gzip((lines("b", 10..20) + "end").as_bytes()));
        fixture.append("three.zst", zstd(lines("c", 0..10).as_bytes()));
        fixture.append("three.zst", zstd(lines("c", 10..20).as_bytes()));
        fixture.append("no_ending", zstd(lines("d", 0..5).as_bytes()));
        fixture.append("empty.gz", gzip(b""));
        fixture.append("short.gz", gzip(b"no line end"));
        fixture.append("plain.log", lines("e", 0..5));
        fixture.open();
        let others = |writer: &'static str, count: usize| (0..count).map(move |n| line(writer, n));
        let all = || {
            let packed = numbered(0..40_000)
                .chain(others("b", 20))
                .chain(["end".to_owned(), "no line end".to_owned()]);
            packed.chain(others("c", 20)).chain(others("d", 5)).chain(others("e", 5))
        };
        fixture.expect_lines(all());
        let before = fixture.consumer.events.len();
        fixture.restart();
        fixture.until("decompressed again", |fixture| fixture.log().ends().len() == 6);
        assert_eq!(fixture.consumer.events.len(), before, "nothing is read again");
        assert_eq!(fixture.log().notices(), []);
    }
}

#[test]
fn the_rest_of_a_file_compressed_while_no_engine_ran_is_read_from_the_compressed_one() {
    for (ending, packed) in PACKS {
        for paths in [&["app.log"][..], &["app.log*"], &["*.log"]] {
            let mut fixture = Fixture::new(paths);
            fixture.append("app.log", lines("a", 0..2000));
            fixture.open();
            fixture.until("the first", |fixture| fixture.consumer.events.len() == 2000);
            fixture.append("app.log", lines("a", 2000..5000));
            fixture.close();
            let generation = fixture.consumer.events[0].generation;
            let at = *fixture.consumer.cursors.get(&generation).unwrap();
            fs::rename(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
            pack(&fixture.path("app.log.1"), ending, packed);
            fixture.append("app.log", lines("a", 5000..5010));
            fixture.open();
            fixture.expect_lines(numbered(0..5010));
            let rest = &fixture.consumer.events[2000..];
            let first = rest.iter().find(|event| event.text == line("a", 2000)).unwrap();
            assert_eq!((first.generation, first.bounds.0), (generation, at), "{ending} {paths:?}");
            // Renumbered by the next rotation: nothing is read again.
            fixture.close();
            let name = |number: u32| format!("app.log.{number}.{ending}");
            fs::rename(fixture.path(&name(1)), fixture.path(&name(2))).unwrap();
            fixture.open();
            fixture.expect_lines(numbered(0..5010));
        }
    }
}

#[test]
fn a_restart_in_the_middle_of_a_compressed_file_continues_at_its_offset() {
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.append("app.log.1.gz", gzip(lines("a", 0..60_000).as_bytes()));
    fixture.open();
    fixture.until("the generation", |fixture| !fixture.log().generations().is_empty());
    // One batch per start of the log.
    while fixture.consumer.events.len() < 60_000 {
        fixture.read_one_batch();
        fixture.restart();
        fixture.until("decompressed", |fixture| !fixture.log().generations().is_empty());
    }
    fixture.expect_lines(numbered(0..60_000));
}

#[test]
fn bytes_read_before_compression_are_not_read_again() {
    let mut fixture = Fixture::new(&["app.log*"]);
    fixture.append("app.log", lines("a", 0..100));
    fixture.open();
    fixture.until("all", |fixture| fixture.consumer.events.len() == 100);
    fs::rename(fixture.path("app.log"), fixture.path("app.log.1")).unwrap();
    fixture.append("app.log", lines("a", 100..200));
    fixture.until("the next", |fixture| fixture.consumer.events.len() == 200);
    pack(&fixture.path("app.log.1"), "gz", gzip);
    fixture.until("it is found", |fixture| {
        fixture.log().files().iter().any(|file| file.facts().path.ends_with("app.log.1.gz"))
    });
    // Longer than the time after which the file would count as one of its own.
    std::thread::sleep(Duration::from_millis(2500));
    fixture.expect_lines(numbered(0..200));
    fixture.restart();
    fixture.until("it is known", |fixture| fixture.log().generations().len() == 2);
    fixture.expect_lines(numbered(0..200));
}

#[test]
fn unread_truncated_bytes_are_read_from_a_copy_compressed_at_once() {
    for paths in [&["app.log"][..], &["app.log*"]] {
        let mut fixture = Fixture::new(paths);
        fixture.append("app.log", lines("a", 0..2000));
        fixture.open();
        let size = fs::metadata(fixture.path("app.log")).unwrap().len();
        fixture.until("seen", |fixture| {
            fixture.log().ends().first().is_some_and(|end| end.offset == size)
        });
        fixture.consumer.forget_all_but(100);
        // `gzip -c app.log > app.log.1.gz; : > app.log`
        fs::write(fixture.path("app.log.1.gz"), gzip(&fs::read(fixture.path("app.log")).unwrap()))
            .unwrap();
        File::create(fixture.path("app.log")).unwrap();
        fixture.append("app.log", lines("a", 2000..2010));
        fixture.expect_lines(numbered(0..2010));
    }
}

#[test]
fn a_stream_that_is_still_written_is_waited_for() {
    let mut fixture = Fixture::new(&["*.gz"]);
    let whole = gzip(lines("a", 0..50_000).as_bytes());
    fixture.append("app.gz", &whole[..2]);
    fixture.open();
    for part in whole[2..].chunks(whole.len() / 7) {
        std::thread::sleep(Duration::from_millis(300));
        fixture.append("app.gz", part);
        fixture.drain();
    }
    fixture.expect_lines(numbered(0..50_000));
    assert_eq!(fixture.log().notices(), []);
}

#[test]
fn bytes_before_the_damage_are_read_and_the_damage_is_reported() {
    for (ending, packed) in PACKS {
        let mut fixture = Fixture::new(&["app.*"]);
        // Lines so different that they do not compress to one small block.
        let texts: Vec<String> = (0..60_000u64)
            .map(|n| format!("{{\"n\":{}}}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        let mut bytes = packed((texts.join("\n") + "\n").as_bytes());
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0xa5);
        fixture.append(&format!("app.{ending}"), &bytes);
        fixture.append("app.log", "beside\n");
        fixture.open();
        let is_damage_reported = |fixture: &Fixture| {
            fixture
                .log()
                .notices()
                .iter()
                .any(|notice| notice.text.contains(&format!("app.{ending} is damaged after")))
        };
        fixture.until("the notice", |fixture| {
            is_damage_reported(fixture) && fixture.log().generations().len() == 2
        });
        fixture.until("the rest of it is read", |fixture| fixture.consumer.events.len() > 2);
        fixture.drain();
        let found: Vec<&str> =
            fixture.texts().into_iter().filter(|text| *text != "beside").collect();
        assert!(found.len() > 1000 && found.len() < 60_000, "{ending}: {}", found.len());
        assert!(found[..1000].iter().eq(texts[..1000].iter()), "{ending}");
        // Replaced by an intact file.
        fs::write(
            fixture.path(&format!("app.{ending}")),
            packed((texts.join("\n") + "\n").as_bytes()),
        )
        .unwrap();
        fixture.until("all", |fixture| fixture.texts().last() == Some(&texts[59_999].as_str()));
        fixture.until("no notice", |fixture| fixture.log().notices().is_empty());
    }
}

#[test]
fn a_stream_that_stays_incomplete_is_read_to_its_last_byte() {
    let mut fixture = Fixture::new(&["*.gz"]);
    let whole = gzip(lines("a", 0..50_000).as_bytes());
    fixture.append("app.gz", &whole[..whole.len() / 2]);
    fixture.open();
    fixture.until("some", |fixture| fixture.consumer.events.len() > 1000);
    assert!(
        fixture.log().notices()[0].text.contains("is incomplete"),
        "{:?}",
        fixture.log().notices()
    );
    fixture.append("app.gz", &whole[whole.len() / 2..]);
    fixture.until("all", |fixture| fixture.texts().last() == Some(&line("a", 49_999).as_str()));
}

/// The same events with the same ids as from the plain file.
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
        // Truncated in the middle: the events before are printed, and the truncation is reported.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        for arguments in [&["stats"][..], &["parse"], &["search", "number"]] {
            let output = run(logwarden(home.path()).args(arguments).arg(&path));
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {}", text(&output.stderr));
            assert!(!output.stdout.is_empty(), "{arguments:?}");
            let messages = text(&output.stderr);
            assert!(
                messages.contains(&format!("app.log.{ending}")) && messages.contains("after byte"),
                "{messages}"
            );
        }
    }
}

/// With the real binary: rotated, compressed and killed at any moment, every line is in the archive once.
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
    // Large enough for a kill during compression.
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
fn a_run_that_could_not_decompress_a_whole_file_fails() {
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
        // A wrong checksum: it is unknown which bytes are damaged.
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
            let messages = program::text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{messages}");
            let is_reported = messages.contains("1 compressed file damaged or truncated");
            assert_eq!(is_reported, code == 3, "{messages}");
        }
    }
}
