//! The tables of the state: rows of bytes, by name and key, and what makes them typed.
//!
//! To add a table that is read from the disk on demand, declare a [`Table`] beside what uses it; nothing else has to
//! know it. The tables whose rows are all kept in memory are in `rows.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::GenerationId;

/// The version of every row that this program writes, and the newest it reads. 3: most commits are in the journal
/// alone, which earlier programs do not know.
pub(super) const VERSION: u8 = 3;

/// A table on the disk only: of any size, not in the snapshot. Its rows are seen at once, and durable with the commit.
#[derive(Debug)]
pub struct Table<K, V> {
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: Key, V: Serialize + DeserializeOwned> Table<K, V> {
    /// The name is kept for good: with it stands what is on the disk.
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

/// Rows of one table, by the bytes of their keys.
#[derive(Debug)]
pub(super) struct NameRange {
    pub table: &'static str,
    pub keys: (Bound<Vec<u8>>, Bound<Vec<u8>>),
}

impl NameRange {
    /// No key of the range stands before it.
    pub fn first(&self) -> &[u8] {
        match &self.keys.0 {
            Bound::Included(key) | Bound::Excluded(key) => key,
            Bound::Unbounded => &[],
        }
    }
}

/// A key as bytes, which are ordered as the keys are.
pub trait Key: Sized {
    fn encode(&self) -> Vec<u8>;
    /// `None`: no such key was ever encoded.
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

/// Names of rows that have to be written; what they hold is looked up when that happens.
pub(super) type Dirty = BTreeSet<RowName>;

/// Rows as they are written; `None`: the row is gone.
pub(super) type Changes = BTreeMap<RowName, Option<Vec<u8>>>;

/// Why the bytes of a row cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RowError {
    Newer(u32),
    Malformed(String),
}

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
