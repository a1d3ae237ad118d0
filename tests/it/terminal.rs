//! The real binary on a real terminal: it starts, responds to keys and always restores the terminal.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use logwarden::privacy::{Keyring, Month, Sealer};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::program::{self, Engine, send_signal, wait_for};

/// A program on a pseudo terminal, with its displayed screen.
struct Screen {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    parser: Arc<Mutex<vt100::Parser>>,
    drawn: Arc<Mutex<Vec<u8>>>,
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Screen {
    fn open(home: &Path, rows: u16, columns: u16, arguments: &[&Path]) -> Screen {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_logwarden"));
        command.arg("--state-dir");
        command.arg(home.join("state"));
        command.args(arguments);
        Screen::run(home, rows, columns, command)
    }

    /// `COMMAND | logwarden …`, as a shell runs it.
    fn piped(home: &Path, before: &str, arguments: &str) -> Screen {
        let program = env!("CARGO_BIN_EXE_logwarden");
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", &format!("({before}) | {program} --state-dir state {arguments}")]);
        Screen::run(home, 24, 120, command)
    }

    fn run(home: &Path, rows: u16, columns: u16, mut command: CommandBuilder) -> Screen {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        command.env_clear();
        for (name, value) in [
            ("TERM", "xterm-256color"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
            ("PATH", "/usr/bin:/bin"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", home);
        let scratch = home.join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        command.env("TMPDIR", scratch);
        command.cwd(home);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let drawn = Arc::new(Mutex::new(Vec::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let (sink, raw) = (parser.clone(), drawn.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                sink.lock().unwrap().process(&buffer[..count]);
                raw.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Screen { master: pair.master, keys, child, parser, drawn }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn shows(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    fn wait_until_it_shows(&self, text: &str) {
        let started = std::time::Instant::now();
        while !self.shows().contains(text) {
            assert!(started.elapsed() < PATIENCE, "{text:?} is not shown on:\n{}", self.shows());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_the_end(&mut self) -> u32 {
        wait_for("the end of the program", PATIENCE, || self.child.try_wait().unwrap()).exit_code()
    }

    /// Raw mode is off, the other screen left, the cursor shown.
    fn terminal_is_as_before(&self) {
        let termios = self.master.get_termios().expect("a pty has them");
        let flags = format!("{:?}", termios.local_flags);
        assert!(flags.contains("ECHO") && flags.contains("ICANON"), "{flags}");
        self.wait_until_last(b"\x1b[?1049l", b"\x1b[?1049h", "still on the other screen");
        self.wait_until_last(b"\x1b[?25h", b"\x1b[?25l", "the cursor is still hidden");
    }

    /// Output arrives through another thread: waits until the last `wanted` is behind the last `other`.
    fn wait_until_last(&self, wanted: &[u8], other: &[u8], wrong: &str) {
        wait_for(wrong, PATIENCE, || {
            let drawn = self.drawn.lock().unwrap();
            let position =
                |needle: &[u8]| drawn.windows(needle.len()).rposition(|window| window == needle);
            (position(wanted) > position(other)).then_some(())
        });
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sample(home: &Path) -> PathBuf {
    let path = home.join("app.log");
    let mut text = String::new();
    for number in 0..200 {
        let level = if number % 50 == 49 { "ERROR" } else { "INFO" };
        text.push_str(&format!(
            "2026-11-20 10:00:{:02},000 - [{level}] - event {number}\n",
            number % 60
        ));
    }
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn it_shows_the_end_of_the_file_and_restores_the_terminal() {
    for (rows, columns) in [(24, 80), (60, 200)] {
        let scratch = tempfile::tempdir().unwrap();
        let path = sample(scratch.path());
        let mut screen = Screen::open(scratch.path(), rows, columns, &[&path]);
        screen.wait_until_it_shows("event 199");
        let mut log = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        log.write_all(b"2026-11-20 10:01:00,000 - [ERROR] - just now\n").unwrap();
        screen.wait_until_it_shows("just now");
        screen.press("?");
        screen.wait_until_it_shows("ship");
        // Escape and a letter in one read would be Alt and that letter.
        screen.press("\x1b");
        std::thread::sleep(Duration::from_secs(2));
        screen.press("Q");
        assert_eq!(screen.wait_for_the_end(), 0);
        screen.terminal_is_as_before();
    }
}

#[test]
fn it_survives_every_size() {
    let scratch = tempfile::tempdir().unwrap();
    let path = sample(scratch.path());
    let mut screen = Screen::open(scratch.path(), 24, 80, &[&path]);
    screen.wait_until_it_shows("event 199");
    for (rows, cols) in [(1, 1), (5, 300), (14, 59), (100, 3), (60, 200), (24, 80)] {
        screen.parser.lock().unwrap().screen_mut().set_size(rows, cols);
        screen.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        std::thread::sleep(Duration::from_millis(60));
        assert!(screen.child.try_wait().unwrap().is_none(), "it ended at {rows}×{cols}");
    }
    screen.wait_until_it_shows("event 199");
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 0);
}

#[test]
fn a_signal_restores_the_terminal() {
    for name in ["TERM", "INT", "HUP"] {
        let scratch = tempfile::tempdir().unwrap();
        let path = sample(scratch.path());
        let mut screen = Screen::open(scratch.path(), 24, 80, &[&path]);
        screen.wait_until_it_shows("event 199");
        send_signal(screen.child.process_id().unwrap(), name);
        assert_eq!(screen.wait_for_the_end(), 0, "{name}");
        screen.terminal_is_as_before();
    }
}

/// All three standard descriptors are on the closed terminal.
#[test]
fn closing_the_window_ends_the_program_without_leftovers() {
    let home = tempfile::tempdir().unwrap();
    let scratch = home.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_logwarden"));
    command.arg("demo");
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command.env("HOME", home.path());
    command.env("TMPDIR", &scratch);
    command.cwd(home.path());
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut window = pair.master.try_clone_reader().unwrap();
    let (mut drawn, mut buffer) = (Vec::new(), [0; 4096]);
    while !drawn.windows(7).any(|text| text == b"archive") {
        let count = window.read(&mut buffer).unwrap();
        drawn.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 1);
    drop((window, pair.master));
    let ended = wait_for("the end of the program", PATIENCE, || child.try_wait().unwrap());
    assert_eq!((ended.exit_code(), ended.signal()), (0, None));
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
}

#[test]
fn it_can_be_suspended_and_resumed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = sample(scratch.path());
    let mut screen = Screen::open(scratch.path(), 24, 80, &[&path]);
    screen.wait_until_it_shows("event 199");
    let process = screen.child.process_id().unwrap();
    screen.press("\x1a");
    wait_for("the stop", PATIENCE, || {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        stat.contains(") T ").then_some(())
    });
    screen.terminal_is_as_before();
    send_signal(process, "CONT");
    screen.wait_until_it_shows("event 199");
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 0);
}

#[test]
fn escapes_in_a_log_are_shown_and_never_executed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("evil.log");
    std::fs::write(
        &path,
        "2026-11-20 10:00:00,000 - [INFO] - \x1b]0;owned\x07\x1b[2Jgone\x1b[999;999H \u{202e}txet\n\
         2026-11-20 10:00:01,000 - [INFO] - last line\n",
    )
    .unwrap();
    let mut screen = Screen::open(scratch.path(), 24, 80, &[&path]);
    screen.wait_until_it_shows("last line");
    screen.wait_until_it_shows("gone");
    {
        let drawn = screen.drawn.lock().unwrap();
        let hostile: [&[u8]; 3] = [b"\x1b]0;owned", b"\x1b[999;999H", "\u{202e}".as_bytes()];
        for bytes in hostile {
            assert!(!drawn.windows(bytes.len()).any(|window| window == bytes), "{bytes:?}");
        }
    }
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 0);
}

/// S44: a second engine refuses to start; a second screen opens and reports that it does not ship.
#[test]
fn s44_one_engine_per_state_directory_but_a_screen_always_opens() {
    let scratch = tempfile::tempdir().unwrap();
    let (home, state) = (scratch.path(), scratch.path().join("state"));
    let path = sample(home);
    let engine = Engine::start(home, &state, &[&path]);
    wait_for("the engine", PATIENCE, || state.join("control.sock").exists().then_some(()));

    let second = program::run(
        program::logwarden(home).args(["--no-ui", "--state-dir"]).arg(&state).arg(&path),
    );
    assert_eq!(second.status.code(), Some(4));
    let messages = program::text(&second.stderr);
    assert!(
        messages.contains(&engine.id().to_string()) && messages.contains("state"),
        "{messages}"
    );

    let mut screen = Screen::open(home, 24, 80, &[&path]);
    screen.wait_until_it_shows("event 199");
    screen.wait_until_it_shows("view only");
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 0);
    assert!(engine.terminate().success());
}

#[test]
fn an_engine_that_cannot_start_is_reported_on_the_screen() {
    let home = tempfile::tempdir().unwrap();
    let log = sample(home.path());
    // Its file output would work; its archive cannot be opened.
    let settings = home.path().join("settings.toml");
    let sinks = "[sink.archive]\nkind = \"archive\"\n[sink.out]\nkind = \"file\"\npath = \"out\"\n";
    std::fs::write(&settings, sinks).unwrap();
    std::fs::create_dir(home.path().join("state")).unwrap();
    std::fs::write(home.path().join("state/archive"), "no directory").unwrap();
    let arguments = [Path::new("--config"), &settings, &log];
    let mut screen = Screen::open(home.path(), 24, 120, &arguments);
    screen.wait_until_it_shows("view only, not shipping");
    screen.wait_until_it_shows("sink archive");
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 1);
    screen.terminal_is_as_before();
    wait_for("the reason", PATIENCE, || {
        let drawn = program::text(&screen.drawn.lock().unwrap());
        drawn.contains("nothing was shipped and no alert rule was evaluated").then_some(())
    });
    assert!(!home.path().join("out").exists(), "no sink is running");
}

#[test]
fn without_a_terminal_it_names_the_alternatives() {
    let scratch = tempfile::tempdir().unwrap();
    let path = sample(scratch.path());
    let output = program::run(program::logwarden(scratch.path()).arg(&path));
    assert_eq!(output.status.code(), Some(2));
    let messages = program::text(&output.stderr);
    for hint in ["--no-ui", "search", "parse"] {
        assert!(messages.contains(hint), "{messages}");
    }
    assert!(!scratch.path().join("state").join("archive").exists(), "nothing may be shipped");
}

/// A gigabyte of realistic lines with a marked last line.
fn large(home: &Path, megabytes: usize) -> PathBuf {
    let mut block = String::with_capacity(1 << 20);
    let mut number = 0;
    while block.len() < 1_000_000 {
        block.push_str(&format!(
            "{{\"timestamp\":\"2026-11-20T10:00:00.{:03}Z\",\"level\":\"info\",\"message\":\"request \
             {number} was answered\",\"status\":200}}\n",
            number % 1000
        ));
        number += 1;
    }
    let path = home.join(format!("{megabytes}.log"));
    let mut file = std::fs::File::create(&path).unwrap();
    for _ in 0..megabytes {
        file.write_all(block.as_bytes()).unwrap();
    }
    file.write_all(b"{\"level\":\"error\",\"message\":\"the very end\"}\n").unwrap();
    path
}

fn time_to_first_screen(home: &Path, path: &Path) -> Duration {
    let started = std::time::Instant::now();
    let mut screen = Screen::open(home, 24, 80, &[path]);
    while !screen.shows().contains("the very end") {
        assert!(started.elapsed() < PATIENCE, "{}", screen.shows());
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = started.elapsed();
    screen.press("Q");
    screen.wait_for_the_end();
    took
}

/// The duration is a figure for docs/PERFORMANCE.md; `screen::pace` counts the bytes read.
#[test]
fn a_gigabyte_is_shown_from_its_end() {
    let scratch = tempfile::tempdir().unwrap();
    let (small, big) = (large(scratch.path(), 1), large(scratch.path(), 1000));
    // The first start includes loading the binary.
    time_to_first_screen(scratch.path(), &small);
    let best = |path| (0..3).map(|_| time_to_first_screen(scratch.path(), path)).min().unwrap();
    println!("first screen: 1 MB {:?}, 1 GB {:?}", best(&small), best(&big));
}

/// RssAnon of a process in KiB.
fn anonymous_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("Linux says it");
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Bytes of the files in a directory.
fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[test]
fn memory_stays_small_with_a_gigabyte_on_the_screen_and_shipped() {
    let scratch = tempfile::tempdir().unwrap();
    let path = large(scratch.path(), 1000);
    let mut screen = Screen::open(scratch.path(), 24, 80, &[&path]);
    screen.wait_until_it_shows("the very end");
    screen.press("s");
    let process = screen.child.process_id().unwrap();
    let archive = scratch.path().join("state").join("archive");
    let mut highest = 0;
    let mut watch = |deadline: Duration, until: &dyn Fn() -> bool| {
        let started = std::time::Instant::now();
        while started.elapsed() < deadline && !until() {
            highest = highest.max(anonymous_memory(process));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    // Memory reaches a plateau, which some hundred thousand events are enough to show.
    let enough = || size_of(&archive) > 20_000_000;
    watch(PATIENCE * 10, &enough);
    assert!(enough(), "too little is shipped:\n{}", screen.shows());
    watch(Duration::from_secs(5), &|| false);
    screen.press("g");
    watch(Duration::from_secs(2), &|| false);
    println!("RssAnon at most {} MiB", highest / 1024);
    assert!(highest <= 100 * 1024, "{} MiB", highest / 1024);
}

/// Mask and token as configured, with the keys and the audit log of the state directory.
#[test]
fn it_starts_masked_as_configured_and_decrypts_a_token_with_an_existing_key() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path();
    let keyring = Keyring::open_or_create(&home.join("state/keys")).unwrap();
    let mut token = String::new();
    let april = Month::typed("2021_April").unwrap();
    let sealer = Sealer::new(Arc::new(keyring)).unwrap();
    sealer.seal(april, "clientid", "MKSEALED", &mut token, &mut String::new()).unwrap();
    let text = format!(
        "{{\"message\":\"login of MKPLAIN\",\"client_id\":\"MKPLAIN\"}}\n\
         {{\"message\":\"the last\",\"client_id\":\"{token}\"}}\n"
    );
    std::fs::write(home.join("out.jsonl"), text).unwrap();
    std::fs::write(home.join("config.toml"), "[screen]\nmask = true\n").unwrap();
    let arguments = ["--config", "config.toml", "out.jsonl"].map(Path::new);
    let mut screen = Screen::open(home, 50, 160, &arguments);
    screen.wait_until_it_shows("login of [sealed]");
    assert!(screen.shows().contains(" masked"), "{}", screen.shows());
    assert!(!screen.shows().contains("MKPLAIN"), "{}", screen.shows());
    screen.press("m");
    screen.wait_until_it_shows("login of MKPLAIN");
    screen.press("\r");
    screen.wait_until_it_shows("o decrypt");
    screen.press("o");
    screen.wait_until_it_shows("clientid   2021_April  MKSEALED");
    let audit = std::fs::read_to_string(home.join("state/audit.jsonl")).unwrap();
    assert_eq!(audit.lines().count(), 1);
    assert!(audit.contains("\"by\":\"screen\"") && !audit.contains("MKSEALED"), "{audit}");
    screen.press("Q");
    assert_eq!(screen.wait_for_the_end(), 0);
}

#[test]
fn standard_input_is_a_stream_and_keys_come_from_the_terminal() {
    let home = tempfile::tempdir().unwrap();
    let before = "echo '2024-05-01 10:00:00 [ERROR] first'; \
                  while ! [ -e go ]; do sleep 0.05; done; echo '2024-05-01 10:00:01 [INFO] second'";
    let mut screen = Screen::piped(home.path(), before, "-");
    screen.wait_until_it_shows("first");
    screen.wait_until_it_shows("stdin");
    std::fs::write(home.path().join("go"), "").unwrap();
    screen.wait_until_it_shows("second");
    // The end of standard input does not end the screen, and nothing was shipped.
    screen.wait_until_it_shows("standard input has ended");
    assert_eq!(program::archived(home.path(), &home.path().join("state"), "*"), 0);
    screen.press("qq");
    assert_eq!(screen.wait_for_the_end(), 0);
    // It was only viewed: nothing of it is left in the state directory.
    let left = std::fs::read_dir(home.path().join("state/intake")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn standard_input_beside_an_engine_is_shown_and_not_shipped() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let log = home.path().join("app.log");
    std::fs::write(&log, "2024-05-01 10:00:00 [INFO] of the engine\n").unwrap();
    let engine = Engine::start(home.path(), &state, &[&log]);
    wait_for("the engine's line", PATIENCE, || {
        (program::archived(home.path(), &state, "*") == 1).then_some(())
    });
    let mut screen =
        Screen::piped(home.path(), "echo '2024-05-01 10:00:00 [INFO] shown'", "--ship -");
    screen.wait_until_it_shows("view only");
    screen.wait_until_it_shows("shown");
    screen.press("qq");
    assert_eq!(screen.wait_for_the_end(), 0);
    assert!(engine.terminate().success());
    assert_eq!(program::archived(home.path(), &state, "*"), 1);
    assert_eq!(std::fs::read_dir(state.join("cache")).unwrap().count(), 0);
}

/// Archived events are viewed on the screen; decrypted tokens are recorded in the real audit log.
#[test]
fn archive_results_are_shown_and_their_tokens_decrypted_on_demand() {
    let home = tempfile::tempdir().unwrap();
    let line = "{\"time\":\"2021-04-02T10:00:00Z\",\"client_id\":\"CLIENTID2\",\"message\":\"CLIENTID2 came\"}\n";
    std::fs::write(home.path().join("a.log"), line).unwrap();
    let config = "[source.app]\npaths = [\"a.log\"]\n[sink.archive]\nkeep = \"forever\"\n";
    std::fs::write(home.path().join("config.toml"), config).unwrap();
    let mut once = program::logwarden(home.path());
    once.args(["--config", "config.toml", "--state-dir", "state", "--no-ui", "--once"]);
    program::expect(&mut once, 0);
    let scratch = home.path().join("scratch");
    for arguments in [&["search", "client_id:CLIENTID2"][..], &["find", "--client", "CLIENTID2"]] {
        let audit = home.path().join("state/audit.jsonl");
        let _ = std::fs::remove_file(&audit);
        let all = ["--config", "config.toml"].iter().chain(arguments).chain(&["--view"]);
        let all: Vec<&Path> = all.map(Path::new).collect();
        let mut screen = Screen::open(home.path(), 40, 160, &all);
        screen.wait_until_it_shows("  1 event ");
        assert!(!screen.shows().contains("CLIENTID2"), "{}", screen.shows());
        screen.press("\r");
        screen.wait_until_it_shows("o decrypt");
        screen.press("o");
        screen.wait_until_it_shows("2021_April  CLIENTID2");
        let written = std::fs::read_to_string(&audit).unwrap();
        assert!(
            written.contains("\"by\":\"screen\"") && !written.contains("CLIENTID2"),
            "{written}"
        );
        assert!(written.contains("\"file\":\"what was found\""), "{written}");
        screen.press("Q");
        assert_eq!(screen.wait_for_the_end(), 0);
        let left = std::fs::read_dir(&scratch).unwrap().count();
        assert_eq!(left, 0, "nothing is left behind");
    }
}
