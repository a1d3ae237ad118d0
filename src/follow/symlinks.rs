//! Where links lead to: a log that is named by a link is rotated beside the file that the link leads to, under the name
//! of that (as the logs of containers are).

use std::path::{Path, PathBuf};

use super::rotated_names::{self, directory_of};
use crate::base::timed_fs;

/// As the kernel has it (path_resolution(7)), a loop ends somewhere.
const LONGEST: usize = 40;

/// The path itself, and what each link leads to in turn, be there a file or not.
pub fn chain(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    while let Some(last) = all.last().filter(|_| all.len() <= LONGEST)
        && let Ok(target) = timed_fs::read_link(last)
    {
        all.push(directory_of(last).join(target));
    }
    all
}

/// One name is the other with something behind it, as rotation makes them, or so is the name of what `log` leads to.
pub fn are_related(log: &Path, other: &Path) -> bool {
    rotated_names::is_related(log, other)
        || chain(log).iter().skip(1).any(|path| rotated_names::is_related(path, other))
}
