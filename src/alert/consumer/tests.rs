use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::*;
use crate::base::SystemClock;
use crate::event::IdKey;
use crate::follow::{LogConfig, SourceConfig};
use crate::state::Store;

fn append(path: &Path, line: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// Waits for the log; `each` says when it is enough.
fn until(mut each: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !each() {
        assert!(Instant::now() < deadline, "in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn only_what_changed_gets_a_turn() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: u64| folder.path().join(format!("{number}.log"));
    (0..20).for_each(|number| append(&path(number), &format!("line of {number}")));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let config = LogConfig {
        sources: vec![SourceConfig::of_file("app", folder.path().to_owned())],
        once: false,
        host: "here".into(),
        key: IdKey::from_host_id("test"),
        intake: None,
    };
    let log = Log::open(config, clock.clone());
    log.settle(Store::ephemeral(), Vec::new());
    let changes = log.changes();
    let mut work = Work::new(Vec::new(), &Arc::default(), false);
    let mut round = |turns: &mut Vec<GenerationId>| {
        let settled = log.settled();
        for id in work.due(&log, changes.take(), clock.uptime()) {
            work.look(&log, id, &*clock);
            turns.push(id);
        }
        let round = work.conclude(settled, &*clock);
        (round == Round::Finished && work.cursors.len() == 20, work.left().count())
    };
    let mut turns = Vec::new();
    until(|| round(&mut turns) == (true, 0));
    turns.clear();
    append(&path(7), "one more");
    until(|| {
        round(&mut turns);
        !turns.is_empty()
    });
    let grown = log.files().into_iter().map(|file| file.facts());
    let grown = grown.filter(|facts| *facts.path == *path(7));
    let grown: Vec<GenerationId> = grown.filter_map(|facts| Some(facts.generation?.id)).collect();
    turns.dedup();
    assert_eq!(turns, grown);
    log.stop();
}
