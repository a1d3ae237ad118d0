use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

type Reports = Arc<Mutex<Vec<Failure>>>;

fn supervised() -> (Supervisor, Reports) {
    let reports = Reports::default();
    let list = reports.clone();
    (Supervisor::new(move |failure| list.lock().unwrap().push(failure.clone())), reports)
}

#[tokio::test]
async fn a_task_that_panics_is_reported_and_restarted() {
    let (supervisor, reports) = supervised();
    let (runs, stop) = (Arc::new(AtomicU32::new(0)), CancellationToken::new());
    let counted = runs.clone();
    let task = supervisor.clone().task("counter", OnPanic::Restart, stop, move || {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move { assert!(run > 1, "a text with {run} in it") }
    });
    task.await;
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    let reports = reports.lock().unwrap();
    assert!(matches!(reports[0].next, Next::Restart { attempt: 1, .. }));
    assert!(matches!(reports[1].next, Next::Restart { attempt: 2, .. }));
    assert_eq!(supervisor.failures(), [("counter", 2)]);
    assert!(supervisor.down().is_empty(), "the part runs again");
    assert!(!supervisor.ended().is_cancelled());
}

/// A formatted text may quote a log.
#[test]
fn a_formatted_panic_text_is_not_repeated() {
    let (supervisor, reports) = supervised();
    let line = "secret".to_owned();
    let made = supervisor.guard("reader", OnPanic::Continue, || panic!("cannot read {line}"));
    let literal = supervisor.guard("reader", OnPanic::Continue, || panic!("the list is empty"));
    let (made, literal): (Result<(), _>, Result<(), _>) = (made, literal);
    assert_eq!((made, literal), (Err(None), Err(None)));
    let reports = reports.lock().unwrap();
    assert!(!reports[0].to_string().contains("secret"), "{}", reports[0]);
    assert!(reports[1].to_string().contains("the list is empty"), "{}", reports[1]);
    assert!(supervisor.down().is_empty(), "no part is down");
}

#[test]
fn a_part_that_cannot_be_restarted_ends_the_engine() {
    for (on_panic, tries) in [(OnPanic::End, 1), (OnPanic::RestartAtMost(2), 3)] {
        let (supervisor, reports) = supervised();
        for left in (0..tries).rev() {
            assert!(supervisor.fatal().is_none());
            let again: Result<(), _> = supervisor.guard("follower", on_panic, || panic!("broken"));
            assert_eq!(again.unwrap_err().is_some(), left > 0);
        }
        assert!(supervisor.ended().is_cancelled());
        assert_eq!(supervisor.down(), ["follower"]);
        let fatal = supervisor.fatal().unwrap();
        assert_eq!(fatal, reports.lock().unwrap().last().unwrap());
        assert!(fatal.to_string().contains("read again at the next start"), "{fatal}");
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_restart_back_off() {
    let (supervisor, _) = supervised();
    let stop = CancellationToken::new();
    stop.cancel();
    let broken = || async { panic!("broken") };
    supervisor.clone().task("part", OnPanic::Restart, stop, broken).await;
    assert_eq!(supervisor.down(), ["part"]);
}

#[tokio::test]
async fn a_test_can_make_any_part_panic_by_its_name() {
    let (supervisor, reports) = supervised();
    let stop = CancellationToken::new();
    let until = stop.clone();
    let body = move || until.clone().cancelled_owned();
    let mut down = supervisor.changes();
    let task = tokio::spawn(supervisor.clone().task("board", OnPanic::Restart, stop.clone(), body));
    supervisor.break_part("board");
    down.wait_for(|down| down.contains_key("board")).await.unwrap();
    down.wait_for(|down| down.is_empty()).await.unwrap();
    stop.cancel();
    task.await.unwrap();
    assert_eq!(reports.lock().unwrap().len(), 1);
    supervisor.break_part("thread");
    let pass = || supervisor.guard("thread", OnPanic::Continue, || supervisor.checkpoint("thread"));
    pass().unwrap_err();
    pass().unwrap();
}
