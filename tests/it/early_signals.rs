//! Signals that arrive before the engine listens are obeyed too. The configuration is a pipe: while it is read, the
//! program has started, but nothing else has.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::fixture::{Fixture, lines};
use crate::program::{Engine, send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(120);

/// The configuration is "manual", and "auto" when it is read again. The signal arrives while the configuration is read.
fn signalled_early(signal: &str) -> (Fixture, Engine) {
    let fixture = Fixture::new("");
    fixture.append("a.log", &lines(1, 0..10));
    let out = fixture.path("out.jsonl");
    fixture.configure(&format!(
        "enabled = false\nurls = [\"http://localhost:1\"]\n[ship]\nstart = \"manual\"\n[sink.out]\n\
         kind = \"file\"\npath = \"{}\"",
        out.display()
    ));
    let config = fixture.path("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::remove_file(&config).unwrap();
    mknodat(CWD, &config, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let engine = fixture.engine();
    // Returns when the other end is opened.
    let mut pipe = File::options().write(true).open(&config).unwrap();
    send_signal(engine.id(), signal);
    fs::remove_file(&config).unwrap();
    fs::write(&config, text.replace("manual", "auto")).unwrap();
    pipe.write_all(text.as_bytes()).unwrap();
    (fixture, engine)
}

fn delivered(fixture: &Fixture) -> Option<()> {
    let written = fs::read_to_string(fixture.path("out.jsonl")).unwrap_or_default();
    (written.lines().count() == 10).then_some(())
}

#[test]
fn an_early_ship_signal_is_obeyed() {
    let (fixture, engine) = signalled_early("USR1");
    wait_for("the events", PATIENCE, || delivered(&fixture));
    assert!(engine.terminate().success());
}

#[test]
fn an_early_sighup_reloads_the_configuration() {
    if is_ignored(1) {
        println!(
            "skipped: SIGHUP is ignored here (nohup), and stays so in every program that is started"
        );
        return;
    }
    let (fixture, engine) = signalled_early("HUP");
    wait_for("the events", PATIENCE, || delivered(&fixture));
    assert!(engine.terminate().success());
}

fn is_ignored(signal: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << (signal - 1)) != 0
}

#[test]
fn an_early_stop_signal_ends_the_engine_cleanly() {
    let (_fixture, engine) = signalled_early("TERM");
    let ended = engine.ended();
    assert!(ended.success(), "{ended:?}");
}

/// Without an engine that will handle the signal, the program is terminated by it.
#[test]
fn a_command_without_an_engine_is_terminated_by_an_early_signal() {
    use std::os::unix::process::ExitStatusExt;
    let fixture = Fixture::new("");
    let config = fixture.path("config.toml");
    fs::remove_file(&config).unwrap();
    mknodat(CWD, &config, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut child = fixture.beside(&["config", "--print-effective"]).spawn().unwrap();
    let _pipe = File::options().write(true).open(&config).unwrap();
    send_signal(child.id(), "TERM");
    let ended = wait_for("its end", PATIENCE, || child.try_wait().unwrap());
    assert_eq!(ended.signal(), Some(15));
}
