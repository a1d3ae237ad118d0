//! Tests the table of docs/ARCHITECTURE.md row by row.

use super::Claim::{AlreadyRead, Copy, Same, Separate, Unrelated, Wait};
use super::Content::{All, Differs, More, Prefix};
use super::Original as O;
use super::*;

const PLAIN: Candidate = Candidate {
    origin: Origin::Path,
    is_unlinked: false,
    is_compressed: false,
    is_quiet: false,
    is_final: false,
    is_recent: true,
    has_new_content: false,
};
const COMPRESSED: Candidate = Candidate { is_compressed: true, ..PLAIN };
const LAST: Candidate = Candidate { is_quiet: true, is_final: true, ..PLAIN };

fn evidence(original: Original, content: Content) -> Evidence {
    Evidence {
        is_same_file: false,
        is_superseded: false,
        original,
        content,
        is_related: true,
        is_unique: false,
        known_bytes: 100,
        is_written_again: false,
    }
}

fn check(candidate: &Candidate, evidence: Evidence, expected: Claim) {
    assert_eq!(claim(candidate, &evidence), expected, "{candidate:?} {evidence:?}");
}

#[test]
fn a_file_with_other_bytes_is_a_different_file_whatever_else_is_known() {
    for original in
        [O::Missing, O::Truncated, O::Unlinked { is_quiet: true }, O::InIntake, O::Followed]
    {
        for same_file in [false, true] {
            let evidence = Evidence { is_same_file: same_file, ..evidence(original, Differs) };
            check(&PLAIN, evidence, Unrelated);
            check(&COMPRESSED, evidence, Unrelated);
        }
    }
}

#[test]
fn the_same_file_with_the_known_content_is_that_generation() {
    for original in [O::Missing, O::Present, O::Unreachable] {
        let same = |content| Evidence { is_same_file: true, ..evidence(original, content) };
        check(&PLAIN, same(All), Same);
        check(&PLAIN, same(More), Same);
        check(&PLAIN, same(Prefix), Unrelated);
        check(&PLAIN, Evidence { is_superseded: true, ..same(All) }, Unrelated);
        // Names do not matter for the same file.
        check(&PLAIN, Evidence { is_related: false, ..same(All) }, Same);
    }
}

#[test]
fn a_generation_without_an_open_file_continues_in_a_copy_only_if_its_file_is_missing() {
    for content in [All, More] {
        check(&PLAIN, evidence(O::Missing, content), Copy);
        check(&COMPRESSED, evidence(O::Missing, content), Copy);
        let unrelated = Evidence { is_related: false, ..evidence(O::Missing, content) };
        check(&PLAIN, unrelated, Unrelated);
        check(&PLAIN, Evidence { is_unique: true, ..unrelated }, Copy);
        check(&PLAIN, evidence(O::Present, content), Separate);
        check(&PLAIN, evidence(O::Unreachable, content), Separate);
    }
    for original in [O::Missing, O::Present, O::Unreachable] {
        check(&PLAIN, evidence(original, Prefix), Unrelated);
    }
}

#[test]
fn the_same_content_written_again_under_the_same_name_is_a_new_file() {
    for original in [O::Missing, O::Unlinked { is_quiet: true }] {
        let rewritten =
            |content| Evidence { is_written_again: true, ..evidence(original, content) };
        check(&PLAIN, rewritten(All), Unrelated);
        check(&PLAIN, rewritten(More), Copy);
    }
}

#[test]
fn a_truncated_generation_continues_in_its_copy_even_if_the_copy_lacks_the_end() {
    for content in [Prefix, All, More] {
        check(&PLAIN, evidence(O::Truncated, content), Copy);
        let unrelated = Evidence { is_related: false, ..evidence(O::Truncated, content) };
        check(&PLAIN, unrelated, Unrelated);
        check(&PLAIN, Evidence { is_unique: true, ..unrelated }, Copy);
    }
}

#[test]
fn the_decision_about_a_moved_file_waits_while_its_writer_may_have_it_open() {
    check(&PLAIN, evidence(O::Unlinked { is_quiet: false }, More), Copy);
    check(&PLAIN, evidence(O::Unlinked { is_quiet: false }, All), Wait);
    check(&PLAIN, evidence(O::Unlinked { is_quiet: true }, All), Copy);
    check(&PLAIN, evidence(O::Unlinked { is_quiet: true }, Prefix), Wait);
    check(&LAST, evidence(O::Unlinked { is_quiet: false }, Prefix), Copy);
    let nameless = Candidate { is_unlinked: true, ..PLAIN };
    check(&nameless, evidence(O::Unlinked { is_quiet: true }, All), Wait);
    check(&nameless, evidence(O::Unlinked { is_quiet: false }, More), Copy);
    let nameless = Candidate { is_final: true, ..nameless };
    check(&nameless, evidence(O::Unlinked { is_quiet: false }, All), AlreadyRead);
    let unrelated = evidence(O::Unlinked { is_quiet: true }, More);
    check(&PLAIN, Evidence { is_related: false, ..unrelated }, Unrelated);
}

#[test]
fn a_complete_generation_continues_in_a_compressed_file_if_its_file_has_no_name() {
    for original in
        [|is_unlinked| O::Unpacked { is_unlinked }, |is_unlinked| O::Ended { is_unlinked }]
    {
        check(&COMPRESSED, evidence(original(true), All), Copy);
        check(&COMPRESSED, evidence(original(false), All), Separate);
        let unrelated = Evidence { is_related: false, ..evidence(original(true), All) };
        check(&COMPRESSED, unrelated, Unrelated);
    }
    check(&PLAIN, evidence(O::Ended { is_unlinked: true }, All), Unrelated);
    check(&PLAIN, evidence(O::InIntake, All), Copy);
    check(&PLAIN, Evidence { is_related: false, ..evidence(O::InIntake, All) }, Separate);
}

#[test]
fn content_read_from_a_compressed_file_is_not_read_again_from_the_original() {
    let original = O::Unpacked { is_unlinked: false };
    check(&Candidate { is_unlinked: true, ..PLAIN }, evidence(original, All), AlreadyRead);
    check(&Candidate { is_unlinked: true, ..PLAIN }, evidence(original, Prefix), AlreadyRead);
    check(&PLAIN, evidence(original, All), Separate);
    check(&PLAIN, evidence(original, More), Unrelated);
}

#[test]
fn a_file_beside_a_followed_log_is_a_separate_file() {
    for content in [Prefix, All, More] {
        check(&PLAIN, evidence(O::Followed, content), Separate);
    }
}

#[test]
fn a_copy_of_a_file_that_was_just_truncated_waits_for_the_check_of_that_file() {
    for content in [Prefix, All, More] {
        check(&PLAIN, evidence(O::Doubtful, content), Wait);
        check(&Candidate { is_quiet: true, ..PLAIN }, evidence(O::Doubtful, content), Wait);
        check(&Candidate { is_final: true, ..PLAIN }, evidence(O::Doubtful, content), Separate);
    }
}

#[test]
fn the_strongest_claim_decides_and_of_equal_claims_the_latest_generation() {
    let decided = |claims: &[Claim]| {
        let claims: Vec<(usize, Claim)> = claims.iter().copied().enumerate().collect();
        decide(&PLAIN, &claims)
    };
    assert_eq!(decided(&[]), Decision::New);
    assert_eq!(decided(&[Unrelated]), Decision::New);
    assert_eq!(decided(&[Separate, Copy, Same, Same]), Decision::Same(2));
    assert_eq!(decided(&[Wait, Separate, Copy, Copy]), Decision::Copy(2));
    assert_eq!(decided(&[Separate, Wait, AlreadyRead]), Decision::Ignore);
    assert_eq!(decided(&[Separate, Wait]), Decision::PossibleCopy);
    assert_eq!(decided(&[Separate]), Decision::PossibleCopy);
}

#[test]
fn a_file_that_holds_two_generations_is_a_copy_of_the_longer_one() {
    let of = |claims: &[(i32, Claim, u64)]| {
        let with = |(id, claim, seen): &(i32, Claim, u64)| {
            let original = match claim {
                Separate => Original::Followed,
                _ => Original::Unlinked { is_quiet: false },
            };
            (*id, *claim, Evidence { known_bytes: *seen, ..evidence(original, All) })
        };
        keep_longest(&claims.iter().map(with).collect::<Vec<_>>())
    };
    let claims = [(1, Copy, 36), (2, Wait, 85), (3, Separate, 10), (4, Copy, 85)];
    assert_eq!(of(&claims), [(2, Wait), (3, Separate), (4, Copy)]);
    assert_eq!(of(&claims[..1]), [(1, Copy)]);
    // All of the longer one is read elsewhere, or may turn out to be its original.
    assert_eq!(of(&[(1, Copy, 846), (2, AlreadyRead, 1251)]), [(2, AlreadyRead)]);
    assert_eq!(of(&[(1, Copy, 189), (2, Separate, 2905)]), [(2, Separate)]);
}

#[test]
fn a_file_beside_a_log_is_read_only_for_content_that_no_other_file_holds() {
    let beside = [((), Separate)];
    let quiet = Candidate { is_quiet: true, ..PLAIN };
    assert_eq!(decide(&quiet, &beside), Decision::New);
    let sibling = Candidate { origin: Origin::RotatedMeanwhile, ..quiet };
    assert_eq!(decide(&sibling, &beside), Decision::Ignore);
    assert_eq!(decide(&sibling, &[((), Unrelated)]), Decision::New);
    assert_eq!(
        decide(&Candidate { is_recent: false, ..sibling }, &[((), Unrelated)]),
        Decision::Ignore
    );
    assert_eq!(decide(&Candidate { is_recent: false, ..quiet }, &[((), Unrelated)]), Decision::New);
    // A file that was opened as a possible copy is either a copy or ignored.
    let candidate = Candidate { origin: Origin::PossibleCopy, ..quiet };
    assert_eq!(decide(&candidate, &[((), Unrelated)]), Decision::Ignore);
    assert_eq!(decide(&candidate, &[((), Copy)]), Decision::Copy(()));
}
