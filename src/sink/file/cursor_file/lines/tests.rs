use std::ops::Range;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::archive::{GenerationFacts, Generations};
use crate::event::{Cursor, Identity, Mark};

/// Knows two generations of three.
struct Known;

impl Generations for Known {
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts> {
        let id = generation.0;
        let identity =
            Identity { inode: u64::MAX - id, birth: -5, head_len: 7, head_hash: id, ordinal: 1 };
        let mark = Mark { offset: 500, hash: u64::MAX, wide: 0 };
        (!id.is_multiple_of(3)).then_some(GenerationFacts { identity, mark })
    }
}

/// Cursors, seconds since the previous commit (also negative), and written bytes.
type Commit = (Vec<(u64, u64)>, i64, u64);

fn commits(count: Range<usize>) -> impl Strategy<Value = Vec<Commit>> {
    let seconds = prop_oneof![Just(1), -100..100i64, Just(20 * 86_400)];
    vec((vec((0..6u64, 0..1000u64), 0..5), seconds, 0..100u64), count)
}

/// A file with these commits, the end of each line, and the content up to there.
fn file(commits: &[Commit]) -> (Vec<u8>, Vec<usize>, Vec<StoredCursors>) {
    let mut now = Timestamp::from_seconds(1_700_000_000);
    let mut positions = Positions { written: now, aged: now, ..Positions::default() };
    let mut output_end = OutputEnd { length: 0, tail: u64::MAX };
    let Line { mut bytes, hash: mut last } = whole(output_end, &positions);
    let mut ends = vec![bytes.len()];
    let mut sides = vec![StoredCursors { output_end, positions: positions.clone() }];
    for (cursors, seconds, written) in commits {
        now = Timestamp(now.0 + seconds * 1_000_000_000);
        let cursor =
            |(id, offset): &(u64, u64)| Cursor { generation: GenerationId(*id), offset: *offset };
        let upto: Vec<Cursor> = cursors.iter().map(cursor).collect();
        output_end =
            OutputEnd { length: output_end.length + written, tail: output_end.tail ^ written };
        let step = positions.step(&upto, &Known, now);
        let line = change(last, output_end, &step);
        bytes.extend(line.bytes);
        last = line.hash;
        positions.apply(step);
        ends.push(bytes.len());
        sides.push(StoredCursors { output_end, positions: positions.clone() });
    }
    (bytes, ends, sides)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_truncated_file_is_read_up_to_its_last_whole_line(commits in commits(0..8)) {
        let (bytes, ends, sides) = file(&commits);
        for length in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count();
            match (read(&bytes[..length]), whole) {
                (found, 0) => prop_assert!(found.is_err()),
                (found, whole) => prop_assert_eq!(&found.unwrap(), &sides[whole - 1]),
            }
        }
    }

    /// A file system may extend the file before it writes the bytes.
    #[test]
    fn a_last_line_with_a_hole_is_not_used(
        commits in commits(1..8),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, ends, sides) = file(&commits);
        let last = ends[ends.len() - 2]..bytes.len();
        let (from, to) = (from.index(last.len()), to.index(last.len()));
        bytes[last][from.min(to)..=from.max(to)].fill(0);
        prop_assert_eq!(&read(&bytes).unwrap(), &sides[sides.len() - 2]);
    }

    #[test]
    fn a_bit_that_flipped_is_never_read_as_other_positions(commits in commits(0..4)) {
        let (bytes, ends, sides) = file(&commits);
        let last_line = ends.iter().rev().nth(1).copied();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                match (read(&damaged), last_line) {
                    (found, Some(begin)) if at >= begin => {
                        prop_assert_eq!(&found.unwrap(), &sides[sides.len() - 2], "{} {}", at, bit);
                    }
                    (found, _) => prop_assert!(found.is_err(), "{} {}: {:?}", at, bit, found),
                }
            }
        }
    }

    #[test]
    fn a_file_with_lines_that_are_missing_doubled_or_of_another_file_is_refused(
        commits in commits(3..8),
        others in commits(1..2),
        place in any::<prop::sample::Index>(),
    ) {
        let (bytes, ends, sides) = file(&commits);
        let place = place.index(ends.len() - 2);
        let line = ends[place]..ends[place + 1];
        let with = |between: &[u8]| [&bytes[..line.start], between, &bytes[line.end..]].concat();
        let doubled = [&bytes[line.clone()], &bytes[line.clone()]].concat();
        let (other, other_ends, other_sides) = file(&others);
        prop_assume!(other_sides != sides[..2]);
        let foreign = [&bytes[line.clone()], &other[other_ends[0]..]].concat();
        for damaged in [with(&[]), with(&doubled), with(&foreign)] {
            let found = read(&damaged);
            prop_assert!(found.is_err(), "{:?}", found);
        }
    }
}

#[test]
fn an_absence_grows_with_lines_that_do_not_mention_it() {
    let cursors = |ids: &[u64]| ids.iter().map(|id| (*id, 10)).collect();
    let day = |ids: &[u64]| -> Commit { (cursors(ids), 86_400, 1) };
    let mut commits = vec![day(&[1, 2])];
    commits.extend((0..29).map(|_| day(&[1])));
    let (bytes, ends, _) = file(&commits);
    let absent =
        |side: &StoredCursors| side.positions.rows.get(&GenerationId(2)).map(|row| row.absent);
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    assert_eq!(absent(&read(&bytes).unwrap()), days(29));
    assert_eq!(absent(&read(&bytes[..ends[11]]).unwrap()), days(10));
    let names = |line: usize| {
        let line = &bytes[ends[line - 1]..ends[line]];
        line.windows(9).any(|at| at == b"\"rows\":[[")
    };
    assert_eq!((1..=30).filter(|line| names(*line)).count(), 2);
    commits.push(day(&[1]));
    assert_eq!(absent(&read(&file(&commits).0).unwrap()), None);
}

#[test]
fn files_of_version_1_are_read() {
    let first = r#"{"version":1,"length":8,"tail":5,"cursors":[{"generation":7,"offset":8}]}"#;
    let side = read(first.as_bytes()).unwrap();
    assert_eq!(side.output_end, OutputEnd { length: 8, tail: 5 });
    assert_eq!(side.positions.offset(GenerationId(7)), 8);

    let last = r#"{"version":1,"length":8,"tail":5,
        "cursors":[{"generation":7,"offset":8},{"generation":9,"offset":3}],
        "known":[[9,[1,-2,3,4,5],6,18446744073709551615]],"absent":[[7,60]],"written":1700000000000000000}"#;
    let positions = read(last.as_bytes()).unwrap().positions;
    let identity = Identity { inode: 1, birth: -2, head_len: 3, head_hash: 4, ordinal: 5 };
    assert_eq!(positions.written, Timestamp::from_seconds(1_700_000_000));
    assert_eq!(positions.rows[&GenerationId(7)].absent, Duration::from_secs(60));
    assert_eq!(positions.rows[&GenerationId(9)].identity, Some(identity));
    assert_eq!(positions.rows[&GenerationId(9)].mark, Mark { offset: 6, hash: u64::MAX, wide: 0 });
    assert_eq!(positions.offset(GenerationId(9)), 3);
}

#[test]
fn the_reason_for_an_unreadable_file_is_reported() {
    for (bytes, words) in [
        ("", "it is empty"),
        ("{", "EOF"),
        ("{\"version\":1}", "missing field"),
        ("{\"version\":2}", "its first line is damaged"),
        ("{\"version\":9,\"later\":{}}\nmore", "its version is 9, this program supports 2"),
    ] {
        let text = read(bytes.as_bytes()).unwrap_err().to_string();
        assert!(text.contains(words), "{bytes}: {text}");
    }
}
