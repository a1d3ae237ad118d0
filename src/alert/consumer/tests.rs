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

/// Polls until `each` returns `true`.
fn until(mut each: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !each() {
        assert!(Instant::now() < deadline, "in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn only_changed_generations_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = |number: u64| directory.path().join(format!("{number}.log"));
    (0..20).for_each(|number| append(&path(number), &format!("line of {number}")));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let config = LogConfig {
        sources: vec![SourceConfig::of_file("app", directory.path().to_owned())],
        once: false,
        host: "here".into(),
        key: IdKey::from_host_id("test"),
        intake: None,
    };
    let log = Log::open(config, clock.clone());
    log.settle(Store::ephemeral(), Vec::new());
    let changes = log.changes();
    let mut work = Evaluation::new(Vec::new(), &Arc::default(), false);
    // The generations that were read are noted in `read`.
    let mut pass = |read: &mut Vec<GenerationId>| {
        work.take_changes(&log, log.settled(), changes.take(), clock.uptime());
        let due = work.pull.readings().filter(|reading| reading.is_due());
        read.extend(due.map(|reading| reading.generation));
        work.read(&log, &*clock, &CancellationToken::new());
        let all = work.pull.readings().filter(|reading| !reading.is_unread()).count() == 20;
        work.finish_pass(&*clock) == PassOutcome::Finished && all
    };
    let mut read = Vec::new();
    until(|| pass(&mut read));
    read.clear();
    append(&path(7), "one more");
    until(|| {
        pass(&mut read);
        !read.is_empty()
    });
    let grown = log.files().into_iter().map(|file| file.facts());
    let grown = grown.filter(|facts| *facts.path == *path(7));
    let grown: Vec<GenerationId> = grown.filter_map(|facts| Some(facts.generation?.id)).collect();
    read.dedup();
    assert_eq!(read, grown);
    log.stop();
}
