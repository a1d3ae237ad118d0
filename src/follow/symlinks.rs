//! Follows symbolic links: a log that is named by a link is rotated beside the link's target, with the name of the
//! target (as container logs are).

use std::path::{Path, PathBuf};

use super::rotated_names::{self, directory_of};
use crate::base::timed_fs;

/// Limit of the kernel (path_resolution(7)), also for circular links.
const MAX_LINKS: usize = 40;

/// The path, and the target of each link in turn, whether it exists or not.
pub fn chain(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    while let Some(last) = all.last().filter(|_| all.len() <= MAX_LINKS)
        && let Ok(target) = timed_fs::read_link(last)
    {
        all.push(directory_of(last).join(target));
    }
    all
}

/// Whether the names are related by rotation (see [`rotated_names::is_related`]), or `other` is related to the target
/// of a link on the way from `log`.
pub fn are_related(log: &Path, other: &Path) -> bool {
    rotated_names::is_related(log, other)
        || chain(log).iter().skip(1).any(|path| rotated_names::is_related(path, other))
}
