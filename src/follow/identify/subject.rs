//! The file that the question is about.

use crate::base::timed_fs::File;

use crate::event::FileKey;
use crate::follow::catalog::Tracked;
use crate::follow::identity::Head;

/// The file that is to be identified, as it lies open.
pub(super) struct Subject<'a> {
    pub tracked: &'a Tracked,
    pub file: &'a File,
    pub head: &'a Head,
    pub key: FileKey,
}
