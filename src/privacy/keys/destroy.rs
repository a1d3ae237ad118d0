//! What stays of a destroyed key.

use super::folder::Folder;
use super::slot::Kept;
use super::{KeyError, KeyId, Slot};

/// Says that there was a key, which and until when; nothing of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    pub slot: Slot,
    /// `None`: the key could not be read when it was destroyed.
    pub id: Option<KeyId>,
    /// As in `2021-05-01`.
    pub day: String,
}

const PREFIX: &str = "lwkey1-destroyed";
const LONGEST: u64 = 256;

impl Tombstone {
    /// One that cannot be read is one all the same.
    pub(super) fn read(folder: &Folder, slot: Slot) -> Result<Tombstone, KeyError> {
        let text = folder.read(&slot.file_name(Kept::Tombstone), LONGEST)?;
        let text = String::from_utf8_lossy(&text);
        let words: Vec<&str> = text.trim_end().split(' ').collect();
        let (id, day) = match words[..] {
            [PREFIX, _, id, time] => (KeyId::parse(id), time.split('T').next().unwrap_or(time)),
            _ => (None, "an unknown day"),
        };
        Ok(Tombstone { slot, id, day: day.to_owned() })
    }
}
