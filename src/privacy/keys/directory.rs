//! The directory itself, opened without following links, and the checks that every file in it has to pass.

use std::fs::{DirBuilder, File, Metadata};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::file::{LONGEST, Unreadable};
use super::file_names::Kept;
use super::{KeyError, KeyId, Month, MonthKey, Slot, UsedKey};

#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    directory: OwnedFd,
}

/// Beginning of the names of files that are not yet keys.
pub(super) const ASIDE: &str = ".new-";

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
        // One that root made for us and we cannot change is as good.
        if owner != user && owner != 0 {
            return Err(KeyError::ForeignDirectory { directory: path, owner, user });
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(KeyError::DirectoryIsOpen { directory: path });
        }
        Ok(Directory { path, directory })
    }

    /// Makes it, for its owner alone, where there is none.
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

    /// This key was used, and is not there.
    pub fn missing(&self, used: UsedKey) -> KeyError {
        let path = self.path_of(&used.slot.file_name(Kept::Key));
        KeyError::Missing { slot: used.slot, id: used.id, path }
    }

    /// Another key was used in its place.
    pub fn replaced(&self, used: UsedKey, found: KeyId) -> KeyError {
        let path = self.path_of(&used.slot.file_name(Kept::Key));
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

    /// Every slot that holds something, in order; a tombstone stands behind the key of its slot.
    pub fn slots(&self) -> Result<Vec<(Slot, Kept)>, KeyError> {
        let mut slots: Vec<_> =
            self.names()?.iter().filter_map(|name| Slot::of_file(name)).collect();
        slots.sort();
        Ok(slots)
    }

    pub fn slots_of(&self, month: Month) -> Result<Vec<(Slot, Kept)>, KeyError> {
        let mut slots = self.slots()?;
        slots.retain(|(slot, _)| slot.month == month);
        Ok(slots)
    }

    /// The key of a slot, if its file is in order.
    pub fn load(&self, slot: Slot) -> Result<MonthKey, KeyError> {
        let name = slot.file_name(Kept::Key);
        let path = self.path_of(&name);
        let text = self.read(&name, LONGEST)?;
        let key = MonthKey::read(&text, slot).map_err(|problem| match problem {
            Unreadable::Damaged(problem) => KeyError::Damaged { path: path.clone(), problem },
            Unreadable::Newer(kind) => KeyError::Newer { path: path.clone(), kind },
        })?;
        if key.slot() != slot {
            let right = self.path_of(&key.slot().file_name(Kept::Key));
            return Err(KeyError::WrongMonth { path, held: key.slot(), right });
        }
        Ok(key)
    }

    /// A file of ours that nobody else can read or write, whole.
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
        // Opening a named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => return Err(KeyError::Link { path }),
            // A socket.
            Err(Errno::NXIO) => return Err(KeyError::NoFile { path, kind: "socket" }),
            Err(error) => {
                // That of somebody else, or one that we took our own right to read from, is said to be so.
                if let Ok(metadata) = std::fs::symlink_metadata(&path) {
                    check(&metadata, path.clone())?;
                }
                return Err(KeyError::Read { path, source: error.into() });
            }
        };
        let failed = |source| KeyError::Read { path: path.clone(), source };
        let mut metadata = file.metadata().map_err(failed)?;
        if metadata.nlink() == 2 {
            self.finish(&file).map_err(|error| failed(error.into()))?;
            metadata = file.metadata().map_err(failed)?;
        }
        check(&metadata, path)?;
        Ok(file)
    }

    /// A key in the middle of its creation has its final name and that of before. Whoever made it takes the
    /// other away, if it still lives; so may everybody.
    fn finish(&self, key: &File) -> rustix::io::Result<()> {
        let key = fstat(key)?;
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_bytes().starts_with(ASIDE.as_bytes()) {
                continue;
            }
            match statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(aside) if (aside.st_dev, aside.st_ino) == (key.st_dev, key.st_ino) => {
                    self.remove(name)?;
                }
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// An empty file for its owner alone. Fails where there is one of that name.
    pub fn create(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(openat(&self.directory, name, flags, mode)?))
    }

    /// A file for its owner alone, durable when this returns; where it cannot be written, none is left. Fails where
    /// there is one of that name.
    pub fn write_new(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let mut file = self.create(name, OFlags::WRONLY)?;
        file.write_all(text).and_then(|()| file.sync_all()).inspect_err(|_| {
            // Best effort: the error is what counts.
            let _ = self.remove(name);
        })?;
        self.sync()
    }

    /// That it is gone already is as good.
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

/// With one, a link would be followed to what it names.
pub(super) fn without_trailing_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

/// The directory and those above it, for their owner alone; the names of the new ones are durable when this returns.
fn create_all(directory: &Path) -> io::Result<()> {
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let missing: Vec<PathBuf> =
        directory.ancestors().take_while(is_missing).map(Path::to_owned).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    missing.iter().rev().try_for_each(|made| File::open(parent(made))?.sync_all())
}

/// Of a bare name, that is here.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent.unwrap_or(path),
    }
}
