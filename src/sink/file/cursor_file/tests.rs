use super::*;
use crate::archive::{Fact, Generations};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId, Identity, Mark};

struct Known;

impl Generations for Known {
    fn fact(&self, generation: GenerationId) -> Option<Fact> {
        let identity = Identity {
            inode: generation.0 % 10_000_000,
            birth: 1_700_000_000_000_000_000,
            head_len: 100,
            head_hash: u64::MAX - generation.0,
            ordinal: 0,
        };
        Some(Fact { identity, mark: Mark { offset: 1, hash: u64::MAX, wide: 0 } })
    }
}

/// An output's side file with what belongs to it.
struct Bench {
    directory: tempfile::TempDir,
    side: SideFile,
    positions: Positions,
    length: u64,
}

impl Bench {
    /// Of so many files, as an open leaves it.
    fn new(files: u64) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let side = SideFile::new(&directory.path().join("out"));
        let mut bench = Bench { directory, side, positions: Positions::default(), length: 0 };
        let upto: Vec<Cursor> = (0..files).map(|id| cursor(id, 1)).collect();
        let step = bench.step(&upto);
        bench.positions.apply(step);
        bench.replace().unwrap();
        bench
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("out.cursor")
    }

    fn size(&self) -> u64 {
        fs::metadata(self.path()).unwrap().len()
    }

    fn proof(&self) -> Proof {
        Proof { length: self.length, tail: self.length }
    }

    fn step(&self, upto: &[Cursor]) -> Step {
        let now = Timestamp::from_seconds(1_700_000_000 + self.length as i64);
        self.positions.step(upto, &Known, now)
    }

    /// One file goes on, all others lie still. Whether that was appended.
    fn append(&mut self) -> bool {
        self.length += 1;
        let others = self.positions.known().into_iter().map(|position| position.cursor);
        let upto: Vec<Cursor> = others.chain([cursor(0, self.length + 1)]).collect();
        let step = self.step(&upto);
        let appended = self.side.append(self.proof(), &step);
        self.positions.apply(step);
        appended
    }

    fn replace(&mut self) -> io::Result<()> {
        self.side.replace(self.proof(), &self.positions)
    }

    fn assert_kept(&self) {
        let side = load(&self.directory.path().join("out")).unwrap().unwrap();
        assert_eq!((side.proof, &side.positions), (self.proof(), &self.positions));
    }
}

fn cursor(id: u64, offset: u64) -> Cursor {
    // As they are in fact: hashes.
    Cursor { generation: GenerationId(u64::MAX - id * 1_000_003), offset }
}

#[test]
fn a_commit_writes_what_changed_not_what_is_known() {
    let mut bench = Bench::new(10_000);
    let whole = bench.size();
    assert!(bench.append());
    let line = bench.size() - whole;
    println!("10,000 files: {whole} bytes whole, {line} bytes where one of them changed");
    assert!(whole > 900_000 && (200..300).contains(&line), "{whole} {line}");
    bench.assert_kept();
}

#[test]
fn appended_lines_take_no_more_than_the_first_or_64_kib() {
    for files in [1, 1_000] {
        let mut bench = Bench::new(files);
        let whole = bench.size();
        let mut appended = 0;
        while bench.append() {
            appended += 1;
            assert!(bench.size() <= whole + whole.max(MOST_APPENDED));
        }
        assert!(appended > 200, "{appended}");
        bench.replace().unwrap();
        assert!(bench.size() < whole + 100);
        assert!(bench.append());
        bench.assert_kept();
    }
}

/// Something that happens to the side file while the output is open.
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
fn nothing_counts_that_is_appended_to_a_file_that_is_not_at_its_path_as_it_was_written() {
    for disturb in DISTURBANCES {
        let mut bench = Bench::new(3);
        assert!(bench.append());
        disturb(&bench.path());
        assert!(!bench.append());
        bench.replace().unwrap();
        bench.assert_kept();
        assert!(bench.append());
        bench.assert_kept();
    }
}

#[test]
fn after_an_append_that_failed_the_file_is_written_whole() {
    let mut bench = Bench::new(3);
    // Takes no write.
    bench.side.written.as_mut().unwrap().file = File::open(bench.path()).unwrap();
    assert!(!bench.append());
    assert!(!bench.append(), "nothing is appended behind what may have been left");
    bench.replace().unwrap();
    bench.assert_kept();
    assert!(bench.append());
    bench.assert_kept();
}

#[test]
fn where_it_cannot_be_written_whole_the_old_one_stays() {
    let mut bench = Bench::new(3);
    let aside = bench.directory.path().join("out.cursor.new");
    fs::create_dir(&aside).unwrap();
    let before = fs::read(bench.path()).unwrap();
    bench.replace().unwrap_err();
    assert!(!bench.append());
    bench.replace().unwrap_err();
    assert_eq!(fs::read(bench.path()).unwrap(), before);
    fs::remove_dir(&aside).unwrap();
    bench.replace().unwrap();
    bench.assert_kept();
}
