//! Migration of states of earlier versions.

use super::*;

type Meta<'a> = redb::TableDefinition<'a, &'static str, &'static [u8]>;
type Generations<'a> = redb::TableDefinition<'a, u64, &'static [u8]>;
type Blocks<'a> = redb::TableDefinition<'a, (u64, u32), &'static [u8]>;
type Cursors<'a> = redb::TableDefinition<'a, (&'static str, &'static str, u64), &'static [u8]>;

/// Writes a state as that version did: one generation with cuts, one cursor, a source, a month key.
fn write(path: &Path, version: u8, row: &GenerationRow) {
    let encoded = |json: Vec<u8>| [vec![version], json].concat();
    let database = redb::Database::create(path).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut meta = transaction.open_table(Meta::new("meta")).unwrap();
        meta.insert("version", encoded(version.to_string().into()).as_slice()).unwrap();
        meta.insert("source:app", encoded(b"true".to_vec()).as_slice()).unwrap();
        meta.insert("key:2026-11 0123", encoded(b"true".to_vec()).as_slice()).unwrap();
        let mut rows = transaction.open_table(Generations::new("generations")).unwrap();
        let cuts = match version {
            1 => row.cuts.clone(),
            _ => Cuts::default(),
        };
        let json = serde_json::to_vec(&GenerationRow { cuts, ..row.clone() }).unwrap();
        rows.insert(row.id.0, encoded(json).as_slice()).unwrap();
        if version > 1 {
            let mut blocks = transaction.open_table(Blocks::new("cuts")).unwrap();
            for (number, block) in row.cuts.chunks(256).enumerate() {
                let json = serde_json::to_vec(block).unwrap();
                blocks.insert((row.id.0, number as u32), encoded(json).as_slice()).unwrap();
            }
        }
        let mut cursors = transaction.open_table(Cursors::new("cursors")).unwrap();
        cursors.insert(("c", "*", 1), encoded(b"5".to_vec()).as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_state_of_an_earlier_version_is_migrated_permanently() {
    for version in [1, 2] {
        let home = home();
        // A state of this version existed here before.
        open(home.path());
        let path = home.path().join("state.redb");
        fs::remove_file(&path).unwrap();
        let row = GenerationRow {
            cuts: (0..700).map(|cut| cut * 3).collect::<Vec<_>>().into(),
            ..generation(1)
        };
        write(&path, version, &row);
        for _ in 0..3 {
            let (store, notices) = open(home.path());
            assert_eq!(notices, Vec::<String>::new());
            assert_eq!((store.generations(), offset(&store)), (vec![row.clone()], Some(5)));
            assert!(!store.first_start("app"));
            assert_eq!(store.used_keys(), ["2026-11 0123"]);
        }
        // An earlier program finds an unknown version.
        let database = redb::Database::open(&path).unwrap();
        let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
        let meta = transaction.open_table(Meta::new("meta")).unwrap();
        assert_eq!(meta.get("version").unwrap().unwrap().value(), b"\x033");
        let cursors = transaction.open_table(Cursors::new("cursors"));
        assert!(matches!(cursors, Err(redb::TableError::TableDoesNotExist(_))));
    }
}

/// [S04] During the migration of a state of version 2.
#[test]
fn s04_a_power_cut_at_any_step_of_the_migration_loses_nothing() {
    for step in 0..40 {
        let home = home();
        write(&home.path().join("state.redb"), 2, &generation(1));
        let disk = FaultyDisk::default();
        disk.cut_power_after(step);
        _ = open_on(&disk, home.path());
        disk.restart(home.path(), step);
        let (store, notices) = open_on(&disk, home.path()).unwrap();
        assert_eq!(notices, Vec::<String>::new(), "step {step}");
        assert_eq!((store.generations(), offset(&store)), (vec![generation(1)], Some(5)));
    }
}
