//! Directories of our own, which only their owner may read.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Rights of the group and of others.
const OF_OTHERS: u32 = 0o077;
/// In such a directory others are meant to write.
const STICKY: u32 = 0o1000;

/// Makes the directory, and those above it, for their owner alone. Those that are there stay as they are.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The rights of a directory that others may use, and that is ours to close.
pub fn loose_mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    let mode = metadata.mode() & 0o7777;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw() && mode & STICKY == 0;
    (ours && mode & OF_OTHERS != 0).then_some(mode)
}

/// Takes the rights of others from a directory of ours. What was done, for the operator; `None` where nothing had to
/// be.
pub fn close_directory(path: &Path) -> Option<String> {
    let mode = loose_mode(path)?;
    let name = path.display();
    let closed = fs::set_permissions(path, Permissions::from_mode(mode & !OF_OTHERS));
    Some(match closed {
        Ok(()) => format!(
            "{name} could be used by other users (mode {mode:04o}); it is closed to them now (mode {:04o})",
            mode & !OF_OTHERS
        ),
        Err(error) => format!(
            "{name} can be used by other users (mode {mode:04o}) and cannot be closed ({error}); close it with: \
             chmod 700 {name}"
        ),
    })
}
