//! Tests two keys used in one slot: two directories were merged, or a key was replaced and its list restored.

use super::*;

/// Two keys of April, and the directory with the second one.
struct Merged {
    case: Case,
    other: Case,
}

impl Merged {
    /// `lines`: key (0 or 1) and time of each line in the list.
    fn new(lines: [(usize, &str); 2]) -> Merged {
        let (first, second) = (Case::new(), Case::new());
        let ids = [first.id, second.id];
        let line = |(key, time): (usize, &str)| format!("{} 2021_April.key {time}\n", ids[key]);
        let list: String = lines.map(line).concat();
        fs::write(second.directory.join("used"), list).unwrap();
        Merged { case: second, other: first }
    }

    fn seals(&self) -> Result<KeyId, String> {
        self.case.ring().for_sealing(april()).map(|key| key.id()).map_err(|e| e.to_string())
    }

    fn hold_first_key(&self) {
        fs::copy(self.other.key(), self.case.key()).unwrap();
    }
}

const EARLY: &str = "2021-05-01T10:00:00Z";
const LATE: &str = "2021-05-01T10:00:01Z";

#[test]
fn the_key_used_last_is_kept_for_any_order_of_lines() {
    for lines in [[(0, EARLY), (1, LATE)], [(1, LATE), (0, EARLY)]] {
        let merged = Merged::new(lines);
        assert_eq!(merged.seals(), Ok(merged.case.id));
        merged.hold_first_key();
        let error = merged.seals().unwrap_err();
        assert!(error.contains("is not the key that was used last"), "{error}");
        assert!(
            error.contains(&format!("the id of the key used last is {}", merged.case.id)),
            "{error}"
        );
    }
}

#[test]
fn if_the_last_of_two_keys_is_unknown_both_must_exist() {
    let merged = Merged::new([(0, EARLY), (1, EARLY)]);
    let error = merged.seals().unwrap_err();
    assert!(
        error.contains(&format!("the id of the key used last is {}", merged.other.id)),
        "{error}"
    );
    // Under a free number: the key with the highest number seals, and it was used.
    fs::copy(merged.other.key(), merged.case.directory.join("2021_April.2.key")).unwrap();
    assert_eq!(merged.seals(), Ok(merged.other.id));
}

#[test]
fn another_key_of_the_slot_in_the_state_blocks_the_month() {
    let case = Case::new();
    let other = Case::new();
    let ring = case.ring();
    ring.remember(&other.ring().used().unwrap());
    let error = ring.for_sealing(april()).unwrap_err().to_string();
    assert!(error.contains("is not the key that was used last"), "{error}");
    let new = case.ring().rotate(april()).unwrap();
    ring.refresh();
    assert_eq!(ring.for_sealing(april()).unwrap().id(), new.id(), "until it is rotated");
}

#[test]
fn a_token_of_either_key_is_decrypted_if_its_key_exists() {
    let merged = Merged::new([(0, EARLY), (1, LATE)]);
    let opens = |id| merged.case.ring().for_opening(april(), id).map(|key| key.id()).ok();
    assert_eq!((opens(merged.case.id), opens(merged.other.id)), (Some(merged.case.id), None));
    let error = merged.case.ring().for_opening(april(), merged.other.id).unwrap_err().to_string();
    assert!(error.contains("was used but is missing"), "{error}");
    let master = Zeroizing::new(*merged.other.ring().for_sealing(april()).unwrap().master());
    let back = merged.case.ring().import(april(), master).unwrap();
    assert_eq!(back.slot().to_string(), "2021_April.2", "its own slot is taken");
    assert_eq!(opens(merged.other.id), Some(merged.other.id));
    assert_eq!(opens(merged.case.id), Some(merged.case.id));
    let listed = merged.case.ring().list().unwrap();
    assert!(listed.iter().all(|key| matches!(key.state, KeyState::Ready { .. })), "{listed:?}");
}

#[test]
fn the_missing_key_is_listed_beside_the_existing_one() {
    let merged = Merged::new([(0, EARLY), (1, LATE)]);
    let listed = merged.case.ring().list().unwrap();
    let states: Vec<&KeyState> = listed.iter().map(|key| &key.state).collect();
    let [KeyState::Ready { id, .. }, KeyState::Unusable(error)] = states[..] else {
        panic!("{listed:?}");
    };
    assert_eq!(*id, merged.case.id);
    assert!(
        error.to_string().contains(&format!("the id of the key used last is {}", merged.other.id)),
        "{error}"
    );
    let all = merged.case.ring().all().unwrap();
    assert_eq!((all.ready.len(), all.problems.len()), (1, 1), "what it sealed is found");
}

#[test]
fn an_unused_key_is_not_searched_for() {
    let case = Case::new();
    fs::copy(Case::new().key(), case.key()).unwrap();
    let all = case.ring().all().unwrap();
    assert_eq!((all.ready.len(), all.problems.len()), (0, 1));
}

#[test]
fn an_unreadable_tombstone_blocks_no_other_key() {
    let case = Case::new();
    let new = case.ring().rotate(april()).unwrap();
    case.ring().destroy(Slot::first(april())).unwrap();
    mode(&case.directory.join("2021_April.destroyed"), 0o644);
    assert_eq!(case.ring().for_opening(april(), new.id()).unwrap().id(), new.id());
    let error = case.ring().for_opening(april(), case.id).unwrap_err().to_string();
    assert!(error.contains("is accessible to others"), "{error}");
}
