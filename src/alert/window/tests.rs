//! Tests: windows compared with a naive implementation.

use proptest::prelude::*;

use super::*;

const LENGTH: Duration = Duration::from_secs(60);

/// Times in steps of seconds, mostly forward and sometimes back.
fn times() -> impl Strategy<Value = Vec<Timestamp>> {
    prop::collection::vec((-90_000i64..30_000, prop::bool::weighted(0.2)), 1..400).prop_map(
        |steps| {
            let mut now = 1_700_000_000_000i64;
            let step = |(millis, jump): (i64, bool)| {
                let back = now + millis.min(0);
                now += millis.max(0);
                Timestamp::from_millis(if jump { back } else { now })
            };
            steps.into_iter().map(step).collect()
        },
    )
}

/// Adds all times to a window; after each one calls `each` with the newest time, the accepted matches, whether it
/// counted, and the count.
fn feed(limit: u64, times: &[Timestamp], mut each: impl FnMut(Timestamp, &[Timestamp], bool, u64)) {
    let mut window = Window::new(limit, LENGTH);
    let mut newest = Timestamp::MIN;
    let mut taken = Vec::new();
    for time in times {
        newest = newest.max(*time);
        let counted = window.add(*time, newest);
        if counted {
            taken.push(*time);
        }
        let count = window.count(newest);
        assert_eq!(count, window.count_at(newest));
        each(newest, &taken, counted, count);
    }
}

proptest! {
    #[test]
    fn a_ring_is_exact_up_to_the_limit(limit in 1u64..=64, times in times()) {
        let mut seen = 0;
        feed(limit, &times, |newest, taken, counted, count| {
            let within = |time: &Timestamp| newest.since(*time) < LENGTH;
            assert_eq!(counted, within(&times[seen]), "late is what is older than the window");
            seen += 1;
            let naive = taken.iter().filter(|time| within(time)).count() as u64;
            assert_eq!(count, naive.min(limit));
        });
    }

    #[test]
    fn slices_count_exactly_the_matches_of_their_time(times in times()) {
        let second = |time: Timestamp| time.seconds();
        feed(100, &times, |newest, taken, _, count| {
            let naive = taken.iter().filter(|time| second(newest) - second(**time) < 60).count();
            assert_eq!(count, naive as u64);
        });
    }

    #[test]
    fn slices_are_exact_to_a_sixtieth(times in times()) {
        feed(100, &times, |newest, taken, _, count| {
            let within = |length: Duration| {
                taken.iter().filter(|time| newest.since(**time) < length).count() as u64
            };
            assert!(within(LENGTH * 59 / 60) <= count && count <= within(LENGTH));
        });
    }

    #[test]
    fn no_time_breaks_a_window(times in prop::collection::vec(any::<i64>(), 1..50), limit in 1u64..200) {
        let mut window = Window::new(limit, LENGTH);
        let mut newest = Timestamp::MIN;
        for time in times {
            newest = newest.max(Timestamp(time));
            window.add(Timestamp(time), newest);
            prop_assert!(window.count(newest) <= 50);
            window.oldest(newest);
            window.count_at(Timestamp::MAX);
        }
    }
}

#[test]
fn the_oldest_match_in_the_window_is_returned() {
    let at = Timestamp::from_seconds;
    for limit in [3, 100] {
        let mut window = Window::new(limit, LENGTH);
        assert_eq!(window.oldest(at(0)), None);
        for second in [0, 30, 61] {
            window.add(at(second), at(second));
        }
        assert_eq!(window.oldest(at(61)), Some(at(30)), "{limit}");
    }
}
