//! File system calls with a deadline, so that a mount that does not answer (a dead NFS server) delays no caller for
//! long.
//!
//! On local disks a call is made directly. On every other mount (network, FUSE, unknown types) a thread of that mount
//! makes the call, and the caller waits for it up to the deadline in [`mount`]. While a call is overdue, the mount is
//! stuck: no further call is made to it until that call returns, and callers immediately get an error of the kind
//! [`io::ErrorKind::TimedOut`]. So at most one thread per mount hangs, and it never delays the exit.
//!
//! Not covered: a local disk that hangs, the file system of `/`, and a link whose target moves to another mount
//! between two system calls.

mod mount;
mod mounts;

use std::ffi::OsString;
use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{DirEntryExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::mount::Mount;

/// A mount that does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub point: PathBuf,
    /// Type of the file system, as mount(8) names it.
    pub kind: String,
    /// How long it has not answered.
    pub waited: Duration,
}

/// One name in a directory.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: OsString,
    /// Of a link: the type of the link itself, not of its target.
    pub kind: FileType,
    pub inode: u64,
}

/// The mounts that do not answer now.
pub fn stuck() -> Vec<Stuck> {
    let stuck = |mount: &Arc<Mount>| {
        let waited = mount.stuck_for()?;
        Some(Stuck { point: mount.point.clone(), kind: mount.kind.clone(), waited })
    };
    mounts::all().iter().filter_map(stuck).collect()
}

/// Whether the path is on a mount that may hang, so that a thread of that mount makes the calls. Inotify is
/// unreliable there: it reports few changes, and may hang like any other call.
pub fn is_foreign(path: &Path) -> bool {
    mounts::of(path, Links::Followed).is_some()
}

/// Whether `error` says that a mount does not answer.
pub fn is_stuck(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

/// Whether the file server no longer knows the open file (ESTALE), mostly because another host has deleted it.
pub fn is_stale(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::STALE.raw_os_error())
}

pub fn metadata(path: &Path) -> io::Result<Metadata> {
    at(path, Links::Followed, |path| fs::metadata(path))
}

pub fn symlink_metadata(path: &Path) -> io::Result<Metadata> {
    at(path, Links::NotFollowed, |path| fs::symlink_metadata(path))
}

pub fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    at(path, Links::Followed, |path| fs::canonicalize(path))
}

/// The target of a link, as it is written in the link.
pub fn read_link(path: &Path) -> io::Result<PathBuf> {
    at(path, Links::NotFollowed, |path| fs::read_link(path))
}

/// All names in a directory; an error if it cannot be read to its end.
pub fn read_dir(directory: &Path) -> io::Result<Vec<Entry>> {
    at(directory, Links::Followed, |directory| {
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            // Deleted between two calls.
            let Ok(kind) = entry.file_type() else { continue };
            entries.push(Entry { name: entry.file_name(), kind, inode: entry.ino() });
        }
        Ok(entries)
    })
}

/// Opens a file for reading. If the name is that of a pipe, this does not wait for a writer.
pub fn open(path: &Path) -> io::Result<File> {
    let mount = mounts::of(path, Links::Followed);
    let open = |path: &Path| {
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map(Arc::new)
    };
    let Some(mount) = mount else { return Ok(File { inner: Some(open(path)?), mount: None }) };
    let (path, of) = (path.to_owned(), mount.clone());
    mount.call(move || Ok(File { inner: Some(open(&path)?), mount: Some(of) }))
}

/// The first `most` bytes (of a pipe: until it is closed) and the metadata at that moment.
pub fn read(path: &Path, most: u64) -> io::Result<(Vec<u8>, Metadata)> {
    at(path, Links::Followed, move |path| {
        let file = fs::File::open(path)?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok((bytes, metadata))
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    /// If the last component of the path is a link, it is not followed.
    NotFollowed,
}

/// Makes a call with this path: directly, or on the thread of its mount.
fn at<T: Send + 'static>(
    path: &Path,
    links: Links,
    call: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match mounts::of(path, links) {
        None => call(path),
        Some(mount) => {
            let path = path.to_owned();
            mount.call(move || call(&path))
        }
    }
}

/// An open file that can be read at any offset. The thread of its mount, if any, closes it: closing may hang.
#[derive(Debug)]
pub struct File {
    /// `None`: dropped.
    inner: Option<Arc<fs::File>>,
    mount: Option<Arc<Mount>>,
}

impl File {
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.call(fs::File::metadata)
    }

    /// The first offset at or after `offset` that holds data (lseek(2), `SEEK_DATA`).
    pub fn data_from(&self, offset: u64) -> io::Result<u64> {
        let seek = rustix::fs::SeekFrom::Data(offset);
        self.call(move |file| Ok(rustix::fs::seek(file, seek)?))
    }

    /// How long the file's mount has not answered, if it is stuck.
    pub fn stuck_for(&self) -> Option<Duration> {
        self.mount.as_ref().and_then(|mount| mount.stuck_for())
    }

    /// The file itself, only for Logwarden's own files on a local disk: calls to it have no deadline.
    pub fn own(&self) -> &fs::File {
        self.inner()
    }

    fn inner(&self) -> &Arc<fs::File> {
        self.inner.as_ref().expect("it is taken by drop alone")
    }

    fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&fs::File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match &self.mount {
            None => call(self.inner()),
            Some(mount) => {
                let file = self.inner().clone();
                mount.call(move || call(&file))
            }
        }
    }
}

/// Something that can be read at any offset.
pub trait ReadAt {
    /// Reads at `offset` and returns the number of bytes, which may be fewer than are available.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.mount.is_none() {
            return FileExt::read_at(&**self.inner(), buffer, offset);
        }
        let wanted = buffer.len();
        let bytes = self.call(move |file| {
            let mut bytes = vec![0; wanted];
            let read = FileExt::read_at(file, &mut bytes, offset)?;
            bytes.truncate(read);
            Ok(bytes)
        })?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

impl ReadAt for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl<T: ReadAt> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        T::read_at(self, buffer, offset)
    }
}

impl<T: ReadAt> ReadAt for Arc<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        T::read_at(self, buffer, offset)
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.inner().as_raw_fd()
    }
}

/// For Logwarden's own files: see [`File::own`].
impl From<fs::File> for File {
    fn from(file: fs::File) -> Self {
        File { inner: Some(Arc::new(file)), mount: None }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // If a call is using the file, the mount's thread closes it afterwards.
        let file = self.inner.take().and_then(Arc::into_inner);
        if let (Some(file), Some(mount)) = (file, &self.mount) {
            mount.close(file);
        }
    }
}

#[cfg(test)]
mod tests;
