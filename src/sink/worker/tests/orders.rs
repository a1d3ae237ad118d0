//! When a worker delivers: by itself, on request, in rounds, or once.

use super::*;
use crate::event::Cursor;
use crate::event::status::{Asked, LineState};

#[tokio::test]
async fn nothing_leaves_before_the_order_and_a_round_ends_where_it_began() {
    let mut bench = Bench::new(FakeQueue::new(2), FakeSink::transactional());
    bench.mode = Mode::Armed;
    lines(&bench.queue, 0, 0..300);
    let running = bench.start();
    eventually("it is armed", || running.state() == SinkState::Armed).await;
    assert_eq!(bench.sink.documents().len(), 0);
    running.order(Order::ShipNow).await;
    bench.is_complete().await;
    eventually("it is armed again", || running.state() == SinkState::Armed).await;
    lines(&bench.queue, 1, 0..10);
    running.order(Order::Pause { by: "ada".into() }).await;
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    assert_eq!(bench.sink.documents().len(), 300);
    running.order(Order::Resume).await;
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 310);
}

#[tokio::test]
async fn an_order_before_the_ends_are_known_is_not_forgotten() {
    let mut bench = Bench::new(FakeQueue::new(1), FakeSink::new());
    bench.mode = Mode::Armed;
    bench.queue.settled.store(false, Ordering::SeqCst);
    let running = bench.start();
    running.order(Order::ShipNow).await;
    lines(&bench.queue, 0, 0..20);
    bench.queue.settled.store(true, Ordering::SeqCst);
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 20);
}

/// An order that comes while an earlier one is carried out.
#[tokio::test]
async fn a_round_goes_on_to_what_is_there_when_it_is_asked_for_again() {
    let free = Arc::new(AtomicBool::new(false));
    let is_free = free.clone();
    let sink = FakeSink::new().fault(move |_| {
        (!is_free.load(Ordering::SeqCst)).then_some(Delivery::Busy(Some(Duration::from_millis(10))))
    });
    let mut bench = Bench::new(FakeQueue::new(1), sink);
    bench.mode = Mode::Armed;
    lines(&bench.queue, 0, 0..10);
    let running = bench.start();
    running.order(Order::ShipNow).await;
    let waits = |state| matches!(state, SinkState::BackingOff { .. });
    eventually("the target is busy", || waits(running.state())).await;
    lines(&bench.queue, 0, 10..20);
    running.order(Order::ShipNow).await;
    free.store(true, Ordering::SeqCst);
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 20);
}

#[tokio::test]
async fn a_round_waits_until_the_log_has_looked_at_what_is_there() {
    let mut bench = Bench::new(FakeQueue::new(1), FakeSink::new());
    bench.mode = Mode::Armed;
    bench.queue.looking.store(true, Ordering::SeqCst);
    lines(&bench.queue, 0, 0..10);
    let running = bench.start();
    running.order(Order::ShipNow).await;
    eventually("it was asked", || bench.queue.asked.load(Ordering::SeqCst) == 1).await;
    lines(&bench.queue, 0, 10..20);
    bench.queue.looking.store(false, Ordering::SeqCst);
    bench.is_complete().await;
    bench.queue.looking.store(true, Ordering::SeqCst);
    lines(&bench.queue, 0, 20..30);
    running.order(Order::ShipNow).await;
    // A mount may not answer: then what is known has to do.
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 30);
}

#[tokio::test]
async fn rounds_by_count_and_by_time() {
    let mut bench = Bench::new(FakeQueue::new(2), FakeSink::new());
    bench.mode = Mode::Rounds(Rounds { every: None, after: Some(50) });
    lines(&bench.queue, 0, 0..10);
    let running = bench.start();
    bench.is_complete().await;
    eventually("the first round is over", || running.state() == SinkState::Idle).await;
    lines(&bench.queue, 0, 10..40);
    lines(&bench.queue, 1, 0..19);
    eventually("it rests", || running.state() == SinkState::Resting { next: None }).await;
    assert_eq!(bench.sink.documents().len(), 10, "49 wait, 50 are wanted");
    lines(&bench.queue, 1, 19..20);
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 60);
    bench.mode = Mode::Rounds(Rounds { every: Some(Duration::from_millis(300)), after: None });
    lines(&bench.queue, 0, 40..50);
    let running = bench.start();
    bench.is_complete().await;
    lines(&bench.queue, 0, 50..60);
    let resting = |state| matches!(state, SinkState::Resting { next: Some(_) });
    eventually("it rests", || resting(running.state())).await;
    bench.is_complete().await;
    running.stop().await;
}

#[tokio::test]
async fn a_round_that_somebody_asks_for_takes_what_was_counted() {
    let mut bench = Bench::new(FakeQueue::new(1), FakeSink::new());
    bench.mode = Mode::Rounds(Rounds { every: None, after: Some(50) });
    lines(&bench.queue, 0, 0..10);
    let running = bench.start();
    bench.is_complete().await;
    lines(&bench.queue, 0, 10..40);
    let rests = || running.state() == SinkState::Resting { next: None };
    eventually("30 wait", rests).await;
    running.order(Order::ShipNow).await;
    bench.is_complete().await;
    eventually("the round is over", || running.state() == SinkState::Idle).await;
    lines(&bench.queue, 0, 40..89);
    eventually("49 wait", rests).await;
    assert_eq!(bench.sink.documents().len(), 40, "49 wait, 50 are wanted");
    lines(&bench.queue, 0, 89..90);
    bench.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 90);
}

#[tokio::test]
async fn a_pause_while_the_target_is_down_is_a_pause() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let sink = FakeSink::new().fault(move |_| {
        is_down.load(Ordering::SeqCst).then_some(Delivery::Busy(Some(Duration::from_secs(3600))))
    });
    let bench = Bench::new(FakeQueue::new(1), sink);
    lines(&bench.queue, 0, 0..20);
    let running = bench.start();
    let waits = |state| matches!(state, SinkState::BackingOff { .. });
    eventually("it waits", || waits(running.state())).await;
    running.order(Order::Pause { by: "ada".into() }).await;
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    assert_eq!(running.handle.status.borrow().paused_by.as_deref(), Some("ada"));
    down.store(false, Ordering::SeqCst);
    running.order(Order::Retry).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(bench.sink.documents().len(), 0);
    running.order(Order::Resume).await;
    running.order(Order::Retry).await;
    bench.is_complete().await;
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.paused_by), (20, None));
}

#[tokio::test]
async fn once_that_was_paused_goes_on_to_its_end() {
    let mut bench = Bench::new(FakeQueue::new(1), FakeSink::new());
    bench.mode = Mode::Once;
    bench.queue.settled.store(false, Ordering::SeqCst);
    lines(&bench.queue, 0, 0..20);
    let running = bench.start();
    running.order(Order::Pause { by: "ada".into() }).await;
    bench.queue.settled.store(true, Ordering::SeqCst);
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    running.order(Order::Resume).await;
    assert_eq!(within(running.task).await.unwrap().confirmed_events, 20);
}

#[tokio::test]
async fn once_ends_when_everything_that_was_there_is_committed() {
    for sink in [FakeSink::new(), FakeSink::transactional()] {
        let mut bench = Bench::new(FakeQueue::new(2), sink);
        bench.mode = Mode::Once;
        bench.queue.settled.store(false, Ordering::SeqCst);
        lines(&bench.queue, 0, 0..1234);
        bench.queue.append(1, "whole\npartial");
        let running = bench.start();
        eventually("it waits for the ends", || running.state() == SinkState::Idle).await;
        assert!(!running.task.is_finished());
        bench.queue.settled.store(true, Ordering::SeqCst);
        let status = within(running.task).await.unwrap();
        assert_eq!(status.confirmed_events, 1235);
        assert_eq!(bench.cursor(0), bench.queue.length(0));
        bench.is_complete().await;
    }
}

#[tokio::test]
async fn once_with_nothing_to_do_ends_at_once() {
    let mut bench = Bench::new(FakeQueue::new(0), FakeSink::transactional());
    bench.mode = Mode::Once;
    assert_eq!(within(bench.start().task).await.unwrap().confirmed_events, 0);
}

/// What a reading found that began before the ends were known says nothing of them.
#[tokio::test]
async fn once_does_not_end_with_what_was_looked_for_too_early() {
    let mut bench = Bench::new(FakeQueue::new(1), FakeSink::new());
    bench.mode = Mode::Once;
    bench.queue.settled.store(false, Ordering::SeqCst);
    let (found, early) = std::sync::mpsc::channel();
    *bench.queue.early.lock().unwrap() = Some(early);
    lines(&bench.queue, 0, 0..20);
    let running = bench.start();
    eventually("it reads", || bench.queue.early.lock().unwrap().is_none()).await;
    bench.queue.settled.store(true, Ordering::SeqCst);
    bench.queue.hide(false);
    // Time to fix the ends, for one that does it now.
    tokio::time::sleep(Duration::from_millis(50)).await;
    found.send(()).unwrap();
    assert_eq!(within(running.task).await.unwrap().confirmed_events, 20);
}

/// Somebody looks at an event: where it is now, and from then on.
#[tokio::test]
async fn an_event_says_where_it_is_on_its_way() {
    let refuse = |items: &Items| {
        let reject = || Delivery::Each(vec![Outcome::Done, Outcome::Reject(refusal("no"))]);
        has(items, "bad").then(reject)
    };
    let mut sink = FakeSink::new().fault(refuse);
    sink.slow = Duration::from_millis(200);
    let mut bench = Bench::new(FakeQueue::new(1), sink);
    bench.mode = Mode::Armed;
    bench.filter.condition = Some(Arc::new(|event| event.text() != b"drop"));
    bench.queue.append(0, "a\ndrop\nbad\n");
    let running = bench.start();
    let ask = async |offset: u64| {
        let place = Cursor { generation: GenerationId(0), offset };
        running.order(Order::Where(place)).await;
    };
    let becomes = async |offset: u64, state: LineState| {
        let place = Cursor { generation: GenerationId(0), offset };
        let asked = || running.handle.status.borrow().asked;
        eventually(&format!("{state:?}"), || asked() == Some(Asked { place, state })).await;
    };
    ask(7).await;
    becomes(7, LineState::Waiting).await;
    running.order(Order::ShipNow).await;
    becomes(7, LineState::InFlight).await;
    becomes(7, LineState::DeadLetter).await;
    for (offset, state) in [(2, LineState::Filtered), (0, LineState::Delivered)] {
        ask(offset).await;
        becomes(offset, state).await;
    }
    running.order(Order::Where(Cursor { generation: GenerationId(9), offset: 0 })).await;
    let asked = || running.handle.status.borrow().asked.map(|asked| asked.state);
    eventually("unknown", || asked() == Some(LineState::Unknown)).await;
    running.stop().await;
}

/// What a sink with its own cursors has accepted is not there before its commit.
#[tokio::test]
async fn an_event_that_is_accepted_is_in_flight_until_the_commit() {
    let sink = FakeSink::transactional();
    *sink.commit_fails.lock().unwrap() = u32::MAX;
    let bench = Bench::new(FakeQueue::new(1), sink);
    bench.queue.append(0, "a\n");
    let running = bench.start();
    running.order(Order::Where(Cursor { generation: GenerationId(0), offset: 0 })).await;
    let asked = || running.handle.status.borrow().asked.map(|asked| asked.state);
    eventually("accepted", || asked() == Some(LineState::InFlight)).await;
    *bench.sink.commit_fails.lock().unwrap() = 0;
    eventually("committed", || asked() == Some(LineState::Delivered)).await;
    running.stop().await;
}
