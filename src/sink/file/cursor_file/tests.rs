use super::*;
use crate::archive::{GenerationFacts, Generations};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId, Identity, Mark};

struct Known;

impl Generations for Known {
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts> {
        let identity = Identity {
            inode: generation.0 % 10_000_000,
            birth: 1_700_000_000_000_000_000,
            head_len: 100,
            head_hash: u64::MAX - generation.0,
            ordinal: 0,
        };
        Some(GenerationFacts { identity, mark: Mark { offset: 1, hash: u64::MAX, wide: 0 } })
    }
}

/// The cursor file of an output, with its positions.
struct Setup {
    directory: tempfile::TempDir,
    cursor_file: CursorFile,
    positions: Positions,
    length: u64,
}

impl Setup {
    /// With this many generations, as after opening.
    fn new(files: u64) -> Setup {
        let directory = tempfile::tempdir().unwrap();
        let cursor_file = CursorFile::new(&directory.path().join("out"));
        let mut setup =
            Setup { directory, cursor_file, positions: Positions::default(), length: 0 };
        let upto: Vec<Cursor> = (0..files).map(|id| cursor(id, 1)).collect();
        let step = setup.step(&upto);
        setup.positions.apply(step);
        setup.replace().unwrap();
        setup
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("out.cursor")
    }

    fn size(&self) -> u64 {
        fs::metadata(self.path()).unwrap().len()
    }

    fn output_end(&self) -> OutputEnd {
        OutputEnd { length: self.length, tail: self.length }
    }

    fn step(&self, upto: &[Cursor]) -> Step {
        let now = Timestamp::from_seconds(1_700_000_000 + self.length as i64);
        self.positions.step(upto, &Known, now)
    }

    /// One file grows, all others stay. Returns whether the commit was appended.
    fn append(&mut self) -> bool {
        self.length += 1;
        let others = self.positions.known().into_iter().map(|position| position.cursor);
        let upto: Vec<Cursor> = others.chain([cursor(0, self.length + 1)]).collect();
        let step = self.step(&upto);
        let appended = self.cursor_file.append(self.output_end(), &step);
        self.positions.apply(step);
        appended
    }

    fn replace(&mut self) -> io::Result<()> {
        self.cursor_file.replace(self.output_end(), &self.positions)
    }

    fn assert_kept(&self) {
        let stored = load(&self.directory.path().join("out")).unwrap().unwrap();
        assert_eq!((stored.output_end, &stored.positions), (self.output_end(), &self.positions));
    }
}

fn cursor(id: u64, offset: u64) -> Cursor {
    // Realistic ids: hashes.
    Cursor { generation: GenerationId(u64::MAX - id * 1_000_003), offset }
}

#[test]
fn a_commit_writes_only_the_changes() {
    let mut setup = Setup::new(10_000);
    let whole = setup.size();
    assert!(setup.append());
    let line = setup.size() - whole;
    println!("10,000 files: {whole} bytes whole, {line} bytes where one of them changed");
    assert!(whole > 900_000 && (200..300).contains(&line), "{whole} {line}");
    setup.assert_kept();
}

#[test]
fn appended_lines_take_no_more_than_the_first_or_64_kib() {
    for files in [1, 1_000] {
        let mut setup = Setup::new(files);
        let whole = setup.size();
        let mut appended = 0;
        while setup.append() {
            appended += 1;
            assert!(setup.size() <= whole + whole.max(MOST_APPENDED));
        }
        assert!(appended > 200, "{appended}");
        setup.replace().unwrap();
        assert!(setup.size() < whole + 100);
        assert!(setup.append());
        setup.assert_kept();
    }
}

/// Changes of the cursor file while the output is open.
type Disturbance = fn(&Path);

const DISTURBANCES: [Disturbance; 5] = [
    |path| fs::remove_file(path).unwrap(),
    |path| fs::rename(path, path.with_extension("aside")).unwrap(),
    |path| {
        let copy = path.with_extension("copy");
        fs::copy(path, &copy).unwrap();
        fs::rename(copy, path).unwrap();
    },
    |path| drop(OpenOptions::new().write(true).truncate(true).open(path).unwrap()),
    |path| {
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(b"theirs").unwrap();
    },
];

#[test]
fn an_append_to_a_moved_or_changed_file_does_not_count() {
    for disturb in DISTURBANCES {
        let mut setup = Setup::new(3);
        assert!(setup.append());
        disturb(&setup.path());
        assert!(!setup.append());
        setup.replace().unwrap();
        setup.assert_kept();
        assert!(setup.append());
        setup.assert_kept();
    }
}

#[test]
fn a_failed_append_leads_to_a_rewrite_of_the_file() {
    let mut setup = Setup::new(3);
    // The file accepts no write.
    setup.cursor_file.written.as_mut().unwrap().file = File::open(setup.path()).unwrap();
    assert!(!setup.append());
    assert!(!setup.append(), "nothing is appended after a possible partial line");
    setup.replace().unwrap();
    setup.assert_kept();
    assert!(setup.append());
    setup.assert_kept();
}

#[test]
fn a_failed_rewrite_keeps_the_old_file() {
    let mut setup = Setup::new(3);
    let aside = setup.directory.path().join("out.cursor.new");
    fs::create_dir(&aside).unwrap();
    let before = fs::read(setup.path()).unwrap();
    setup.replace().unwrap_err();
    assert!(!setup.append());
    setup.replace().unwrap_err();
    assert_eq!(fs::read(setup.path()).unwrap(), before);
    fs::remove_dir(&aside).unwrap();
    setup.replace().unwrap();
    setup.assert_kept();
}
