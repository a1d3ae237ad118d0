//! How often the screen draws, and how soon it answers.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock};
use logwarden::event::status::SinkState;

use super::glass::Setup;
use super::scenes::{append, busy, folder, line, numbered, two_logs, write};

#[test]
fn idle_draws_nothing() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let screen = Setup { clock: Arc::new(SystemClock::new()), ..Setup::new(80, 24) }.open(&paths);
    screen.rest();
    let before = screen.frames();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(screen.frames(), before);
}

#[test]
fn a_countdown_is_drawn_once_a_second_and_no_more() {
    let folder = folder();
    let paths = two_logs(folder.path());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut status = busy();
    let next = clock.now().plus(Duration::from_secs(20));
    status.sinks[1].state = SinkState::BackingOff { next, attempts: 4 };
    let screen = Setup { status, clock, ..Setup::new(80, 24) }.open(&paths);
    screen.wait_for_text("try 5 in 20 s");
    let before = screen.frames();
    screen.wait_for_text("try 5 in 18 s");
    let frames = screen.frames() - before;
    assert!((1..=12).contains(&frames), "{frames} frames for two seconds");
}

#[test]
fn a_large_file_opens_as_fast_as_a_small_one() {
    let folder = folder();
    let small = write(folder.path(), "small.log", &numbered(20_000));
    // A hole of a gigabyte, then the same lines.
    let large = folder.path().join("large.log");
    let mut file = File::create(&large).unwrap();
    file.write_all(numbered(1_000).as_bytes()).unwrap();
    file.set_len(1 << 30).unwrap();
    append(&large, &format!("\n{}", numbered(20_000)));
    let first = |path: &PathBuf| {
        let started = Instant::now();
        let screen = Setup::new(120, 40).open(std::slice::from_ref(path));
        screen.wait_for_text("event 19999 here");
        started.elapsed()
    };
    first(&small);
    let best = |path| (0..5).map(|_| first(path)).min().unwrap();
    let (small, large) = (best(&small), best(&large));
    println!("first screen: 1 MB in {small:?}, 1 GB in {large:?}");
    assert!(large <= small * 2 + Duration::from_millis(30), "{small:?}, {large:?}");
}

#[test]
fn a_flood_leaves_the_keys_answering_and_the_frames_few() {
    let folder = folder();
    let path = write(folder.path(), "flood.log", &numbered(10));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut screen = Setup { clock, ..Setup::new(80, 24) }.open(std::slice::from_ref(&path));
    screen.wait_for_text("event 9 here");
    let lines: String = (0..2_500).map(|n| line(1, "INFO", &format!("flood {n}"))).collect();
    let written = Arc::new(AtomicU64::new(0));
    let writer = {
        let (written, path) = (written.clone(), path.clone());
        std::thread::spawn(move || {
            let started = Instant::now();
            let mut file = File::options().append(true).open(path).unwrap();
            for round in 1..=60u32 {
                file.write_all(lines.as_bytes()).unwrap();
                written.fetch_add(2_500, Ordering::Relaxed);
                std::thread::sleep((started + Duration::from_millis(50) * round) - Instant::now());
            }
        })
    };
    let started = Instant::now();
    let frames = screen.frames();
    let mut keys = 0;
    let mut slowest = Duration::ZERO;
    while !writer.is_finished() {
        let pressed = Instant::now();
        screen.press("?");
        screen.wait_for_text("follow the end");
        screen.press("?");
        screen.wait_for("no help", |text| !text.contains("follow the end"));
        slowest = slowest.max(pressed.elapsed() / 2);
        keys += 2;
        std::thread::sleep(Duration::from_millis(40));
    }
    writer.join().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let drawn = (screen.frames() - frames - keys) as f64 / seconds;
    println!("flood: {drawn:.1} frames/s without those of keys, slowest key {slowest:?}");
    assert!(drawn <= 31.0, "{drawn} frames a second");
    assert!(slowest < Duration::from_millis(1_000), "{slowest:?}");
    screen.wait_for_text("flood 2499");
}
