//! Sample logs and statuses for screen tests.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use logwarden::base::Timestamp;
use logwarden::event::Status;
use logwarden::event::status::{Bytes, EngineState, RuleState, RuleStatus, SinkState, SinkStatus};

/// 2024-05-06T10:30:00Z.
pub const NOW: i64 = 1_714_991_400;

pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    let written = UNIX_EPOCH + Duration::from_secs(NOW as u64 - 2);
    File::options().append(true).open(&path).unwrap().set_modified(written).unwrap();
    path
}

pub fn append(path: &Path, text: &str) {
    File::options().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

pub fn line(second: i64, level: &str, text: &str) -> String {
    let time = jiff::Timestamp::from_second(NOW - 100_000 + second).unwrap();
    format!("{} [{level}] {text}\n", time.strftime("%Y-%m-%d %H:%M:%S"))
}

pub fn numbered(count: usize) -> String {
    (0..count)
        .map(|number| line(number as i64 / 10, "INFO", &format!("event {number} here")))
        .collect()
}

/// Two logs of one minute, with a stack trace and a bit of everything.
pub fn two_logs(directory: &Path) -> Vec<PathBuf> {
    let time = |second: i64| jiff::Timestamp::from_second(NOW - 60 + second).unwrap();
    let mut app = String::new();
    let mut web = String::new();
    for second in 0..40 {
        let stamp = time(second).strftime("%Y-%m-%d %H:%M:%S");
        let (level, text) = match second % 10 {
            3 => ("WARNING", "queue is 81 % full".to_owned()),
            7 => ("ERROR", format!("cannot store order {second}: connection reset")),
            8 => ("DEBUG", "retry in 200 ms".to_owned()),
            _ => ("INFO", format!("order {second} stored in {} ms", second * 7 % 23)),
        };
        app.push_str(&format!("{stamp} [{level}] {text}\n"));
        if second == 37 {
            app.push_str("  at store.rs:12\n  at order.rs:77\n  at main.rs:3\n");
        }
        if second % 3 == 0 {
            web.push_str(&format!(
                "{{\"time\":\"{}\",\"level\":\"info\",\"message\":\"GET /orders/{second}\",\"status\":200,\
                 \"client\":\"10.0.0.{second}\"}}\n",
                time(second).strftime("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
    }
    vec![write(directory, "app.log", &app), write(directory, "web.json", &web)]
}

pub fn rule(name: &str, state: RuleState, count: u64, limit: u64) -> RuleStatus {
    RuleStatus {
        name: name.to_owned(),
        condition: format!("level:{name} ≥ {limit} in 5 min"),
        limit,
        count,
        key: "test".to_owned(),
        state,
        last_fired: (state != RuleState::Inactive).then(|| Timestamp::from_seconds(NOW - 30)),
        history: vec![0, 0, 1, 2, 0, 3, count.min(5), 1, 0, 0, 1, count],
        fired: 1,
    }
}

pub fn sink(name: &str, state: SinkState) -> SinkStatus {
    SinkStatus {
        state,
        confirmed_events: 12_345,
        bytes: Bytes { seen: 1_600_000, confirmed: 1_600_000, ..Bytes::default() },
        rate: 48.2,
        last_success: Some(Timestamp::from_seconds(NOW - 1)),
        ..SinkStatus::new(name, name)
    }
}

pub fn busy() -> Status {
    let down = SinkStatus {
        bytes: Bytes {
            seen: 1_600_000,
            confirmed: 300_000,
            waiting: 1_300_000,
            ..Bytes::default()
        },
        behind_bytes: 1_300_000,
        behind_events: 9_800,
        oldest_waiting: Some(Timestamp::from_seconds(NOW - 300)),
        rate: 0.0,
        last_error: Some("no space left on /data".to_owned()),
        ..sink("out", SinkState::BackingOff { next: Timestamp::from_seconds(NOW + 8), attempts: 4 })
    };
    Status {
        engine: EngineState::Running,
        rules: vec![
            rule("fatal", RuleState::Inactive, 0, 1),
            rule("error", RuleState::Firing, 9, 5),
            rule("warning", RuleState::Inactive, 16, 20),
        ],
        sinks: vec![sink("archive", SinkState::Idle), down],
        ..Status::default()
    }
}
