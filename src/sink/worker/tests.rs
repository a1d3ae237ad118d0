//! Tests of the worker's promises, with a log in memory and a target that fails on demand.

pub(super) mod fake;
mod lanes;
mod orders;
mod refused;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use self::fake::{FakeQueue, FakeSink};
use super::*;
use crate::base::SystemClock;
use crate::event::GenerationId;
use crate::event::status::SinkState;
use crate::sink::dead_letters::DeadLetter;
use crate::sink::{Delivery, Items, Outcome, Refusal, SinkError};

const DEADLINE: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct StoredLetters {
    letters: Mutex<Vec<DeadLetter>>,
    full: Mutex<u32>,
}

impl DeadLetters for StoredLetters {
    fn keep(&self, _sink: &str, letters: Vec<DeadLetter>) -> std::io::Result<()> {
        let mut full = self.full.lock().unwrap();
        if *full > 0 {
            *full -= 1;
            return Err(std::io::Error::other("no room"));
        }
        self.letters.lock().unwrap().extend(letters);
        Ok(())
    }

    fn holds(&self, _sink: &str, _event: &str) -> bool {
        false
    }
}

impl StoredLetters {
    fn texts(&self, form: impl Fn(&DeadLetter) -> String) -> Vec<String> {
        self.letters.lock().unwrap().iter().map(form).collect()
    }
}

struct Setup {
    queue: Arc<FakeQueue>,
    sink: Arc<FakeSink>,
    store: Store,
    kept: Arc<StoredLetters>,
    filter: Filter,
    mode: Mode,
}

struct Running {
    handle: WorkerHandle,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<SinkStatus>,
}

impl Setup {
    fn new(queue: Arc<FakeQueue>, sink: FakeSink) -> Self {
        Setup {
            queue,
            sink: Arc::new(sink),
            store: Store::ephemeral(),
            kept: Arc::default(),
            filter: Filter::default(),
            mode: Mode::Auto,
        }
    }

    fn worker(&self) -> (Worker, WorkerHandle) {
        Worker::new(WorkerConfig {
            name: "sink".into(),
            kind: "fake".into(),
            sink: self.sink.clone(),
            queue: self.queue.clone(),
            store: self.store.clone(),
            policy: Arc::default(),
            filter: self.filter.clone(),
            mode: self.mode,
            budget: 64 * 1024,
            dead_letters: self.kept.clone(),
            clock: Arc::new(SystemClock::new()),
        })
    }

    fn start(&self) -> Running {
        let (worker, handle) = self.worker();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Running { handle, stop, task }
    }

    /// The cursor, in the sink or in the state: that of the slowest lane.
    fn cursor(&self, file: u64) -> u64 {
        if self.sink.transactional {
            let state = self.sink.state.lock().unwrap();
            return state.cursors.get(&GenerationId(file)).copied().unwrap_or(0);
        }
        let rows = self.store.cursors("sink");
        let rows = rows.iter().filter(|row| row.generation.0 == file);
        rows.map(|row| row.offset).min().unwrap_or(0)
    }

    /// Every document before the cursor is delivered or a dead letter.
    fn check_cursors(&self) {
        // Cursors first: later deliveries may move them.
        let cursors: Vec<u64> = (0..self.queue.files()).map(|file| self.cursor(file)).collect();
        let documents = self.sink.documents();
        for line in self.queue.expected() {
            let mut parts = line.splitn(3, ':');
            let file: usize = parts.next().unwrap().parse().unwrap();
            let start: u64 = parts.next().unwrap().parse().unwrap();
            let refused = line.ends_with("bad");
            if start < cursors[file] && !refused && !line.ends_with("no form") {
                assert!(documents.binary_search(&line).is_ok(), "{line} is behind the cursor");
            }
        }
    }

    /// Everything is delivered once, and every cursor is at its end.
    async fn is_complete(&self) {
        let expected = self.queue.expected();
        let good = |line: &String| !line.ends_with("bad") && !line.ends_with("no form");
        let expected: Vec<String> = expected.into_iter().filter(good).collect();
        eventually("everything is delivered", || {
            self.check_cursors();
            self.sink.documents().len() >= expected.len()
        })
        .await;
        assert_eq!(self.sink.documents(), expected);
    }
}

impl Running {
    async fn order(&self, order: Order) {
        self.handle.orders.send(order).await.unwrap();
    }

    async fn stop(self) -> SinkStatus {
        self.stop.cancel();
        within(self.task).await.unwrap()
    }

    fn state(&self) -> SinkState {
        self.handle.status.borrow().state.clone()
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn lines(queue: &FakeQueue, file: usize, numbers: std::ops::Range<u32>) {
    for number in numbers {
        queue.append(file, &format!("line {number}\n"));
    }
}

fn has(items: &Items, text: &str) -> bool {
    items.iter().any(|item| item.ends_with(text.as_bytes()))
}

fn refusal(reason: &str) -> Refusal {
    Refusal { status: None, kind: None, reason: reason.to_owned() }
}

/// The first `times` deliveries get this answer.
fn first(
    times: u32,
    mut answer: impl FnMut() -> Delivery + Send,
) -> impl FnMut(&Items) -> Option<Delivery> + Send {
    let mut left = times;
    move |_| {
        let fails = left > 0;
        left = left.saturating_sub(1);
        fails.then(&mut answer)
    }
}

#[tokio::test]
async fn a_growing_log_is_delivered_complete_and_unique_over_a_restart() {
    let setup = Setup::new(FakeQueue::new(3), FakeSink::new());
    lines(&setup.queue, 0, 0..500);
    let running = setup.start();
    lines(&setup.queue, 1, 0..700);
    setup.is_complete().await;
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.state), (1200, SinkState::Stopped));
    assert_eq!(status.behind_bytes, 0);
    lines(&setup.queue, 0, 500..900);
    lines(&setup.queue, 2, 0..1);
    let running = setup.start();
    setup.is_complete().await;
    eventually("all cursors at the end", || {
        (0..3).all(|file| setup.cursor(file) == setup.queue.length(file as usize))
    })
    .await;
    assert_eq!(running.stop().await.confirmed_events, 401);
    assert!(setup.sink.most_flying.load(Ordering::SeqCst) <= 3);
    assert!(setup.sink.largest_body.load(Ordering::SeqCst) <= 4096);
}

#[tokio::test]
async fn an_unfinished_line_waits_until_it_is_complete() {
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.queue.append(0, "one\ntw");
    let running = setup.start();
    setup.is_complete().await;
    setup.queue.append(0, "o\n");
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 2);
}

#[tokio::test]
async fn filtered_events_and_those_without_a_wire_form_are_skipped() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.filter.condition = Some(Arc::new(|event| event.text() != b"drop"));
    setup.queue.append(0, "a\n#quiet\ndrop\nno form\nb\ndrop\n");
    let running = setup.start();
    eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
    assert_eq!(setup.sink.documents(), ["0:0:a", "0:22:b"]);
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.filtered_events), (2, 4));
}

#[tokio::test]
async fn events_of_a_failed_commit_are_read_again() {
    let setup = Setup::new(FakeQueue::new(2), FakeSink::transactional());
    *setup.sink.commit_fails.lock().unwrap() = 2;
    lines(&setup.queue, 0, 0..300);
    lines(&setup.queue, 1, 0..10);
    let running = setup.start();
    setup.is_complete().await;
    let status = running.handle.status.clone();
    eventually("it is reported", || status.borrow().confirmed_events == 310).await;
    assert_eq!(running.stop().await.confirmed_events, 310);
    assert_eq!(setup.sink.most_flying.load(Ordering::SeqCst), 1);
    assert_eq!(setup.cursor(0), setup.queue.length(0));
    let stored = setup.store.cursors("sink").iter().map(|row| row.offset).max();
    assert_eq!(stored, Some(setup.queue.length(0)), "the follower knows it");
}

#[tokio::test]
async fn items_to_be_retried_are_sent_again_without_the_others() {
    let mut refusals = 3;
    let sink = FakeSink::new().fault(move |items| {
        let refuse = refusals > 0 && has(items, "line 7");
        refusals -= u32::from(refuse);
        let answer = |item: &[u8]| match refuse && item.ends_with(b"line 7") {
            true => Outcome::Retry(None),
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..200);
    let running = setup.start();
    eventually("all but one", || setup.sink.documents().len() == 199).await;
    eventually("the cursor is before it", || setup.cursor(0) == 7 * 7).await;
    running.order(Order::Retry).await;
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 200);
}

#[tokio::test]
async fn one_blocked_target_does_not_block_the_others() {
    let shut = Arc::new(AtomicBool::new(true));
    let closed = shut.clone();
    let sink = FakeSink::new().fault(move |items| {
        let blocked = closed.load(Ordering::SeqCst);
        let answer = |item: &[u8]| match blocked && item.ends_with(b"7") {
            true => Outcome::Blocked("read-only".into()),
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    });
    let mut setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..100);
    let running = setup.start();
    let status = running.handle.status.clone();
    eventually("the others", || setup.sink.documents().len() == 90).await;
    eventually("the reason", || status.borrow().blocked.as_deref() == Some("read-only")).await;
    running.stop().await;
    setup.mode = Mode::Once;
    let running = setup.start();
    let impatient = running.handle.orders.clone();
    let pushing = tokio::spawn(async move {
        while impatient.send(Order::Retry).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    let last = within(running.task).await.unwrap();
    pushing.abort();
    assert!(
        last.behind_bytes > 0 && last.blocked.is_some(),
        "once gives up and says why: {last:?}"
    );
    shut.store(false, Ordering::SeqCst);
    // This target keeps no ids: events after the gap are sent again.
    assert_eq!(within(setup.start().task).await.unwrap().blocked, None);
    let mut documents = setup.sink.documents();
    documents.sort();
    documents.dedup();
    assert_eq!(documents.len(), 100);
}

#[tokio::test]
async fn a_long_outage_keeps_no_bodies_in_memory_and_loses_nothing() {
    let long = || Delivery::Busy(Some(Duration::from_secs(60)));
    for sink in [FakeSink::new(), FakeSink::transactional()] {
        let setup = Setup::new(FakeQueue::new(1), sink.fault(first(1, long)));
        lines(&setup.queue, 0, 0..1000);
        let running = setup.start();
        let backs_off = |state| matches!(state, SinkState::BackingOff { attempts: 1, .. });
        eventually("it backs off", || backs_off(running.state())).await;
        let status = running.handle.status.clone();
        eventually("its bodies are gone", || status.borrow().in_flight_events == 0).await;
        assert!(status.borrow().last_error.as_ref().unwrap().contains("next try in 60 s"));
        running.order(Order::Retry).await;
        setup.is_complete().await;
        assert_eq!(running.stop().await.confirmed_events, 1000);
    }
}

#[tokio::test]
async fn during_an_outage_a_growing_log_is_checked_at_intervals() {
    let long = || Delivery::Busy(Some(Duration::from_secs(60)));
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new().fault(first(1, long)));
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    eventually("it backs off", || matches!(running.state(), SinkState::BackingOff { .. })).await;
    let (before, began) = (setup.queue.extent_calls.load(Ordering::SeqCst), Instant::now());
    for number in 10..310 {
        lines(&setup.queue, 0, number..number + 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let calls = setup.queue.extent_calls.load(Ordering::SeqCst) - before;
    let most = 2 + began.elapsed().as_millis() as usize / 100;
    assert!(calls <= most, "{calls} calls in {:?}", began.elapsed());
    let status = running.handle.status.clone();
    let all = setup.queue.length(0);
    eventually("the last line is seen", || status.borrow().behind_bytes == all).await;
    running.order(Order::Retry).await;
    setup.is_complete().await;
    running.stop().await;
}

#[tokio::test]
async fn the_cost_per_line_does_not_depend_on_the_number_of_files() {
    let setup = Setup::new(FakeQueue::new(1000), FakeSink::new());
    let running = setup.start();
    eventually("all are found", || setup.store.cursors("sink").len() == 1000).await;
    let before = setup.queue.extent_calls.load(Ordering::SeqCst);
    for number in 0..20 {
        lines(&setup.queue, 7, number..number + 1);
        let delivered = number as usize + 1;
        eventually("delivered", || setup.sink.documents().len() == delivered).await;
    }
    let calls = setup.queue.extent_calls.load(Ordering::SeqCst) - before;
    assert!(calls < 200, "{calls} calls for 20 lines");
    let status = running.stop().await;
    assert_eq!((status.bytes.seen, status.behind_bytes), (setup.queue.length(7), 0));
}

#[tokio::test]
async fn delivery_recovers_from_every_kind_of_failure() {
    type Answer = fn() -> Delivery;
    let failures: [(Answer, bool); 5] = [
        (|| Delivery::Busy(None), false),
        (|| Delivery::Blocked("the index is read-only".into()), true),
        (|| Delivery::Down(SinkError::Unavailable("refused".into())), false),
        (|| Delivery::Down(SinkError::Misconfigured("wrong password".into())), true),
        (|| Delivery::Each(vec![Outcome::Done]), false),
    ];
    for (failure, needs_person) in failures {
        let setup = Setup::new(FakeQueue::new(1), FakeSink::new().fault(first(2, failure)));
        lines(&setup.queue, 0, 0..100);
        let running = setup.start();
        let shown = |state: SinkState| match state {
            SinkState::Blocked { .. } => needs_person,
            SinkState::BackingOff { .. } => !needs_person,
            _ => false,
        };
        eventually("it is shown", || shown(running.state())).await;
        running.order(Order::Retry).await;
        setup.is_complete().await;
        let status = running.stop().await;
        assert_eq!((status.confirmed_events, status.last_error), (100, None));
    }
}

#[tokio::test]
async fn a_panic_in_a_sink_loses_nothing() {
    let sink = FakeSink::new().fault(first(1, || panic!("a bug in a sink")));
    let setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    let error = || running.handle.status.borrow().last_error.clone();
    let is_internal = || error().is_some_and(|text| text.contains("internal error"));
    eventually("it is reported", is_internal).await;
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 10);
}

#[tokio::test]
async fn a_sink_that_returns_no_items_loses_nothing() {
    for transactional in [false, true] {
        let sink = if transactional { FakeSink::transactional() } else { FakeSink::new() };
        let gone = || Delivery::Down(SinkError::Unavailable("gone".into()));
        let setup = Setup::new(FakeQueue::new(1), sink.fault(first(1, gone)));
        setup.sink.loses.store(true, Ordering::SeqCst);
        lines(&setup.queue, 0, 0..10);
        let running = setup.start();
        let error = || running.handle.status.borrow().last_error.clone();
        let is_reported = || error().is_some_and(|text| text.contains("did not return"));
        eventually("it is reported", is_reported).await;
        setup.is_complete().await;
        assert_eq!(running.stop().await.confirmed_events, 10);
    }
}

#[tokio::test]
async fn destroyed_bytes_do_not_block_later_ones() {
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    lines(&setup.queue, 0, 0..10);
    setup.queue.destroy(0);
    lines(&setup.queue, 0, 10..20);
    let running = setup.start();
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 10);
}

#[tokio::test]
async fn bytes_destroyed_during_an_outage_count_as_lost_at_once() {
    let long = || Delivery::Busy(Some(Duration::from_secs(3600)));
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new().fault(first(1, long)));
    lines(&setup.queue, 0, 0..1000);
    let running = setup.start();
    let status = running.handle.status.clone();
    let is_down = || matches!(running.state(), SinkState::BackingOff { .. });
    eventually("no bodies", || is_down() && status.borrow().in_flight_events == 0).await;
    // A second bulk may have been in flight, and was accepted.
    let before = status.borrow().clone();
    let (left, length) = (before.bytes.waiting, before.bytes.seen);
    setup.queue.destroy(0);
    eventually("they are counted", || status.borrow().bytes.lost == left).await;
    assert_eq!((status.borrow().bytes.seen, status.borrow().bytes.waiting), (length, 0));
    lines(&setup.queue, 0, 1000..1010);
    running.order(Order::Retry).await;
    let came = || status.borrow().confirmed_events == before.confirmed_events + 10;
    eventually("the rest", came).await;
    assert_eq!(running.stop().await.bytes.lost, left);
}

/// The files are not matched with the state yet.
#[tokio::test]
async fn a_cursor_beyond_the_known_end_waits_until_all_files_are_found() {
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.queue.settled.store(false, Ordering::SeqCst);
    lines(&setup.queue, 0, 0..1);
    let delivered = setup.queue.length(0) * 3;
    let cursor = crate::event::Cursor { generation: GenerationId(0), offset: delivered };
    setup.store.put_cursor("sink", "*", cursor);
    let running = setup.start();
    eventually("it has checked", || running.state() == SinkState::Idle).await;
    lines(&setup.queue, 0, 1..6);
    setup.queue.settled.store(true, Ordering::SeqCst);
    setup.queue.hide(false);
    eventually("the rest", || setup.sink.documents().len() == 3).await;
    assert_eq!(running.stop().await.confirmed_events, 3);
    assert_eq!(setup.sink.documents(), ["0:21:line 3", "0:28:line 4", "0:35:line 5"]);
}

/// A consumer that has read nothing yet needs all of it.
#[tokio::test]
async fn a_sink_that_may_not_deliver_yet_has_cursor_rows() {
    let mut setup = Setup::new(FakeQueue::new(2), FakeSink::new());
    setup.mode = Mode::Armed;
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    eventually("it is armed", || running.state() == SinkState::Armed).await;
    let rows = setup.store.cursors("sink");
    assert_eq!(
        rows.iter().map(|row| (row.generation.0, row.offset)).collect::<Vec<_>>(),
        [(0, 0), (1, 0)]
    );
    running.stop().await;
}

#[tokio::test]
async fn an_unreadable_file_is_reported_and_read_later() {
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.queue.broken.store(true, Ordering::SeqCst);
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    let error = || running.handle.status.borrow().last_error.clone();
    eventually("it is reported", || error().is_some_and(|text| text.contains("on fire"))).await;
    setup.queue.broken.store(false, Ordering::SeqCst);
    setup.is_complete().await;
    eventually("it is forgotten", || error().is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_running_deliveries() {
    let mut sink = FakeSink::new();
    sink.slow = Duration::from_millis(150);
    let setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..30);
    let running = setup.start();
    eventually("it is under way", || running.state() == SinkState::Shipping).await;
    assert_eq!(running.stop().await.confirmed_events, 30);
    setup.is_complete().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever a target answers, everything arrives once and no cursor runs ahead.
    #[test]
    fn any_answers_lead_to_complete_and_unique_delivery(
        script in prop::collection::vec(0u8..9, 1..20),
        transactional: bool,
        commit_fails in 0u32..2,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check_script(script, transactional, commit_fails));
    }
}

async fn check_script(script: Vec<u8>, transactional: bool, commit_fails: u32) {
    let mut script = script.into_iter();
    let good = if transactional { Outcome::Accepted } else { Outcome::Done };
    let answer = move |items: &Items| {
        let mixed = |odd: fn(usize) -> bool, other: Outcome| {
            let pick = |index| if odd(index) { other.clone() } else { good.clone() };
            Some(Delivery::Each((0..items.len()).map(pick).collect()))
        };
        match script.next()? {
            0 => mixed(|index| index % 3 == 0, Outcome::Retry(None)),
            1 => mixed(|index| index == 0, Outcome::Retry(None)),
            2 => Some(Delivery::TooLarge("413".into())).filter(|_| items.len() > 1),
            3 => Some(Delivery::Busy(None)),
            4 => Some(Delivery::Down(SinkError::Unavailable("gone".into()))),
            5 => Some(Delivery::Blocked("no".into())),
            6 => Some(Delivery::Each(vec![])),
            7 => mixed(|index| index % 2 == 0, Outcome::Blocked("full".into())),
            _ => None,
        }
    };
    let mut sink = if transactional { FakeSink::transactional() } else { FakeSink::new() };
    sink.limits.events = 20;
    let setup = Setup::new(FakeQueue::new(3), sink.fault(answer));
    *setup.sink.commit_fails.lock().unwrap() = commit_fails;
    let running = setup.start();
    for file in 0..3 {
        lines(&setup.queue, file, 0..100);
        setup.queue.append(file, "#quiet\n");
    }
    let impatient = running.handle.orders.clone();
    let pushing = tokio::spawn(async move {
        while impatient.send(Order::Retry).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    setup.is_complete().await;
    eventually("the cursors are at the end", || {
        (0..3).all(|file| setup.cursor(file) == setup.queue.length(file as usize))
    })
    .await;
    assert_eq!(running.stop().await.confirmed_events, 300);
    pushing.abort();
}
