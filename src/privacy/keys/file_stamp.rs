//! Whether a path still names the file, unchanged, that was looked at before.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which file it is, and when it last changed. A copy has another inode, and nobody can set the time of change (as
/// they can that of modification: `cp -p`, `rsync -a`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: it is not there, or nobody lets us see.
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
