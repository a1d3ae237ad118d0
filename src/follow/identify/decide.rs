//! Which generation is this file? The decision alone: evidence in, decision out. docs/ARCHITECTURE.md has the table.
//!
//! In doubt a file is its own: its events are delivered twice rather than never.

use crate::follow::origin::Origin;

/// The file that is to be identified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::follow) struct Candidate {
    pub origin: Origin,
    /// It has no name left.
    pub unlinked: bool,
    /// What is compared is what it held before it was compressed.
    pub compressed: bool,
    /// It has not grown for two seconds, or nothing more will be written to it.
    pub quiet: bool,
    /// Nothing more will come: what is there decides.
    pub last_call: bool,
    /// It was written while the log beside it was followed.
    pub recent: bool,
    /// It was followed, and holds other bytes than it did: truncated, written again and then renamed.
    pub refilled: bool,
}

/// What has become of the file in which a generation was last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Original {
    /// Nobody holds it, and it is nowhere where it could be looked for, or holds something else now.
    Missing,
    /// Nobody holds it, and it is there and holds what was seen.
    Present,
    /// Nobody holds it, and where it was cannot be looked at.
    Unreachable,
    /// Followed, and truncated a moment ago.
    Truncated,
    /// Followed by its descriptor, without a name; `over`: for five minutes nothing was added to it.
    Unlinked { over: bool },
    /// Over; read from an unpacked copy of a compressed file, which has a name or not.
    Unpacked { unlinked: bool },
    /// Over; read from the intake directory.
    Kept,
    /// Over; its file has a name or not.
    Ended { unlinked: bool },
    /// Followed under a name, and does not hold any more what was seen; nobody has looked at it since.
    Doubtful,
    /// Followed under a name.
    Named,
}

/// How much of what was seen of a generation the candidate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::follow) enum Content {
    Differs,
    /// No byte differs, but it ends before.
    Beginning,
    All,
    /// … and something behind it.
    More,
}

/// How a generation and the candidate relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) struct Evidence {
    /// The candidate is the file in which the generation was last seen, by inode and birth.
    pub same_file: bool,
    /// The generation has ended, and another life of its file is known.
    pub superseded: bool,
    pub original: Original,
    pub content: Content,
    /// One name is the other with something behind it.
    pub related: bool,
    /// No other file holds this content up to the mark.
    pub unique: bool,
    /// Bytes of the generation that were seen.
    pub seen: u64,
    /// The candidate has the name of the original, and was written after that was seen to change last.
    pub rewritten: bool,
}

/// What one generation says about the candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Claim {
    /// The candidate is its file.
    Same,
    /// The candidate is its copy, and is read on in its place.
    Copy,
    /// Most likely its copy; more will be known soon.
    Wait,
    /// It may be a copy, but its own file goes on.
    Beside,
    /// All of it is read elsewhere, and it has no name left.
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
        // The same content written once more under the same name, as by a job that is run again.
        (O::Missing | O::Unlinked { .. }, All) if evidence.rewritten => Nothing,
        (O::Missing, All | More) if named => Copy,
        (O::Missing, All | More) => Nothing,
        (O::Present | O::Unreachable, All | More) => Beside,
        (O::Truncated, _) if named => Copy,
        (O::Truncated, _) => Nothing,
        // Moved to another file system. Its writer may still hold the old one.
        (O::Unlinked { .. }, More) if named => Copy,
        (O::Unlinked { over }, content) if named => match content {
            // Nothing is won by reading on in a file that has no name either.
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

/// What the candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::follow) enum Decision<G> {
    /// The file of this generation.
    Same(G),
    /// A copy of this generation.
    Copy(G),
    /// Too early to say.
    Suspect,
    /// A file of its own.
    New,
    /// Nothing that has to be read.
    Drop,
}

/// A file that holds two generations is the copy of the one of which it holds more, or holds what is read there. One
/// that still has its own descriptor can wait where the file holds all of a longer one that is followed by its name.
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

/// The claims of all generations together. The first of equal claims counts: the latest generation comes first.
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
