//! Compares random puts, commits, checkpoints, stops, crashes and full disks with a model.

use std::collections::BTreeMap;

use super::*;

const LETTERS: Table<u64, String> = Table::on_disk("test.letters");

/// All visible rows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Contents {
    cursors: BTreeMap<(String, u64), u64>,
    generations: BTreeMap<u64, GenerationRow>,
    letters: BTreeMap<u64, String>,
}

impl Contents {
    fn of(store: &Store) -> Contents {
        let cursors = store.all_cursors().into_iter();
        let generations = store.generations().into_iter();
        Contents {
            cursors: cursors.map(|row| ((row.consumer, row.generation.0), row.offset)).collect(),
            generations: generations.map(|row| (row.id.0, row)).collect(),
            letters: store.rows(&LETTERS, .., usize::MAX).unwrap().into_iter().collect(),
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

struct ModelTest {
    home: tempfile::TempDir,
    disk: FaultyDisk,
    clock: Arc<ManualClock>,
    random: Random,
    store: Option<Store>,
    /// The contents after each put since the last durable commit; the first one is the content of that commit.
    contents: Vec<Contents>,
    count: u64,
}

impl ModelTest {
    fn new(seed: u64) -> ModelTest {
        let mut test = ModelTest {
            home: home(),
            disk: FaultyDisk::default(),
            clock: Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000))),
            random: Random(seed),
            store: None,
            contents: vec![Contents::default()],
            count: 0,
        };
        test.store = Some(test.open().unwrap());
        test
    }

    fn open(&self) -> Result<Store, StateError> {
        let opened = Store::open_with(self.home.path(), self.clock.clone(), self.disk.storage());
        opened.map(|(store, notices)| {
            assert_eq!(notices, Vec::<String>::new());
            store
        })
    }

    fn put(&mut self) {
        let mut now = self.contents.last().unwrap().clone();
        let store = self.store.as_ref().unwrap();
        let (random, count) = (&mut self.random, &mut self.count);
        store.apply(|puts| {
            for _ in 0..=random.below(3) {
                *count += 1;
                let key = random.below(5);
                match random.below(9) {
                    0..3 => {
                        let consumer = ["a", "b"][random.below(2) as usize];
                        puts.cursor(consumer, "*", cursor(key, *count));
                        now.cursors.insert((consumer.into(), key), *count);
                    }
                    3..6 => {
                        let cuts = (0..random.below(600)).map(|cut| 2 * cut + *count);
                        let cuts = cuts.collect::<Vec<_>>().into();
                        let row = GenerationRow { lost: *count, cuts, ..generation(key) };
                        puts.generation(row.clone());
                        now.generations.insert(key, row);
                    }
                    6 => {
                        puts.remove_generation(GenerationId(key));
                        now.generations.remove(&key);
                        now.cursors.retain(|(_, generation), _| *generation != key);
                    }
                    7 => {
                        let long = [3, 30, 50_000][random.below(3) as usize];
                        let text = format!("{count}-").repeat(long);
                        puts.row(&LETTERS, &key, &text);
                        now.letters.insert(key, text);
                    }
                    _ => {
                        puts.remove_row(&LETTERS, &key);
                        now.letters.remove(&key);
                    }
                }
            }
        });
        self.contents.push(now);
        assert_eq!(Contents::of(self.store.as_ref().unwrap()), *self.contents.last().unwrap());
    }

    fn commit(&mut self) {
        if self.store.as_ref().unwrap().commit().is_ok() {
            self.contents.drain(..self.contents.len() - 1);
        }
    }

    /// The power fails after some steps, while the test continues, and comes back.
    fn crash(&mut self) {
        let after = self.random.below(30);
        self.disk.cut_power_after(after);
        for _ in 0..self.random.below(4) {
            self.put_while_it_fails();
            self.commit();
        }
        self.lose_power();
        // Sometimes also during the start.
        if self.random.below(3) == 0 {
            let after = self.random.below(25);
            self.disk.cut_power_after(after);
            self.store = self.open().ok();
            self.lose_power();
        }
        self.reopen();
    }

    /// Without a comparison, as rows may be unreadable.
    fn put_while_it_fails(&mut self) {
        self.count += 1;
        let mut now = self.contents.last().unwrap().clone();
        let store = self.store.as_ref().unwrap();
        let key = self.random.below(5);
        store.put_cursor("a", "*", cursor(key, self.count));
        now.cursors.insert(("a".into(), key), self.count);
        self.contents.push(now);
    }

    fn lose_power(&mut self) {
        self.store = None;
        let seed = self.random.below(1 << 30);
        self.disk.restart(self.home.path(), seed);
    }

    fn reopen(&mut self) {
        let store = self.open().unwrap();
        let found = Contents::of(&store);
        let at = self.contents.iter().rposition(|contents| *contents == found);
        assert!(at.is_some(), "older than the last commit, or a mix");
        self.contents = vec![found];
        self.store = Some(store);
    }

    fn fill_up(&mut self) {
        match self.random.below(2) {
            0 => self.disk.fill_up_database(),
            _ => self.disk.fill_up_after(self.random.below(12)),
        }
        for _ in 0..self.random.below(8) {
            self.put_while_it_fails();
            if self.random.below(3) > 0 {
                self.commit();
            }
            if self.random.below(4) == 0 {
                self.clock.advance(Duration::from_secs(61));
            }
        }
        if self.random.below(3) == 0 {
            self.lose_power();
            return self.reopen();
        }
        self.disk.make_room();
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..8 => self.put(),
            8..13 => self.commit(),
            13 => self.clock.advance(Duration::from_secs(61)),
            14 => self.store.as_ref().unwrap().take_snapshot(),
            15 | 16 => self.crash(),
            17 => {
                // A stop; it makes a checkpoint if everything was committed.
                self.store = None;
                self.reopen();
            }
            18 => self.fill_up(),
            _ => {
                let after = self.random.below(6);
                self.disk.panic_after(after);
                self.put_while_it_fails();
                self.commit();
                self.disk.panic_after(u64::MAX / 2);
            }
        }
    }
}

#[test]
fn after_any_crash_the_state_is_between_the_last_commit_and_the_last_put() {
    let seeds = std::env::var("LOGWARDEN_SEEDS").map_or(20, |text| text.parse().unwrap());
    for seed in 0..seeds {
        println!("seed {seed}");
        let mut test = ModelTest::new(seed);
        for _ in 0..60 {
            test.step();
        }
        test.crash();
    }
}
