//! Alerts, from a line in a file to a rule that fires, is announced once and is resolved.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use logwarden::alert::{Announcement, Change, Outputs, RuleConfig, Rules, defaults};
use logwarden::base::{Clock, SystemClock, Timestamp};
use logwarden::event::IdKey;
use logwarden::event::status::RuleState;
use logwarden::follow::{Log, LogConfig, SourceConfig, Start};
use logwarden::state::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for slow machines, short enough for a failing test.
const DEADLINE: Duration = Duration::from_secs(60);

fn source(name: &str, path: &Path) -> SourceConfig {
    SourceConfig {
        name: name.into(),
        paths: vec![path.into()],
        format: None,
        zone: TimeZone::UTC,
        service: None,
        start: Start::Beginning,
        multiline: true,
    }
}

struct Engine {
    log: Log,
    outputs: Outputs,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Engine {
    fn start(sources: Vec<SourceConfig>, rules: Vec<RuleConfig>, once: bool) -> Engine {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let key = IdKey::from_host_id("test");
        let config = LogConfig { sources, once, host: "here".into(), key, intake: None };
        let log = Log::open(config, clock.clone());
        log.settle(Store::ephemeral(), Vec::new());
        let (rules, outputs) = Rules::new(log.clone(), rules, &Arc::default(), clock, once);
        let consumer = rules.consumer();
        let stop = CancellationToken::new();
        let task = tokio::spawn(consumer.run(stop.clone()));
        Engine { log, outputs, stop, task }
    }

    async fn next(&mut self) -> Announcement {
        let announcement = tokio::time::timeout(DEADLINE, self.outputs.announcements.recv()).await;
        announcement.expect("an announcement in time").expect("the consumer runs")
    }

    async fn wait_for(&mut self, rule: &str, state: RuleState) {
        let reached = self.outputs.statuses.wait_for(|statuses| {
            statuses.iter().any(|status| status.name == rule && status.state == state)
        });
        tokio::time::timeout(DEADLINE, reached).await.expect("in time").expect("the consumer runs");
    }

    /// Stops it and returns the remaining announcements.
    async fn end(mut self) -> Vec<String> {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it stops").unwrap();
        self.log.stop();
        let mut rest = Vec::new();
        while let Ok(announcement) = self.outputs.announcements.try_recv() {
            rest.push(brief(&announcement));
        }
        rest
    }
}

fn brief(announcement: &Announcement) -> String {
    match announcement {
        Announcement::Transition(change) => {
            let verb = if change.change == Change::Fired { "fired" } else { "resolved" };
            format!("{} {verb} [{}] {}", change.rule, change.key, change.count)
        }
        Announcement::Earlier { rule, fired } => format!("{rule} earlier {fired}"),
        other => other.to_string(),
    }
}

/// Appends one line with this time.
fn append(path: &Path, time: Timestamp, level: &str, text: &str) {
    let time = jiff::Timestamp::from_millisecond(time.millis()).unwrap();
    let line = format!("{} [{level}] {text}\n", time.strftime("%Y-%m-%d %H:%M:%S"));
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

fn now() -> Timestamp {
    SystemClock::new().now()
}

/// The default rules over a window of two seconds.
fn quick_rules() -> Vec<RuleConfig> {
    let quick = |rule| RuleConfig { window: Duration::from_secs(2), ..rule };
    defaults().into_iter().map(quick).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_errors_fire_once_and_silence_resolves() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.log");
    append(&path, now(), "INFO", "ready");
    let mut engine = Engine::start(vec![source("app", &path)], quick_rules(), false);
    engine.outputs.statuses.wait_for(|statuses| statuses.len() == 2).await.unwrap();
    for number in 0..8 {
        append(&path, now(), "ERROR", &format!("failure {number}"));
    }
    let Announcement::Transition(fired) = engine.next().await else { panic!("not a transition") };
    assert_eq!((&*fired.rule, &*fired.key, fired.change), ("errors", "app", Change::Fired));
    assert!(fired.count >= 5, "{fired}");
    engine.wait_for("errors", RuleState::Firing).await;
    assert_eq!(brief(&engine.next().await), "errors resolved [app] 8");
    engine.wait_for("errors", RuleState::Resolved).await;
    assert_eq!(engine.end().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_incidents_are_counted_and_current_ones_are_announced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.log");
    let past = Timestamp::from_seconds(1_700_000_000);
    for hour in 0..3 {
        for second in 0..10 {
            let time = past.plus(Duration::from_secs(hour * 3600 + second));
            append(&path, time, "ERROR", "old failure");
        }
    }
    let mut engine = Engine::start(vec![source("app", &path)], defaults(), false);
    assert_eq!(brief(&engine.next().await), "errors earlier 3");
    append(&path, now(), "FATAL", "Disk failure detected on /dev/sdb.");
    assert_eq!(brief(&engine.next().await), "fatal fired [] 1");
    assert_eq!(engine.end().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn once_announces_every_incident_and_ends() {
    let home = tempfile::tempdir().unwrap();
    let (busy, calm) = (home.path().join("busy.log"), home.path().join("calm.log"));
    let past = Timestamp::from_seconds(1_700_000_000);
    for second in 0..30 {
        let time = past.plus(Duration::from_secs(second * 60));
        append(&calm, time, if second % 9 == 0 { "ERROR" } else { "INFO" }, "y");
        append(&busy, time, if second < 7 { "ERROR" } else { "INFO" }, "x");
    }
    append(&calm, past.plus(Duration::from_secs(7200)), "FATAL", "the last line");
    let sources = vec![source("busy", &busy), source("calm", &calm)];
    let mut engine = Engine::start(sources, defaults(), true);
    tokio::time::timeout(DEADLINE, &mut engine.task).await.expect("it ends on its own").unwrap();
    let mut announced = Vec::new();
    while let Ok(line) = engine.outputs.announcements.try_recv() {
        announced.push(brief(&line));
    }
    announced.sort();
    assert_eq!(
        announced,
        ["errors fired [busy] 5", "errors resolved [busy] 7", "fatal fired [] 1"]
    );
    engine.log.stop();
}

/// If the files were read one after the other, the last errors of the first would make those of the second late.
#[tokio::test(flavor = "multi_thread")]
async fn errors_in_two_files_are_counted_together_while_catching_up() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = (home.path().join("one.log"), home.path().join("other.log"));
    let past = Timestamp::from_seconds(1_700_000_000);
    let write = |path: &Path, second| {
        append(path, past.plus(Duration::from_secs(second)), "ERROR", "failure");
    };
    [0, 2, 4, 7200].into_iter().for_each(|second| write(&one, second));
    [1, 3, 10_800].into_iter().for_each(|second| write(&other, second));
    let both = SourceConfig { paths: vec![one, other], ..source("app", Path::new("")) };
    let mut engine = Engine::start(vec![both], defaults(), true);
    assert_eq!(brief(&engine.next().await), "errors fired [app] 5");
    assert!(brief(&engine.next().await).starts_with("errors resolved [app]"));
    assert_eq!(engine.end().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ends_when_there_is_nothing_to_read() {
    let home = tempfile::tempdir().unwrap();
    let missing = source("none", &home.path().join("none.log"));
    let engine = Engine::start(vec![missing], defaults(), true);
    tokio::time::timeout(DEADLINE, engine.task).await.expect("it ends on its own").unwrap();
    engine.log.stop();
}

/// For example a UTC time that is read as Berlin time, or a batch job that logs its start time.
#[tokio::test(flavor = "multi_thread")]
async fn live_events_fire_whatever_their_own_time_and_a_skew_is_announced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.log");
    append(&path, now(), "INFO", "ready");
    let mut engine = Engine::start(vec![source("app", &path)], quick_rules(), false);
    // The history has been read when this is announced.
    append(&path, now(), "FATAL", "the first that counts");
    assert_eq!(brief(&engine.next().await), "fatal fired [] 1");
    assert_eq!(brief(&engine.next().await), "fatal resolved [] 1");
    let hour_ago = now().minus(Duration::from_secs(3_700));
    append(&path, hour_ago, "FATAL", "shop is down");
    assert_eq!(brief(&engine.next().await), "fatal fired [] 1");
    for number in 0..5 {
        append(&path, hour_ago, "ERROR", &format!("failure {number}"));
    }
    let mut announced = vec![brief(&engine.next().await)];
    while announced.len() < 2 {
        let next = brief(&engine.next().await);
        if !next.starts_with("fatal") {
            announced.push(next);
        }
    }
    announced.sort();
    assert_eq!(announced[0], "errors fired [app] 5");
    assert!(announced[1].contains("app.log are 61 min behind the clock"), "{}", announced[1]);
    engine.end().await;
}

/// Lines written between two checks of the file: all of them arrived while it was followed.
#[tokio::test(flavor = "multi_thread")]
async fn lines_in_a_truncated_file_are_live() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.log");
    append(&path, now(), "INFO", "ready");
    let mut engine = Engine::start(vec![source("app", &path)], quick_rules(), false);
    append(&path, now(), "FATAL", "the first that counts");
    assert_eq!(brief(&engine.next().await), "fatal fired [] 1");
    let (day_ago, written) = (now().minus(Duration::from_secs(86_400)), home.path().join("new"));
    (0..5).for_each(|number| append(&written, day_ago, "ERROR", &format!("failure {number}")));
    std::fs::write(&path, std::fs::read(&written).unwrap()).unwrap();
    loop {
        let announced = brief(&engine.next().await);
        if announced.starts_with("errors") {
            assert_eq!(announced, "errors fired [app] 5");
            break;
        }
    }
    engine.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_keys_that_fire_at_once_are_all_announced() {
    for once in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("app.log");
        let text: String = (0..1_000)
            .map(|key| format!("{{\"level\":\"error\",\"user\":\"u{key}\",\"message\":\"x\"}}\n"))
            .collect();
        let rule = defaults().remove(1);
        let rules = vec![RuleConfig { count: 1, by: vec!["user".into()], ..rule }];
        let first = "{\"level\":\"info\",\"message\":\"ready\"}\n";
        std::fs::write(&path, if once { text.as_str() } else { first }).unwrap();
        let mut engine = Engine::start(vec![source("app", &path)], rules, once);
        if !once {
            let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        let mut keys = std::collections::BTreeSet::new();
        while keys.len() < 1_000 {
            let Announcement::Transition(fired) = engine.next().await else { continue };
            assert!(keys.insert(fired.key), "each once");
        }
        engine.end().await;
    }
}
