//! The unpacked copy of a compressed file holds disk only as long as somebody needs it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use logwarden::base::{Clock, SystemClock, Timestamp};

use crate::compressed::gzip;
use crate::rotation::{Bench, line, lines};

/// Runs as the machine's does, and can be put forward.
#[derive(Debug)]
struct ForwardClock {
    system: SystemClock,
    ahead: AtomicU64,
}

impl ForwardClock {
    fn new() -> Arc<Self> {
        Arc::new(ForwardClock { system: SystemClock::new(), ahead: AtomicU64::new(0) })
    }

    fn pass(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::AcqRel);
    }

    fn ahead(&self) -> Duration {
        Duration::from_secs(self.ahead.load(Ordering::Acquire))
    }
}

impl Clock for ForwardClock {
    fn now(&self) -> Timestamp {
        self.system.now().plus(self.ahead())
    }

    fn uptime(&self) -> Duration {
        self.system.uptime() + self.ahead()
    }
}

/// Copies that this process holds open in the bench's intake folder; they have no name.
fn copies(bench: &Bench) -> usize {
    let intake = bench.folder.path().join("intake");
    let entries = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    let target = |entry: fs::DirEntry| fs::read_link(entry.path()).ok();
    entries.filter_map(target).filter(|path| path.starts_with(&intake)).count()
}

fn read_by_all(bench: &mut Bench, count: usize) {
    bench.until("all of it", |bench| bench.consumer.events.len() == count);
}

#[test]
fn a_copy_goes_when_everybody_has_read_it_and_comes_back_with_what_is_added() {
    let clock = ForwardClock::new();
    let mut bench = Bench::new(&["*.gz"]);
    bench.rescue = true;
    bench.append("app.gz", gzip(lines("a", 0..50).as_bytes()));
    bench.open_with(clock.clone());
    read_by_all(&mut bench, 50);
    assert_eq!(copies(&bench), 1);
    clock.pass(50);
    bench.append("other.gz", gzip(lines("b", 0..5).as_bytes()));
    read_by_all(&mut bench, 55);
    assert_eq!(copies(&bench), 2, "somebody may read on in it");
    clock.pass(61);
    bench.until("both are given up", |bench| copies(bench) == 0);
    // As `gzip -c >>` does it.
    bench.append("app.gz", gzip(lines("a", 50..60).as_bytes()));
    read_by_all(&mut bench, 65);
    bench.expect_lines((0..60).map(|n| line("a", n)).chain((0..5).map(|n| line("b", n))));
}

#[test]
fn a_copy_that_somebody_is_behind_in_stays() {
    let clock = ForwardClock::new();
    let mut bench = Bench::new(&["*.gz"]);
    bench.rescue = true;
    bench.append("app.gz", gzip(lines("a", 0..50).as_bytes()));
    bench.open_with(clock.clone());
    read_by_all(&mut bench, 50);
    let generation = bench.consumer.events[0].generation;
    let cursor = |offset| logwarden::event::Cursor { generation, offset };
    bench.store().put_cursor("es", "*", cursor(0));
    clock.pass(600);
    bench.append("other.gz", gzip(lines("b", 0..5).as_bytes()));
    read_by_all(&mut bench, 55);
    assert_eq!(copies(&bench), 2);
    bench.store().put_cursor("es", "*", cursor(lines("a", 0..50).len() as u64));
    bench.until("it is given up", |bench| copies(bench) == 1);
}

#[test]
fn what_everybody_has_read_is_not_unpacked_at_the_next_start() {
    let mut bench = Bench::new(&["*"]);
    bench.rescue = true;
    bench.append("app.gz", gzip(lines("a", 0..50).as_bytes()));
    bench.append("plain.log", lines("b", 0..5));
    bench.open();
    read_by_all(&mut bench, 55);
    bench.restart();
    bench.append("plain.log", lines("b", 5..10));
    read_by_all(&mut bench, 60);
    bench.until("nothing is unpacked", |bench| copies(bench) == 0);
    // Another one in its place is.
    bench.append("app.gz", gzip(lines("a", 50..60).as_bytes()));
    bench.expect_lines((0..60).map(|n| line("a", n)).chain((0..10).map(|n| line("b", n))));
}
