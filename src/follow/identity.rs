//! Reads the data that identify a file: inode, birth time, head, and the mark, whose bytes it must still contain.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::compressed::Compression;
use super::positioned_read::read_full;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::{FileKey, IdKey, Identity, Mark};

/// Length of the head, in bytes.
pub const HEAD_LEN: usize = 4096;
/// Bytes before the mark that are hashed.
const BEFORE_MARK: usize = 64;
/// Bytes of the second, wider hash: the last 64 bytes may be the same in every line.
const WIDE_BEFORE_MARK: u64 = 4096;

/// Device and inode of a file. They only distinguish files that exist now: inodes are reused, and the device number may
/// change with the next mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceInode {
    pub device: u64,
    pub inode: u64,
}

impl DeviceInode {
    pub fn of(metadata: &Metadata) -> DeviceInode {
        DeviceInode { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Key of the file with this birth time.
    pub fn file(self, birth: i64) -> FileKey {
        FileKey { inode: self.inode, birth }
    }
}

/// Birth time in nanoseconds since the epoch; 0 where the file system keeps none.
pub fn birth(metadata: &Metadata) -> i64 {
    metadata.created().map_or(0, |time| Timestamp::from(time).0.max(0))
}

/// Key of the file in its file system.
pub fn key_of(metadata: &Metadata) -> FileKey {
    FileKey { inode: metadata.ino(), birth: birth(metadata) }
}

/// The head of a file: the bytes that are used for identification.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    pub fn read(file: &File) -> io::Result<Head> {
        let mut bytes = vec![0; HEAD_LEN];
        let read = read_full(file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Head { bytes })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Length of the common part if it is equal; `None` if the heads differ.
    pub fn shared_with(&self, other: &Head) -> Option<usize> {
        let both = self.bytes.len().min(other.bytes.len());
        (self.bytes[..both] == other.bytes[..both]).then_some(both)
    }

    /// Length of the first complete line, or of the whole head; `None` while the line may still grow.
    pub fn complete_len(&self) -> Option<usize> {
        let line = memchr::memchr(b'\n', &self.bytes).map(|at| at + 1);
        line.or((self.bytes.len() == HEAD_LEN).then_some(HEAD_LEN))
    }

    /// Hashes of the first 2, 3, 4, 6, … complete lines, as far as the head contains them.
    pub fn line_hashes(&self, key: &IdKey) -> Vec<u64> {
        const LINES: [usize; 11] = [2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64];
        let mut ends = memchr::memchr_iter(b'\n', &self.bytes).skip(1).map(|at| at + 1);
        let mut before = 1;
        let hash = |lines: &usize| {
            let end = ends.nth(lines - before - 1)?;
            before = *lines;
            Some(key.hash(&self.bytes[..end]))
        };
        LINES.iter().map_while(hash).collect()
    }

    /// Length of the first line if nothing more will be written.
    pub fn final_len(&self) -> usize {
        self.complete_len().unwrap_or(self.bytes.len())
    }

    /// Hash of the first `len` bytes.
    pub fn hash(&self, len: usize, key: &IdKey) -> u64 {
        key.hash(&self.bytes[..len])
    }

    pub fn identity(&self, len: usize, inode: u64, birth: i64, key: &IdKey) -> Identity {
        let head_hash = self.hash(len, key);
        Identity { inode, birth, head_len: len as u32, head_hash, ordinal: 0 }
    }

    /// Whether the file begins with the head of that generation.
    pub fn matches(&self, identity: &Identity, key: &IdKey) -> bool {
        self.bytes
            .get(..identity.head_len as usize)
            .is_some_and(|head| key.hash(head) == identity.head_hash)
    }

    pub fn compression(&self) -> Option<Compression> {
        Compression::of(&self.bytes)
    }

    /// The kind of file if its first bytes show that it is compressed or not text.
    pub fn binary(&self) -> Option<&'static str> {
        binary(&self.bytes)
    }
}

/// The kind of file if its first bytes show that it is not text.
pub fn binary(head: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 10] = [
        (b"\x1f\x8b", "gzip data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"BZh", "bzip2 data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x7fELF", "a program"),
        (b"\x89PNG", "an image"),
        (b"SQLite format 3\0", "a database"),
        (b"LPKSHHRH", "a systemd journal"),
        (b"%PDF-", "a PDF document"),
    ];
    MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, what)| *what)
}

/// The mark at `offset`; `None` if the file is shorter.
pub fn mark_at(file: &File, offset: u64, key: &IdKey) -> io::Result<Option<Mark>> {
    let mut buffer = [0u8; WIDE_BEFORE_MARK as usize];
    let len = offset.min(WIDE_BEFORE_MARK);
    let wide = &mut buffer[..len as usize];
    if read_full(file, wide, offset - len)? < wide.len() {
        return Ok(None);
    }
    let before = &wide[wide.len().saturating_sub(BEFORE_MARK)..];
    Ok(Some(Mark { offset, hash: key.hash(before), wide: key.hash(wide) }))
}

/// Whether the bytes before the mark are unchanged.
pub fn matches_mark(file: &File, mark: &Mark, key: &IdKey) -> io::Result<bool> {
    if mark.offset == 0 {
        return Ok(true);
    }
    let found = mark_at(file, mark.offset, key)?;
    Ok(found.is_some_and(|found| {
        found.hash == mark.hash && (mark.wide == 0 || found.wide == mark.wide)
    }))
}

/// The mark at `offset`; `None` if the file is shorter, or if the bytes before `last` have changed and the content thus
/// belongs to another generation.
pub fn next_mark(file: &File, last: &Mark, offset: u64, key: &IdKey) -> io::Result<Option<Mark>> {
    let mark = mark_at(file, offset, key)?;
    Ok(mark.filter(|_| matches_mark(file, last, key).unwrap_or(false)))
}

/// Whether both files have the same bytes in the part of [from, to) that both contain.
pub fn same_bytes(one: &File, other: &File, from: u64, to: u64) -> io::Result<bool> {
    let len = (to - from) as usize;
    let (mut left, mut right) = (vec![0; len], vec![0; len]);
    let read = read_full(one, &mut left, from)?.min(read_full(other, &mut right, from)?);
    Ok(left[..read] == right[..read])
}

/// The current path of an open file, even if no pattern matches it any more; `None` if the file was deleted.
pub(in crate::follow) fn name_of(file: &File) -> Option<std::path::PathBuf> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).ok().filter(|path| timed_fs::metadata(path).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_differ_by_the_lines_that_both_have() {
        let key = IdKey::from_host_id("test");
        let hashes = |text: &str| Head { bytes: text.into() }.line_hashes(&key);
        assert_eq!(hashes("one\ntwo"), Vec::<u64>::new());
        let (two, three) = (hashes("one\ntwo\n"), hashes("one\ntwo\nthree\n"));
        assert_eq!((two.len(), three.len()), (1, 2));
        assert_eq!(two[0], three[0]);
        assert_ne!(two, hashes("one\n2\n"));
        let many: String = (0..100).map(|line| format!("{line}\n")).collect();
        assert_eq!(hashes(&many).len(), 11);
        let other = many.replace("\n60\n", "\nsixty\n");
        assert_eq!(hashes(&many)[..10], hashes(&other)[..10]);
        assert_ne!(hashes(&many)[10], hashes(&other)[10]);
    }
}
