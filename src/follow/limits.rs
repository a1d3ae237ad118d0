//! How many files may be open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit is for programs that use select(2); this one does not.
pub(in crate::follow) fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}
