//! Arguments, layers of settings and exit codes, through the real binary.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

mod commands;
mod service;

/// The binary with a home of its own, without this machine's environment.
struct Program {
    home: TempDir,
}

impl Program {
    fn new() -> Self {
        Program { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logwarden"));
        command.args(arguments).current_dir(self.home.path());
        command.env_clear().env("HOME", self.home.path()).env("TZ", "UTC");
        command
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).output().unwrap())
    }
}

#[derive(Debug)]
struct Outcome {
    code: i32,
    out: String,
    err: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Outcome {
            code: output.status.code().expect("not killed"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    fn reports(self, text: &str) -> Self {
        assert!(self.err.contains(text), "{text:?} in {self:#?}");
        self
    }

    #[track_caller]
    fn prints(self, text: &str) -> Self {
        assert!(self.out.contains(text), "{text:?} in {self:#?}");
        self
    }
}

#[test]
fn all_wrong_settings_are_listed_together_with_position_and_suggestion() {
    let program = Program::new();
    let file = program.write(
        "bad.toml",
        r#"colr = "auto"
[ship]
start = "atuo"
[source.app]
path = ["/var/log/*.log"]
[rule.errors]
where = "level:eror"
  cuont = 10
[sink.es]
kind = "elasticsearch"
password = "secret"
[privacy]
addresses = "rot13"
seal = ["--"]
[[privacy.pattern]]
field = "client_id"
"#,
    );
    let expected = [
        ":1:1: unknown key `colr` at the top level; did you mean `color`?",
        ":3:9: ship.start: `atuo` is not one of auto, manual; did you mean `auto`?",
        ":4:9: [source.app] needs `paths`",
        ":5:1: unknown key `path` in [source.app]; did you mean `paths`?",
        ":7:9: rule.errors.where: query, column 7: `eror` is not a valid level",
        ":8:3: unknown key `cuont` in [rule.errors]; did you mean `count`?",
        ":9:7: `urls` is missing; write urls = ",
        ":11:1: `password` in [sink.es] would put a secret into the configuration",
        ":13:13: privacy.addresses: `rot13` is not one of hmac, pfx, truncate, clear, legacy-sha1",
        ":14:9: privacy.seal: `--` is not a field name",
        ":15:1: [privacy.pattern] needs `match`",
    ];
    let outcome = program.run(&["check", "--config", &file]).exits(2);
    let lines: Vec<&str> = outcome.err.lines().collect();
    assert_eq!(lines.len(), expected.len() + 1, "{outcome:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("{file}{expected}")), "{line}\nis not\n{expected}");
    }
    assert!(!outcome.err.contains("\"secret\""));
    assert!(lines[11].contains("11 errors"), "{}", lines[11]);
}

#[test]
fn broken_toml_is_reported_with_its_position() {
    let program = Program::new();
    let file = program.write("broken.toml", "[ship]\nstart = \n[rule]\nerrors = 3\n");
    let outcome = program.run(&["--config", &file, "check"]).exits(2);
    outcome.reports(&format!("{file}:2:9: ")).reports(":4:10: rule.errors: expected a table");
}

#[test]
fn a_later_layer_changes_one_setting_of_an_earlier_one() {
    let program = Program::new();
    let user = program.write(
        ".config/logwarden/config.toml",
        "[rule.errors]\ncount = 10\n[sink.archive]\nkeep = \"7d\"\n",
    );
    let own = program
        .write("own.toml", "[rule.errors]\nwindow = \"1m\"\n[sink.archive]\nkeep = \"9d\"\n");
    let effective = Outcome::of(
        program
            .command(&["config", "--print-effective", "--config", &own, "--state-dir", "durable"])
            .env("LOGWARDEN_SINK__ARCHIVE__LEVELS", "error,fatal")
            .env("LOGWARDEN_STATE_DIR", "elsewhere")
            .output()
            .unwrap(),
    );
    effective
        .exits(0)
        .prints("[rule.errors]\nkind = \"threshold\" # defaults:")
        .prints(&format!("count = 10 # {user}:2:9\nwindow = \"1m\" # {own}:2:10"))
        .prints(&format!("keep = \"9d\" # {own}:4:8"))
        .prints("levels = \"error,fatal\" # LOGWARDEN_SINK__ARCHIVE__LEVELS")
        .prints("state_dir = \"durable\" # --state-dir");
}

#[test]
fn a_wrong_variable_is_reported_like_a_wrong_line() {
    let program = Program::new();
    let outcome = Outcome::of(
        program
            .command(&["check"])
            .env("LOGWARDEN_RULE__ERRORS__COUNT", "many")
            .env("LOGWARDEN_SHIP__STRAT", "auto")
            .output()
            .unwrap(),
    );
    outcome
        .exits(2)
        .reports("LOGWARDEN_RULE__ERRORS__COUNT: rule.errors.count: expected an integer")
        .reports("LOGWARDEN_SHIP__STRAT: unknown key `strat` in [ship]; did you mean `start`?");
}

#[test]
fn the_defaults_read_back_as_they_are() {
    let program = Program::new();
    let printed = program.run(&["config", "--print-default"]).exits(0);
    let file = program.write("defaults.toml", &printed.out);
    program.run(&["check", "--config", &file]).exits(0).prints("ok    rules: fatal, errors");
    let values = |outcome: Outcome| {
        let lines = outcome.exits(0).out;
        lines.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let without = values(program.run(&["config", "--print-effective"]));
    let with = values(program.run(&["config", "--print-effective", "--config", &file]));
    assert_eq!(without, with);
}

#[test]
fn every_commented_default_is_a_setting_that_exists() {
    let program = Program::new();
    let printed = program.run(&["config", "--print-default"]).exits(0).out;
    let is_setting = |line: &str| {
        let line = line.trim_start_matches("# ");
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let (mut text, mut uncommented) = (String::new(), 0);
    for line in printed.lines() {
        let setting = line.starts_with("# ") && is_setting(line);
        // The head of the file contains an example of how a later layer changes a rule.
        let line = if setting && !line.starts_with("#   ") {
            uncommented += 1;
            &line[2..]
        } else {
            line
        };
        text.push_str(line);
        text.push('\n');
    }
    assert!(uncommented > 15, "{text}");
    let file = program.write("all.toml", &text);
    program.run(&["config", "--print-effective", "--config", &file]).exits(0);
}

#[test]
fn init_writes_a_configuration_that_works_and_never_overwrites_one() {
    let program = Program::new();
    let log = program.write("a \"log\".log", "hello\n");
    let file = program.path("new/own.toml").display().to_string();
    program.run(&["--config", &file, "init", &log]).exits(0).reports("wrote");
    program
        .run(&["check", "--config", &file])
        .exits(0)
        .prints(&format!("ok    source logs {log}: readable"));
    let written = std::fs::read_to_string(&file).unwrap();
    program.run(&["--config", &file, "init"]).exits(2).reports("already exists");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);

    program.run(&["init"]).exits(0);
    assert!(program.path(".config/logwarden/config.toml").exists());
}

#[test]
fn check_reports_unusable_directories_and_files() {
    let program = Program::new();
    program.write("file", "");
    let config = program.write(
        "own.toml",
        "[source.app]\npaths = [\"none.log\", \"no*.log\"]\n[notifier.ops]\nkind = \"email\"\n",
    );
    let outcome = program.run(&["check", "--config", &config, "--state-dir", "file/state"]);
    outcome
        .exits(1)
        .prints("ERROR state directory file/state: file is not a directory; choose another with --state-dir")
        .prints("ok    source app none.log: not found; picked up when created")
        .prints("ok    source app no*.log: no match; files are picked up when created")
        .reports("notifier.ops has no effect in this version");
}

#[test]
fn wrong_usage_exits_with_2_and_advice() {
    let program = Program::new();
    let check = |arguments: &[&str], text: &str| {
        program.run(arguments).exits(2).reports(text);
    };
    check(&[], "nothing to follow");
    check(&["nosuch.log"], "nosuch.log: no such file (to wait for it");
    check(&["serch"], "did you mean `logwarden search`?");
    check(&["--once"], "--no-ui");
    check(&["--no-ui", "demo"], "cannot be combined with a command");
    check(&["--colour"], "--color");
    check(&["--config", "none.toml", "check"], "none.toml: cannot read this configuration file");
    check(&["--tz", "Mars", "check"], "--tz: timezone: `Mars` is not a valid time zone");
    check(&["--log-level", "a=b=c", "check"], "is not a valid log level");
    check(&["config"], "--print-default");
    check(&["[", "--no-ui"], "is not a valid glob");
    check(&["-"], "standard output is not a terminal");
}

#[test]
fn every_command_has_help_with_an_example() {
    let program = Program::new();
    program.run(&["--help"]).exits(0).prints("Examples:");
    for command in
        ["demo", "parse", "stats", "search", "generate", "init", "check", "config", "completions"]
    {
        let help = program.run(&[command, "--help"]).exits(0);
        assert!(help.out.contains("Example"), "{command}: {}", help.out);
        assert!(help.out.contains("logwarden "), "{command}: {}", help.out);
    }
}

#[test]
fn completions_are_printed_and_a_closed_pipe_is_success() {
    let program = Program::new();
    program.run(&["completions", "bash"]).exits(0).prints("_logwarden");
    for arguments in [&["completions", "bash"][..], &["config", "--print-default"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program.command(arguments).stdout(writer).output().unwrap();
        let outcome = Outcome::of(output).exits(0);
        assert_eq!(outcome.err, "", "{arguments:?}");
    }
}

#[test]
fn a_file_named_like_a_pattern_is_found() {
    let program = Program::new();
    let config = program.write("own.toml", "[source.app]\npaths = [\"a[1].log\"]\n");
    program.write("a[1].log", "x\n");
    assert!(Path::new(&program.path("a[1].log")).exists());
    program.run(&["check", "--config", &config]).exits(0).prints("a[1].log: readable");
}

const WEB: &str = "2023-11-14 10:23:01,446 - [INFO] - Authorized - GET request
2023-11-14 10:23:01,462 - [WARNING] - Unauthorized - POST request
Traceback (most recent call last):
  File \"app.py\", line 3, in <module>
2023-11-14 10:23:02,001 - [ERROR] - caf\u{e9} \"down\"
";

fn documents(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn parse_prints_one_document_per_event_with_its_format() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    let outcome = program.run(&["parse", &file]).exits(0);
    let found = documents(&outcome);
    let field = |path: &str| found.iter().map(|event| event.pointer(path)).collect::<Vec<_>>();
    let texts = |path: &str| {
        field(path).iter().map(|value| value.unwrap().as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(texts("/log/level"), ["info", "warning", "error"]);
    assert_eq!(texts("/format"), ["python"; 3]);
    assert_eq!(texts("/@timestamp")[2], "2023-11-14T10:23:02.001Z");
    assert_eq!(texts("/message")[2], "caf\u{e9} \"down\"");
    assert!(texts("/message")[1].contains("app.py"));
    assert_eq!(texts("/log/file/path"), [&file; 3]);

    // The same bytes as a stream, with an explicit time zone.
    let mut child = program
        .command(&["parse", "--tz", "Europe/Berlin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(WEB.as_bytes()).unwrap();
    let streamed = Outcome::of(child.wait_with_output().unwrap()).exits(0);
    let streamed = documents(&streamed);
    assert_eq!(streamed.len(), 3);
    assert_eq!(streamed[2]["@timestamp"], "2023-11-14T09:23:02.001Z");
}

#[test]
fn parse_prints_events_of_a_slow_stream_as_they_arrive() {
    let program = Program::new();
    let mut child = program
        .command(&["parse", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for number in 0..3 {
        writeln!(input, "{{\"level\":\"info\",\"message\":\"line {number}\"}}").unwrap();
        // Blocks until the line arrives: the stream stays open.
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains(&format!("\"message\":\"line {number}\"")), "{line}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_line_over_the_cap_is_one_event_and_the_next_line_is_right() {
    let program = Program::new();
    let long = "x".repeat(5 << 20);
    for (text, after) in [("\n2024-10-16 14:03:28 [ERROR] after\n", 1), ("", 0)] {
        let text = format!("2024-10-16 14:03:27 [INFO] before\n{long}{text}");
        let file = program.write("long.log", &text);
        let outcome = program.run(&["parse", &file]).exits(0);
        let found = documents(&outcome);
        assert_eq!(found.len(), 2 + after);
        assert_eq!(found[1]["log"]["truncated"], true, "{}", found[1]["log"]);
        if after == 1 {
            assert_eq!(found[2]["message"], "after");
            assert_eq!(found[2]["log"]["offset"], 34 + long.len() + 1);
        }
        let stats = program.run(&["stats", "--format", "json", &file]).exits(0);
        let stats = &documents(&stats)[0];
        assert_eq!((&stats["lines"], &stats["bytes"]), (&(2 + after).into(), &text.len().into()));
    }
}

#[test]
fn stats_counts_lines_events_and_bytes() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    let outcome = program.run(&["stats", &file, "--format", "json"]).exits(0);
    let mut found = documents(&outcome).remove(0);
    let took = found.as_object_mut().unwrap().remove("seconds").unwrap();
    assert!(took.as_f64().unwrap() > 0.0);
    assert!(found.as_object_mut().unwrap().remove("bytes_per_second").unwrap().is_f64());
    let expected = serde_json::json!({
        "file": file, "formats": ["python"], "bytes": WEB.len(), "lines": 5, "events": 3,
        "first": "2023-11-14T10:23:01.446Z", "last": "2023-11-14T10:23:02.001Z",
        "levels": {"none": 0, "trace": 0, "debug": 0, "info": 1, "notice": 0, "warning": 1, "error": 1,
            "fatal": 0},
    });
    assert_eq!(found, expected);
    program
        .run(&["stats", &file])
        .exits(0)
        .prints("format  python")
        .prints("levels  info 1 · warning 1 · error 1");
}

#[test]
fn files_that_cannot_be_read_are_named_and_the_others_are_counted() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    let empty = program.write("empty.log", "");
    program
        .run(&["stats", ".", &empty, &file])
        .exits(1)
        .reports(". is a directory; name the files in it")
        .prints("format  empty")
        .prints("events  3");
    program
        .run(&["parse", "--format", "pyton", &file])
        .exits(2)
        .reports("unknown format `pyton`; did you mean `python`?");
}

#[test]
fn generated_logs_are_the_same_for_the_same_seed_and_understood() {
    let program = Program::new();
    for (profile, format) in
        [("app", "json"), ("web", "python"), ("ops", "generic"), ("sre", "json")]
    {
        let run = |seed: &str| {
            let arguments = [
                "generate",
                profile,
                "--count",
                "50",
                "--seed",
                seed,
                "--start",
                "2024-05-01",
                "--tz",
                "UTC",
            ];
            program.run(&arguments).exits(0).out
        };
        let lines = run("7");
        assert_eq!(lines.lines().count(), 50);
        assert_eq!(lines, run("7"));
        assert_ne!(lines, run("8"));
        let file = program.write("generated.log", &lines);
        let stats = program.run(&["stats", "--format", "json", &file]).exits(0);
        let stats = documents(&stats).remove(0);
        assert_eq!(stats["formats"], serde_json::json!([format]), "{profile}");
        assert_eq!(
            (&stats["events"], &stats["levels"]["none"]),
            (&50.into(), &0.into()),
            "{profile}"
        );
        assert!(stats["first"].as_str().unwrap().starts_with("2024-05-01T00:"), "{stats}");
    }
    program
        .run(&["generate", "web", "--start", "soon"])
        .exits(2)
        .reports("--start `soon`: expected a time");
    program.run(&["generate", "web", "--rate", "0"]).exits(2).reports("above 0");
    program
        .run(&["generate", "web", "--out", "generated.log/web.log"])
        .exits(1)
        .reports("cannot open generated.log/web.log for writing");
}

#[test]
fn check_names_a_damaged_archive() {
    let program = Program::new();
    let check = || program.run(&["check", "--state-dir", "durable"]);
    check().exits(0).prints("ok    sink archive: no archive in durable/archive yet");
    program.write("durable/archive/meta.json", "{");
    check().exits(1).prints("ERROR sink archive: cannot read the archive in durable/archive");
}

#[test]
fn files_are_searched_without_an_archive() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    let found = |arguments: &[&str]| {
        let outcome = program.run(&[&["search"], arguments].concat());
        (outcome.code, outcome.out.trim_end().to_owned())
    };
    assert_eq!(found(&["unauthorized", &file, "--count"]), (0, "1".to_owned()));
    assert_eq!(found(&["authorized", "--count", &file]), (0, "1".to_owned()));
    assert_eq!(found(&["level>=warning", "web.log", "--count"]), (0, "2".to_owned()));
    assert_eq!(found(&["level>=warning", "*.log", "--limit", "1", "--count"]), (0, "1".to_owned()));
    assert_eq!(
        found(&["*", ".", "--since", "2023-11-14T10:23:02", "--count"]),
        (0, "1".to_owned())
    );
    assert_eq!(
        found(&["*", ".", "--until", "2023-11-14T10:23:02", "--count"]),
        (0, "2".to_owned())
    );
    assert_eq!(found(&["nothing", &file, "--count"]), (1, "0".to_owned()));
    assert_eq!(found(&["nothing", &file]), (1, String::new()));

    let config = program.write("own.toml", "[source.web]\npaths = [\"*.log\"]\n");
    let from_sources = ["café", "--in", "files", "--config", &config, "--format", "json"];
    let outcome = program.run(&[&["search"], &from_sources[..]].concat()).exits(0);
    assert_eq!(documents(&outcome)[0]["message"], "café \"down\"");

    let text = program.run(&["search", "post", &file, "--color", "always"]).exits(0);
    assert!(text.out.contains("\u{1b}[") && text.out.contains("warning"), "{text:?}");
    let plain = program.run(&["search", "post", &file]).exits(0);
    assert!(!plain.out.contains('\u{1b}') && plain.out.contains("web.log"), "{plain:?}");
    program.run(&["search", "down", &file, "--format", "csv"]).exits(0).prints("time,level,");
}

#[test]
fn a_wrong_search_is_answered_with_advice() {
    let program = Program::new();
    let file = program.write("web.log", WEB);
    let check = |arguments: &[&str], code: i32, text: &str| {
        program
            .run(&[&["search", "--state-dir", "durable"], arguments].concat())
            .exits(code)
            .reports(text);
    };
    check(&["level:eror", &file], 2, "query, column 7: `eror` is not a valid level");
    check(&["x", "--since", "soon"], 2, "--since `soon`: expected a time");
    check(&["Unauthorized", "level:error"], 2, "put the whole query in quotes");
    check(&["x", "--in", "archive", &file], 2, "leave out --in archive");
    check(&["x", "--in", "files"], 2, "no file to search");
    check(&["x"], 1, "no archive in durable/archive yet");
    check(&["clientId:7*"], 2, "`clientId` is sealed in the archive");
    check(&["clientId:7"], 2, "cannot be searched without their keys: no keys in durable/keys yet");
}
