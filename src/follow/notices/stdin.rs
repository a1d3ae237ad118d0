//! The texts of notices about standard input. They name no path, because it has none.

use std::io;

use crate::base::{bytes, sanitize};

pub(in crate::follow) fn broken(error: &io::Error) -> String {
    format!("cannot read standard input any more ({error}); input received so far is delivered")
}

pub(in crate::follow) fn looks_binary() -> String {
    "standard input does not look like text; it is read as lines and delivered like any log"
        .to_owned()
}

pub(in crate::follow) fn no_text(what: &str, unread: u64) -> String {
    format!(
        "standard input is {what}, not text: its {} bytes are discarded; send text, plain or compressed with gzip or \
         zstd",
        bytes::count(unread)
    )
}

pub(in crate::follow) fn damaged(held: u64, unread: u64, reason: &str) -> String {
    format!(
        "standard input is compressed and damaged after {} unpacked bytes ({}): its last {} bytes are discarded; the \
         bytes before the damage are delivered; send an intact copy",
        bytes::count(held),
        sanitize::line(reason),
        bytes::count(unread)
    )
}

pub(in crate::follow) fn cut(held: u64) -> String {
    format!(
        "standard input is compressed and incomplete: {} could be unpacked and are delivered; send an intact copy",
        bytes::size(held)
    )
}

pub(in crate::follow) fn too_large(held: u64, unread: u64) -> String {
    format!(
        "standard input exceeds the size limit for unpacking: {} are delivered, its last {} bytes are discarded; \
         unpack it first (zcat FILE | logwarden -)",
        bytes::size(held),
        bytes::count(unread)
    )
}

pub(in crate::follow) fn lost(bytes: u64) -> String {
    format!(
        "{} of standard input are lost: they were read, but could not be written to the intake directory before \
         Logwarden stopped",
        bytes::size(bytes)
    )
}
