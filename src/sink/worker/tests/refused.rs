//! Events that a target rejects permanently, or refuses for their size.

use std::sync::atomic::AtomicUsize;

use super::*;

/// Refuses larger bodies, and records the sizes of the accepted ones.
struct Proxy {
    limit: AtomicUsize,
    took: Mutex<Vec<usize>>,
}

impl Proxy {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Proxy { limit: AtomicUsize::new(limit), took: Mutex::default() })
    }

    fn before(self: &Arc<Self>, sink: FakeSink) -> FakeSink {
        let proxy = self.clone();
        sink.fault(move |items| {
            let bytes = items.body.len();
            if bytes > proxy.limit.load(Ordering::SeqCst) {
                return Some(Delivery::TooLarge("raise the limit".into()));
            }
            proxy.took.lock().unwrap().push(bytes);
            None
        })
    }

    fn set(&self, limit: usize) {
        self.limit.store(limit, Ordering::SeqCst);
        self.took.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_refused_event_is_a_dead_letter_and_the_cursor_moves_on() {
    let sink = FakeSink::new().fault(|items| {
        let answer = |item: &[u8]| match item.ends_with(b"bad") {
            true => Outcome::Reject(refusal("no such field")),
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    *setup.kept.full.lock().unwrap() = 1;
    setup.queue.append(0, "a\nbad\nb\n");
    let running = setup.start();
    eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
    let text = |letter: &DeadLetter| {
        format!("{}:{}:{}:{}", letter.source, letter.offset, letter.reason, letter.attempts)
    };
    assert_eq!(setup.kept.texts(text), ["test:2:no such field:2"]);
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.dead_letters), (2, 1));
}

/// The log is truncated while events are in flight, or holds other events at the same offsets by then.
#[tokio::test]
async fn rejected_events_are_kept_even_if_their_log_is_truncated_or_rewritten() {
    for destroy in [true, false] {
        let queue = FakeQueue::new(1);
        let (log, refused) = (queue.clone(), Arc::new(Mutex::new(Vec::new())));
        let noted = refused.clone();
        let sink = FakeSink::new().fault(move |items| {
            match destroy {
                true => log.destroy(0),
                false => log.rewrite(0),
            }
            let answer = |item: &[u8]| {
                if !item.ends_with(b"7") {
                    return Outcome::Done;
                }
                noted.lock().unwrap().push(String::from_utf8(item.to_vec()).unwrap());
                Outcome::Reject(refusal("no such field"))
            };
            Some(Delivery::Each(items.iter().map(answer).collect()))
        });
        let setup = Setup::new(queue, sink);
        lines(&setup.queue, 0, 0..1000);
        let running = setup.start();
        eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
        let status = running.stop().await;
        let refused = refused.lock().unwrap().clone();
        assert!(
            refused.contains(&"0:49:line 7".to_owned()),
            "the bytes that were sent: {refused:?}"
        );
        let text = |letter: &DeadLetter| {
            let document: serde_json::Value = serde_json::from_str(letter.document.get()).unwrap();
            format!("0:{}:{}", letter.offset, document["message"].as_str().unwrap())
        };
        let mut kept = setup.kept.texts(text);
        kept.sort();
        let mut expected = refused.clone();
        expected.sort();
        assert_eq!(kept, expected);
        assert_eq!(status.dead_letters, kept.len() as u64);
        let lost = status.bytes.lost;
        assert_eq!(lost > 0, destroy, "unread bytes: {:?}", status.bytes);
        assert!(status.bytes.adds_up());
    }
}

#[tokio::test]
async fn a_too_large_body_is_halved_and_a_giant_event_becomes_a_dead_letter() {
    let proxy = Proxy::new(300);
    let setup = Setup::new(FakeQueue::new(1), proxy.before(FakeSink::new()));
    lines(&setup.queue, 0, 0..100);
    setup.queue.append(0, &format!("{} bad\n", "x".repeat(500)));
    lines(&setup.queue, 0, 100..200);
    let running = setup.start();
    setup.is_complete().await;
    eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
    assert_eq!(setup.kept.texts(|letter| letter.reason.clone()), ["too large for the target"]);
    assert_eq!(running.stop().await.confirmed_events, 200);
}

/// For any number of events: none becomes a dead letter, and later bulks are as large as before.
#[tokio::test]
async fn a_sink_waits_while_every_body_is_refused_for_its_size() {
    for events in [1, 3, 500] {
        let proxy = Proxy::new(0);
        let setup = Setup::new(FakeQueue::new(1), proxy.before(FakeSink::new()));
        lines(&setup.queue, 0, 0..events);
        let running = setup.start();
        let blocked = SinkState::Blocked { reason: "raise the limit".into() };
        eventually("it is reported", || running.state() == blocked).await;
        for _ in 0..10 {
            running.order(Order::Retry).await;
        }
        proxy.set(usize::MAX);
        running.order(Order::Retry).await;
        setup.is_complete().await;
        lines(&setup.queue, 0, events..events + 2_000);
        setup.is_complete().await;
        let largest = proxy.took.lock().unwrap().iter().copied().max();
        assert!(largest >= Some(500), "50 events: {largest:?}");
        let status = running.stop().await;
        assert_eq!((status.dead_letters, status.blocked), (0, None));
    }
}

#[tokio::test]
async fn once_gives_up_when_every_body_is_refused_for_its_size() {
    for events in [1, 500] {
        let proxy = Proxy::new(0);
        let mut setup = Setup::new(FakeQueue::new(1), proxy.before(FakeSink::new()));
        setup.mode = Mode::Once;
        lines(&setup.queue, 0, 0..events);
        let status = within(setup.start().task).await.unwrap();
        assert_eq!((status.dead_letters, status.behind_bytes), (0, setup.queue.length(0)));
    }
}

/// A blocked target gets no request.
#[tokio::test]
async fn a_blocked_target_proves_nothing_about_sizes() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = requests.clone();
    let sink = FakeSink::new().fault(move |items| {
        counted.fetch_add(1, Ordering::SeqCst);
        let is_red = |item: &[u8]| String::from_utf8_lossy(item).contains(":red ");
        Some(match items.iter().all(is_red) {
            true => Delivery::Each(vec![Outcome::Blocked("an alias".into()); items.len()]),
            false => Delivery::TooLarge("raise the limit".into()),
        })
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    for number in 0..40 {
        let colour = if number % 2 == 0 { "red " } else { "" };
        setup.queue.append(0, &format!("{colour}line {number}\n"));
    }
    let running = setup.start();
    for _ in 0..20 {
        let before = requests.load(Ordering::SeqCst);
        eventually("one more try", || requests.load(Ordering::SeqCst) > before).await;
        running.order(Order::Retry).await;
    }
    assert_eq!(running.stop().await.dead_letters, 0);
}

/// One event makes the target fail each time: after some tries on its own it becomes a dead letter, and others
/// continue.
#[tokio::test]
async fn an_event_at_which_the_target_always_fails_becomes_a_dead_letter() {
    for own in [true, false] {
        let tries = Arc::new(Mutex::new(Vec::new()));
        let noted = tries.clone();
        let sink = FakeSink::new().fault(move |items| {
            let breaks = |item: &[u8]| item.ends_with(b"bad");
            if items.iter().any(breaks) {
                noted.lock().unwrap().push(items.len());
            }
            let answer = |item: &[u8]| match breaks(item) {
                true => Outcome::Fails { refusal: refusal("it broke"), own },
                false => Outcome::Done,
            };
            Some(Delivery::Each(items.iter().map(answer).collect()))
        });
        let setup = Setup::new(FakeQueue::new(1), sink);
        setup.queue.append(0, "a\nbad\nb\n");
        let running = setup.start();
        eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
        let text = |letter: &DeadLetter| format!("{}:{}", letter.reason, letter.attempts);
        assert_eq!(setup.kept.texts(text), ["it broke:5"]);
        assert_eq!(*tries.lock().unwrap(), [3, 1, 1, 1, 1]);
        let status = running.stop().await;
        assert_eq!((status.confirmed_events, status.dead_letters), (2, 1));
    }
}

/// While nothing is delivered, it is not known whether the events are at fault.
#[tokio::test]
async fn a_target_that_fails_at_every_event_gets_them_again() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let breaks = broken.clone();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let sink = FakeSink::new().fault(move |items| {
        counted.fetch_add(1, Ordering::SeqCst);
        let outcome = || match breaks.load(Ordering::SeqCst) {
            true => Outcome::Fails { refusal: refusal("it broke"), own: false },
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(|_| outcome()).collect()))
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    lines(&setup.queue, 0, 0..3);
    let running = setup.start();
    // Four tries of all three together, then each of them alone.
    eventually("many tries", || tries.load(Ordering::SeqCst) > 7).await;
    broken.store(false, Ordering::SeqCst);
    eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.dead_letters), (3, 0));
}

#[tokio::test]
async fn events_dropped_by_the_target_are_done_and_counted_separately() {
    let sink = FakeSink::new().fault(|items| {
        let answer = |item: &[u8]| match item.ends_with(b"dropped") {
            true => Outcome::Dropped,
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    });
    let setup = Setup::new(FakeQueue::new(1), sink);
    setup.queue.append(0, "a\ndropped\nb\n");
    let running = setup.start();
    eventually("the cursor is at the end", || setup.cursor(0) == setup.queue.length(0)).await;
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.dropped_events), (3, 1));
}
