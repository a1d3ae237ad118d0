//! What is said of deleted files that somebody has not read.

use std::io;
use std::path::Path;

use super::shown;
use crate::base::{bytes, sanitize};

pub(in crate::follow) fn rest_kept(path: &Path, kept: u64) -> String {
    format!(
        "{} was deleted before everybody had read it: {} of it are kept in the intake directory until they \
         are delivered",
        shown(path),
        bytes::size(kept)
    )
}

pub(in crate::follow) fn rest_in_part(path: &Path, kept: u64, beyond: u64) -> String {
    format!(
        "{} was deleted before everybody had read it: {} of it are kept, {} more are readable only as \
         long as this program runs; deliver them before it ends, make room, or raise intake.most",
        shown(path),
        bytes::size(kept),
        bytes::size(beyond)
    )
}

pub(in crate::follow) fn rest_failed(path: &Path, error: &io::Error) -> String {
    format!(
        "{} was deleted before everybody had read it, and cannot be copied to the intake directory ({error}); \
         it is readable only as long as this program runs; it is tried again",
        shown(path)
    )
}

pub(in crate::follow) fn rest_of_nobody(path: &Path, source: &str) -> String {
    format!(
        "{} was deleted; its unread rest waits in the intake directory, but its source {} is no longer configured; \
         configure a source of that name to have it delivered",
        shown(path),
        sanitize::line(source)
    )
}

pub(in crate::follow) fn rest_unreadable(path: &Path, error: &io::Error) -> String {
    format!(
        "cannot read what is kept of {}, which was deleted ({error}); it waits; mend the intake directory \
         and start again",
        shown(path)
    )
}
