use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::app::report;
use crate::app::settings::*;
use crate::base::SystemClock;
use crate::event::status::SinkState;
use crate::follow::SourceConfig;
use crate::sink::kinds::FileKind;

const DEADLINE: Duration = Duration::from_secs(20);

/// A log `a.log`, delivered to the file `output` by a sink `out`.
fn settings(home: &Path, output: PathBuf) -> Settings {
    let zone = jiff::tz::TimeZone::UTC;
    let source = SourceConfig::of_file("app", home.join("a.log"));
    let kind = Arc::new(FileKind { path: output });
    Settings {
        sources: vec![source],
        stdin: false,
        pipes: Vec::new(),
        ad_hoc: false,
        ship: Ship { start: ShipStart::Auto, every: None, after: None },
        sinks: vec![SinkSettings { name: "out".to_owned(), kind, ..SinkSettings::archive() }],
        dead_letters_max_bytes: 1 << 20,
        intake_max_bytes: 1 << 20,
        privacy: PrivacySettings::default(),
        masked: false,
        rules: Vec::new(),
        notifiers: Vec::new(),
        directories: Directories::under(&home.join("state")),
        keys: home.join("keys"),
        makes_keys: true,
        color: Color::Never,
        host_id: Some("host".to_owned()),
        host_name: Some("host".to_owned()),
        log_level: "info".to_owned(),
        metrics: None,
        zone,
    }
}

fn lines_in(output: &Path) -> usize {
    std::fs::read_to_string(output).unwrap_or_default().lines().count()
}

fn append(home: &Path, lines: std::ops::Range<u32>) {
    let mut file = OpenOptions::new().create(true).append(true).open(home.join("a.log")).unwrap();
    for line in lines {
        writeln!(file, "{{\"level\":\"info\",\"message\":\"line {line}\"}}").unwrap();
    }
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn start(
    settings: &Settings,
    once: bool,
) -> (Engine, mpsc::Sender<Command>, watch::Receiver<Arc<Status>>) {
    let clock = Arc::new(SystemClock::new());
    let setup = EngineSetup::open(settings, once, clock.clone());
    let (commands, status) = (setup.commands.clone(), setup.status.subscribe());
    let engine = Engine::start(settings, setup, once, Ownership::Required, clock).await;
    (engine.unwrap(), commands, status)
}

/// So that `s` pressed as soon as the engine runs reaches its sinks.
#[tokio::test]
async fn the_first_running_status_names_the_sinks() {
    let home = TempDir::new().unwrap();
    let settings = settings(home.path(), home.path().join("output"));
    for _ in 0..20 {
        let clock = Arc::new(SystemClock::new());
        let setup = EngineSetup::open(&settings, false, clock.clone());
        let mut status = setup.status.subscribe();
        let first = tokio::spawn(async move {
            let running = |status: &Arc<Status>| status.engine == EngineState::Running;
            status.wait_for(running).await.unwrap().sinks.len()
        });
        let engine = Engine::start(&settings, setup, false, Ownership::Required, clock).await;
        assert_eq!(tokio::time::timeout(DEADLINE, first).await.unwrap().unwrap(), 1);
        engine.unwrap().stop().await;
    }
}

fn run(mut engine: Engine, read_settings: ReadSettings) -> JoinHandle<()> {
    tokio::spawn(async move {
        engine.run(&read_settings).await;
        engine.stop().await;
    })
}

async fn end(commands: &mpsc::Sender<Command>, running: JoinHandle<()>) {
    commands.send(Command::Stop).await.unwrap();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap();
}

fn no_reload() -> ReadSettings {
    Arc::new(|| Err(vec!["unexpected reload".to_owned()]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_whose_worker_fails_is_reported_and_restarted() {
    let home = TempDir::new().unwrap();
    let output = home.path().join("out.jsonl");
    let delivered = || lines_in(&output);
    append(home.path(), 0..100);
    let settings = settings(home.path(), output.clone());
    let (engine, commands, mut status) = start(&settings, false).await;
    eventually("the first lines", || delivered() == 100).await;
    engine.sinks[0].break_worker();
    let running = run(engine, no_reload());
    let status_now = status.wait_for(|status| status.broken == ["out"]);
    let status_now = tokio::time::timeout(DEADLINE, status_now).await.unwrap().unwrap().clone();
    assert!(matches!(status_now.sinks[0].state, SinkState::BackingOff { attempts: 1, .. }));
    assert!(status_now.sinks[0].last_error.as_ref().unwrap().contains("its worker failed"));
    let is_report = |text: &str| text.starts_with("sink out: its worker failed");
    assert!(status_now.notices.iter().any(|notice| is_report(&notice.text)));
    append(home.path(), 100..200);
    eventually("the others", || delivered() >= 200).await;
    eventually("all is well", || status.borrow().broken.is_empty()).await;
    assert!(matches!(status.borrow().sinks[0].state, SinkState::Idle | SinkState::Shipping));
    end(&commands, running).await;
    assert_eq!(delivered(), 200);
}

/// Also before the failure is noticed, and if the settings are reloaded meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_sent_to_a_failed_sink_applies_after_its_restart() {
    for (early, reload) in [(false, false), (false, true), (true, false)] {
        let home = TempDir::new().unwrap();
        let output = home.path().join("out.jsonl");
        let delivered = || lines_in(&output);
        append(home.path(), 0..100);
        let settings = settings(home.path(), output.clone());
        let (engine, commands, mut status) = start(&settings, false).await;
        eventually("the first lines", || delivered() == 100).await;
        engine.sinks[0].break_worker();
        let pause = Command::Pause { sink: None, by: "ada".to_owned() };
        if early {
            eventually("its end", || engine.sinks[0].has_ended()).await;
            commands.send(pause.clone()).await.unwrap();
        }
        let read_settings: ReadSettings = Arc::new(move || Ok(settings.clone()));
        let running = run(engine, read_settings);
        let reported = status.wait_for(|status| status.broken == ["out"]);
        tokio::time::timeout(DEADLINE, reported).await.unwrap().unwrap();
        if !early {
            commands.send(pause).await.unwrap();
            let reported = status.wait_for(|status| status.sinks[0].paused_by.is_some());
            tokio::time::timeout(DEADLINE, reported).await.unwrap().unwrap();
        }
        if reload {
            commands.send(Command::Reload).await.unwrap();
        }
        append(home.path(), 100..200);
        let paused =
            |state: &SinkState| matches!(state, SinkState::Paused { by, .. } if by == "ada");
        eventually("it is back, and paused", || {
            let status = status.borrow();
            status.broken.is_empty() && paused(&status.sinks[0].state)
        })
        .await;
        // Its uncommitted output is removed and written again.
        assert!(delivered() <= 100);
        commands.send(Command::Resume { sink: None }).await.unwrap();
        eventually("the others", || delivered() == 200).await;
        end(&commands, running).await;
    }
}

/// A sink that waits for a first order delivers continuously once it was resumed, also after a reload restarts it; a
/// paused sink that could not be started for a while is still paused afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn pause_and_resume_outlast_a_reload() {
    let home = TempDir::new().unwrap();
    let output = home.path().join("out.jsonl");
    let delivered = || lines_in(&output);
    append(home.path(), 0..100);
    let mut settings = settings(home.path(), output.clone());
    settings.ship.start = ShipStart::Manual;
    let (engine, commands, status) = start(&settings, false).await;
    let missing = Arc::new(AtomicBool::new(false));
    // The archive cannot create its directory where a file exists.
    std::fs::write(&settings.directories.archive, "").unwrap();
    let is_missing = missing.clone();
    let read_settings: ReadSettings = Arc::new(move || {
        let mut settings = settings.clone();
        if is_missing.load(Ordering::SeqCst) {
            settings.sinks[0].kind = SinkSettings::archive().kind;
        }
        Ok(settings)
    });
    let running = run(engine, read_settings);
    let state = || status.borrow().sinks.first().map(|sink| sink.state.clone());
    eventually("it waits", || state() == Some(SinkState::Armed)).await;
    for command in [Command::Resume { sink: None }, Command::Reload] {
        commands.send(command).await.unwrap();
    }
    eventually("the first lines", || delivered() == 100).await;
    append(home.path(), 100..200);
    eventually("more, unasked", || delivered() == 200).await;

    let pause = Command::Pause { sink: None, by: "ada".to_owned() };
    missing.store(true, Ordering::SeqCst);
    for command in [pause, Command::Reload] {
        commands.send(command).await.unwrap();
    }
    eventually("it is off", || state().is_none()).await;
    missing.store(false, Ordering::SeqCst);
    append(home.path(), 200..300);
    commands.send(Command::Reload).await.unwrap();
    let paused = |state| matches!(state, Some(SinkState::Paused { by, .. }) if by == "ada");
    eventually("it is paused", || paused(state())).await;
    assert_eq!(delivered(), 200);
    commands.send(Command::Resume { sink: None }).await.unwrap();
    eventually("the last lines", || delivered() == 300).await;
    end(&commands, running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_waits_for_a_sink_up_to_the_limit_and_then_names_it() {
    let home = TempDir::new().unwrap();
    let settings = settings(home.path(), home.path().join("out.jsonl"));
    let (mut engine, ..) = start(&settings, false).await;
    let (short, long) = (Duration::from_millis(50), DEADLINE);
    engine.sinks[0].hang_worker();
    assert_eq!(sinks::stop(std::mem::take(&mut engine.sinks), short).await, ["out"]);
    engine.stop().await;
    let (mut engine, ..) = start(&settings, false).await;
    assert!(sinks::stop(std::mem::take(&mut engine.sinks), long).await.is_empty());
    engine.stop().await;
}

/// The directory of its output is missing, so the sink never finishes.
#[tokio::test(flavor = "multi_thread")]
async fn once_fails_if_a_worker_fails() {
    let home = TempDir::new().unwrap();
    append(home.path(), 0..100);
    let settings = settings(home.path(), home.path().join("missing/out.jsonl"));
    let (mut engine, _, status) = start(&settings, true).await;
    engine.sinks[0].break_worker();
    let result = tokio::time::timeout(DEADLINE, engine.run(&no_reload())).await;
    result.expect("it ends");
    engine.stop().await;
    let undelivered = report::undelivered(&status.borrow()).unwrap();
    assert!(undelivered.contains("sink out failed: its worker failed"), "{undelivered}");
}

/// It does not know which keys were used, so a new key might be a second one for its month.
#[test]
fn a_screen_beside_an_engine_creates_no_key() {
    let home = TempDir::new().unwrap();
    let settings = settings(home.path(), home.path().join("out"));
    let april = crate::privacy::Month::typed("2021_April").unwrap();
    let sealer = keys::sealer(&settings, &Store::ephemeral(), false).unwrap();
    sealer.keyring().for_sealing(april).unwrap_err();
    assert!(!settings.keys.exists());
    let sealer = keys::sealer(&settings, &Store::ephemeral(), true).unwrap();
    sealer.keyring().for_sealing(april).unwrap();
}

mod watched;

/// A stop request is executed even if the rules still have events to evaluate.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_request_during_once_waits_for_no_rules() {
    for by_itself in [false, true] {
        let home = TempDir::new().unwrap();
        append(home.path(), 0..10);
        // If it cannot be written, the sink never finishes.
        let directory = if by_itself { "" } else { "missing/" };
        let output = home.path().join(format!("{directory}out.jsonl"));
        let settings = settings(home.path(), output);
        let (mut engine, commands, status) = start(&settings, true).await;
        engine.alerts.stop().await;
        engine.alerts = alerts::Alerts::never_finished();
        let running = run(engine, no_reload());
        if by_itself {
            let drains = || status.borrow().engine == EngineState::Draining;
            eventually("every sink is through", drains).await;
            assert!(!running.is_finished(), "it waits for the rules");
            let is_reported =
                || status.borrow().notices.iter().any(|it| it.text.contains("alert rules"));
            eventually("it reports that it waits for the rules", is_reported).await;
        }
        end(&commands, running).await;
    }
}
