//! Reads the database of state versions 1 and 2, so that it can be migrated: tables with keys of other types; sources
//! and month keys were entries of `meta`.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};

use super::disk_error::DiskError;
use super::rows::{CursorKey, name_of_cursor, name_of_cuts, name_of_generation};
use super::rows::{name_of_key, name_of_source};
use super::tables::{Changes, encode};
use crate::event::GenerationId;

const GENERATIONS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("generations");
/// By generation and block number. Version 1 stored cuts in the rows of generations.
const CUTS: TableDefinition<'_, (u64, u32), &[u8]> = TableDefinition::new("cuts");
const CURSORS: TableDefinition<'_, (&str, &str, u64), &[u8]> = TableDefinition::new("cursors");
const META_SOURCE: &str = "source:";
const META_KEY: &str = "key:";

/// All rows, under their names in this version.
pub(super) fn read(
    transaction: &ReadTransaction,
    meta: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<Changes, DiskError> {
    let mut rows = Changes::new();
    for entry in meta.iter()? {
        let (key, _) = entry?;
        let rest = |prefix| key.value().strip_prefix(prefix).map(String::from);
        let source = rest(META_SOURCE).map(|name| name_of_source(&name));
        let key = rest(META_KEY).map(|name| name_of_key(&name));
        rows.extend(source.into_iter().chain(key).map(|name| (name, Some(encode(&true)))));
    }
    for entry in transaction.open_table(GENERATIONS)?.iter()? {
        let (id, row) = entry?;
        let name = name_of_generation(&GenerationId(id.value()));
        rows.insert(name, Some(row.value().into()));
    }
    match transaction.open_table(CUTS) {
        Ok(table) => {
            for entry in table.iter()? {
                let (key, cuts) = entry?;
                let (id, block) = key.value();
                rows.insert(name_of_cuts(GenerationId(id), block), Some(cuts.value().into()));
            }
        }
        // The table was never written.
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    for entry in transaction.open_table(CURSORS)?.iter()? {
        let (key, offset) = entry?;
        let (consumer, lane, generation) = key.value();
        let key = CursorKey::new(consumer, lane, GenerationId(generation));
        rows.insert(name_of_cursor(&key), Some(offset.value().into()));
    }
    Ok(rows)
}

/// Removes the old tables and entries. Called in the first transaction of this version, which writes all rows to its
/// own tables.
pub(super) fn remove(
    transaction: &WriteTransaction,
    meta: &mut Table<'_, &'static str, &'static [u8]>,
) -> Result<(), redb::Error> {
    if !transaction.delete_table(GENERATIONS)? {
        return Ok(());
    }
    transaction.delete_table(CUTS)?;
    transaction.delete_table(CURSORS)?;
    meta.retain(|name, _| !name.starts_with(META_SOURCE) && !name.starts_with(META_KEY))?;
    Ok(())
}
