//! A blocked target gets a lane, which waits alone and continues from its own cursors.

use std::collections::HashSet;

use super::*;
use crate::event::Cursor;
use crate::event::status::{Asked, DeliveryState};
use crate::sink::worker::lanes::Lane;
use crate::sink::worker::read_limit::{LaneBacklog, ReadLimit};

/// The targets that accept nothing now.
type Shut = Arc<Mutex<HashSet<&'static str>>>;

fn targets(shut: &Shut) -> FakeSink {
    let shut = shut.clone();
    FakeSink::new().fault(move |items| {
        let shut = shut.lock().unwrap();
        let answer = |item: &[u8]| {
            let text = String::from_utf8_lossy(item);
            let closed = shut.iter().any(|colour| text.contains(&format!(":{colour} ")));
            if closed { Outcome::Blocked("read-only".into()) } else { Outcome::Done }
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    })
}

/// `red line 0`, `green line 1`, `blue line 2`, …
fn coloured(queue: &FakeQueue, file: usize, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let colour = ["red", "green", "blue"][number as usize % 3];
        queue.append(file, &format!("{colour} line {number}\n"));
    }
}

fn of(setup: &Setup, colour: &str) -> Vec<String> {
    let mut documents = setup.sink.documents();
    documents.retain(|text| text.contains(&format!(":{colour} ")));
    documents
}

fn rows(setup: &Setup) -> Vec<String> {
    let mut lanes: Vec<String> =
        setup.store.cursors("sink").into_iter().map(|row| row.lane).collect();
    lanes.dedup();
    lanes
}

async fn pushed<T>(running: &Running, until: impl Future<Output = T>) -> T {
    let orders = running.handle.orders.clone();
    let pushing = tokio::spawn(async move {
        while orders.send(Order::Retry).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    });
    let result = until.await;
    pushing.abort();
    result
}

/// S34, S45: more events are pending for the blocked target than fit in memory; the other targets get everything,
/// also after a crash, and nothing twice.
#[tokio::test]
async fn s45_a_blocked_target_waits_alone_over_a_crash() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["red"])));
    let setup = Setup::new(FakeQueue::new(3), targets(&shut));
    coloured(&setup.queue, 0, 0..30_000);
    coloured(&setup.queue, 1, 0..300);
    let running = setup.start();
    let others = |setup: &Setup| of(setup, "green").len() + of(setup, "blue").len();
    pushed(&running, eventually("the others", || others(&setup) == 20_200)).await;
    let status = running.handle.status.clone();
    eventually("the reason", || status.borrow().blocked.as_deref() == Some("read-only")).await;
    eventually("only red waits", || {
        let bytes = status.borrow().bytes;
        let red = (0..30_300).map(|number| number % 30_000).filter(|number| number % 3 == 0);
        let red: u64 = red.map(|number| format!("red line {number}\n").len() as u64).sum();
        bytes.waiting + bytes.in_flight == red
    })
    .await;
    eventually("its own rows", || rows(&setup).len() == 2).await;
    eventually("the others' cursor is at the end", || {
        let rows = setup.store.cursors("sink");
        let main = rows.iter().find(|row| row.lane == "*" && row.generation.0 == 0);
        main.is_some_and(|row| row.offset == setup.queue.length(0))
    })
    .await;
    // Like kill -9.
    running.task.abort();
    _ = running.task.await;
    coloured(&setup.queue, 1, 300..600);
    coloured(&setup.queue, 2, 0..3_000);
    let running = setup.start();
    pushed(&running, eventually("the others again", || others(&setup) == 22_400)).await;
    assert_eq!(of(&setup, "red").len(), 0);
    // Ask for the location of the first two events.
    for (offset, state) in [(0, DeliveryState::Waiting), (11, DeliveryState::Delivered)] {
        running.order(Order::Where(Cursor { generation: GenerationId(0), offset })).await;
        let asked = || running.handle.status.borrow().asked;
        let is = |asked: Asked| (asked.place.offset, asked.state) == (offset, state);
        eventually("where it is", || asked().is_some_and(is)).await;
    }
    shut.lock().unwrap().clear();
    pushed(&running, setup.is_complete()).await;
    eventually("it is one again", || rows(&setup) == ["*"]).await;
    coloured(&setup.queue, 2, 3_000..3_300);
    setup.is_complete().await;
    let status = running.stop().await;
    assert_eq!((status.bytes.waiting, status.bytes.lost, status.blocked), (0, 0, None));
    assert_eq!(status.confirmed_events, 33_900 - 20_200);
}

/// A restart of the sink restarts its lanes.
#[tokio::test]
async fn a_lane_that_fails_fails_its_sink() {
    let setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    let (mut worker, _handle) = setup.worker();
    worker.lanes.running.push(Lane {
        target: "red".into(),
        row: "red".into(),
        handle: setup.worker().1,
        account: watch::Sender::new(ByteAccount::default()).subscribe(),
        task: tokio::spawn(async { panic!("a fault") }),
        stop: CancellationToken::new(),
        backlog: LaneBacklog::new(&ReadLimit::new()),
        finishing: false,
        ended: None,
    });
    let broken = within(tokio::spawn(worker.run(CancellationToken::new()))).await.unwrap_err();
    let said = broken.into_panic().downcast::<String>().unwrap();
    assert!(said.starts_with("the worker of target red failed: "), "{said}");
}

#[tokio::test]
async fn lanes_close_while_the_log_grows_and_open_again() {
    let shut: Shut = Shut::default();
    let setup = Setup::new(FakeQueue::new(1), targets(&shut));
    let running = setup.start();
    let mut number = 0;
    for round in ["red", "green", "red"] {
        shut.lock().unwrap().insert(round);
        let grow = || {
            coloured(&setup.queue, 0, number..number + 30);
            number += 30;
            rows(&setup).len() == 2
        };
        pushed(&running, eventually("a lane", grow)).await;
        shut.lock().unwrap().clear();
        let grow = || {
            coloured(&setup.queue, 0, number..number + 3);
            number += 3;
            rows(&setup) == ["*"]
        };
        pushed(&running, eventually("one again", grow)).await;
    }
    pushed(&running, setup.is_complete()).await;
    assert_eq!(running.stop().await.confirmed_events, u64::from(number));
}

/// Another index in the configuration may solve the problem: the events pending for the old one are sent there.
#[tokio::test]
async fn new_routes_read_everything_again_from_the_first_pending_event() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["blue"])));
    let mut setup = Setup::new(FakeQueue::new(1), targets(&shut));
    coloured(&setup.queue, 0, 0..600);
    let running = setup.start();
    pushed(&running, eventually("a lane", || rows(&setup).len() == 2)).await;
    pushed(&running, eventually("the others", || setup.sink.documents().len() == 400)).await;
    running.stop().await;
    let mut sink = targets(&Shut::default());
    sink.routing = 2;
    setup.sink = Arc::new(sink);
    let running = setup.start();
    eventually("everything that waited", || of(&setup, "blue").len() == 200).await;
    eventually("one again", || rows(&setup) == ["*"]).await;
    running.stop().await;
}

/// The main worker and all lanes wait for a hanging target at the same time.
#[tokio::test]
async fn a_stop_drains_all_lanes_at_the_same_time() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["green"])));
    let setup = Setup::new(FakeQueue::new(1), targets(&shut));
    coloured(&setup.queue, 0, 0..600);
    let running = setup.start();
    pushed(&running, eventually("a lane", || rows(&setup).len() == 2)).await;
    pushed(&running, eventually("the others", || setup.sink.documents().len() == 400)).await;
    setup.sink.silent.store(true, Ordering::SeqCst);
    coloured(&setup.queue, 0, 600..1200);
    let in_flight = |colour| setup.sink.swallowed.lock().unwrap().contains(colour);
    pushed(&running, eventually("two", || in_flight("green") && in_flight("red"))).await;
    let asked = Instant::now();
    running.stop().await;
    assert!(asked.elapsed() < DRAIN + Duration::from_secs(1), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn once_delivers_the_pending_events_of_earlier_lanes() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["green"])));
    let mut setup = Setup::new(FakeQueue::new(2), targets(&shut));
    coloured(&setup.queue, 0, 0..600);
    let running = setup.start();
    pushed(&running, eventually("a lane", || rows(&setup).len() == 2)).await;
    running.stop().await;
    shut.lock().unwrap().clear();
    setup.mode = Mode::Once;
    let status = within(setup.start().task).await.unwrap();
    assert_eq!((status.bytes.waiting, rows(&setup)), (0, vec!["*".to_owned()]));
    assert_eq!(of(&setup, "green").len(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Targets block and recover, the log grows, the process crashes: everything arrives, and all lanes close.
    #[test]
    fn nothing_is_lost_between_lanes(script in prop::collection::vec(0u8..10, 1..25)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(check_lanes(script));
    }
}

async fn check_lanes(script: Vec<u8>) {
    let shut: Shut = Shut::default();
    let setup = Setup::new(FakeQueue::new(2), targets(&shut));
    let mut running = setup.start();
    let mut number = 0;
    for step in script {
        match step {
            0..=2 => _ = shut.lock().unwrap().insert(["red", "green", "blue"][step as usize]),
            3..=5 => _ = shut.lock().unwrap().remove(["red", "green", "blue"][step as usize - 3]),
            6 => {
                running.task.abort();
                _ = running.task.await;
                running = setup.start();
            }
            7 => {
                let quiet = tokio::time::sleep(Duration::from_millis(150));
                pushed(&running, quiet).await;
            }
            file => {
                coloured(&setup.queue, file as usize - 8, number..number + 200);
                number += 200;
            }
        }
        running.order(Order::Retry).await;
    }
    shut.lock().unwrap().clear();
    let complete = || {
        setup.check_cursors();
        let mut documents = setup.sink.documents();
        // This target keeps no ids: events in flight at a crash are sent again.
        documents.dedup();
        documents == setup.queue.expected() && rows(&setup).iter().all(|row| row == "*")
    };
    pushed(&running, eventually("everything is there", complete)).await;
    let bytes = running.stop().await.bytes;
    assert_eq!((bytes.waiting, bytes.in_flight, bytes.lost), (0, 0, 0));
}

#[tokio::test]
async fn a_resumed_lane_continues_on_its_own() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["green"])));
    let setup = Setup::new(FakeQueue::new(2), targets(&shut));
    coloured(&setup.queue, 0, 0..600);
    let running = setup.start();
    pushed(&running, eventually("a lane", || rows(&setup).len() == 2)).await;
    pushed(&running, eventually("the others", || setup.sink.documents().len() == 400)).await;
    running.task.abort();
    _ = running.task.await;
    setup.queue.hide(true);
    let running = setup.start();
    let status = running.handle.status.clone();
    // The lane starts before the files are found.
    tokio::time::sleep(Duration::from_millis(400)).await;
    setup.queue.hide(false);
    eventually("it is reported", || status.borrow().blocked.is_some()).await;
    assert!(status.borrow().behind_bytes > 0);
    shut.lock().unwrap().clear();
    setup.is_complete().await;
    eventually("it is one again", || rows(&setup) == ["*"]).await;
    running.stop().await;
}

/// Standard input has ended: everything that a target accepts by then, or again, is delivered before the sink ends.
#[tokio::test]
async fn a_finishing_sink_waits_for_its_lanes() {
    for opens in [true, false] {
        let shut: Shut = Arc::new(Mutex::new(HashSet::from(["red"])));
        let setup = Setup::new(FakeQueue::new(1), targets(&shut));
        coloured(&setup.queue, 0, 0..30_000);
        let running = setup.start();
        let others = |setup: &Setup| of(setup, "green").len() + of(setup, "blue").len();
        pushed(&running, eventually("the others", || others(&setup) == 20_000)).await;
        eventually("its own rows", || rows(&setup).len() == 2).await;
        if opens {
            shut.lock().unwrap().clear();
        }
        running.order(Order::Finish).await;
        let orders = running.handle.orders.clone();
        let pushing = tokio::spawn(async move {
            while orders.send(Order::Retry).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
        let last = within(running.task).await.unwrap();
        pushing.abort();
        let red = of(&setup, "red").len();
        assert_eq!(red, if opens { 10_000 } else { 0 });
        assert_eq!(last.bytes.waiting == 0, opens, "{last:?}");
        assert_eq!(last.behind_bytes == 0, opens, "{last:?}");
    }
}

/// Bytes of the lines of these colours.
fn bytes_of(colours: &[&str], numbers: std::ops::Range<u32>) -> u64 {
    let colour = |number: u32| ["red", "green", "blue"][number as usize % 3];
    let lines = numbers.filter(|number| colours.contains(&colour(*number)));
    lines.map(|number| format!("{} line {number}\n", colour(number)).len() as u64).sum()
}

/// Two targets are blocked while bytes of one file are destroyed: each undelivered byte counts as lost once.
#[tokio::test]
async fn destroyed_bytes_count_as_lost_once_with_several_lanes() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["red", "green"])));
    let setup = Setup::new(FakeQueue::new(2), targets(&shut));
    coloured(&setup.queue, 0, 0..30_000);
    coloured(&setup.queue, 1, 0..30_000);
    let running = setup.start();
    pushed(&running, eventually("blue", || of(&setup, "blue").len() == 20_000)).await;
    eventually("both have rows of their own", || rows(&setup).len() == 3).await;
    let status = running.handle.status.clone();
    let both = bytes_of(&["red", "green"], 0..30_000);
    eventually("they wait", || status.borrow().behind_bytes == 2 * both).await;
    running.order(Order::Pause { by: "a person".into() }).await;
    eventually("it is paused", || matches!(running.state(), SinkState::Paused { .. })).await;
    coloured(&setup.queue, 0, 30_000..30_300);
    let all = bytes_of(&["red", "green", "blue"], 30_000..30_300);
    eventually("it is seen", || status.borrow().behind_bytes == 2 * both + all).await;
    setup.queue.destroy(0);
    // Lanes keep some events in memory; these are not lost.
    eventually("it is counted", || status.borrow().bytes.lost > all).await;
    running.order(Order::Resume).await;
    shut.lock().unwrap().clear();
    let came = |colour| of(&setup, colour).iter().filter(|text| text.starts_with("1:")).count();
    let rest = || came("red") == 10_000 && came("green") == 10_000 && rows(&setup) == ["*"];
    pushed(&running, eventually("the other file", rest)).await;
    let delivered = |text: &String| text.starts_with("0:") && !text.contains(":blue ");
    let saved = setup.sink.documents().into_iter().filter(delivered);
    let saved: u64 = saved.map(|text| text.rsplit(':').next().unwrap().len() as u64 + 1).sum();
    let last = running.stop().await.bytes;
    assert_eq!((last.lost, last.waiting), (both + all - saved, 0), "{last:?}");
}

/// Bytes that an earlier run left to a lane include events of others: at most all of them count as lost.
#[tokio::test]
async fn destroyed_bytes_that_an_earlier_run_left_to_a_lane_are_reported() {
    let shut: Shut = Arc::new(Mutex::new(HashSet::from(["red"])));
    let setup = Setup::new(FakeQueue::new(1), targets(&shut));
    coloured(&setup.queue, 0, 0..30_000);
    let running = setup.start();
    let others = || of(&setup, "green").len() + of(&setup, "blue").len() == 20_000;
    pushed(&running, eventually("the others", others)).await;
    eventually("a lane", || rows(&setup).len() == 2).await;
    running.stop().await;
    setup.queue.destroy(0);
    let running = setup.start();
    let status = running.handle.status.clone();
    eventually("it is reported", || status.borrow().bytes.lost > 0).await;
    eventually("nothing waits", || rows(&setup) == ["*"]).await;
    let last = running.stop().await.bytes;
    assert_eq!((last.waiting, last.in_flight), (0, 0), "{last:?}");
    assert!(last.lost >= bytes_of(&["red"], 20_000..30_000), "{last:?}");
}
