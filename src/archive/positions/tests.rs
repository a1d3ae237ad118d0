use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

struct Known;

impl Generations for Known {
    fn fact(&self, generation: GenerationId) -> Option<GenerationFacts> {
        let identity = Identity {
            inode: u64::MAX,
            birth: -5,
            head_len: 7,
            head_hash: u64::MAX - 1,
            ordinal: 3,
        };
        let mark = Mark { offset: 1000, hash: u64::MAX, wide: 0 };
        (generation.0 != 9).then_some(GenerationFacts { identity, mark })
    }
}

fn cursor(generation: u64, offset: u64) -> Cursor {
    Cursor { generation: GenerationId(generation), offset }
}

fn advanced(positions: &Positions, upto: &[Cursor], now: Timestamp) -> Positions {
    positions.after(positions.step(upto, &Known, now))
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn positions_are_read_back_with_their_identities() {
    let start = Positions::default();
    let upto = [cursor(u64::MAX, 500), cursor(9, 3)];
    let positions = advanced(&start, &upto, Timestamp::from_seconds(100));
    assert_eq!(Positions::parse(&positions.to_payload()), Ok(positions.clone()));
    let row = &positions.rows[&GenerationId(u64::MAX)];
    assert_eq!((row.offset, row.mark.offset), (500, 1000));
    assert_eq!(row.identity.as_ref().unwrap().head_hash, u64::MAX - 1);
    assert_eq!(positions.rows[&GenerationId(9)].identity, None);
}

#[test]
fn newer_and_damaged_payloads_are_distinguished() {
    assert_eq!(Positions::parse(r#"{"version":2,"x":[]}"#), Err(PayloadError::Newer(2)));
    assert!(matches!(Positions::parse("{}"), Err(PayloadError::Unreadable(_))));
}

#[test]
fn no_position_moves_back() {
    let first = advanced(&Positions::default(), &[cursor(1, 500)], Timestamp(0));
    let second = advanced(&first, &[cursor(1, 100)], Timestamp(1));
    assert_eq!(second.offset(GenerationId(1)), 500);
}

#[test]
fn an_absent_generation_stays_for_thirty_days_despite_clock_steps() {
    let mut now = Timestamp::from_seconds(1_700_000_000);
    let mut positions = advanced(&Positions::default(), &[cursor(1, 5)], now);
    // A step of a year counts as one day, a step back as zero.
    now = now.plus(HOUR * 24 * 365);
    positions = advanced(&positions, &[], now);
    positions = advanced(&positions, &[], now.minus(HOUR * 48));
    for _ in 0..28 {
        now = now.plus(HOUR * 24);
        positions = advanced(&positions, &[], now);
    }
    assert_eq!(positions.rows.len(), 1);
    positions = advanced(&positions, &[], now.plus(HOUR * 24));
    assert!(positions.rows.is_empty());
}

/// The positions after a step, calculated from all rows.
fn walked(positions: &Positions, upto: &[Cursor], now: Timestamp) -> Positions {
    let passed = now.since(positions.written).min(LONGEST_STEP);
    let mut rows = positions.rows.clone();
    rows.values_mut().for_each(|row| row.absent += passed);
    for cursor in upto {
        let row = rows.entry(cursor.generation).or_insert_with(Position::unknown);
        let stands_still = row.identity.is_some() && cursor.offset <= row.mark.offset;
        if !stands_still && let Some(fact) = Known.fact(cursor.generation) {
            (row.identity, row.mark) = (Some(fact.identity), fact.mark);
        }
        row.offset = row.offset.max(cursor.offset);
        row.absent = Duration::ZERO;
    }
    rows.retain(|_, row| row.absent < KEEP_ABSENT);
    let first = positions.written == Timestamp::default();
    let aged = match first {
        true => now,
        false => positions.aged.plus(passed).min(now).max(positions.aged),
    };
    Positions { written: now.max(positions.written), aged, rows }
}

proptest! {
    #[test]
    fn a_step_gives_the_same_positions_as_a_pass_over_all_rows(
        commits in vec((vec((6..11u64, 0..2000u64), 0..6), -50..500i64), 0..60),
    ) {
        let mut now = Timestamp::from_seconds(1_700_000_000);
        let mut positions = Positions::default();
        for (cursors, hours) in commits {
            now = Timestamp(now.0 + hours * 3_600_000_000_000 / 10);
            let upto: Vec<Cursor> = cursors.iter().map(|(id, offset)| cursor(*id, *offset)).collect();
            let expected = walked(&positions, &upto, now);
            let step = positions.step(&upto, &Known, now);
            let places = |positions: &Positions| -> Vec<_> {
                let row = |(id, row): (&GenerationId, &Position)| (*id, row.offset, row.identity.clone());
                positions.rows.iter().map(row).collect()
            };
            let stands = places(&positions) == places(&expected);
            prop_assert_eq!(positions.is_unchanged_by(&step), stands);
            prop_assert!(step.changed.iter().all(|(id, row)| positions.rows.get(id) != Some(row)));
            positions.apply(step);
            prop_assert_eq!(&positions, &expected);
        }
    }
}
