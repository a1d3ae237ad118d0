//! Creates Logwarden's own directories for their owner alone, and closes existing ones to other users.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Permissions of the group and of other users.
const OF_OTHERS: u32 = 0o077;
/// Other users are meant to write to a directory with this bit.
const STICKY: u32 = 0o1000;

/// Creates the directory and its parents for their owner alone. Existing directories stay as they are.
pub fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The mode of a directory of this user, if other users can access it and it should be closed.
pub fn loose_mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
    let mode = metadata.mode() & 0o7777;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw() && mode & STICKY == 0;
    (ours && mode & OF_OTHERS != 0).then_some(mode)
}

/// Removes the permissions of other users from a directory of this user. Returns a notice for the operator; `None` if
/// nothing had to be changed.
pub fn close_directory(path: &Path) -> Option<String> {
    let mode = loose_mode(path)?;
    let name = path.display();
    let closed = fs::set_permissions(path, Permissions::from_mode(mode & !OF_OTHERS));
    Some(match closed {
        Ok(()) => format!(
            "{name} could be used by other users (mode {mode:04o}); it is now closed to them (mode {:04o})",
            mode & !OF_OTHERS
        ),
        Err(error) => format!(
            "{name} can be used by other users (mode {mode:04o}) and cannot be closed ({error}); close it with: \
             chmod 700 {name}"
        ),
    })
}
