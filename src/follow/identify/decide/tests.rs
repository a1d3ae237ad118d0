//! Tests the table of docs/ARCHITECTURE.md row by row.

use super::Claim::{Beside, Copy, Nothing, Read, Same, Wait};
use super::Content::{All, Beginning, Differs, More};
use super::Original as O;
use super::*;

const PLAIN: Candidate = Candidate {
    origin: Origin::Path,
    unlinked: false,
    compressed: false,
    quiet: false,
    last_call: false,
    recent: true,
    refilled: false,
};
const UNPACKED: Candidate = Candidate { compressed: true, ..PLAIN };
const LAST: Candidate = Candidate { quiet: true, last_call: true, ..PLAIN };

fn evidence(original: Original, content: Content) -> Evidence {
    Evidence {
        same_file: false,
        superseded: false,
        original,
        content,
        related: true,
        unique: false,
        seen: 100,
        rewritten: false,
    }
}

fn check(candidate: &Candidate, evidence: Evidence, expected: Claim) {
    assert_eq!(claim(candidate, &evidence), expected, "{candidate:?} {evidence:?}");
}

#[test]
fn a_file_with_other_bytes_is_a_different_file_whatever_else_is_known() {
    for original in [O::Missing, O::Truncated, O::Unlinked { over: true }, O::Kept, O::Named] {
        for same_file in [false, true] {
            let evidence = Evidence { same_file, ..evidence(original, Differs) };
            check(&PLAIN, evidence, Nothing);
            check(&UNPACKED, evidence, Nothing);
        }
    }
}

#[test]
fn the_same_file_with_the_known_content_is_that_generation() {
    for original in [O::Missing, O::Present, O::Unreachable] {
        let same = |content| Evidence { same_file: true, ..evidence(original, content) };
        check(&PLAIN, same(All), Same);
        check(&PLAIN, same(More), Same);
        check(&PLAIN, same(Beginning), Nothing);
        check(&PLAIN, Evidence { superseded: true, ..same(All) }, Nothing);
        // Names do not matter for the same file.
        check(&PLAIN, Evidence { related: false, ..same(All) }, Same);
    }
}

#[test]
fn a_generation_without_an_open_file_continues_in_a_copy_only_if_its_file_is_missing() {
    for content in [All, More] {
        check(&PLAIN, evidence(O::Missing, content), Copy);
        check(&UNPACKED, evidence(O::Missing, content), Copy);
        let unrelated = Evidence { related: false, ..evidence(O::Missing, content) };
        check(&PLAIN, unrelated, Nothing);
        check(&PLAIN, Evidence { unique: true, ..unrelated }, Copy);
        check(&PLAIN, evidence(O::Present, content), Beside);
        check(&PLAIN, evidence(O::Unreachable, content), Beside);
    }
    for original in [O::Missing, O::Present, O::Unreachable] {
        check(&PLAIN, evidence(original, Beginning), Nothing);
    }
}

#[test]
fn the_same_content_written_again_under_the_same_name_is_a_new_file() {
    for original in [O::Missing, O::Unlinked { over: true }] {
        let rewritten = |content| Evidence { rewritten: true, ..evidence(original, content) };
        check(&PLAIN, rewritten(All), Nothing);
        check(&PLAIN, rewritten(More), Copy);
    }
}

#[test]
fn a_truncated_generation_continues_in_its_copy_even_if_the_copy_lacks_the_end() {
    for content in [Beginning, All, More] {
        check(&PLAIN, evidence(O::Truncated, content), Copy);
        let unrelated = Evidence { related: false, ..evidence(O::Truncated, content) };
        check(&PLAIN, unrelated, Nothing);
        check(&PLAIN, Evidence { unique: true, ..unrelated }, Copy);
    }
}

#[test]
fn the_decision_about_a_moved_file_waits_while_its_writer_may_have_it_open() {
    check(&PLAIN, evidence(O::Unlinked { over: false }, More), Copy);
    check(&PLAIN, evidence(O::Unlinked { over: false }, All), Wait);
    check(&PLAIN, evidence(O::Unlinked { over: true }, All), Copy);
    check(&PLAIN, evidence(O::Unlinked { over: true }, Beginning), Wait);
    check(&LAST, evidence(O::Unlinked { over: false }, Beginning), Copy);
    let nameless = Candidate { unlinked: true, ..PLAIN };
    check(&nameless, evidence(O::Unlinked { over: true }, All), Wait);
    check(&nameless, evidence(O::Unlinked { over: false }, More), Copy);
    let nameless = Candidate { last_call: true, ..nameless };
    check(&nameless, evidence(O::Unlinked { over: false }, All), Read);
    let unrelated = evidence(O::Unlinked { over: true }, More);
    check(&PLAIN, Evidence { related: false, ..unrelated }, Nothing);
}

#[test]
fn a_complete_generation_continues_in_a_compressed_file_if_its_file_has_no_name() {
    for original in [|unlinked| O::Unpacked { unlinked }, |unlinked| O::Ended { unlinked }] {
        check(&UNPACKED, evidence(original(true), All), Copy);
        check(&UNPACKED, evidence(original(false), All), Beside);
        let unrelated = Evidence { related: false, ..evidence(original(true), All) };
        check(&UNPACKED, unrelated, Nothing);
    }
    check(&PLAIN, evidence(O::Ended { unlinked: true }, All), Nothing);
    check(&PLAIN, evidence(O::Kept, All), Copy);
    check(&PLAIN, Evidence { related: false, ..evidence(O::Kept, All) }, Beside);
}

#[test]
fn content_read_from_a_compressed_file_is_not_read_again_from_the_original() {
    let original = O::Unpacked { unlinked: false };
    check(&Candidate { unlinked: true, ..PLAIN }, evidence(original, All), Read);
    check(&Candidate { unlinked: true, ..PLAIN }, evidence(original, Beginning), Read);
    check(&PLAIN, evidence(original, All), Beside);
    check(&PLAIN, evidence(original, More), Nothing);
}

#[test]
fn a_file_beside_a_followed_log_is_a_separate_file() {
    for content in [Beginning, All, More] {
        check(&PLAIN, evidence(O::Named, content), Beside);
    }
}

#[test]
fn a_copy_of_a_file_that_was_just_truncated_waits_for_the_check_of_that_file() {
    for content in [Beginning, All, More] {
        check(&PLAIN, evidence(O::Doubtful, content), Wait);
        check(&Candidate { quiet: true, ..PLAIN }, evidence(O::Doubtful, content), Wait);
        check(&Candidate { last_call: true, ..PLAIN }, evidence(O::Doubtful, content), Beside);
    }
}

#[test]
fn the_strongest_claim_decides_and_of_equal_claims_the_latest_generation() {
    let decided = |claims: &[Claim]| {
        let claims: Vec<(usize, Claim)> = claims.iter().copied().enumerate().collect();
        decide(&PLAIN, &claims)
    };
    assert_eq!(decided(&[]), Decision::New);
    assert_eq!(decided(&[Nothing]), Decision::New);
    assert_eq!(decided(&[Beside, Copy, Same, Same]), Decision::Same(2));
    assert_eq!(decided(&[Wait, Beside, Copy, Copy]), Decision::Copy(2));
    assert_eq!(decided(&[Beside, Wait, Read]), Decision::Drop);
    assert_eq!(decided(&[Beside, Wait]), Decision::Suspect);
    assert_eq!(decided(&[Beside]), Decision::Suspect);
}

#[test]
fn a_file_that_holds_two_generations_is_a_copy_of_the_longer_one() {
    let of = |claims: &[(i32, Claim, u64)]| {
        let with = |(id, claim, seen): &(i32, Claim, u64)| {
            let original = match claim {
                Beside => Original::Named,
                _ => Original::Unlinked { over: false },
            };
            (*id, *claim, Evidence { seen: *seen, ..evidence(original, All) })
        };
        of_the_longest(&claims.iter().map(with).collect::<Vec<_>>())
    };
    let claims = [(1, Copy, 36), (2, Wait, 85), (3, Beside, 10), (4, Copy, 85)];
    assert_eq!(of(&claims), [(2, Wait), (3, Beside), (4, Copy)]);
    assert_eq!(of(&claims[..1]), [(1, Copy)]);
    // All of the longer one is read elsewhere, or may turn out to be its original.
    assert_eq!(of(&[(1, Copy, 846), (2, Read, 1251)]), [(2, Read)]);
    assert_eq!(of(&[(1, Copy, 189), (2, Beside, 2905)]), [(2, Beside)]);
}

#[test]
fn a_file_beside_a_log_is_read_only_for_content_that_no_other_file_holds() {
    let beside = [((), Beside)];
    let quiet = Candidate { quiet: true, ..PLAIN };
    assert_eq!(decide(&quiet, &beside), Decision::New);
    let sibling = Candidate { origin: Origin::Between, ..quiet };
    assert_eq!(decide(&sibling, &beside), Decision::Drop);
    assert_eq!(decide(&sibling, &[((), Nothing)]), Decision::New);
    assert_eq!(decide(&Candidate { recent: false, ..sibling }, &[((), Nothing)]), Decision::Drop);
    assert_eq!(decide(&Candidate { recent: false, ..quiet }, &[((), Nothing)]), Decision::New);
    // A file that was opened as a possible copy is either a copy or ignored.
    let candidate = Candidate { origin: Origin::Candidate, ..quiet };
    assert_eq!(decide(&candidate, &[((), Nothing)]), Decision::Drop);
    assert_eq!(decide(&candidate, &[((), Copy)]), Decision::Copy(()));
}
