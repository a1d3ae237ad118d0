//! Opens the keys directory without following links, and checks every file in it before use.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::file::{KeyFileError, LONGEST};
use super::file_names::FileKind;
use super::{KeyError, KeyId, Month, MonthKey, Slot, UsedKey};

/// An open keys directory that has passed the checks of its owner and permissions.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    directory: OwnedFd,
}

/// Prefix of the names of temporary files.
pub(super) const TEMPORARY_PREFIX: &str = ".new-";

impl Directory {
    pub fn open(path: &Path) -> Result<Directory, KeyError> {
        let path = without_trailing_slash(path);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match openat(CWD, &path, flags, Mode::empty()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Err(KeyError::NoDirectory { directory: path }),
            Err(_) if path.is_symlink() => {
                return Err(KeyError::DirectoryIsLink { directory: path });
            }
            Err(error) => {
                return Err(KeyError::Directory { directory: path, source: error.into() });
            }
        };
        let failed =
            |error: Errno| KeyError::Directory { directory: path.clone(), source: error.into() };
        let stat = fstat(&directory).map_err(failed)?;
        let (owner, user) = (stat.st_uid, user());
        // A directory that belongs to root and that this user can read is safe too.
        if owner != user && owner != 0 {
            return Err(KeyError::ForeignDirectory { directory: path, owner, user });
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(KeyError::DirectoryIsOpen { directory: path });
        }
        Ok(Directory { path, directory })
    }

    /// Creates the directory, accessible to its owner only, if it does not exist.
    pub fn open_or_create(path: &Path) -> Result<Directory, KeyError> {
        match Directory::open(path) {
            Err(KeyError::NoDirectory { directory }) => {
                create_all(&directory)
                    .map_err(|source| KeyError::Write { path: directory, source })?;
                Directory::open(path)
            }
            opened => opened,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The error for a used key that is missing.
    pub fn missing(&self, used: UsedKey) -> KeyError {
        let path = self.path_of(&used.slot.file_name(FileKind::Key));
        KeyError::Missing { slot: used.slot, id: used.id, path }
    }

    /// The error for a slot that contains another key than the one that was used.
    pub fn replaced(&self, used: UsedKey, found: KeyId) -> KeyError {
        let path = self.path_of(&used.slot.file_name(FileKind::Key));
        KeyError::Replaced { slot: used.slot, path, used: used.id, found }
    }

    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.directory)?)
    }

    pub fn names(&self) -> Result<Vec<String>, KeyError> {
        let failed = |error: Errno| KeyError::Directory {
            directory: self.path.clone(),
            source: error.into(),
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            names.push(name);
        }
        names.retain(|name| name != "." && name != "..");
        names.sort();
        Ok(names)
    }

    /// All files of slots, in order; within a slot the key comes before the tombstone.
    pub fn slots(&self) -> Result<Vec<(Slot, FileKind)>, KeyError> {
        let mut slots: Vec<_> =
            self.names()?.iter().filter_map(|name| Slot::of_file(name)).collect();
        slots.sort();
        Ok(slots)
    }

    pub fn slots_of(&self, month: Month) -> Result<Vec<(Slot, FileKind)>, KeyError> {
        let mut slots = self.slots()?;
        slots.retain(|(slot, _)| slot.month == month);
        Ok(slots)
    }

    /// Loads the key of a slot; fails if its file does not pass all checks.
    pub fn load(&self, slot: Slot) -> Result<MonthKey, KeyError> {
        let name = slot.file_name(FileKind::Key);
        let path = self.path_of(&name);
        let text = self.read(&name, LONGEST)?;
        let key = MonthKey::read(&text, slot).map_err(|problem| match problem {
            KeyFileError::Damaged(problem) => KeyError::Damaged { path: path.clone(), problem },
            KeyFileError::Newer(kind) => KeyError::Newer { path: path.clone(), kind },
        })?;
        if key.slot() != slot {
            let right = self.path_of(&key.slot().file_name(FileKind::Key));
            return Err(KeyError::WrongMonth { path, held: key.slot(), right });
        }
        Ok(key)
    }

    /// The whole content of a file that only this user can read and write; any other file is an error.
    pub fn read(&self, name: &str, longest: u64) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let path = self.path_of(name);
        let file = self.open_file(name)?;
        let mut text = Zeroizing::new(Vec::with_capacity(longest.min(64 * 1024) as usize));
        file.take(longest + 1)
            .read_to_end(&mut text)
            .map_err(|source| KeyError::Read { path: path.clone(), source })?;
        match text.len() as u64 > longest {
            true => Err(KeyError::Damaged { path, problem: "it is too long" }),
            false => Ok(text),
        }
    }

    fn open_file(&self, name: &str) -> Result<File, KeyError> {
        let path = self.path_of(name);
        // NONBLOCK: opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => return Err(KeyError::Link { path }),
            // A socket.
            Err(Errno::NXIO) => return Err(KeyError::NoFile { path, kind: "socket" }),
            Err(error) => {
                // Prefer the specific error: a foreign owner or wrong permissions.
                if let Ok(metadata) = std::fs::symlink_metadata(&path) {
                    check(&metadata, path.clone())?;
                }
                return Err(KeyError::Read { path, source: error.into() });
            }
        };
        let failed = |source| KeyError::Read { path: path.clone(), source };
        let mut metadata = file.metadata().map_err(failed)?;
        // The second name may be the temporary one.
        if metadata.nlink() == 2 {
            self.remove_temporary_name(&file).map_err(|error| failed(error.into()))?;
            metadata = file.metadata().map_err(failed)?;
        }
        check(&metadata, path)?;
        Ok(file)
    }

    /// Removes the temporary name of a key that also has its final name. Normally the process that created it does so;
    /// if that was killed or is not finished, any process may.
    fn remove_temporary_name(&self, key: &File) -> rustix::io::Result<()> {
        let key = fstat(key)?;
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                continue;
            }
            match statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(temporary)
                    if (temporary.st_dev, temporary.st_ino) == (key.st_dev, key.st_ino) =>
                {
                    self.remove(name)?;
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Creates an empty file, accessible to its owner only. Fails if the name exists.
    pub fn create(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(openat(&self.directory, name, flags, mode)?))
    }

    /// Writes a file, accessible to its owner only, durable when this returns; after a failed write, no file remains.
    /// Fails if the name exists.
    pub fn write_new(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let mut file = self.create(name, OFlags::WRONLY)?;
        file.write_all(text).and_then(|()| file.sync_all()).inspect_err(|_| {
            // Best effort: the first error is reported.
            let _ = self.remove(name);
        })?;
        self.sync()
    }

    /// Removes a file; succeeds if it does not exist.
    pub fn remove(&self, name: impl rustix::path::Arg) -> rustix::io::Result<()> {
        match unlinkat(self.directory.as_fd(), name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            done => done,
        }
    }
}

pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check(file: &Metadata, path: PathBuf) -> Result<(), KeyError> {
    let kind = match FileType::from_raw_mode(file.mode()) {
        FileType::RegularFile => None,
        FileType::Directory => Some("directory"),
        FileType::Fifo => Some("named pipe"),
        FileType::Socket => Some("socket"),
        _ => Some("device"),
    };
    if let Some(kind) = kind {
        return Err(KeyError::NoFile { path, kind });
    }
    let (owner, user) = (file.uid(), user());
    if owner != user {
        return Err(KeyError::Foreign { path, owner, user });
    }
    let mode = file.mode() & 0o7777;
    if mode != 0o600 && mode != 0o400 {
        return Err(KeyError::Loose { path, mode });
    }
    match file.nlink() {
        1 => Ok(()),
        links => Err(KeyError::ManyNames { path, links }),
    }
}

/// With a trailing slash, `openat` would follow a symbolic link.
pub(super) fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Creates the directory and its parents, accessible to their owner only; durable when this returns.
fn create_all(directory: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<PathBuf> =
        directory.ancestors().take_while(is_missing).map(Path::to_owned).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    missing.iter().rev().try_for_each(|made| File::open(parent(made))?.sync_all())
}

/// The parent of a path; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent.unwrap_or(path),
    }
}
