//! Decides which generation a file is: evidence in, decision out, no I/O. docs/ARCHITECTURE.md has the table.
//!
//! In doubt a file is a new generation: its events may be delivered twice but are never lost.

use crate::follow::origin::Origin;

/// The file to be identified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct Candidate {
    pub origin: Origin,
    /// It has no name any more.
    pub unlinked: bool,
    /// It is compressed; its unpacked content is compared.
    pub compressed: bool,
    /// It has not grown for two seconds, or nothing more will be written to it.
    pub quiet: bool,
    /// Nothing more will be written: the decision is made with the existing bytes.
    pub last_call: bool,
    /// It was written while the log beside it was followed.
    pub recent: bool,
    /// It was followed before and now has other bytes: truncated, written again and renamed.
    pub refilled: bool,
}

/// State of the file in which a generation was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Original {
    /// Not open; not found in any searched directory, or it has other content now.
    Missing,
    /// Not open; it exists and still has the known content.
    Present,
    /// Not open; its path cannot be read.
    Unreachable,
    /// Followed, and truncated a moment ago.
    Truncated,
    /// Open without a name; `over`: it has not grown for five minutes.
    Unlinked { over: bool },
    /// Complete; read from the unpacked copy of a compressed file.
    Unpacked { unlinked: bool },
    /// Complete; read from the intake directory.
    Kept,
    /// Complete; the file is still open.
    Ended { unlinked: bool },
    /// Followed under a name, but it lost the known content since its last check.
    Doubtful,
    /// Followed under a name.
    Named,
}

/// How much of the known content of a generation the candidate has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum Content {
    Differs,
    /// No byte differs, but the candidate is shorter.
    Beginning,
    All,
    /// The known content and more bytes after it.
    More,
}

/// The relation between one generation and the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) struct Evidence {
    /// The candidate is the file in which the generation was last seen, by inode and birth time.
    pub same_file: bool,
    /// The generation has ended, and a later generation of the same file is known.
    pub superseded: bool,
    pub original: Original,
    pub content: Content,
    /// The names are related: one is the other plus a suffix.
    pub related: bool,
    /// No other file has this content up to the mark.
    pub unique: bool,
    /// Bytes of the generation that are known.
    pub seen: u64,
    /// The candidate has the name of the original, and was written after the last known change of the original.
    pub rewritten: bool,
}

/// The answer for one generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Claim {
    /// The candidate is the file of the generation.
    Same,
    /// The candidate is a copy in which the generation continues.
    Copy,
    /// Most likely a copy; decided later, when more is known.
    Wait,
    /// Possibly a copy, but the original file still exists and continues.
    Beside,
    /// All of its content is read elsewhere, and it has no name any more.
    Read,
    Nothing,
}

pub(in crate::follow) fn claim(candidate: &Candidate, evidence: &Evidence) -> Claim {
    use Claim::{Beside, Copy, Nothing, Read, Same, Wait};
    use Content::{All, Beginning, Differs, More};
    use Original as O;
    let named = evidence.related || evidence.unique;
    match (evidence.original, evidence.content) {
        (_, Differs) => Nothing,
        (O::Missing | O::Present | O::Unreachable, content) if evidence.same_file => {
            match content {
                All | More if !evidence.superseded => Same,
                _ => Nothing,
            }
        }
        (O::Missing | O::Present | O::Unreachable, Beginning) => Nothing,
        // The same content was written again under the same name, for example by a job that was run again.
        (O::Missing | O::Unlinked { .. }, All) if evidence.rewritten => Nothing,
        (O::Missing, All | More) if named => Copy,
        (O::Missing, All | More) => Nothing,
        (O::Present | O::Unreachable, All | More) => Beside,
        (O::Truncated, _) if named => Copy,
        (O::Truncated, _) => Nothing,
        // Moved to another file system. Its writer may still have the old file open.
        (O::Unlinked { .. }, More) if named => Copy,
        (O::Unlinked { over }, content) if named => match content {
            // Continuing in another file without a name would gain nothing.
            _ if candidate.unlinked && candidate.last_call => Read,
            _ if candidate.unlinked => Wait,
            All if over => Copy,
            _ if candidate.last_call => Copy,
            _ => Wait,
        },
        (O::Unlinked { .. }, _) => Nothing,
        (O::Kept, _) if named => Copy,
        (O::Kept, _) => Beside,
        (O::Unpacked { unlinked } | O::Ended { unlinked }, _) if candidate.compressed => {
            match named {
                true if unlinked => Copy,
                true => Beside,
                false => Nothing,
            }
        }
        (O::Unpacked { .. }, More) => Nothing,
        (O::Unpacked { .. }, _) if candidate.unlinked => Read,
        (O::Unpacked { .. }, _) => Beside,
        (O::Ended { .. }, _) => Nothing,
        (O::Doubtful, _) if named && !candidate.last_call => Wait,
        (O::Doubtful | O::Named, _) => Beside,
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
    Suspect,
    /// A new generation.
    New,
    /// Not to be read.
    Drop,
}

/// If a file holds the content of two generations, only the one with more known bytes counts as its original. A
/// generation that is still open without a name does not count if the file holds all of a longer generation that is
/// followed under a name.
pub(in crate::follow) fn of_the_longest<G: Copy>(
    claims: &[(G, Claim, Evidence)],
) -> Vec<(G, Claim)> {
    let is_copy = |claim: Claim| matches!(claim, Claim::Copy | Claim::Wait | Claim::Read);
    let beside = claims
        .iter()
        .filter(|(_, claim, evidence)| *claim == Claim::Beside && evidence.content >= Content::All);
    let beside = beside.map(|(_, _, evidence)| evidence.seen).max().unwrap_or(0);
    let can_wait = |evidence: &Evidence| {
        matches!(evidence.original, Original::Unlinked { .. }) && evidence.seen < beside
    };
    let counts =
        |(_, claim, evidence): &&(G, Claim, Evidence)| !is_copy(*claim) || !can_wait(evidence);
    let copies = claims.iter().filter(counts).filter(|(_, claim, _)| is_copy(*claim));
    let longest = copies.map(|(_, _, evidence)| evidence.seen).max().unwrap_or(0);
    let claims = claims.iter().filter(counts);
    let claims = claims.filter(|(_, claim, evidence)| !is_copy(*claim) || evidence.seen == longest);
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
    if first(Claim::Read).is_some() {
        return Decision::Drop;
    }
    if first(Claim::Wait).is_some() {
        return Decision::Suspect;
    }
    match first(Claim::Beside).is_some() {
        true if candidate.origin != Origin::Path => Decision::Drop,
        true if !candidate.quiet => Decision::Suspect,
        _ => match candidate.origin {
            Origin::Path => Decision::New,
            Origin::Between if candidate.recent => Decision::New,
            _ if candidate.refilled => Decision::New,
            Origin::Between | Origin::Candidate => Decision::Drop,
        },
    }
}

#[cfg(test)]
mod tests;
