//! Standard input is delivered once, in spite of kills; input that cannot be stored blocks its writer.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::program::{Engine, Random, archived, documents, expect, logwarden, run, seed, text};
use crate::program::{send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(|n| format!("{{\"level\":\"info\",\"message\":\"line\",\"seq\":{n}}}\n")).collect()
}

/// Starts `logwarden --no-ui --state-dir STATE ARGUMENTS -` with a pipe as its standard input.
fn piped(home: &Path, state: &Path, arguments: &[&str]) -> Engine {
    let mut command = logwarden(home);
    command.args(["--no-ui", "--state-dir"]).arg(state).args(arguments).arg("-");
    Engine::spawn(home, command.stdin(Stdio::piped()))
}

/// The existing segments.
fn segments(state: &Path) -> Vec<std::path::PathBuf> {
    let directories = fs::read_dir(state.join("intake")).into_iter().flatten();
    directories
        .map(|directory| directory.unwrap().path().join("stdin"))
        .filter(|file| file.exists())
        .collect()
}

/// How often each number is in the archive.
fn archived_numbers(home: &Path, state: &Path) -> BTreeMap<u64, u32> {
    let mut found = BTreeMap::new();
    for document in documents(home, state) {
        let number = document["seq"].as_u64().expect("every line has one");
        *found.entry(number).or_default() += 1;
    }
    found
}

#[test]
fn once_delivers_all_of_it_and_leaves_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    for time in 1..=2 {
        let mut engine = piped(home.path(), &state, &["--once"]);
        let mut input = engine.input();
        input.write_all(lines(0..20_000).as_bytes()).unwrap();
        // The last line has no line end.
        input.write_all(b"{\"seq\":20000}").unwrap();
        drop(input);
        assert!(engine.ended().success());
        // The same input again is delivered again.
        assert_eq!(archived(home.path(), &state, "*"), 20_001 * time);
        assert_eq!(fs::read_dir(state.join("intake")).unwrap().count(), 0);
    }
}

#[test]
fn once_with_nothing_to_read_ends() {
    let home = tempfile::tempdir().unwrap();
    let mut command = logwarden(home.path());
    expect(command.args(["--no-ui", "--once", "--state-dir", "state", "-"]), 0);
}

#[test]
fn once_delivers_while_the_input_is_still_open() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let mut engine = piped(home.path(), &state, &["--once"]);
    let mut input = engine.input();
    input.write_all(lines(0..10).as_bytes()).unwrap();
    wait_for("the first lines", PATIENCE, || {
        (archived(home.path(), &state, "*") == 10).then_some(())
    });
    input.write_all(lines(10..20).as_bytes()).unwrap();
    drop(input);
    assert!(engine.ended().success());
    assert_eq!(archived_numbers(home.path(), &state), (0..20).map(|n| (n, 1)).collect());
}

#[test]
fn stored_input_survives_kills() {
    let mut random = Random(seed("stdin"));
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let mut taken = 0;
    for _ in 0..6 {
        let mut engine = piped(home.path(), &state, &[]);
        let mut input = engine.input();
        for _ in 0..random.below(30) + 1 {
            let count = random.below(200);
            input.write_all(lines(taken..taken + count).as_bytes()).unwrap();
            taken += count;
            std::thread::sleep(Duration::from_millis(random.below(20)));
        }
        // Bytes still in the pipe are not stored; only those that were read count.
        let length = |files: &[std::path::PathBuf]| -> u64 {
            files.iter().filter_map(|file| fs::metadata(file).ok()).map(|found| found.len()).sum()
        };
        let last = format!("\"seq\":{}}}\n", taken.saturating_sub(1));
        wait_for("everything in the intake", PATIENCE, || {
            let files = segments(&state);
            let holds = |file| fs::read(file).is_ok_and(|held| text(&held).ends_with(&last));
            (length(&files) > 0 && files.iter().any(holds) || taken == 0).then_some(())
        });
        engine.kill();
    }
    // Any engine with this state continues with it.
    let other = home.path().join("other.log");
    fs::write(&other, lines(taken..taken + 1)).unwrap();
    let mut command = logwarden(home.path());
    expect(command.args(["--no-ui", "--once", "--state-dir"]).arg(&state).arg(&other), 0);
    assert_eq!(archived_numbers(home.path(), &state), (0..=taken).map(|n| (n, 1)).collect());
    assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_second_engine_stores_no_input() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let engine = piped(home.path(), &state, &[]);
    wait_for("the owner", PATIENCE, || state.join("control.sock").exists().then_some(()));
    let input = home.path().join("input");
    fs::write(&input, lines(0..5)).unwrap();
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--state-dir"]).arg(&state).arg("-");
    let output = run(command.stdin(fs::File::open(&input).unwrap()));
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(engine.terminate().success());
    assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new());
}

#[test]
fn an_interrupt_ends_the_engine_and_stored_input_is_delivered() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let mut engine = piped(home.path(), &state, &[]);
    let mut input = engine.input();
    input.write_all(lines(0..100).as_bytes()).unwrap();
    wait_for("the lines", PATIENCE, || (archived(home.path(), &state, "*") == 100).then_some(()));
    send_signal(engine.id(), "INT");
    assert!(engine.ended().success());
    assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new());
    // Its writer gets an error, as from any closed pipe.
    assert!(input.write_all(&[b'x'; 1 << 20]).is_err());
}

#[test]
fn an_unwritable_intake_blocks_the_writer() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    // A file in place of the directory has the same effect as a disk that cannot be written to.
    fs::write(state.join("intake"), "").unwrap();
    let mut engine = piped(home.path(), &state, &["--once"]);
    let mut input = engine.input();
    let writer = std::thread::spawn(move || input.write_all(lines(0..100_000).as_bytes()));
    wait_for("the notice", PATIENCE, || {
        let messages = engine.messages();
        messages.contains("cannot write to the intake directory").then(|| {
            assert!(messages.contains("its writer is blocked"), "{messages}");
        })
    });
    assert!(!writer.is_finished(), "more was read than can be kept");
    fs::remove_file(state.join("intake")).unwrap();
    writer.join().unwrap().unwrap();
    assert!(engine.ended().success());
    assert_eq!(archived(home.path(), &state, "*"), 100_000);
}

/// As `some-program | logwarden --no-ui -` in a script.
#[test]
fn an_engine_without_other_sources_ends_with_its_input() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let mut engine = piped(home.path(), &state, &[]);
    let mut input = engine.input();
    input.write_all(lines(0..5_000).as_bytes()).unwrap();
    wait_for("the first lines", PATIENCE, || {
        (archived(home.path(), &state, "*") > 0).then_some(())
    });
    // The last line has no line end, and fires a rule.
    input.write_all(b"{\"seq\":5000,\"level\":\"fatal\"}").unwrap();
    drop(input);
    let messages = home.path().join("engine.stderr");
    assert!(engine.ended().success());
    assert_eq!(archived_numbers(home.path(), &state), (0..=5_000).map(|n| (n, 1)).collect());
    assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new());
    let messages = fs::read_to_string(messages).unwrap();
    assert_eq!(messages.matches("fatal firing").count(), 1, "{messages}");
}

/// The sink accepts nothing, so the rest is delivered at the next start, and the exit code reports that.
#[test]
fn an_input_that_cannot_be_delivered_ends_with_code_1() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let output = home.path().join("missing/output.jsonl");
    let config = format!("[sink.out]\nkind = \"file\"\npath = \"{}\"\n", output.display());
    fs::write(home.path().join("config.toml"), config).unwrap();
    let mut engine = piped(home.path(), &state, &["--config", "config.toml"]);
    let mut input = engine.input();
    input.write_all(lines(0..10).as_bytes()).unwrap();
    drop(input);
    assert_eq!(engine.ended().code(), Some(1));
    assert_eq!(segments(&state).len(), 1);
    fs::create_dir(home.path().join("missing")).unwrap();
    let mut command = logwarden(home.path());
    command.args(["--no-ui", "--config", "config.toml", "--state-dir"]).arg(&state).arg("-");
    expect(&mut command, 0);
    assert_eq!(fs::read_to_string(output).unwrap().lines().count(), 10);
}

/// Binary data is not a log: that is reported, the run does not wait forever, and the exit code shows that it was not
/// delivered.
#[test]
fn input_that_is_not_text_ends_the_run_too() {
    let raw: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let program = [b"\x7fELF\n", &raw[..]].concat();
    let whole = gzip(lines(0..10).as_bytes());
    let many = gzip(lines(10..50_000).as_bytes());
    let damaged = [&gzip(lines(10..20).as_bytes())[..], b"and then nothing that was compressed\n"];
    let inputs: [(&str, &[u8], i32, &str); 7] = [
        // It begins like a log, so it is read as lines.
        ("raw", &raw, 0, "does not look like text"),
        ("a program", &program, 3, "400,005 bytes of standard input could not be read"),
        (
            "not a stream",
            b"\x1f\x8b\x08\x00 is no stream\n",
            3,
            "bytes of standard input could not",
        ),
        ("a compressed program", &gzip(&program), 3, "bytes of standard input could not be read"),
        ("whole", &whole, 0, ""),
        ("damaged", &damaged.concat(), 3, "bytes of standard input could not be read"),
        ("cut", &many[..many.len() / 2], 3, "standard input was truncated"),
    ];
    for arguments in [&[][..], &["--once"]] {
        for (name, bytes, code, words) in inputs {
            let home = tempfile::tempdir().unwrap();
            let state = home.path().join("state");
            let mut engine = piped(home.path(), &state, arguments);
            engine.input().write_all(bytes).unwrap();
            let messages = home.path().join("engine.stderr");
            let ended = engine.ended();
            let messages = fs::read_to_string(messages).unwrap();
            assert_eq!(ended.code(), Some(code), "{name} {arguments:?}: {messages}");
            assert!(messages.contains(words), "{name} {arguments:?}: {messages}");
            assert!(!messages.contains("from the paths"), "{name}: {messages}");
            // Nothing is left for the next run.
            assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new(), "{name}: {messages}");
            let found = archived(home.path(), &state, "seq:*");
            match name {
                "whole" | "damaged" => assert_eq!(found, 10, "{name}: {messages}"),
                "cut" => assert!(found > 0, "{messages}"),
                _ => assert_eq!(found, 0, "{name}: {messages}"),
            }
        }
    }
}

/// As `cat *.gz | logwarden -`, including streams that arrive when the first one is already read.
#[test]
fn consecutive_compressed_streams_are_all_delivered() {
    for arguments in [&[][..], &["--once"]] {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        let mut engine = piped(home.path(), &state, arguments);
        let mut input = engine.input();
        input.write_all(&gzip(lines(0..10).as_bytes())).unwrap();
        wait_for("the first stream", PATIENCE, || {
            (archived(home.path(), &state, "*") == 10).then_some(())
        });
        input.write_all(&gzip(lines(10..20).as_bytes())).unwrap();
        drop(input);
        let messages = home.path().join("engine.stderr");
        let ended = engine.ended();
        assert!(ended.success(), "{arguments:?}: {}", fs::read_to_string(messages).unwrap());
        assert_eq!(archived_numbers(home.path(), &state), (0..20).map(|n| (n, 1)).collect());
        assert_eq!(segments(&state), Vec::<std::path::PathBuf>::new());
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As a shell creates them for `<(program)`; each is read separately and to its end.
#[test]
fn named_pipes_are_read_like_standard_input() {
    for arguments in [&["--once"][..], &[]] {
        let home = tempfile::tempdir().unwrap();
        let (state, log) = (home.path().join("state"), home.path().join("app.log"));
        let pipes = ["one", "two"].map(|name| home.path().join(name));
        let mut command = logwarden(home.path());
        command.args(["--no-ui", "--state-dir"]).arg(&state).args(arguments);
        for pipe in &pipes {
            assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
            command.arg(pipe);
        }
        let mut numbers = 1_000;
        if !arguments.is_empty() {
            fs::write(&log, lines(1_000..1_010)).unwrap();
            command.arg(&log);
            numbers = 1_010;
        }
        let engine = Engine::spawn(home.path(), &mut command);
        let writers = pipes.clone().into_iter().zip([0..500, 500..1_000]).map(|(pipe, range)| {
            std::thread::spawn(move || {
                // Opening blocks until there is a reader.
                let mut pipe = fs::OpenOptions::new().write(true).open(pipe).unwrap();
                lines(range).lines().for_each(|line| writeln!(pipe, "{line}").unwrap());
            })
        });
        let writers: Vec<_> = writers.collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        assert!(engine.ended().success());
        assert_eq!(archived_numbers(home.path(), &state), (0..numbers).map(|n| (n, 1)).collect());
    }
}
