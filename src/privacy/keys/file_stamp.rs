//! Detects whether a path still names the same, unchanged file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Identity and last change of a file. A copy has another inode, and the change time cannot be set by programs (unlike
/// the modification time: `cp -p`, `rsync -a`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: the file does not exist or is not accessible.
    pub fn of(path: &Path) -> Option<Stamp> {
        let file = path.symlink_metadata().ok()?;
        Some(Stamp {
            device: file.dev(),
            inode: file.ino(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}
