//! From files through the real log, state and worker into a file: every line once, despite stops and kills.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use logwarden::base::SystemClock;
use logwarden::event::IdKey;
use logwarden::event::status::SinkStatus;
use logwarden::follow::{Log, LogConfig, SourceConfig, Start};
use logwarden::privacy::Policy;
use logwarden::sink::{
    DeadLetterDirectory, FileSink, Filter, Mode, Order, Worker, WorkerConfig, WorkerHandle,
};
use logwarden::state::Store;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::fixture::open_state;

const DEADLINE: Duration = Duration::from_secs(60);

/// A directory with logs, a state and an output file, in which engines are started and stopped.
struct Machine {
    scratch: TempDir,
    written: BTreeMap<usize, u64>,
}

struct Engine {
    log: Log,
    store: Store,
    handle: WorkerHandle,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<SinkStatus>,
}

impl Machine {
    fn new() -> Self {
        Machine { scratch: tempfile::tempdir().unwrap(), written: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Appends `count` whole lines of one writer to its file.
    fn write(&mut self, writer: usize, count: u64) {
        let path = self.path(&format!("writer-{writer}.log"));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let next = self.written.entry(writer).or_default();
        for sequence in *next..*next + count {
            let client = 7_000_000 + sequence;
            writeln!(
                file,
                r#"{{"time":"2026-11-01T10:00:00.{:03}Z","level":"info","message":"of {client}","writer":{writer},"seq":{sequence},"client_id":"{client}"}}"#,
                sequence % 1000,
            )
            .unwrap();
        }
        *next += count;
    }

    fn start(&self, mode: Mode) -> Engine {
        let clock = Arc::new(SystemClock::new());
        let store = open_state(&self.path("state"));
        let source = SourceConfig {
            name: "app".into(),
            paths: vec![self.path("*.log")],
            format: None,
            zone: jiff::tz::TimeZone::UTC,
            service: None,
            start: Start::Beginning,
            multiline: true,
        };
        let config = LogConfig {
            sources: vec![source],
            once: mode == Mode::Once,
            host: "host".into(),
            key: IdKey::from_host_id("host"),
            intake: None,
        };
        let log = Log::open(config, clock.clone());
        log.set_consumers(vec!["out".into()]);
        log.settle(store.clone(), Vec::new());
        let (worker, handle) = Worker::new(WorkerConfig {
            name: "out".into(),
            kind: "file".into(),
            sink: Arc::new(FileSink::new(
                self.path("out.jsonl"),
                Arc::new(store.clone()),
                clock.clone(),
            )),
            queue: Arc::new(log.clone()),
            store: store.clone(),
            policy: Arc::new(Policy::new(&["client_id".into()], false)),
            filter: Filter::default(),
            mode,
            budget: 8 << 20,
            dead_letters: Arc::new(DeadLetterDirectory::new(
                self.path("dead-letters"),
                clock.clone(),
                1 << 30,
            )),
            clock,
        });
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Engine { log, store, handle, stop, task }
    }

    fn output(&self) -> String {
        fs::read_to_string(self.path("out.jsonl")).unwrap_or_default()
    }

    /// How often each line of each writer arrived.
    fn arrived(&self) -> BTreeMap<(usize, u64), u32> {
        let mut all = BTreeMap::new();
        for line in self.output().lines() {
            let document: serde_json::Value = serde_json::from_str(line).expect(line);
            let number = |name: &str| document[name].as_u64().expect(name);
            *all.entry((number("writer") as usize, number("seq"))).or_default() += 1;
        }
        all
    }

    fn is_complete_and_unique(&self) {
        let arrived = self.arrived();
        let expected: u64 = self.written.values().sum();
        assert_eq!(arrived.values().find(|times| **times > 1), None, "a line was delivered twice");
        assert_eq!(arrived.len() as u64, expected);
    }
}

impl Engine {
    async fn delivers(&self, what: &str, mut condition: impl FnMut(&SinkStatus) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !condition(&self.handle.status.borrow()) {
            let status = self.handle.status.borrow().clone();
            assert!(Instant::now() < deadline, "{what}: not in time: {status:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Stops like SIGTERM.
    async fn stop(self) -> SinkStatus {
        self.stop.cancel();
        self.end().await
    }

    async fn end(self) -> SinkStatus {
        let status = tokio::time::timeout(DEADLINE, self.task).await.expect("in time").unwrap();
        self.log.stop();
        self.store.commit().unwrap();
        status
    }

    /// Ends like SIGKILL, as far as that is possible within one process: nothing more is drained, committed or written.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        self.log.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_delivers_everything_and_repeats_nothing() {
    let mut machine = Machine::new();
    machine.write(0, 3000);
    machine.write(1, 10);
    let status = machine.start(Mode::Once).end().await;
    assert_eq!((status.confirmed_events, status.behind_bytes), (3010, 0));
    machine.is_complete_and_unique();
    let status = machine.start(Mode::Once).end().await;
    assert_eq!(status.confirmed_events, 0);
    machine.is_complete_and_unique();
    machine.write(1, 5);
    assert_eq!(machine.start(Mode::Once).end().await.confirmed_events, 5);
    machine.is_complete_and_unique();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_and_kills_at_any_moment_lose_and_repeat_nothing() {
    let mut machine = Machine::new();
    for round in 0..8 {
        machine.write(0, 400);
        machine.write(1, 70);
        let engine = machine.start(Mode::Auto);
        machine.write(2, 200);
        let wanted = 100 * round;
        engine
            .delivers("something", |status| {
                status.confirmed_events >= wanted.min(300) || status.behind_bytes == 0
            })
            .await;
        if round % 2 == 0 {
            engine.kill().await;
        } else {
            engine.stop().await;
        }
    }
    let engine = machine.start(Mode::Auto);
    let all: u64 = machine.written.values().sum();
    engine.delivers("the rest", |_| machine.output().lines().count() as u64 >= all).await;
    engine.stop().await;
    machine.is_complete_and_unique();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sealed_value_reaches_the_output() {
    let mut machine = Machine::new();
    machine.write(0, 50);
    machine.start(Mode::Once).end().await;
    let output = machine.output();
    assert_eq!(output.lines().count(), 50);
    assert_eq!(output.matches("70000").count(), 0);
    assert_eq!(output.matches(r#""message":"of [sealed]""#).count(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_armed_sink_ships_on_request() {
    let mut machine = Machine::new();
    machine.write(0, 100);
    let engine = machine.start(Mode::Armed);
    engine.delivers("sees pending bytes", |status| status.behind_bytes > 0).await;
    assert_eq!(machine.output(), "");
    engine.handle.orders.send(Order::ShipNow).await.unwrap();
    engine.delivers("all of it", |status| status.confirmed_events == 100).await;
    machine.write(0, 1);
    let status = engine.stop().await;
    assert_eq!(status.confirmed_events, 100);
    assert_eq!(machine.output().lines().count(), 100);
}
