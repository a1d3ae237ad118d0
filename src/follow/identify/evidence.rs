//! Gathers the evidence for identifying a file: facts about the file and about each generation that it may hold.
//!
//! Reads heads and marks of files. Changes nothing, except that a file that turns out to be truncated is marked for
//! another check.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::candidates::{UnheldGeneration, compare_length, content_by_bytes};
use super::decide::{Candidate, Content, Evidence, Original};
use super::subject::Subject;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::{FileKey, GenerationId, Identity, Mark};
use crate::follow::catalog::{Stage, Tracked};
use crate::follow::expiry::UNLINKED_QUIET_LIMIT;
use crate::follow::follower::Follower;
use crate::follow::identity::{self, matches_mark};
use crate::follow::rotated_names::directory_of;
use crate::follow::symlinks;
use crate::state::GenerationRow;

/// A file that begins like another one is a new generation once it has not grown for this long.
pub(in crate::follow) const COPY_QUIET_TIME: Duration = Duration::from_secs(2);

impl Follower {
    /// Facts about the file itself. `last_call`: it is to be identified now, even if it may still grow.
    pub(super) fn candidate(&self, tracked: &Tracked, last_call: bool) -> Candidate {
        Candidate {
            origin: tracked.origin,
            is_unlinked: tracked.links == 0,
            is_compressed: tracked.compressed.is_some(),
            is_quiet: last_call || tracked.quiet_for(self.now()) >= COPY_QUIET_TIME,
            is_final: last_call,
            is_recent: self.is_recent(tracked),
            has_new_content: false,
        }
    }

    /// Evidence for the generations that were last seen in this file, the latest first.
    pub(super) fn evidence_of_file(
        &self,
        subject: &Subject<'_>,
    ) -> io::Result<Vec<(GenerationId, Evidence)>> {
        let mut found = Vec::new();
        let of_file: Vec<GenerationId> = self.catalog.history.of_file(subject.key).collect();
        for (earlier, id) in of_file.into_iter().enumerate() {
            if self.catalog.by_generation(id).is_some() {
                continue;
            }
            let row = self.shared.without_file().get(&id).cloned();
            let Some(known) = self.unheld_generation(id, row.as_ref()) else { continue };
            if known.file != subject.key {
                continue;
            }
            let extended = row.as_ref().is_some_and(|row| extends_short_copy(row, subject));
            let has_head = subject.head.matches(&known.identity, self.key()) && !extended;
            let content = match has_head {
                true => self.content_by_mark(subject, known.mark_within(subject))?,
                false => Content::Differs,
            };
            let ended = row.as_ref().is_some_and(|row| row.ended.is_some());
            let evidence = Evidence {
                is_same_file: true,
                // A generation that ended and was followed by another one in the same file was truncated: it does not
                // return.
                is_superseded: ended && earlier > 0,
                original: Original::Present,
                content,
                is_related: true,
                is_unique: true,
                known_bytes: known.mark.offset,
                is_written_again: false,
            };
            found.push((id, evidence));
        }
        Ok(found)
    }

    /// Evidence for generations of other files with the same beginning, of which this file may be a copy.
    pub(super) fn evidence_of_copies(
        &self,
        subject: &Subject<'_>,
        identity: &Identity,
    ) -> io::Result<Vec<(GenerationId, Evidence)>> {
        let mut found = Vec::new();
        let hash = |len| subject.head.hash(len, self.key());
        let of_head: Vec<_> = self.catalog.history.of_beginning(identity, hash).collect();
        let lines = subject.head.line_hashes(self.key());
        let mut has_followed_original = false;
        for id in of_head.into_iter().rev() {
            // Of many files that differ after the first line, or of many identical ones, only a few are read.
            let followed = self.catalog.by_generation(id).filter(|other| is_followed(other));
            if followed
                .is_some_and(|other| has_followed_original || differ(&other.line_hashes, &lines))
            {
                continue;
            }
            // Another generation of the same file is not a copy of it, even if the inode was used again.
            let began_there = self
                .catalog
                .history
                .identity(id)
                .is_some_and(|known| known.file_key() == subject.key);
            if began_there {
                continue;
            }
            let evidence = match self.catalog.by_generation(id).is_some() {
                true => self.evidence_of_followed(id, subject)?,
                false => self.evidence_of_row(id, subject)?,
            };
            has_followed_original |= evidence.is_some_and(|evidence| {
                evidence.original == Original::Followed && evidence.content != Content::Differs
            });
            found.extend(evidence.map(|evidence| (id, evidence)));
        }
        Ok(found)
    }

    /// Evidence for a generation that no followed file holds.
    fn evidence_of_row(
        &self,
        id: GenerationId,
        subject: &Subject<'_>,
    ) -> io::Result<Option<Evidence>> {
        let row = self.shared.without_file().get(&id).cloned();
        let Some(known) = self.unheld_generation(id, row.as_ref()) else { return Ok(None) };
        let intake = row.as_ref().is_some_and(|row| self.is_segment(&row.path));
        let extended = row.as_ref().is_some_and(|row| extends_short_copy(row, subject));
        if intake || extended || known.file == subject.key {
            return Ok(None);
        }
        let mark = known.mark_within(subject);
        let content = self.content_by_mark(subject, mark)?;
        if content < Content::All {
            return Ok(None);
        }
        let path = subject.tracked.handle.path();
        let related = row.as_ref().is_some_and(|row| {
            symlinks::are_related(&row.path, &path) || symlinks::are_related(&row.first_path, &path)
        });
        let unique = related || self.is_unique(&known.identity, mark)?;
        let rewritten = row.as_ref().is_some_and(|row| is_written_again(subject, row));
        let original =
            self.state_of_original(&known, row.as_ref().map(|row| row.path.as_path()))?;
        Ok(Some(Evidence {
            is_same_file: false,
            is_superseded: false,
            original,
            content,
            is_related: related,
            is_unique: unique,
            known_bytes: mark.offset,
            is_written_again: rewritten,
        }))
    }

    /// Evidence for a generation whose file is followed, or was until a moment ago.
    fn evidence_of_followed(
        &self,
        id: GenerationId,
        subject: &Subject<'_>,
    ) -> io::Result<Option<Evidence>> {
        let Some(original) = self.catalog.by_generation(id).filter(|original| !original.is_segment)
        else {
            return Ok(None);
        };
        let Some(row) = &original.row else { return Ok(None) };
        let original_state = match original.stage {
            Stage::AwaitingCopy(_) => Original::Truncated,
            Stage::Live | Stage::AwaitingCommit if original.links == 0 => Original::Unlinked {
                is_quiet: original.quiet_for(self.now()) >= UNLINKED_QUIET_LIMIT,
            },
            Stage::Ended if original.place().is_none() => Original::InIntake,
            Stage::Ended if original.compressed.is_some() => {
                Original::Unpacked { is_unlinked: original.links == 0 }
            }
            Stage::Ended => Original::Ended { is_unlinked: original.links == 0 },
            _ if is_followed(original) => Original::Followed,
            _ => return Ok(None),
        };
        let by_bytes = match original_state {
            Original::Followed => true,
            Original::Unpacked { .. } => subject.tracked.compressed.is_none(),
            _ => false,
        };
        let original_state = if by_bytes && !self.still_bears_mark(original, subject)? {
            Original::Doubtful
        } else {
            original_state
        };
        let (content, mark) = match by_bytes {
            true if original_state == Original::Doubtful => {
                (self.content_by_mark(subject, &row.mark)?, row.mark)
            }
            true => (content_by_bytes(original, subject)?, row.mark),
            false => match self.shared_mark(original, subject.file)? {
                // Lines appended to a copy that lacked the end do not belong to the generation.
                Some(mark)
                    if extends_short_copy(row, subject) && mark.offset <= row.mark.offset =>
                {
                    return Ok(None);
                }
                Some(mark) => (compare_length(subject.tracked.size, row.mark.offset), mark),
                None => return Ok(None),
            },
        };
        let (one, other) = (original.handle.path(), subject.tracked.handle.path());
        let related =
            symlinks::are_related(&one, &other) || symlinks::are_related(&row.first_path, &other);
        let unique = related || by_bytes || self.is_unique(&row.identity, &mark)?;
        Ok(Some(Evidence {
            is_same_file: false,
            is_superseded: false,
            original: original_state,
            content,
            is_related: related,
            is_unique: unique,
            known_bytes: row.mark.offset,
            is_written_again: is_written_again(subject, row),
        }))
    }

    /// How much of a generation the file holds, by the hash at this mark of the generation.
    pub(super) fn content_by_mark(
        &self,
        subject: &Subject<'_>,
        mark: &Mark,
    ) -> io::Result<Content> {
        if subject.tracked.size < mark.offset {
            return Ok(Content::Prefix);
        }
        Ok(match matches_mark(subject.file, mark, self.key())? {
            true => compare_length(subject.tracked.size, mark.offset),
            false => Content::Differs,
        })
    }

    /// The last mark of `original` within the size of `file`, if the bytes before it match.
    pub(in crate::follow) fn shared_mark(
        &self,
        original: &Tracked,
        file: &File,
    ) -> io::Result<Option<Mark>> {
        let size = file.metadata()?.len();
        let within = original.marks.iter().filter(|mark| mark.offset <= size);
        let within = within.max_by_key(|mark| mark.offset);
        match within {
            Some(mark) if matches_mark(file, mark, self.key())? => Ok(Some(*mark)),
            _ => Ok(None),
        }
    }

    /// No other file with the same head has this mark, so the mark is beyond their common part.
    pub(in crate::follow) fn is_unique(
        &self,
        identity: &Identity,
        mark: &Mark,
    ) -> io::Result<bool> {
        for other in self.catalog.history.of_head(identity) {
            let known = self.catalog.history.identity(other);
            if known.is_none_or(|known| known.file_key() == identity.file_key()) {
                continue;
            }
            let Some(other) = self.catalog.by_generation(other) else { continue };
            if other.size < mark.offset {
                continue;
            }
            let Some(file) = other.file_or_wait()? else { continue };
            if matches_mark(&file, mark, self.key())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The state of the file in which a generation was last seen; no followed file holds the generation now.
    fn state_of_original(
        &self,
        known: &UnheldGeneration,
        path: Option<&Path>,
    ) -> io::Result<Original> {
        if let Some(other) = self.catalog.by_file_key(known.file) {
            let file = other.file_or_wait()?;
            return Ok(match file.map(|file| matches_mark(&file, &known.mark, self.key())) {
                Some(Ok(true)) => Original::Present,
                Some(Ok(false)) => Original::Missing,
                _ => Original::Unreachable,
            });
        }
        let Some(path) = path else { return Ok(Original::Missing) };
        // Written by an earlier version, relative to an unknown working directory.
        if path.is_relative() {
            return Ok(Original::Unreachable);
        }
        Ok(match self.find_moved(path, known.file) {
            Ok(None) => Original::Missing,
            Ok(Some(path)) => match timed_fs::open(&path) {
                Ok(file) => match matches_mark(&file, &known.mark, self.key()) {
                    Ok(true) => Original::Present,
                    Ok(false) => Original::Missing,
                    Err(_) => Original::Unreachable,
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => Original::Missing,
                Err(_) => Original::Unreachable,
            },
            Err(_) => Original::Unreachable,
        })
    }

    /// The current path of a file: its old path, or another name in the same directory. An error means that this could
    /// not be determined.
    pub(in crate::follow) fn find_file(
        &self,
        path: &Path,
        file: FileKey,
    ) -> io::Result<Option<std::path::PathBuf>> {
        match timed_fs::metadata(path) {
            Ok(found) => {
                let found = identity::key_of(&found);
                if found == file {
                    return Ok(Some(path.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.listings.borrow_mut().find(directory_of(path), file)
    }

    /// As [`Follower::find_file`], but also searches the other directories of the sources and those to which links
    /// lead.
    pub(in crate::follow) fn find_moved(
        &self,
        path: &Path,
        file: FileKey,
    ) -> io::Result<Option<std::path::PathBuf>> {
        if let Some(found) = self.find_file(path, file)? {
            return Ok(Some(found));
        }
        let directories = self.directories_around(std::iter::once(path));
        let found = directories.iter().find_map(|directory| {
            let mut listings = self.listings.borrow_mut();
            listings.invalidate(directory);
            listings.find(directory, file).ok().flatten()
        });
        Ok(found)
    }

    /// The content was written after this log was first seen, so the file may come from a rotation that happened unseen
    /// between two scans. For an uncompressed file the birth time has already shown that.
    fn is_recent(&self, tracked: &Tracked) -> bool {
        if tracked.compressed.is_none() {
            return true;
        }
        let path = tracked.handle.path();
        let unheld_rows = self.shared.without_file();
        let open_rows = self.catalog.iter().filter_map(|(_, other)| other.row.as_ref());
        let in_directory = unheld_rows
            .values()
            .chain(open_rows)
            .filter(|row| directory_of(&row.path) == directory_of(&path));
        let known = in_directory.map(|row| row.first_seen).min();
        known.is_some_and(|known| tracked.modified.is_some_and(|at| Timestamp::from(at) >= known))
    }
}

/// See [`Evidence::is_written_again`]. A compressed file is written later than its content, so its time proves nothing.
fn is_written_again(subject: &Subject<'_>, row: &GenerationRow) -> bool {
    let (path, modified) = (subject.tracked.handle.path(), subject.tracked.modified);
    let named_alike = path.file_name() == row.path.file_name();
    let later = modified.zip(row.modified).is_some_and(|(at, known)| Timestamp::from(at) > known);
    named_alike && later && subject.tracked.compressed.is_none()
}

/// The file is being followed, and it still has a name.
fn is_followed(tracked: &Tracked) -> bool {
    matches!(tracked.stage, Stage::Live | Stage::AwaitingCommit)
        && tracked.links > 0
        && !tracked.is_segment
}

/// Whether two files differ within the first lines that both have, by their [`Head::line_hashes`].
fn differ(one: &[u64], other: &[u64]) -> bool {
    let both = one.len().min(other.len());
    both > 0 && one[both - 1] != other[both - 1]
}

/// The generation continues in a copy that lacked its end, and the file is longer than that copy.
fn extends_short_copy(row: &GenerationRow, subject: &Subject<'_>) -> bool {
    row.is_short() && subject.tracked.size > row.last_mark().offset
}
