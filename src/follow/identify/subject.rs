//! The file that is compared with the known generations to identify it.

use crate::base::timed_fs::File;

use crate::event::FileKey;
use crate::follow::catalog::Tracked;
use crate::follow::identity::Head;

/// The file to be identified, open, with its head.
pub(super) struct Subject<'a> {
    pub tracked: &'a Tracked,
    pub file: &'a File,
    pub head: &'a Head,
    pub key: FileKey,
}
