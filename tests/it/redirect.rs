//! A server that redirects: nothing is sent to the other address, and the sink waits until the redirect ends.

use std::time::Duration;

use crate::fake_elasticsearch::{Acceptance, Answer, FakeElasticsearch};
use crate::fixture::{Fixture, assert_each_once, lines};
use crate::program::{send_signal, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_redirected_bulk_is_not_sent_and_waits() {
    let (fake, other) = (FakeElasticsearch::start(), FakeElasticsearch::start());
    let target = format!("{}/_bulk", other.url());
    let headers: &'static str = Box::leak(format!("location: {target}\r\n").into_boxed_str());
    fake.answer(move |_| Answer {
        take: Acceptance::Nothing,
        status: 307,
        headers,
        ..Answer::default()
    });
    let fixture = Fixture::new(&format!("urls = [\"{}\"]", fake.url()));
    fixture.append("a.log", &lines(1, 0..100));
    let engine = fixture.engine();
    let message = format!("redirects to {target} (307); nothing was sent there");
    wait_for("the message", PATIENCE, || engine.messages().contains(&message).then_some(()));
    // The sink tries again and continues automatically.
    let tries = fake.attempts().len();
    send_signal(engine.id(), "USR1");
    wait_for("another attempt", PATIENCE, || (fake.attempts().len() > tries).then_some(()));
    fake.answer(|_| Answer::default());
    wait_for("every line", PATIENCE, || (fake.count() == 100).then_some(()));
    assert!(engine.terminate().success());
    assert_each_once(&fake.documents(), 1, 100);
    assert_eq!((other.attempts().len(), other.count()), (0, 0));
}
