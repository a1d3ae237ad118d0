use std::fs::{self, File};
use std::io::Write;

use super::*;
use crate::base::clock::ManualClock;
use crate::base::{SystemClock, Timestamp};
use crate::event::{Cursor, GenerationId, IdKey};
use crate::follow::shared::Shared;
use crate::follow::watch::{Hints, Watch};
use crate::follow::{LogConfig, SourceConfig};
use crate::state::Store;

#[test]
fn a_file_is_checked_after_unpacking_before_it_is_classified() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.log.gz");
    fs::write(&path, gzip(&b"line\n".repeat(1000))).unwrap();
    let source = SourceConfig::of_file("app", path.clone());
    let key = IdKey::from_host_id("test");
    let config =
        LogConfig { sources: vec![source], once: false, host: "here".into(), key, intake: None };
    let shared = Arc::new(Shared::new(config, Arc::new(SystemClock::new())));
    let mut follower = Follower::new(shared, Watch::none());
    let id = follower
        .track(
            Arc::new(File::open(&path).unwrap().into()),
            0,
            &path,
            crate::follow::origin::Origin::Path,
        )
        .unwrap();
    follower.unpacker.wait_until_done();
    assert_eq!(follower.catalog.get(id).unwrap().size, 0, "not checked yet");
    assert!(!follower.is_ready_to_classify(id, false));
    follower.check_file(id);
    assert_eq!(follower.catalog.get(id).unwrap().size, 5000);
    assert!(follower.is_ready_to_classify(id, false));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(bytes).unwrap();
    compressed.finish().unwrap()
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// A follower of one compressed file, with a manual clock.
struct FollowerTest {
    directory: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    follower: Follower,
}

impl FollowerTest {
    fn new() -> FollowerTest {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.log.gz"), gzip(&b"line\n".repeat(1000))).unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp::from(std::time::SystemTime::now())));
        let state = directory.path().join("state");
        crate::state::private_directory::make_directory(&state).unwrap();
        let (store, _) = Store::open(&state).unwrap();
        let follower = FollowerTest::follower(&directory, &clock, &store);
        FollowerTest { directory, clock, store, follower }
    }

    fn follower(
        directory: &tempfile::TempDir,
        clock: &Arc<ManualClock>,
        store: &Store,
    ) -> Follower {
        let source = SourceConfig::of_file("app", directory.path().join("*.log.gz"));
        let key = IdKey::from_host_id("test");
        let config = LogConfig {
            sources: vec![source],
            once: false,
            host: "here".into(),
            key,
            intake: None,
        };
        let shared = Arc::new(Shared::new(config, clock.clone()));
        shared.store.set(store.clone()).unwrap();
        let mut follower = Follower::new(shared, Watch::none());
        follower.scan();
        follower
    }

    fn restart(&mut self) {
        self.follower.finish();
        self.follower = FollowerTest::follower(&self.directory, &self.clock, &self.store);
    }

    fn run_pass(&mut self) {
        self.follower.unpacker.wait_until_done();
        self.follower.run_pass(Hints::default());
    }

    /// Runs until the file is unpacked and published; returns its generation.
    fn followed(&mut self) -> GenerationId {
        for _ in 0..100 {
            self.run_pass();
            if let [generation] = self.follower.shared.generations_with_file()[..] {
                return generation;
            }
            self.clock.advance(SECOND);
        }
        panic!("never published");
    }

    /// All consumers have read the file, and it was closed to free its descriptors.
    fn closed() -> (FollowerTest, GenerationId) {
        let mut test = FollowerTest::new();
        let generation = test.followed();
        let end = Cursor { generation, offset: 5000 };
        test.store.put_cursor("sink", "*", end);
        assert!(test.follower.close_read_compressed_file(|_| true));
        assert_eq!(test.follower.shared.generations_with_file(), []);
        (test, generation)
    }

    fn advance_days(&mut self, days: usize) {
        for _ in 0..days {
            self.clock.advance(DAY);
            self.run_pass();
        }
    }
}

#[test]
fn a_closed_file_that_still_exists_keeps_its_row_for_longer_than_a_month() {
    let (mut test, generation) = FollowerTest::closed();
    test.advance_days(40);
    assert_eq!(test.store.generation(generation).unwrap().ended, None);
    assert_eq!(
        test.follower.shared.generations_with_file(),
        [],
        "it is not opened again while unchanged"
    );
    test.restart();
    assert_eq!(test.followed(), generation);
    assert_eq!(test.store.generations().len(), 1, "nothing is delivered again");
    assert_eq!(test.store.readers_of(generation)["sink"], 5000);
}

#[test]
fn the_row_of_a_closed_file_that_was_deleted_expires() {
    let (mut test, generation) = FollowerTest::closed();
    test.advance_days(1);
    fs::remove_file(test.directory.path().join("a.log.gz")).unwrap();
    test.advance_days(2);
    assert!(test.store.generation(generation).unwrap().ended.is_some());
    test.advance_days(40);
    assert!(test.store.generation(generation).is_none());
}

#[test]
fn a_closed_file_is_read_again_for_a_consumer_added_later() {
    let (mut test, generation) = FollowerTest::closed();
    let names = vec!["sink".to_owned(), "late".to_owned()];
    *test.follower.shared.consumers.lock().unwrap() = names;
    assert_eq!(test.followed(), generation);
    let row = test.store.generation(generation).unwrap();
    assert_eq!((row.ended, row.start), (None, 0));
    assert_eq!(test.store.generations().len(), 1);
}
