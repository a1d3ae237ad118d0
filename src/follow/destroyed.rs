//! Bytes that nobody can read any more, told to a consumer before its reading comes to them. No I/O.

use std::ops::Range;

use super::shared::Shared;
use super::types::Read;
use crate::event::Cursor;

/// From what is not even in memory to the end of its generation; counted as lost from then on. `None`: the file, a copy
/// or its rest is there, or may still come.
pub(in crate::follow) fn destroyed(shared: &Shared, cursor: Cursor) -> Option<Range<u64>> {
    let Some(handle) = shared.life(cursor.generation) else {
        return match shared.read_gone(cursor) {
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
    shared.lost(&handle, from, size);
    Some(from..size)
}
