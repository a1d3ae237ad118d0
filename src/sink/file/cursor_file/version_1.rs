//! Reads cursor files of version 1, which this version no longer writes: one JSON object, replaced at each commit.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::StoredCursors;
use crate::archive::{Positions, Row, from_row};
use crate::base::Timestamp;
use crate::event::{Cursor, GenerationId};
use crate::sink::file::output_check::OutputEnd;

#[derive(Deserialize)]
struct Whole {
    length: u64,
    tail: u64,
    cursors: Vec<Cursor>,
    /// Files of the first releases lack this field and the following ones.
    #[serde(default)]
    known: Vec<Known>,
    /// Seconds since the generation was last known.
    #[serde(default)]
    absent: Vec<(GenerationId, u64)>,
    #[serde(default)]
    written: Timestamp,
}

/// `[generation, [inode, birth, head length, head hash, ordinal], mark offset, mark hash]`.
#[derive(Deserialize)]
struct Known(GenerationId, (u64, i64, u32, u64, u32), u64, u64);

pub fn read(bytes: &[u8]) -> serde_json::Result<StoredCursors> {
    let Whole { length, tail, cursors, known, absent, written } = serde_json::from_slice(bytes)?;
    let row =
        |cursor: Cursor| (cursor.generation, (cursor.generation, cursor.offset, None, 0, 0, 0));
    let mut rows: BTreeMap<GenerationId, Row> = cursors.into_iter().map(row).collect();
    for Known(id, identity, offset, hash) in known {
        if let Some(row) = rows.get_mut(&id) {
            (row.2, row.3, row.4) = (Some(identity), offset, hash);
        }
    }
    for (id, seconds) in absent {
        if let Some(row) = rows.get_mut(&id) {
            row.5 = seconds;
        }
    }
    let rows = rows.into_values().map(from_row).collect();
    let positions = Positions { written, aged: written, rows };
    Ok(StoredCursors { output_end: OutputEnd { length, tail }, positions })
}
