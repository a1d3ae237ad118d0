//! What makes a file itself: inode, birth, head, and the mark that its content must still bear.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::compressed::Compression;
use super::positioned_read::read_full;
use crate::base::Timestamp;
use crate::base::timed_fs::{self, File};
use crate::event::{FileKey, IdKey, Identity, Mark};

/// Longest head, in bytes.
pub const HEAD: usize = 4096;
/// Bytes before the mark that are hashed.
const BEFORE_MARK: usize = 64;
/// … and more of them, because the last 64 may be the same in every line.
const WIDE: u64 = 4096;

/// Where a file lies now. Labels: they say which descriptor is which while it is open, nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub device: u64,
    pub inode: u64,
}

impl Place {
    pub fn of(metadata: &Metadata) -> Place {
        Place { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The file there that was made then.
    pub fn file(self, birth: i64) -> FileKey {
        FileKey { inode: self.inode, birth }
    }
}

/// Nanoseconds since the epoch; 0 where the file system keeps no birth time.
pub fn birth(metadata: &Metadata) -> i64 {
    metadata.created().map_or(0, |time| Timestamp::from(time).0.max(0))
}

/// Which file of its file system it is.
pub fn key_of(metadata: &Metadata) -> FileKey {
    FileKey { inode: metadata.ino(), birth: birth(metadata) }
}

/// The beginning of a file, as far as identity looks at it.
#[derive(Debug)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    pub fn read(file: &File) -> io::Result<Head> {
        let mut bytes = vec![0; HEAD];
        let read = read_full(file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Head { bytes })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// So many first bytes both have; `None`: they differ.
    pub fn shared_with(&self, other: &Head) -> Option<usize> {
        let both = self.bytes.len().min(other.bytes.len());
        (self.bytes[..both] == other.bytes[..both]).then_some(both)
    }

    /// Length of the first complete line, or of all that counts; `None` while that may still grow.
    pub fn settled_len(&self) -> Option<usize> {
        let line = memchr::memchr(b'\n', &self.bytes).map(|at| at + 1);
        line.or((self.bytes.len() == HEAD).then_some(HEAD))
    }

    /// Hashes of the first 2, 3, 4, 6, … complete lines, as far as the head has them.
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

    /// The length that counts where nothing more will come.
    pub fn final_len(&self) -> usize {
        self.settled_len().unwrap_or(self.bytes.len())
    }

    /// Of the first bytes, of which there are so many.
    pub fn hash(&self, len: usize, key: &IdKey) -> u64 {
        key.hash(&self.bytes[..len])
    }

    pub fn identity(&self, len: usize, inode: u64, birth: i64, key: &IdKey) -> Identity {
        let head_hash = self.hash(len, key);
        Identity { inode, birth, head_len: len as u32, head_hash, ordinal: 0 }
    }

    /// This file begins as that generation did.
    pub fn fits(&self, identity: &Identity, key: &IdKey) -> bool {
        self.bytes
            .get(..identity.head_len as usize)
            .is_some_and(|head| key.hash(head) == identity.head_hash)
    }

    pub fn compression(&self) -> Option<Compression> {
        Compression::of(&self.bytes)
    }

    /// Compressed or otherwise not text, by its first bytes; what it is.
    pub fn binary(&self) -> Option<&'static str> {
        binary(&self.bytes)
    }
}

/// What begins so is no text: what it is.
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

/// The mark at `offset`; `None` where the file is shorter.
pub fn mark_at(file: &File, offset: u64, key: &IdKey) -> io::Result<Option<Mark>> {
    let mut buffer = [0u8; WIDE as usize];
    let len = offset.min(WIDE);
    let wide = &mut buffer[..len as usize];
    if read_full(file, wide, offset - len)? < wide.len() {
        return Ok(None);
    }
    let before = &wide[wide.len().saturating_sub(BEFORE_MARK)..];
    Ok(Some(Mark { offset, hash: key.hash(before), wide: key.hash(wide) }))
}

/// The bytes before the mark are still those that were seen.
pub fn bears(file: &File, mark: &Mark, key: &IdKey) -> io::Result<bool> {
    if mark.offset == 0 {
        return Ok(true);
    }
    let found = mark_at(file, mark.offset, key)?;
    Ok(found.is_some_and(|found| {
        found.hash == mark.hash && (mark.wide == 0 || found.wide == mark.wide)
    }))
}

/// The mark at `offset`; `None` where `last` is not borne any more: what stands there is of another life.
pub fn next_mark(file: &File, last: &Mark, offset: u64, key: &IdKey) -> io::Result<Option<Mark>> {
    let mark = mark_at(file, offset, key)?;
    Ok(mark.filter(|_| bears(file, last, key).unwrap_or(false)))
}

/// Where both files have the window [from, to), they hold the same bytes there.
pub fn same_bytes(one: &File, other: &File, from: u64, to: u64) -> io::Result<bool> {
    let len = (to - from) as usize;
    let (mut left, mut right) = (vec![0; len], vec![0; len]);
    let read = read_full(one, &mut left, from)?.min(read_full(other, &mut right, from)?);
    Ok(left[..read] == right[..read])
}

/// Where a file lies now says what it is called: also when it was renamed out of every pattern.
pub(in crate::follow) fn name_of(file: &File) -> Option<std::path::PathBuf> {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::read_link(link).ok().filter(|path| timed_fs::metadata(path).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_the_lines_that_both_have() {
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
