//! Lists the directories of an engine and restricts them to their owner: they contain log text or information about it.

use std::path::Path;

use super::settings::Directories;
use crate::state::{self, private_directory};

/// Each directory with its name in messages.
pub fn named(directories: &Directories) -> [(&'static str, &Path); 5] {
    [
        ("state directory", &directories.state),
        ("archive directory", &directories.archive),
        ("cache directory", &directories.cache),
        ("intake directory", &directories.intake),
        ("log directory", &directories.log),
    ]
}

/// For a directory that other users can access: whether the next start corrects its mode. That is the case if it is
/// clearly Logwarden's: by its default path, because the state directory contains a state, or because it contains an
/// archive. Any other directory may belong to somebody else and is not changed.
pub fn is_restricted_at_start(directory: &Path, directories: &Directories) -> bool {
    !directory.starts_with(&directories.state)
        || state::is_state(&directories.state)
        || directory.join("meta.json").exists()
}

/// Restricts the directories to their owner; returns messages for the operator. Call it before the state directory is
/// claimed: claiming it creates files that mark any directory as Logwarden's.
pub fn restrict(directories: &Directories) -> Vec<String> {
    let own = named(directories).map(|(_, directory)| directory);
    let own = own.into_iter().filter(|directory| is_restricted_at_start(directory, directories));
    own.filter_map(private_directory::close_directory).collect()
}
