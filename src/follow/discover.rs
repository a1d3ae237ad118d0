//! Finds the files that the sources match now: paths, patterns and directories → files with device and inode.
//!
//! Opens no file. Reports paths that could not be read; such a path may still have files.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::SourceConfig;
use super::identity::DeviceInode;
use super::own_files::{OwnFiles, OwnPaths};
use super::rotated_names::directory_of;
use super::{pattern, rotated_names};
use crate::base::timed_fs::{self, Entry};

/// Maximum number of directory levels that `**` matches.
const MAX_DEPTH: usize = 16;

/// A regular file that a source matches.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundFile {
    /// Index of the source.
    pub source: usize,
    pub path: PathBuf,
    pub place: DeviceInode,
}

/// Why a configured path yields no files, or not all of them.
#[derive(Debug)]
pub enum Problem {
    /// It does not exist (yet).
    Missing(PathBuf),
    /// A directory without a file to follow.
    Empty(PathBuf),
    /// It is compressed in a format that cannot be read.
    Compressed(PathBuf),
    /// It exists but can never be followed; the number counts further such files of the same pattern or directory.
    Special(PathBuf, Special, usize),
    /// One of Logwarden's own files, and the source that matches it.
    OwnPaths(PathBuf, Arc<str>),
    /// It could not be read.
    Failed(PathBuf, io::Error),
}

/// The kind of a file that is neither regular nor a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Pipe,
    Socket,
    Device,
    /// A symbolic link that leads to itself.
    CircularLink,
}

impl Special {
    fn of(kind: FileType) -> Option<Special> {
        match kind {
            kind if kind.is_fifo() => Some(Special::Pipe),
            kind if kind.is_socket() => Some(Special::Socket),
            kind if kind.is_char_device() || kind.is_block_device() => Some(Special::Device),
            _ => None,
        }
    }
}

/// The files that a scan found, and what it needs to say about them.
#[derive(Debug, Default)]
pub struct ScanResult {
    pub found: Vec<FoundFile>,
    pub problems: Vec<Problem>,
    /// Directories in which a new file could match.
    pub directories: BTreeSet<PathBuf>,
    /// At least one path is a symbolic link, so its target may change elsewhere.
    pub has_links: bool,
    /// Files that Logwarden writes itself.
    pub own: OwnFiles,
    seen: HashSet<DeviceInode>,
}

impl Problem {
    /// Whether the path could not be read because its mount does not respond.
    pub fn is_stuck(&self) -> bool {
        matches!(self, Problem::Failed(_, error) if timed_fs::is_stuck(error))
    }
}

impl ScanResult {
    /// Whether everything could be read, except on mounts that do not respond.
    pub fn is_complete_except_mounts(&self) -> bool {
        !self
            .problems
            .iter()
            .any(|problem| matches!(problem, Problem::Failed(..)) && !problem.is_stuck())
    }

    /// Whether everything could be read.
    pub fn is_complete(&self) -> bool {
        !self.problems.iter().any(|problem| matches!(problem, Problem::Failed(..)))
    }
}

/// Finds all matching files. A file that is reached twice counts once, for the first source that matches it. `before`:
/// Logwarden's own files as of the last scan.
pub fn scan(sources: &[Arc<SourceConfig>], own: &OwnPaths, before: &OwnFiles) -> ScanResult {
    let mut result = ScanResult { own: own.resolve(before), ..ScanResult::default() };
    for (index, source) in sources.iter().enumerate() {
        let keeps_own = own.except.as_ref().is_some_and(|except| source.paths.contains(except));
        let checked_source = (!keeps_own).then_some(&source.name);
        for path in &source.paths {
            Walk { result: &mut result, source: index, checked_source, special: None }
                .walk_configured(path);
        }
    }
    result
}

/// Whether the source matches the path, or the path is a rotated name of a matched one.
pub fn means(source: &SourceConfig, path: &Path) -> bool {
    // Relative to an unknown working directory, so it cannot be compared.
    if path.is_relative() {
        return false;
    }
    let Some(name) = path.file_name() else { return false };
    let plain = path.with_file_name(OsString::from_vec(rotated_names::root(path)));
    source.paths.iter().filter_map(|configured| std::path::absolute(configured).ok()).any(
        |configured| {
            // A path that cannot be read now may be a directory.
            let is_directory = match timed_fs::metadata(&configured) {
                Ok(found) => found.is_dir(),
                Err(error) => timed_fs::is_stuck(&error),
            };
            if is_directory {
                return path.parent() == Some(&*configured);
            }
            let rotated = || {
                let has_suffix = configured
                    .file_name()
                    .is_some_and(|of| rotated_names::is_rotated(of.as_bytes(), name.as_bytes()));
                has_suffix && configured.parent() == path.parent()
            };
            pattern::matches_path(&configured, path)
                || pattern::matches_path(&configured, &plain)
                || rotated()
        },
    )
}

/// Whether the name is that of an editor's temporary file, unless the pattern asks for its suffix.
fn is_scratch_beside(pattern: &[u8], name: &[u8]) -> bool {
    rotated_names::scratch_ending(name).is_some_and(|ending| !pattern.ends_with(ending))
}

/// A directory entry, with the device of the directory.
struct Listed<'a> {
    directory: &'a Path,
    entry: Entry,
    device: u64,
}

impl Listed<'_> {
    fn path(&self) -> PathBuf {
        self.directory.join(&self.entry.name)
    }
}

struct Walk<'a> {
    result: &'a mut ScanResult,
    source: usize,
    /// Name of the source, unless it may read Logwarden's own files.
    checked_source: Option<&'a Arc<str>>,
    /// The first special file of the configured path, and the number of further ones.
    special: Option<(PathBuf, Special, usize)>,
}

impl Walk<'_> {
    fn walk_configured(&mut self, path: &Path) {
        self.walk(path);
        if let Some((path, kind, others)) = self.special.take() {
            self.result.problems.push(Problem::Special(path, kind, others));
        }
    }

    fn walk(&mut self, path: &Path) {
        let link = self.check_link(path);
        match timed_fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.walk_directory(path),
            Ok(metadata) if metadata.is_file() => {
                self.result.directories.insert(directory_of(path).to_owned());
                if rotated_names::has_unsupported_compression(path) {
                    self.result.problems.push(Problem::Compressed(path.to_owned()));
                } else {
                    self.add_file(path.to_owned(), DeviceInode::of(&metadata), link);
                }
            }
            Ok(metadata) => self.record_special(path.to_owned(), metadata.file_type()),
            Err(error) if timed_fs::is_stuck(&error) => self.record_missing(path, error),
            Err(_) if pattern::is_pattern(path.as_os_str().as_bytes()) => self.walk_pattern(path),
            Err(error) => self.record_missing(path, error),
        }
    }

    fn record_special(&mut self, path: PathBuf, kind: FileType) {
        match (&mut self.special, Special::of(kind)) {
            (Some((_, _, others)), Some(_)) => *others += 1,
            (none, Some(kind)) => *none = Some((path, kind, 0)),
            (_, None) => {}
        }
    }

    fn check_link(&mut self, path: &Path) -> bool {
        let link = timed_fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
        self.result.has_links |= link;
        link
    }

    fn record_missing(&mut self, path: &Path, error: io::Error) {
        self.result.directories.insert(directory_of(path).to_owned());
        let circle = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        self.result.problems.push(if circle {
            Problem::Special(path.to_owned(), Special::CircularLink, 0)
        } else if error.kind() == io::ErrorKind::NotFound {
            Problem::Missing(path.to_owned())
        } else {
            Problem::Failed(path.to_owned(), error)
        });
    }

    fn walk_directory(&mut self, path: &Path) {
        let before = self.result.found.len();
        let seen = self.result.seen.len();
        self.for_each_entry(path, &mut |walk, listed| {
            let name = listed.entry.name.as_bytes();
            if !name.starts_with(b".") && !rotated_names::is_scratch(name) {
                walk.add_entry(listed);
            }
        });
        let nothing = self.result.found.len() == before && self.special.is_none();
        if nothing && self.result.seen.len() == seen {
            self.result.problems.push(Problem::Empty(path.to_owned()));
        }
    }

    fn walk_pattern(&mut self, path: &Path) {
        let before = self.result.found.len();
        let failed = self.result.problems.len();
        let components: Vec<Component<'_>> = path.components().collect();
        self.descend(PathBuf::new(), &components, 0);
        let nothing = self.result.found.len() == before && self.special.is_none();
        if nothing && self.result.problems.len() == failed {
            self.result.problems.push(Problem::Missing(path.to_owned()));
        }
    }

    fn descend(&mut self, base: PathBuf, components: &[Component<'_>], depth: usize) {
        let Some((first, rest)) = components.split_first() else { return };
        let name = first.as_os_str();
        if name == "**" && depth < MAX_DEPTH {
            self.descend(base.clone(), rest, depth);
            let directory = if base.as_os_str().is_empty() { PathBuf::from(".") } else { base };
            self.for_each_entry(&directory, &mut |walk, listed| {
                if listed.entry.kind.is_dir() {
                    walk.descend(listed.path(), components, depth + 1);
                }
            });
        } else if !pattern::is_pattern(name.as_bytes()) {
            self.step(base.join(name), rest, depth);
        } else {
            let directory =
                if base.as_os_str().is_empty() { PathBuf::from(".") } else { base.clone() };
            self.for_each_entry(&directory, &mut |walk, listed| {
                if !pattern::matches(name.as_bytes(), listed.entry.name.as_bytes()) {
                } else if rest.is_empty() {
                    if !is_scratch_beside(name.as_bytes(), listed.entry.name.as_bytes()) {
                        walk.add_entry(listed);
                    }
                } else {
                    walk.step(base.join(&listed.entry.name), rest, depth);
                }
            });
        }
    }

    fn step(&mut self, path: PathBuf, rest: &[Component<'_>], depth: usize) {
        if !rest.is_empty() {
            return self.descend(path, rest, depth);
        }
        self.result.directories.insert(directory_of(&path).to_owned());
        let link = self.check_link(&path);
        match timed_fs::metadata(&path) {
            Ok(metadata)
                if metadata.is_file() && !rotated_names::has_unsupported_compression(&path) =>
            {
                self.add_file(path, DeviceInode::of(&metadata), link);
            }
            Ok(metadata) => self.record_special(path, metadata.file_type()),
            Err(error) => self.record_unreadable(path, error),
        }
    }

    /// For a pattern, a missing file is not a problem, but an unreadable one is. A circular link counts as missing.
    fn record_unreadable(&mut self, path: PathBuf, error: io::Error) {
        let circle = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
        let absent = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
        if !circle && !absent {
            self.result.problems.push(Problem::Failed(path, error));
        }
    }

    fn for_each_entry(&mut self, directory: &Path, each: &mut dyn FnMut(&mut Self, &Listed<'_>)) {
        // Includes directories that do not exist yet.
        self.result.directories.insert(directory.to_owned());
        let mut entries = match timed_fs::read_dir(directory) {
            Ok(entries) => entries,
            // Not a directory, or removed between two reads: it has no entries.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.result.problems.push(Problem::Failed(directory.to_owned(), error));
            }
        };
        let device = timed_fs::metadata(directory).map_or(0, |directory| directory.dev());
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        for entry in entries {
            each(self, &Listed { directory, entry, device });
        }
    }

    /// Adds one file of a directory, without reading the file's own metadata if possible.
    fn add_entry(&mut self, listed: &Listed<'_>) {
        let (path, kind) = (listed.path(), listed.entry.kind);
        let place = if kind.is_file() {
            DeviceInode { device: listed.device, inode: listed.entry.inode }
        } else if kind.is_symlink() {
            self.result.has_links = true;
            match timed_fs::metadata(&path) {
                Ok(target) if target.is_file() => DeviceInode::of(&target),
                Ok(target) => return self.record_special(path, target.file_type()),
                Err(error) => return self.record_unreadable(path, error),
            }
        } else {
            return self.record_special(path, kind);
        };
        if rotated_names::has_unsupported_compression(&path) {
            self.result.problems.push(Problem::Compressed(path));
        } else {
            self.add_file(path, place, kind.is_symlink());
        }
    }

    fn add_file(&mut self, path: PathBuf, place: DeviceInode, link: bool) {
        let own_file = match self
            .checked_source
            .map(|source| (source, self.result.own.owner(&path, place, link)))
        {
            Some((_, Err(error))) => return self.record_unreadable(path, error),
            Some((source, Ok(own_file))) => own_file.map(|own_file| (source, own_file)),
            None => None,
        };
        if let Some((source, own_file)) = own_file {
            if !self.result.problems.iter().any(|problem| problem.is_own(&own_file)) {
                self.result.problems.push(Problem::OwnPaths(own_file, source.clone()));
            }
            return;
        }
        if self.result.seen.insert(place) {
            self.result.found.push(FoundFile { source: self.source, path, place });
        }
    }
}
