//! What a target refuses for good, or for its size.

use super::*;

#[tokio::test]
async fn a_refused_event_is_a_dead_letter_and_the_cursor_moves_on() {
    let sink = FakeSink::new().fault(|items| {
        let answer = |item: &[u8]| match item.ends_with(b"bad") {
            true => Outcome::Reject(refusal("no such field")),
            false => Outcome::Done,
        };
        Some(Delivery::Each(items.iter().map(answer).collect()))
    });
    let bench = Bench::new(FakeQueue::new(1), sink);
    *bench.kept.full.lock().unwrap() = 1;
    bench.queue.append(0, "a\nbad\nb\n");
    let running = bench.start();
    eventually("the cursor is at the end", || bench.cursor(0) == bench.queue.length(0)).await;
    let told = |letter: &DeadLetter| {
        format!("{}:{}:{}:{}", letter.source, letter.offset, letter.reason, letter.attempts)
    };
    assert_eq!(bench.kept.told(told), ["test:2:no such field:2"]);
    let status = running.stop().await;
    assert_eq!((status.confirmed_events, status.dead_letters), (2, 1));
}

/// The log is truncated while they are under way, or holds other events at the same offsets by then.
#[tokio::test]
async fn refused_events_are_kept_whatever_became_of_their_log() {
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
        let bench = Bench::new(queue, sink);
        lines(&bench.queue, 0, 0..1000);
        let running = bench.start();
        eventually("the cursor is at the end", || bench.cursor(0) == bench.queue.length(0)).await;
        let status = running.stop().await;
        let refused = refused.lock().unwrap().clone();
        assert!(refused.contains(&"0:49:line 7".to_owned()), "what was sent first: {refused:?}");
        let told = |letter: &DeadLetter| {
            let document: serde_json::Value = serde_json::from_str(letter.document.get()).unwrap();
            format!("0:{}:{}", letter.offset, document["message"].as_str().unwrap())
        };
        let mut kept = bench.kept.told(told);
        kept.sort();
        let mut expected = refused.clone();
        expected.sort();
        assert_eq!(kept, expected);
        assert_eq!(status.dead_letters, kept.len() as u64);
        let lost = status.bytes.lost;
        assert_eq!(lost > 0, destroy, "what was not read: {:?}", status.bytes);
        assert!(status.bytes.adds_up());
    }
}

#[tokio::test]
async fn a_body_too_large_is_halved_and_a_giant_event_kept_aside() {
    let sink = FakeSink::new()
        .fault(|items| (items.body.len() > 300).then_some(Delivery::All(Outcome::TooLarge)));
    let bench = Bench::new(FakeQueue::new(1), sink);
    lines(&bench.queue, 0, 0..100);
    bench.queue.append(0, &format!("{} bad\n", "x".repeat(500)));
    lines(&bench.queue, 0, 100..200);
    let running = bench.start();
    bench.is_complete().await;
    eventually("the cursor is at the end", || bench.cursor(0) == bench.queue.length(0)).await;
    assert_eq!(bench.kept.letters.lock().unwrap().len(), 1);
    assert_eq!(running.stop().await.confirmed_events, 200);
}
