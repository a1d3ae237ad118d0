//! Tests: the same seed writes the same bytes, in the promised formats.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::{Clock, SystemClock, Timestamp};
use crate::event::Level;

/// 2021-04-06T21:38:02Z.
const START: Timestamp = Timestamp(1_617_745_082_000_000_000);

fn write(path: &Path, change: impl FnOnce(&mut Options), profile: Profile) -> u64 {
    let mut options = Options::new(profile, Target::Path(path.into()));
    options.start = Some(START);
    change(&mut options);
    run(&options, &SystemClock::new(), &CancellationToken::new()).unwrap()
}

#[test]
fn the_same_seed_writes_the_same_bytes_in_whole_lines_or_in_pieces() {
    let home = tempfile::tempdir().unwrap();
    let text = |name: &str, profile: Profile, seed, pieces| {
        let path = home.path().join(name);
        let set = |options: &mut Options| {
            options.seed = seed;
            options.count = Some(300);
            options.pieces = pieces;
        };
        assert_eq!(write(&path, set, profile), 300);
        fs::read_to_string(path).unwrap()
    };
    for profile in Profile::ALL {
        let name = profile.name();
        let whole = text(&format!("{name}.a"), profile, 7, false);
        assert_eq!(whole.lines().count(), 300);
        assert_eq!(text(&format!("{name}.b"), profile, 7, false), whole);
        assert_ne!(text(&format!("{name}.c"), profile, 8, false), whole);
        // The piece lengths are drawn from the same seed, so the lines differ but their number does not.
        let pieces = text(&format!("{name}.d"), profile, 7, true);
        assert_eq!(pieces.lines().count(), 300);
        assert!(pieces.ends_with('\n'));
    }
}

#[test]
fn lines_have_the_format_of_their_profile() {
    let line = |profile, level| {
        Generator::new(profile, 3, TimeZone::UTC)
            .line_of(START.plus(Duration::from_micros(123_456)), level)
            .text
    };
    let check = |profile, level, pattern: &str| {
        let text = line(profile, level);
        assert!(regex::Regex::new(&format!("^{pattern}\n$")).unwrap().is_match(&text), "{text}");
    };
    check(
        Profile::Sre,
        Level::Error,
        r#"\{"(ID": "\d+|CLIENT ID": "CLIENTID\d+)", "timestamp": "2021-04-06T21:38:02", "log_level": "ERROR", "thread": "thread\d"\}"#,
    );
    check(
        Profile::App,
        Level::Info,
        r#"\{"timestamp": "2021-04-06T21:38:02\.123456", "type": "INFO", "message": "[^"]+"\}"#,
    );
    check(
        Profile::Web,
        Level::Warning,
        r"2021-04-06 21:38:02,123 - \[WARNING\] - Unauthorized - \w+ request - at the index page - IP: [0-9.]+",
    );
    check(Profile::Ops, Level::Fatal, r"2021-04-06 21:38:02 \[FATAL\] .+\.");
}

#[test]
fn json_profiles_write_json_and_ops_writes_apostrophes() {
    for profile in [Profile::Sre, Profile::App] {
        let mut generator = Generator::new(profile, 1, TimeZone::UTC);
        for _ in 0..500 {
            let text = generator.line_at(START).text;
            let value: serde_json::Value = serde_json::from_str(&text).expect(&text);
            assert!(value["timestamp"].is_string());
        }
    }
    let mut generator = Generator::new(Profile::Ops, 1, TimeZone::UTC);
    assert!((0..500).any(|_| generator.line_at(START).text.contains('\'')));
}

#[test]
fn errors_come_in_bursts() {
    let mut generator = Generator::new(Profile::App, 1, TimeZone::UTC);
    let levels: Vec<Level> = (0..3000).map(|_| generator.line_at(START).level).collect();
    let longest = levels
        .chunk_by(|a, b| a == b)
        .filter(|run| run[0] == Level::Error)
        .map(<[Level]>::len)
        .max();
    assert!(longest >= Some(6), "{longest:?}");
    let errors = levels.iter().filter(|level| **level == Level::Error).count();
    assert!((30..400).contains(&errors), "{errors}");
}

#[test]
fn sre_writes_one_file_per_month() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("months");
    write(&directory, |options| options.count = Some(2000), Profile::Sre);
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 3, "{names:?}");
    assert!(names.contains(&"logs_2021_Apr.txt".to_string()), "{names:?}");
    let may = fs::read_to_string(directory.join("logs_2021_May.txt")).unwrap();
    assert!(may.lines().all(|line| line.contains("\"2021-05-")));
}

#[test]
fn rotation_renames_and_loses_no_line() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.log");
    let whole = home.path().join("whole.log");
    write(&path, |options| options.rotate = Some(4096), Profile::App);
    write(&whole, |_| {}, Profile::App);
    let mut text = String::new();
    let mut number = 1;
    while let Ok(part) = fs::read_to_string(home.path().join(format!("app.log.{number}"))) {
        assert!(part.len() >= 4096 && part.ends_with('\n'));
        text.push_str(&part);
        number += 1;
    }
    text.push_str(&fs::read_to_string(&path).unwrap_or_default());
    assert!(number > 10, "{number}");
    assert_eq!(text, fs::read_to_string(whole).unwrap());
}

#[test]
fn a_target_that_cannot_be_opened_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let options = Options::new(Profile::App, Target::Path(file.join("x.log")));
    let error = run(&options, &SystemClock::new(), &CancellationToken::new()).unwrap_err();
    assert!(error.to_string().contains("x.log"), "{error}");
}

/// The system clock, a hundred times as fast.
#[derive(Debug)]
struct FastClock {
    inner: SystemClock,
    began: Timestamp,
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        self.began.plus(self.uptime())
    }

    fn uptime(&self) -> Duration {
        self.inner.uptime() * 100
    }
}

#[test]
fn the_demo_writes_four_logs_with_a_past_bursts_a_fatal_and_a_rotation() {
    let home = tempfile::tempdir().unwrap();
    let stop = CancellationToken::new();
    let clock = FastClock { inner: SystemClock::new(), began: START };
    let all_seen = || {
        let text: String = fs::read_dir(home.path())
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        text.contains("[FATAL]")
            && text.matches("ERROR").count() > 40
            && home.path().join("app.log.1").exists()
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| demo(home.path(), &TimeZone::UTC, &clock, &stop));
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !all_seen() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.cancel();
        writer.join().unwrap().unwrap();
    });
    assert!(all_seen());
    for (name, pattern) in demo_sources(home.path()) {
        let found = glob::glob(pattern.to_str().unwrap()).unwrap().count();
        assert!(found >= 1, "{name}: {}", pattern.display());
    }
}

#[test]
fn without_a_start_time_the_last_line_has_the_current_time() {
    let home = tempfile::tempdir().unwrap();
    for (profile, pieces) in [(Profile::Ops, false), (Profile::Ops, true), (Profile::Sre, false)] {
        let now = Timestamp::from_seconds(1_700_000_000);
        let clock = crate::base::clock::ManualClock::at(now);
        let name = format!("{}.{pieces}", profile.name());
        let path = home.path().join(&name);
        let mut options = Options::new(profile, Target::Path(path.clone()));
        (options.count, options.pieces) = (Some(500), pieces);
        run(&options, &clock, &CancellationToken::new()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let last = text.lines().last().unwrap();
        assert!(last.contains("2023-11-14") && last.contains("22:13:20"), "{name}: {last}");
    }
}
