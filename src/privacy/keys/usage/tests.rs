use super::*;

fn used(file: &str, id: u8) -> UsedKey {
    let (slot, _) = Slot::of_file(&format!("{file}.key")).unwrap();
    UsedKey { slot, id: KeyId([id; 8]) }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(seconds))
}

fn last(uses: &[(&str, u8, Option<Timestamp>)]) -> Vec<u8> {
    let mut all = UsedKeys::default();
    uses.iter().for_each(|(file, id, time)| all.put(used(file, *id), *time));
    all.last(Month::typed("2021_April").unwrap()).iter().map(|key| key.id.0[0]).collect()
}

#[test]
fn the_last_used_key_of_a_month_is_that_of_its_newest_slot() {
    assert_eq!(last(&[]), [0; 0]);
    assert_eq!(last(&[("2021_May", 1, at(1))]), [0; 0]);
    assert_eq!(last(&[("2021_April", 1, at(9)), ("2021_April.2", 2, at(1))]), [2]);
    assert_eq!(last(&[("2021_April", 1, at(9)), ("2021_April.2", 2, None)]), [2]);
}

#[test]
fn of_two_keys_in_one_slot_the_later_used_is_the_last() {
    assert_eq!(last(&[("2021_April", 1, at(1)), ("2021_April", 2, at(2))]), [2]);
    assert_eq!(last(&[("2021_April", 1, at(2)), ("2021_April", 2, at(1))]), [1]);
}

#[test]
fn of_two_keys_in_unknown_order_both_may_be_the_last() {
    assert_eq!(last(&[("2021_April", 1, at(1)), ("2021_April", 2, at(1))]), [1, 2]);
    assert_eq!(last(&[("2021_April", 1, at(1)), ("2021_April", 2, None)]), [1, 2]);
    assert_eq!(last(&[("2021_April", 1, None), ("2021_April", 2, None)]), [1, 2]);
}

#[test]
fn a_clock_that_was_set_back_does_not_change_the_order() {
    let mut uses = UsedKeys::default();
    let slot = used("2021_April", 1).slot;
    for (id, now) in [(1, 1_000), (2, 10), (3, 20)] {
        let time = uses.time_of_next(slot, Timestamp::from_seconds(now));
        uses.put(used("2021_April", id), Some(time));
        assert_eq!(uses.last(slot.month), [used("2021_April", id)]);
    }
}

#[test]
fn the_newest_month_is_named_first_and_the_key_of_all_months_last() {
    let keys = ["2021_April", "2021_May", "2021_April.2", "always"];
    let uses: UsedKeys = keys.iter().map(|file| used(file, 1)).collect();
    let named: Vec<String> = uses.last_of_all().iter().map(|key| key.slot.to_string()).collect();
    assert_eq!(named, ["2021_May", "2021_April.2", "always"]);
    let april = Month::typed("2021_April");
    assert_eq!(uses.example(april), Some(used("2021_April.2", 1)));
    assert_eq!(uses.example(Month::typed("2021_June")), Some(used("2021_May", 1)));
    assert_eq!(uses.example(None), Some(used("2021_May", 1)));
}

#[test]
fn keys_of_a_lost_list_are_known_but_no_order_is_invented() {
    let mut uses = UsedKeys::default();
    uses.put(used("2021_April", 1), at(1));
    uses.put(used("2021_April", 2), None);
    uses.put(used("2021_May", 3), None);
    let missing = |list: &UsedKeys| -> Vec<u8> {
        uses.missing_in(list).keys().map(|key| key.id.0[0]).collect()
    };
    assert_eq!(missing(&UsedKeys::default()), [1, 3]);
    assert_eq!(missing(&UsedKeys::from_iter([used("2021_May", 4)])), [1]);
    assert_eq!(missing(&uses), [0; 0]);
}
