//! The format of a key file: `lwkey1.` and, in base64url without padding,
//!
//! ```text
//! kind 1 (0: the key itself) ‖ month 2 ‖ created 8 (seconds since 1970) ‖ key id 8 ‖ key 32 ‖ checksum 4
//! ```
//!
//! Numbers are big endian; the checksum is the first 4 bytes of the SHA-256 of everything before it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Month, Slot};
use crate::base::Timestamp;
use crate::privacy::derive::derive;

const PREFIX: &str = "lwkey1.";
/// The kind of a file that contains the key itself.
const PLAIN: u8 = 0;
const LENGTH: usize = 1 + 2 + 8 + 8 + 32 + 4;
/// Maximum size of a key file, in bytes.
pub(super) const LONGEST: u64 = 256;

/// Identifies a key; reveals nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    fn of(master: &[u8; 32]) -> KeyId {
        KeyId(*derive::<8>(master, None, ["lw/v1/kid", ""]))
    }

    /// Parses the displayed form.
    pub fn parse(text: &str) -> Option<KeyId> {
        let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_lower_hex) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(|number| KeyId(number.to_be_bytes()))
    }
}

/// 16 hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// The master key of one slot (a month, and the number of its key). Its memory is overwritten on drop.
pub struct MonthKey {
    slot: Slot,
    id: KeyId,
    /// In whole seconds.
    created: Timestamp,
    master: Zeroizing<[u8; 32]>,
}

impl MonthKey {
    pub(in crate::privacy) fn new(
        slot: Slot,
        created: Timestamp,
        master: Zeroizing<[u8; 32]>,
    ) -> MonthKey {
        let created = Timestamp::from_seconds(created.seconds());
        MonthKey { slot, id: KeyId::of(&master), created, master }
    }

    pub fn id(&self) -> KeyId {
        self.id
    }

    pub fn slot(&self) -> Slot {
        self.slot
    }

    pub fn month(&self) -> Month {
        self.slot.month
    }

    pub fn created(&self) -> Timestamp {
        self.created
    }

    pub(in crate::privacy) fn master(&self) -> &[u8; 32] {
        &self.master
    }

    /// The content of its file, with the line end.
    pub(in crate::privacy) fn write(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        bytes.push(PLAIN);
        bytes.extend_from_slice(&self.slot.month.index().to_be_bytes());
        bytes.extend_from_slice(&self.created.seconds().to_be_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(self.master.as_slice());
        let checksum = checksum(&bytes);
        bytes.extend_from_slice(&checksum);
        let mut line = Zeroizing::new(String::with_capacity(LONGEST as usize));
        line.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut line);
        line.push('\n');
        line
    }

    /// Parses the content of a key file. The month of `slot` is replaced by that of the content: file names may be
    /// wrong.
    pub(super) fn read(text: &[u8], slot: Slot) -> Result<MonthKey, KeyFileError> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Err(KeyFileError::Damaged("it is empty"));
        }
        let code = line
            .strip_prefix(PREFIX.as_bytes())
            .ok_or(KeyFileError::Damaged("it does not start with `lwkey1.`"))?;
        let mut bytes = Zeroizing::new([0; LONGEST as usize]);
        let length = URL_SAFE_NO_PAD
            .decode_slice(code, bytes.as_mut_slice())
            .map_err(|_| KeyFileError::Damaged("it is truncated or modified"))?;
        let (body, _) = bytes[..length]
            .split_last_chunk::<4>()
            .filter(|(body, sum)| !body.is_empty() && checksum(body) == **sum)
            .ok_or(KeyFileError::Damaged("its checksum is wrong: it is truncated or modified"))?;
        if body[0] != PLAIN || length != LENGTH {
            return Err(KeyFileError::Newer(body[0]));
        }
        let part = |from: usize| body[from..from + 8].try_into().expect("8 bytes");
        let month = Month::from_index(u16::from_be_bytes([body[1], body[2]]));
        let mut master = Zeroizing::new([0; 32]);
        master.copy_from_slice(&body[19..]);
        let key = MonthKey::new(
            Slot { month, ..slot },
            Timestamp::from_seconds(i64::from_be_bytes(part(3))),
            master,
        );
        match key.id == KeyId(part(11)) {
            true => Ok(key),
            false => Err(KeyFileError::Damaged("its id does not match its key")),
        }
    }
}

impl fmt::Debug for MonthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonthKey")
            .field("slot", &format_args!("{}", self.slot))
            .field("id", &format_args!("{}", self.id))
            .field("master", &format_args!("[REDACTED]"))
            .finish_non_exhaustive()
    }
}

/// The reason why a text is not a valid key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyFileError {
    Damaged(&'static str),
    /// A kind that this version does not support.
    Newer(u8),
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let hash = Sha256::digest(bytes);
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests;
