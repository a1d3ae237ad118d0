//! Defines the form of the state's tables: rows of bytes, addressed by table name and key, and typed tables over them.
//!
//! To add a table that is read from disk on demand, declare a [`Table`] next to the code that uses it; no other code
//! needs to change. The tables that are kept in memory are in `rows.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::GenerationId;

/// The version of every row that this program writes, and the newest that it reads. Version 3: most commits are only in
/// the journal, which earlier programs do not know.
pub(super) const VERSION: u8 = 3;

/// A typed table that is kept on disk only: it may have any size, and is not in the snapshot of the state. A written
/// row is visible at once, and durable with the next commit.
#[derive(Debug)]
pub struct Table<K, V> {
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: Serialize + DeserializeOwned> Table<K, V> {
    /// The name must never change: data on disk is stored under it.
    pub const fn on_disk(name: &'static str) -> Self {
        Table { name, types: PhantomData }
    }

    pub(super) fn name_of(&self, key: &K) -> RowName {
        RowName::new(self.name, key)
    }

    pub(super) fn range(&self, keys: impl RangeBounds<K>) -> NameRange {
        NameRange {
            table: self.name,
            keys: (keys.start_bound().map(Key::encode), keys.end_bound().map(Key::encode)),
        }
    }
}

/// Rows of one table, by their encoded keys.
#[derive(Debug)]
pub(super) struct NameRange {
    pub table: &'static str,
    pub keys: (Bound<Vec<u8>>, Bound<Vec<u8>>),
}

impl NameRange {
    /// The lower bound of the range.
    pub fn first(&self) -> &[u8] {
        match &self.keys.0 {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => &[],
        }
    }
}

/// A key that can be encoded as bytes of the same order.
pub trait Key: Sized {
    fn encode(&self) -> Vec<u8>;
    /// `None`: the bytes are not an encoded key.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

impl Key for u64 {
    fn encode(&self) -> Vec<u8> {
        self.to_be_bytes().into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    }
}

impl Key for String {
    fn encode(&self) -> Vec<u8> {
        self.as_bytes().into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.into()).ok()
    }
}

impl Key for GenerationId {
    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        u64::decode(bytes).map(GenerationId)
    }
}

pub(super) fn key_of<K: Key>(bytes: &[u8]) -> Result<K, RowError> {
    K::decode(bytes).ok_or_else(|| RowError::Malformed("a key of another kind".into()))
}

/// The name of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowName {
    pub table: Cow<'static, str>,
    pub key: Vec<u8>,
}

impl RowName {
    pub fn new(table: &'static str, key: &impl Key) -> Self {
        RowName { table: table.into(), key: key.encode() }
    }
}

/// Names of rows that must be written; their content is looked up when they are written.
pub(super) type Dirty = BTreeSet<RowName>;

/// Encoded rows; `None`: the row was removed.
pub(super) type Changes = BTreeMap<RowName, Option<Vec<u8>>>;

/// Why the bytes of a row cannot be decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowError {
    Newer(u32),
    Malformed(String),
}

/// The bytes of a row: its version, then JSON.
pub(super) fn encode(row: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    serde_json::to_writer(&mut bytes, row).expect("rows are plain data and a Vec takes any write");
    bytes
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RowError> {
    match bytes.split_first() {
        Some((1..=VERSION, json)) => {
            serde_json::from_slice(json).map_err(|error| RowError::Malformed(error.to_string()))
        }
        Some((&version, _)) if version > VERSION => Err(RowError::Newer(version.into())),
        Some((version, _)) => Err(RowError::Malformed(format!("row of version {version}"))),
        None => Err(RowError::Malformed("empty row".into())),
    }
}
