//! What is told of standard input, which has no path that a person knows.

use std::io;

use crate::base::{bytes, sanitize};

pub(in crate::follow) fn broken(error: &io::Error) -> String {
    format!("cannot read standard input any more ({error}); what came before is delivered")
}

pub(in crate::follow) fn looks_binary() -> String {
    "what comes by standard input does not look like text; it is read as lines and delivered as any log is".to_owned()
}

pub(in crate::follow) fn no_text(what: &str, unread: u64) -> String {
    format!(
        "what came by standard input is {what}, not text: its {} bytes are not read and not kept; send text, or \
         text that gzip or zstd has compressed",
        bytes::count(unread)
    )
}

pub(in crate::follow) fn damaged(held: u64, unread: u64, reason: &str) -> String {
    format!(
        "what came by standard input is compressed and damaged behind byte {} of what it holds ({}): its last {} \
         bytes are not read and not kept; what stands before them is delivered; send an intact copy",
        bytes::count(held),
        sanitize::line(reason),
        bytes::count(unread)
    )
}

pub(in crate::follow) fn cut(held: u64) -> String {
    format!(
        "what came by standard input is compressed and cut short: {} could be unpacked and are delivered; send an \
         intact copy",
        bytes::size(held)
    )
}

pub(in crate::follow) fn too_large(held: u64, unread: u64) -> String {
    format!(
        "what came by standard input holds more than is unpacked at once: {} are delivered, its last {} bytes are \
         not read and not kept; unpack it before (zcat FILE | logwarden -)",
        bytes::size(held),
        bytes::count(unread)
    )
}

pub(in crate::follow) fn lost(bytes: u64) -> String {
    format!(
        "{} of standard input were read and could not be kept before the end: they are lost",
        bytes::size(bytes)
    )
}
