//! Tables that are only on disk.

use super::*;

const LETTERS: Table<u64, String> = Table::on_disk("test.letters");
const NAMES: Table<String, u32> = Table::on_disk("test.names");

fn put(store: &Store, key: u64, text: &str) {
    store.apply(|puts| puts.row(&LETTERS, &key, &text.to_owned()));
}

fn all(store: &Store) -> Vec<(u64, String)> {
    store.rows(&LETTERS, .., usize::MAX).unwrap()
}

fn of(rows: &[(u64, &str)]) -> Vec<(u64, String)> {
    rows.iter().map(|(key, text)| (*key, (*text).to_owned())).collect()
}

#[test]
fn a_row_is_visible_before_a_commit_and_from_journal_and_database() {
    let home = home();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), storage::on_disk()).unwrap();
    put(&store, 300, "c");
    put(&store, 2, "b");
    store.apply(|puts| puts.row(&NAMES, &"x".to_owned(), &7));
    let expected = of(&[(2, "b"), (300, "c")]);
    assert_eq!(all(&store), expected);
    store.commit().unwrap();
    assert_eq!(all(&store), expected);
    assert_eq!(all(&open(killed(home.path()).path()).0), expected, "from the journal");
    clock.advance(Duration::from_secs(61));
    put(&store, 4, "d");
    store.commit().unwrap();
    let expected = of(&[(2, "b"), (4, "d"), (300, "c")]);
    assert_eq!(all(&store), expected, "from the database");
    assert_eq!(store.row(&LETTERS, &4).unwrap().as_deref(), Some("d"));
    assert_eq!(store.row(&LETTERS, &5).unwrap(), None);
    assert_eq!(store.row(&NAMES, &"x".to_owned()).unwrap(), Some(7));
    drop(store);
    assert_eq!(all(&open(home.path()).0), expected, "after a stop");
}

#[test]
fn rows_changed_since_the_checkpoint_replace_those_of_the_database() {
    let home = home();
    let (store, _) = open(home.path());
    (1..=6).for_each(|key| put(&store, key, "old"));
    store.commit().unwrap();
    drop(store);
    let (store, _) = open(home.path());
    put(&store, 2, "new");
    store.apply(|puts| puts.remove_row(&LETTERS, &1));
    store.apply(|puts| puts.remove_row(&LETTERS, &4));
    put(&store, 7, "new");
    for committed in [false, true] {
        if committed {
            store.commit().unwrap();
        }
        assert_eq!(store.row(&LETTERS, &1).unwrap(), None);
        assert_eq!(store.row(&LETTERS, &2).unwrap().as_deref(), Some("new"));
        let expected = of(&[(2, "new"), (3, "old"), (5, "old"), (6, "old"), (7, "new")]);
        assert_eq!(all(&store), expected);
        assert_eq!(store.rows(&LETTERS, .., 2).unwrap(), expected[..2]);
        assert_eq!(store.rows(&LETTERS, 3..6, 9).unwrap(), expected[1..3]);
        assert_eq!(store.rows(&LETTERS, 6.., 9).unwrap(), expected[3..]);
        assert_eq!(store.rows(&LETTERS, 3..=3, 9).unwrap(), expected[1..2]);
        let (from, before) = (8, 3);
        assert_eq!(store.rows(&LETTERS, from..before, 9).unwrap(), []);
    }
}

#[test]
fn an_ephemeral_store_keeps_rows_of_tables_on_disk() {
    let store = Store::ephemeral();
    put(&store, 1, "a");
    store.commit().unwrap();
    assert_eq!(all(&store), of(&[(1, "a")]));
    assert_eq!(store.row(&LETTERS, &2).unwrap(), None);
}

/// Such tables may be as large as the disk.
#[test]
fn memory_holds_only_rows_that_are_not_in_the_database() {
    let home = home();
    let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
    let (store, _) = Store::open_with(home.path(), clock.clone(), storage::on_disk()).unwrap();
    for key in 0..500 {
        put(&store, key, &"long ".repeat(20));
        store.commit().unwrap();
    }
    clock.advance(Duration::from_secs(61));
    put(&store, 500, "last");
    store.commit().unwrap();
    assert!(store.inner.memory().uncheckpointed.is_empty());
    assert_eq!(all(&store).len(), 501);
}
