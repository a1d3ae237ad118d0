//! Every failure of a part of the engine is reported, and unconfirmed events are not lost.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::*;
use crate::app::headless::{self, Ended};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The status line and the body of the answer.
fn health(address: SocketAddr) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

fn is_reported(status: &Status, part: &str) -> bool {
    status.notices.iter().any(|notice| notice.text.starts_with(&format!("{part} failed (")))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_restartable_part_is_reported_and_restarted() {
    let home = TempDir::new().unwrap();
    let output = home.path().join("out.jsonl");
    append(home.path(), 0..10);
    let mut settings = settings(home.path(), output.clone());
    settings.metrics = Some(free_address());
    settings.rules = crate::alert::defaults();
    let (engine, commands, status) = start(&settings, false).await;
    let supervisor = engine.starter.log.supervisor();
    let running = run(engine, no_reload());
    let parts = [
        "rules",
        "alert messages",
        "status",
        "commits of the state",
        "control socket",
        "metrics endpoint",
    ];
    let mut lines = 10;
    for part in parts {
        let mut down = supervisor.changes();
        supervisor.break_part(part);
        append(home.path(), lines..lines + 10);
        lines += 10;
        let failed = down.wait_for(|down| down.contains_key(part));
        tokio::time::timeout(DEADLINE, failed).await.expect(part).unwrap();
        let back = down.wait_for(|down| down.is_empty());
        tokio::time::timeout(DEADLINE, back).await.expect(part).unwrap();
        eventually(part, || {
            lines_in(&output) == lines as usize && is_reported(&status.borrow(), part)
        })
        .await;
    }
    let address = settings.metrics.unwrap();
    let healthy = tokio::task::spawn_blocking(move || health(address)).await.unwrap();
    assert_eq!(healthy, ("HTTP/1.1 200 OK".to_owned(), "running\n".to_owned()));
    eventually("all is well", || status.borrow().down.is_empty()).await;
    end(&commands, running).await;
    assert!(supervisor.fatal().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_follower_healthz_reports_a_failure() {
    let home = TempDir::new().unwrap();
    append(home.path(), 0..10);
    let mut settings = settings(home.path(), home.path().join("out.jsonl"));
    settings.metrics = Some(free_address());
    let (engine, _, mut status) = start(&settings, false).await;
    let supervisor = engine.starter.log.supervisor();
    supervisor.break_part("file follower");
    append(home.path(), 10..20);
    let is_down = status.wait_for(|status| status.down == ["file follower"]);
    tokio::time::timeout(DEADLINE, is_down).await.unwrap().unwrap();
    let address = settings.metrics.unwrap();
    let answer = tokio::task::spawn_blocking(move || health(address)).await.unwrap();
    let unavailable = "HTTP/1.1 503 Service Unavailable".to_owned();
    assert_eq!(answer, (unavailable, "broken: file follower\n".to_owned()));
    engine.stop().await;
}

/// The sink has the lines delivered before, and the next engine delivers the others, each once.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_follower_fails_ends_and_loses_nothing() {
    for once in [false, true] {
        let home = TempDir::new().unwrap();
        let output = home.path().join("out.jsonl");
        append(home.path(), 0..100);
        let settings = settings(home.path(), output.clone());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let setup = EngineSetup::open(&settings, once, clock.clone());
        setup.log.supervisor().break_part("file follower");
        let no_reload = no_reload();
        let ended = headless::work(&settings, setup, once, &no_reload, clock.clone());
        let ended = tokio::time::timeout(DEADLINE, ended).await.expect("it ends").unwrap();
        let Ended::InternalError(text) = ended else { panic!("{ended:?}") };
        assert!(text.starts_with("file follower failed ("), "{text}");
        append(home.path(), 100..200);
        let setup = EngineSetup::open(&settings, true, clock.clone());
        let ended = headless::work(&settings, setup, true, &no_reload, clock).await.unwrap();
        assert!(matches!(ended, Ended::Done), "{ended:?}");
        assert_eq!(lines_in(&output), 200);
    }
}

/// A restart would report alerts again.
#[tokio::test(flavor = "multi_thread")]
async fn once_ends_if_the_rules_fail() {
    let home = TempDir::new().unwrap();
    append(home.path(), 0..100);
    let mut settings = settings(home.path(), home.path().join("out.jsonl"));
    settings.rules = crate::alert::defaults();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let setup = EngineSetup::open(&settings, true, clock.clone());
    setup.log.supervisor().break_part("rules");
    let no_reload = no_reload();
    let ended = headless::work(&settings, setup, true, &no_reload, clock);
    let ended = tokio::time::timeout(DEADLINE, ended).await.expect("it ends").unwrap();
    assert!(
        matches!(&ended, Ended::InternalError(text) if text.starts_with("rules failed")),
        "{ended:?}"
    );
}
