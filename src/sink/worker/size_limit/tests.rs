use super::*;
use crate::event::GenerationId;

fn event(offset: u64) -> Cursor {
    Cursor { generation: GenerationId(1), offset }
}

/// A target with this limit, or one that refuses everything (0), and a log that always fills a bulk.
struct Target {
    limit: usize,
    delivery_number: u64,
    refused: usize,
}

impl Target {
    fn new(limit: usize) -> Self {
        Target { limit, delivery_number: 0, refused: 0 }
    }

    fn take(&mut self, learned: &mut SizeLimit, bytes: usize) -> bool {
        self.delivery_number += 1;
        let passes = bytes <= self.limit;
        match passes {
            true => learned.went_through(PassedBody {
                delivery_number: self.delivery_number,
                bytes,
                request_bytes: bytes,
            }),
            false => {
                self.refused += 1;
                learned.refused(bytes);
            }
        }
        passes
    }

    /// Sends this many full bulks successfully; returns how many bodies were refused meanwhile.
    fn bulks(&mut self, learned: &mut SizeLimit, bulks: usize) -> usize {
        let (before, mut passed) = (self.refused, 0);
        while passed < bulks {
            passed += usize::from(self.take(learned, learned.now()));
            assert!(self.refused - before < 10_000, "nothing passes: {learned:?}");
        }
        self.refused - before
    }

    fn alone(&mut self, learned: &mut SizeLimit, offset: u64, bytes: usize) -> Verdict {
        self.delivery_number += 1;
        assert!(bytes > self.limit);
        learned.refused_alone(event(offset), bytes, self.delivery_number)
    }
}

const MIB: usize = 1 << 20;

#[test]
fn a_limit_is_found_and_tried_less_and_less_often() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(100_000));
    assert!(target.bulks(&mut learned, 1) <= 4, "halved");
    assert!((50_000..=100_000).contains(&learned.now()), "{}", learned.now());
    let first = target.bulks(&mut learned, 300);
    assert!((2..=6).contains(&first), "{first}");
    let later = target.bulks(&mut learned, 10_000);
    assert!(later <= 10_000 / MAX_BULKS_BEFORE_GROWTH as usize + 1, "{later} of 10,000");
    assert!(later >= 30, "it keeps trying: {later}");
    assert!(learned.now() >= 50_000);
}

#[test]
fn a_limit_that_is_lifted_is_noticed() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(100_000));
    target.bulks(&mut learned, 5_000);
    target.limit = usize::MAX;
    target.bulks(&mut learned, 2 * MAX_BULKS_BEFORE_GROWTH as usize);
    assert_eq!(learned.now(), MIB, "and no further");
    assert_eq!(target.bulks(&mut learned, 100), 0);
}

#[test]
fn the_limit_grows_at_once_after_everything_was_refused() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(0));
    let mut bytes = MIB;
    while bytes > 300 {
        target.take(&mut learned, bytes);
        bytes = learned.now();
    }
    assert_eq!(target.alone(&mut learned, 0, 300), Verdict::Waits { blocked: true });
    assert!(learned.nothing_passes());
    target.limit = usize::MAX;
    assert!(target.take(&mut learned, 300));
    learned.clear_suspect(event(0));
    assert!(!learned.nothing_passes());
    target.bulks(&mut learned, 14);
    assert_eq!(learned.now(), MIB);
}

#[test]
fn deliveries_sent_before_the_limit_was_lowered_are_ignored() {
    let mut learned = SizeLimit::new(MIB);
    learned.refused(MIB);
    let now = learned.now();
    learned.refused(MIB);
    assert_eq!(learned.now(), now);
}

/// The limit never exceeds the memory, and is never 0.
#[test]
fn the_limit_stays_within_the_configured_one() {
    for configured in [0, 1, 5, MIB] {
        let mut learned = SizeLimit::new(configured);
        for bytes in [3 * MIB, MIB, 7, 1, 1] {
            learned.refused(bytes);
            assert!((1..=configured.max(1)).contains(&learned.now()));
        }
        // A giant event is accepted alone.
        for delivery_number in 0..1_000 {
            learned.went_through(PassedBody {
                delivery_number,
                bytes: 9 * MIB,
                request_bytes: 9 * MIB,
            });
        }
        assert_eq!(learned.now(), configured.max(1));
    }
}

#[test]
fn an_event_is_too_large_if_others_were_accepted_between_two_refusals() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(10_000));
    // Small as well as large.
    for (offset, bytes) in [(1, 20_000), (2, 2 * MIB)] {
        let blocked = bytes <= SMALL;
        assert_eq!(target.alone(&mut learned, offset, bytes), Verdict::Waits { blocked });
        // Deliveries that were sent before are no proof.
        let delivery_number = target.delivery_number;
        learned.went_through(PassedBody { delivery_number, bytes: 5_000, request_bytes: 5_000 });
        assert_eq!(target.alone(&mut learned, offset, bytes), Verdict::Waits { blocked });
        assert!(target.take(&mut learned, 5_000));
        assert_eq!(target.alone(&mut learned, offset, bytes), Verdict::TooLarge);
    }
    assert!(!learned.has_suspects());
}

#[test]
fn a_single_large_event_is_too_large_after_some_refusals() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(0));
    for _ in 1..REFUSALS {
        let verdict = target.alone(&mut learned, 0, SMALL + 1);
        assert_eq!(verdict, Verdict::Waits { blocked: false });
    }
    assert_eq!(target.alone(&mut learned, 0, SMALL + 1), Verdict::TooLarge);
}

#[test]
fn small_events_wait_while_nothing_is_accepted() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(0));
    for offset in 1..SMALL_REFUSED as u64 {
        let verdict = target.alone(&mut learned, offset, SMALL);
        assert_eq!(verdict, Verdict::Waits { blocked: true });
    }
    for offset in 0..2_000 {
        assert_eq!(target.alone(&mut learned, offset % 20, 300), Verdict::NothingPasses);
    }
    assert!(learned.suspects.len() <= MAX_SUSPECTS);
}

/// The limit of a proxy was lowered, or two of them differ.
#[test]
fn an_event_of_a_size_that_was_accepted_before_waits() {
    let (mut learned, mut target) = (SizeLimit::new(MIB), Target::new(500_000));
    assert!(target.take(&mut learned, 400_000));
    target.limit = 100_000;
    for _ in 0..50 {
        assert_eq!(target.alone(&mut learned, 0, 400_000), Verdict::Waits { blocked: true });
        assert!(target.take(&mut learned, 90_000));
    }
    assert_eq!(target.alone(&mut learned, 1, 400_001), Verdict::Waits { blocked: false });
    assert!(target.take(&mut learned, 90_000));
    assert_eq!(target.alone(&mut learned, 1, 400_001), Verdict::TooLarge);
}
