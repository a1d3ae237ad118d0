//! When a worker delivers: continuously, on request, in rounds, or once.

use super::*;
use crate::event::Cursor;
use crate::event::status::{Asked, DeliveryState};

#[tokio::test]
async fn nothing_is_sent_before_the_order_and_a_round_ends_at_its_fixed_ends() {
    let mut setup = Setup::new(FakeQueue::new(2), FakeSink::transactional());
    setup.mode = Mode::Armed;
    lines(&setup.queue, 0, 0..300);
    let running = setup.start();
    eventually("it is armed", || running.state() == SinkState::Armed).await;
    assert_eq!(setup.sink.documents().len(), 0);
    running.order(Order::ShipNow).await;
    setup.is_complete().await;
    eventually("it is armed again", || running.state() == SinkState::Armed).await;
    lines(&setup.queue, 1, 0..10);
    running.order(Order::Pause { by: "ada".into() }).await;
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    assert_eq!(setup.sink.documents().len(), 300);
    running.order(Order::Resume).await;
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 310);
}

#[tokio::test]
async fn an_order_before_the_ends_are_known_is_not_forgotten() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.mode = Mode::Armed;
    setup.queue.settled.store(false, Ordering::SeqCst);
    let running = setup.start();
    running.order(Order::ShipNow).await;
    lines(&setup.queue, 0, 0..20);
    setup.queue.settled.store(true, Ordering::SeqCst);
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 20);
}

/// An order arrives while an earlier one is carried out.
#[tokio::test]
async fn a_second_order_extends_the_running_round() {
    let free = Arc::new(AtomicBool::new(false));
    let is_free = free.clone();
    let sink = FakeSink::new().fault(move |_| {
        (!is_free.load(Ordering::SeqCst)).then_some(Delivery::Busy(Some(Duration::from_millis(10))))
    });
    let mut setup = Setup::new(FakeQueue::new(1), sink);
    setup.mode = Mode::Armed;
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    running.order(Order::ShipNow).await;
    let waits = |state| matches!(state, SinkState::BackingOff { .. });
    eventually("the target is busy", || waits(running.state())).await;
    lines(&setup.queue, 0, 10..20);
    running.order(Order::ShipNow).await;
    free.store(true, Ordering::SeqCst);
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 20);
}

#[tokio::test]
async fn a_round_waits_for_the_requested_scan() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.mode = Mode::Armed;
    setup.queue.is_scanning.store(true, Ordering::SeqCst);
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    running.order(Order::ShipNow).await;
    eventually("it was asked", || setup.queue.requested_scans.load(Ordering::SeqCst) == 1).await;
    lines(&setup.queue, 0, 10..20);
    setup.queue.is_scanning.store(false, Ordering::SeqCst);
    setup.is_complete().await;
    setup.queue.is_scanning.store(true, Ordering::SeqCst);
    lines(&setup.queue, 0, 20..30);
    running.order(Order::ShipNow).await;
    // A mount may not answer: then the known files must do.
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 30);
}

#[tokio::test]
async fn rounds_by_count_and_by_time() {
    let mut setup = Setup::new(FakeQueue::new(2), FakeSink::new());
    setup.mode = Mode::Rounds(Rounds { every: None, after: Some(50) });
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    setup.is_complete().await;
    eventually("the first round is over", || running.state() == SinkState::Idle).await;
    lines(&setup.queue, 0, 10..40);
    lines(&setup.queue, 1, 0..19);
    eventually("it rests", || running.state() == SinkState::Resting { next: None }).await;
    assert_eq!(setup.sink.documents().len(), 10, "49 wait, 50 are wanted");
    lines(&setup.queue, 1, 19..20);
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 60);
    setup.mode = Mode::Rounds(Rounds { every: Some(Duration::from_millis(300)), after: None });
    lines(&setup.queue, 0, 40..50);
    let running = setup.start();
    setup.is_complete().await;
    lines(&setup.queue, 0, 50..60);
    let resting = |state| matches!(state, SinkState::Resting { next: Some(_) });
    eventually("it rests", || resting(running.state())).await;
    setup.is_complete().await;
    running.stop().await;
}

#[tokio::test]
async fn a_round_on_request_resets_the_count() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.mode = Mode::Rounds(Rounds { every: None, after: Some(50) });
    lines(&setup.queue, 0, 0..10);
    let running = setup.start();
    setup.is_complete().await;
    lines(&setup.queue, 0, 10..40);
    let rests = || running.state() == SinkState::Resting { next: None };
    eventually("30 wait", rests).await;
    running.order(Order::ShipNow).await;
    setup.is_complete().await;
    eventually("the round is over", || running.state() == SinkState::Idle).await;
    lines(&setup.queue, 0, 40..89);
    eventually("49 wait", rests).await;
    assert_eq!(setup.sink.documents().len(), 40, "49 wait, 50 are wanted");
    lines(&setup.queue, 0, 89..90);
    setup.is_complete().await;
    assert_eq!(running.stop().await.confirmed_events, 90);
}

#[tokio::test]
async fn a_pause_during_an_outage_is_shown_as_a_pause() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = down.clone();
    let sink = FakeSink::new().fault(move |_| {
        is_down.load(Ordering::SeqCst).then_some(Delivery::Busy(Some(Duration::from_secs(3600))))
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..20);
    let running = setup.start();
    let waits = |state| matches!(state, SinkState::BackingOff { .. });
    eventually("it waits", || waits(running.state())).await;
    running.order(Order::Pause { by: "ada".into() }).await;
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    assert_eq!(running.handle.status.borrow().paused_by.as_deref(), Some("ada"));
    down.store(false, Ordering::SeqCst);
    running.order(Order::Retry).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(setup.sink.documents().len(), 0);
    running.order(Order::Resume).await;
    running.order(Order::Retry).await;
    setup.is_complete().await;
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.paused_by), (20, None));
}

#[tokio::test]
async fn once_continues_to_its_end_after_a_pause() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.mode = Mode::Once;
    setup.queue.settled.store(false, Ordering::SeqCst);
    lines(&setup.queue, 0, 0..20);
    let running = setup.start();
    running.order(Order::Pause { by: "ada".into() }).await;
    setup.queue.settled.store(true, Ordering::SeqCst);
    let paused = |state| matches!(state, SinkState::Paused { by, .. } if by == "ada");
    eventually("it is paused", || paused(running.state())).await;
    running.order(Order::Resume).await;
    assert_eq!(within(running.task).await.unwrap().confirmed_events, 20);
}

#[tokio::test]
async fn once_ends_when_everything_that_existed_is_committed() {
    for sink in [FakeSink::new(), FakeSink::transactional()] {
        let mut setup = Setup::new(FakeQueue::new(2), sink);
        setup.mode = Mode::Once;
        setup.queue.settled.store(false, Ordering::SeqCst);
        lines(&setup.queue, 0, 0..1234);
        setup.queue.append(1, "whole\npartial");
        let running = setup.start();
        eventually("it waits for the ends", || running.state() == SinkState::Idle).await;
        assert!(!running.task.is_finished());
        setup.queue.settled.store(true, Ordering::SeqCst);
        let status = within(running.task).await.unwrap();
        assert_eq!(status.confirmed_events, 1235);
        assert_eq!(setup.cursor(0), setup.queue.length(0));
        setup.is_complete().await;
    }
}

#[tokio::test]
async fn once_with_nothing_to_do_ends_at_once() {
    let mut setup = Setup::new(FakeQueue::new(0), FakeSink::transactional());
    setup.mode = Mode::Once;
    assert_eq!(within(setup.start().task).await.unwrap().confirmed_events, 0);
}

/// A read that started before the ends were known proves nothing about them.
#[tokio::test]
async fn once_does_not_end_because_of_a_read_before_the_ends_were_known() {
    let mut setup = Setup::new(FakeQueue::new(1), FakeSink::new());
    setup.mode = Mode::Once;
    setup.queue.settled.store(false, Ordering::SeqCst);
    let (found, early) = std::sync::mpsc::channel();
    *setup.queue.early.lock().unwrap() = Some(early);
    lines(&setup.queue, 0, 0..20);
    let running = setup.start();
    eventually("it reads", || setup.queue.early.lock().unwrap().is_none()).await;
    setup.queue.settled.store(true, Ordering::SeqCst);
    setup.queue.hide(false);
    // Time in which a faulty worker would fix the ends.
    tokio::time::sleep(Duration::from_millis(50)).await;
    found.send(()).unwrap();
    assert_eq!(within(running.task).await.unwrap().confirmed_events, 20);
}

/// The location is reported at once and updated later.
#[tokio::test]
async fn the_location_of_an_event_is_reported() {
    let refuse = |items: &Items| {
        let reject = || Delivery::Each(vec![Outcome::Done, Outcome::Reject(refusal("no"))]);
        has(items, "bad").then(reject)
    };
    let mut sink = FakeSink::new().fault(refuse);
    sink.slow = Duration::from_millis(200);
    let mut setup = Setup::new(FakeQueue::new(1), sink);
    setup.mode = Mode::Armed;
    setup.filter.condition = Some(Arc::new(|event| event.text() != b"drop"));
    setup.queue.append(0, "a\ndrop\nbad\n");
    let running = setup.start();
    let ask = async |offset: u64| {
        let place = Cursor { generation: GenerationId(0), offset };
        running.order(Order::Where(place)).await;
    };
    let becomes = async |offset: u64, state: DeliveryState| {
        let place = Cursor { generation: GenerationId(0), offset };
        let asked = || running.handle.status.borrow().asked;
        eventually(&format!("{state:?}"), || asked() == Some(Asked { place, state })).await;
    };
    ask(7).await;
    becomes(7, DeliveryState::Waiting).await;
    running.order(Order::ShipNow).await;
    becomes(7, DeliveryState::InFlight).await;
    becomes(7, DeliveryState::DeadLetter).await;
    for (offset, state) in [(2, DeliveryState::Filtered), (0, DeliveryState::Delivered)] {
        ask(offset).await;
        becomes(offset, state).await;
    }
    running.order(Order::Where(Cursor { generation: GenerationId(9), offset: 0 })).await;
    let asked = || running.handle.status.borrow().asked.map(|asked| asked.state);
    eventually("unknown", || asked() == Some(DeliveryState::Unknown)).await;
    running.stop().await;
}

/// An accepted event of a sink with its own cursors is delivered only after its commit.
#[tokio::test]
async fn an_event_that_is_accepted_is_in_flight_until_the_commit() {
    let sink = FakeSink::transactional();
    *sink.commit_fails.lock().unwrap() = u32::MAX;
    let setup = Setup::new(FakeQueue::new(1), sink);
    setup.queue.append(0, "a\n");
    let running = setup.start();
    running.order(Order::Where(Cursor { generation: GenerationId(0), offset: 0 })).await;
    let asked = || running.handle.status.borrow().asked.map(|asked| asked.state);
    eventually("accepted", || asked() == Some(DeliveryState::InFlight)).await;
    *setup.sink.commit_fails.lock().unwrap() = 0;
    eventually("committed", || asked() == Some(DeliveryState::Delivered)).await;
    running.stop().await;
}
