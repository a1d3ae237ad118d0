//! The texts of notices about deleted files with unread bytes.

use std::io;
use std::path::Path;

use super::shown;
use crate::base::{bytes, sanitize};

pub(in crate::follow) fn rest_kept(path: &Path, kept: u64) -> String {
    format!(
        "{} was deleted before it was completely read: {} of it are saved in the intake directory until they \
         are delivered",
        shown(path),
        bytes::size(kept)
    )
}

pub(in crate::follow) fn rest_in_part(path: &Path, kept: u64, beyond: u64) -> String {
    format!(
        "{} was deleted before it was completely read: {} of it are saved in the intake directory, {} more can be \
         read only as long as Logwarden runs; let them be delivered before it stops, free disk space, or raise \
         intake.most",
        shown(path),
        bytes::size(kept),
        bytes::size(beyond)
    )
}

pub(in crate::follow) fn rest_failed(path: &Path, error: &io::Error) -> String {
    format!(
        "{} was deleted before it was completely read and cannot be copied to the intake directory ({error}); \
         its unread bytes can be read only as long as Logwarden runs; copying is retried",
        shown(path)
    )
}

pub(in crate::follow) fn rest_without_source(path: &Path, source: &str) -> String {
    format!(
        "{} was deleted; its unread bytes are saved in the intake directory, but its source {} is no longer \
         configured; to deliver them, configure a source of that name",
        shown(path),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn rest_unreadable(path: &Path, error: &io::Error) -> String {
    format!(
        "cannot read the saved bytes of the deleted file {} ({error}); they are still saved; repair the intake \
         directory and restart",
        shown(path)
    )
}
