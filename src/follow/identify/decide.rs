//! Decides which generation a file is: evidence in, decision out, no I/O. docs/ARCHITECTURE.md has the table.
//!
//! In doubt a file is a new generation: its events may be delivered twice but are never lost.

use crate::follow::origin::Origin;

/// The file to be identified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct Candidate {
    pub origin: Origin,
    /// It has no name any more (deleted, but still open).
    pub is_unlinked: bool,
    /// It is compressed; its unpacked content is compared.
    pub is_compressed: bool,
    /// It has not grown for two seconds, or nothing more will be written to it.
    pub is_quiet: bool,
    /// Nothing more will be written: the decision is made with the existing bytes.
    pub is_final: bool,
    /// It was written while the log beside it was followed.
    pub is_recent: bool,
    /// It was followed before and now has other bytes: truncated, written again and renamed.
    pub has_new_content: bool,
}

/// State of the file in which a generation was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Original {
    /// Not followed; not found in any searched directory, or it has other content now.
    Missing,
    /// Not followed; it exists and still has the known content.
    Present,
    /// Not followed; its path cannot be read.
    Unreachable,
    /// Followed, and truncated a moment ago.
    Truncated,
    /// Open without a name; `is_quiet`: it has not grown for five minutes.
    Unlinked { is_quiet: bool },
    /// Complete; read from the unpacked copy of a compressed file.
    Unpacked { is_unlinked: bool },
    /// Complete; read from the intake directory.
    InIntake,
    /// Complete; the file is still open.
    Ended { is_unlinked: bool },
    /// Followed under a name, but it lost the known content since its last check.
    Doubtful,
    /// Followed under a name.
    Followed,
}

/// How much of the known content of a generation the candidate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum Content {
    Differs,
    /// No byte differs, but the candidate is shorter.
    Prefix,
    All,
    /// The known content and more bytes after it.
    More,
}

/// The observations about one generation and the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) struct Evidence {
    /// The candidate is the file in which the generation was last seen, by inode and birth time.
    pub is_same_file: bool,
    /// The generation has ended, and a later generation of the same file is known.
    pub is_superseded: bool,
    pub original: Original,
    pub content: Content,
    /// The names are related: one is the other plus a suffix.
    pub is_related: bool,
    /// No other file has this content up to the mark.
    pub is_unique: bool,
    /// Bytes of the generation that are known.
    pub known_bytes: u64,
    /// The candidate has the name of the original, and was written after the last known change of the original.
    pub is_written_again: bool,
}

/// The relation of the candidate to one generation, as concluded from the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Claim {
    /// The candidate is the file of the generation.
    Same,
    /// The candidate is a copy in which the generation continues.
    Copy,
    /// Most likely a copy; decided later, when more is known.
    Wait,
    /// Possibly a copy, but the original file still exists and continues.
    Separate,
    /// All of its content is read elsewhere, and it has no name any more.
    AlreadyRead,
    Unrelated,
}

/// Concludes from the evidence how the candidate relates to one generation.
pub(in crate::follow) fn claim(candidate: &Candidate, evidence: &Evidence) -> Claim {
    use Claim::{AlreadyRead, Copy, Same, Separate, Unrelated, Wait};
    use Content::{All, Differs, More, Prefix};
    use Original as O;
    let named = evidence.is_related || evidence.is_unique;
    match (evidence.original, evidence.content) {
        (_, Differs) => Unrelated,
        (O::Missing | O::Present | O::Unreachable, content) if evidence.is_same_file => {
            match content {
                All | More if !evidence.is_superseded => Same,
                _ => Unrelated,
            }
        }
        (O::Missing | O::Present | O::Unreachable, Prefix) => Unrelated,
        // The same content was written again under the same name, for example by a job that was run again.
        (O::Missing | O::Unlinked { .. }, All) if evidence.is_written_again => Unrelated,
        (O::Missing, All | More) if named => Copy,
        (O::Missing, All | More) => Unrelated,
        (O::Present | O::Unreachable, All | More) => Separate,
        (O::Truncated, _) if named => Copy,
        (O::Truncated, _) => Unrelated,
        // Moved to another file system. Its writer may still have the old file open.
        (O::Unlinked { .. }, More) if named => Copy,
        (O::Unlinked { is_quiet }, content) if named => match content {
            // Continuing in another file without a name would gain nothing.
            _ if candidate.is_unlinked && candidate.is_final => AlreadyRead,
            _ if candidate.is_unlinked => Wait,
            All if is_quiet => Copy,
            _ if candidate.is_final => Copy,
            _ => Wait,
        },
        (O::Unlinked { .. }, _) => Unrelated,
        (O::InIntake, _) if named => Copy,
        (O::InIntake, _) => Separate,
        (O::Unpacked { is_unlinked } | O::Ended { is_unlinked }, _) if candidate.is_compressed => {
            match named {
                true if is_unlinked => Copy,
                true => Separate,
                false => Unrelated,
            }
        }
        (O::Unpacked { .. }, More) => Unrelated,
        (O::Unpacked { .. }, _) if candidate.is_unlinked => AlreadyRead,
        (O::Unpacked { .. }, _) => Separate,
        (O::Ended { .. }, _) => Unrelated,
        (O::Doubtful, _) if named && !candidate.is_final => Wait,
        (O::Doubtful | O::Followed, _) => Separate,
    }
}

/// The decision about the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Decision<G> {
    /// The file of this generation.
    Same(G),
    /// A copy of this generation.
    Copy(G),
    /// Too early to decide.
    PossibleCopy,
    /// A new generation.
    New,
    /// Not to be read.
    Ignore,
}

/// If a file may be a copy of several generations, only those with the most known bytes remain. A generation that is
/// still open without a name is also dropped if the file holds all of a longer generation that is followed under a
/// name.
pub(in crate::follow) fn keep_longest<G: Copy>(claims: &[(G, Claim, Evidence)]) -> Vec<(G, Claim)> {
    let is_copy = |claim: Claim| matches!(claim, Claim::Copy | Claim::Wait | Claim::AlreadyRead);
    let longest_separate = claims.iter().filter(|(_, claim, evidence)| {
        *claim == Claim::Separate && evidence.content >= Content::All
    });
    let longest_separate =
        longest_separate.map(|(_, _, evidence)| evidence.known_bytes).max().unwrap_or(0);
    let can_wait = |evidence: &Evidence| {
        matches!(evidence.original, Original::Unlinked { .. })
            && evidence.known_bytes < longest_separate
    };
    let counts =
        |(_, claim, evidence): &&(G, Claim, Evidence)| !is_copy(*claim) || !can_wait(evidence);
    let copies = claims.iter().filter(counts).filter(|(_, claim, _)| is_copy(*claim));
    let longest = copies.map(|(_, _, evidence)| evidence.known_bytes).max().unwrap_or(0);
    let claims = claims.iter().filter(counts);
    let claims =
        claims.filter(|(_, claim, evidence)| !is_copy(*claim) || evidence.known_bytes == longest);
    claims.map(|(generation, claim, _)| (*generation, *claim)).collect()
}

/// Combines the claims of all generations. Of equal claims the first counts; the latest generation comes first.
pub(in crate::follow) fn decide<G: Copy>(
    candidate: &Candidate,
    claims: &[(G, Claim)],
) -> Decision<G> {
    let first = |wanted: Claim| claims.iter().find(|(_, claim)| *claim == wanted).map(|(g, _)| *g);
    if let Some(generation) = first(Claim::Same) {
        return Decision::Same(generation);
    }
    if let Some(generation) = first(Claim::Copy) {
        return Decision::Copy(generation);
    }
    if first(Claim::AlreadyRead).is_some() {
        return Decision::Ignore;
    }
    if first(Claim::Wait).is_some() {
        return Decision::PossibleCopy;
    }
    match first(Claim::Separate).is_some() {
        true if candidate.origin != Origin::Path => Decision::Ignore,
        true if !candidate.is_quiet => Decision::PossibleCopy,
        _ => match candidate.origin {
            Origin::Path => Decision::New,
            Origin::RotatedMeanwhile if candidate.is_recent => Decision::New,
            _ if candidate.has_new_content => Decision::New,
            Origin::RotatedMeanwhile | Origin::PossibleCopy => Decision::Ignore,
        },
    }
}

#[cfg(test)]
mod tests;
