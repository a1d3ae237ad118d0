//! The directories of an engine. What lies in them is what logs say, or leads to it: they are for their owner alone.

use std::path::Path;

use super::settings::Directories;
use crate::state::{self, private_directory};

/// With what a person calls each.
pub fn named(directories: &Directories) -> [(&'static str, &Path); 5] {
    [
        ("state directory", &directories.state),
        ("archive directory", &directories.archive),
        ("cache directory", &directories.cache),
        ("intake directory", &directories.intake),
        ("log directory", &directories.log),
    ]
}

/// Others can use it, and the next start closes it: one that bears our name, or lies in a state directory that was ours
/// before. Any other may be somebody else's: it is left as it is.
pub fn is_closed_at_start(directory: &Path, directories: &Directories) -> bool {
    !directory.starts_with(&directories.state)
        || state::is_state(&directories.state)
        || directory.join("meta.json").exists()
}

/// Before the state is taken, which makes any directory ours. What was done, for the operator.
pub fn close(directories: &Directories) -> Vec<String> {
    let ours = named(directories).map(|(_, directory)| directory);
    let ours = ours.into_iter().filter(|directory| is_closed_at_start(directory, directories));
    ours.filter_map(private_directory::close_directory).collect()
}
