//! Finds bytes ahead of a cursor that can no longer be read, before the consumer reaches them. Does no I/O.

use std::ops::Range;

use super::shared::Shared;
use super::types::Read;
use crate::event::Cursor;

/// The bytes after `cursor` that are not even cached in memory, up to the end of the generation; this call counts them
/// as lost. `None`: the file, a copy of it or its saved unread bytes exist, or may still be found.
pub(in crate::follow) fn destroyed(shared: &Shared, cursor: Cursor) -> Option<Range<u64>> {
    let Some(handle) = shared.handle_of(cursor.generation) else {
        return match shared.read_without_file(cursor) {
            Read::Lost { to } => Some(cursor.offset..to),
            _ => None,
        };
    };
    let (size, available, complete) = {
        let known = handle.known();
        (known.facts.size, known.available, known.complete && known.facts.generation.is_some())
    };
    let readable = if handle.has_bytes() { available } else { 0 };
    if !complete || readable >= size {
        return None;
    }
    let from = shared.cache.reach(cursor).max(readable);
    if from >= size {
        return None;
    }
    shared.count_lost(&handle, from, size);
    Some(from..size)
}
