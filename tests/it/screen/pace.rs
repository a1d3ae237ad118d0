//! How often the screen draws, and how soon it responds to keys.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use logwarden::base::{Clock, SystemClock};
use logwarden::event::status::SinkState;

use super::memory_terminal::Setup;
use super::scenes::{append, busy, directory, line, numbered, two_logs, write};

#[test]
fn idle_draws_nothing() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let screen = Setup { clock: Arc::new(SystemClock::new()), ..Setup::new(80, 24) }.open(&paths);
    // Even if some changes are late on a busy machine, 1.5 seconds without a frame must occur.
    screen.rest_for(Duration::from_millis(1_500));
}

#[test]
fn a_countdown_is_drawn_once_per_second_and_no_more() {
    let directory = directory();
    let paths = two_logs(directory.path());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut status = busy();
    let next = clock.now().plus(Duration::from_secs(20));
    status.sinks[1].state = SinkState::BackingOff { next, attempts: 4 };
    let screen = Setup { status, clock, ..Setup::new(80, 24) }.open(&paths);
    let seconds = |text: &str| -> Option<u64> {
        text.split_once("try 5 in ")?.1.split_once(" s")?.0.parse().ok()
    };
    let first = seconds(&screen.wait_for_text("try 5 in ")).unwrap();
    let before = screen.frames();
    let text = screen.wait_for("two seconds later", |text| {
        seconds(text).is_some_and(|seconds| seconds + 2 <= first)
    });
    let (frames, passed) = (screen.frames() - before, first - seconds(&text).unwrap());
    assert!((1..=6 * passed).contains(&frames), "{frames} frames for {passed} seconds");
}

#[test]
fn a_large_file_opens_with_as_few_bytes_as_a_small_one() {
    let directory = directory();
    let small = write(directory.path(), "small.log", &numbered(20_000));
    // A hole of a gigabyte, then the same lines.
    let large = directory.path().join("large.log");
    let mut file = File::create(&large).unwrap();
    file.write_all(numbered(1_000).as_bytes()).unwrap();
    file.set_len(1 << 30).unwrap();
    append(&large, &format!("\n{}", numbered(20_000)));
    let read = |path: &PathBuf| {
        let setup = Setup { wanted: "event 19999 here", ..Setup::new(120, 40) };
        let screen = setup.open(std::slice::from_ref(path));
        screen.wait_for_text("event 19999 here");
        screen.terminal.first_display().expect("it is there").read
    };
    let (small, large) = (read(&small), read(&large));
    println!("read before the first screen: of 1 MB {small} bytes, of 1 GB {large} bytes");
    assert!(large <= small + (2 << 20), "{small} bytes, {large} bytes");
}

#[test]
fn a_flood_leaves_the_keys_answering_and_the_frames_few() {
    let directory = directory();
    let path = write(directory.path(), "flood.log", &numbered(10));
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
    let mut slowest = 0;
    while !writer.is_finished() {
        screen.terminal.watch_for("follow the end");
        screen.press("?");
        // A frame from before the key may still be in progress.
        let pressed = screen.terminal.frames();
        screen.wait_for_text("follow the end");
        // Recorded once the frame is complete.
        screen.wait_for("the frame with it", |_| screen.terminal.first_display().is_some());
        let frame = screen.terminal.first_display().expect("it was waited for").frame;
        slowest = slowest.max(frame.saturating_sub(pressed));
        screen.press("?");
        screen.wait_for("no help", |text| !text.contains("follow the end"));
        keys += 2;
        std::thread::sleep(Duration::from_millis(40));
    }
    writer.join().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let drawn = (screen.frames() - frames - keys) as f64 / seconds;
    println!(
        "flood: {drawn:.1} frames/s without those of keys, slowest key after {slowest} frames"
    );
    assert!(drawn <= 31.0, "{drawn} frames per second");
    assert!(slowest <= 3, "a key was answered after {slowest} frames");
    screen.wait_for_text("flood 2499");
}
