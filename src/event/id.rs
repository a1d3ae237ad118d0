//! The event id: a function of generation, offset and bytes, so that reading an event twice gives the same id.
//!
//! 26 characters, base64url without padding of 19 bytes, big endian: birth in seconds u32 (0 if unknown) ‖ beginning
//! of the generation id u40 ‖ start offset u48 ‖ hash of the record u32. The generation id and the hash are
//! SipHash-1-3 under a key derived from the host id, so that an event id reveals nothing about short contents.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::generation::{GenerationId, Identity};
use super::id_key::IdKey;

/// The id of one event as its 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId([u8; EventId::LENGTH]);

impl EventId {
    pub const LENGTH: usize = 26;

    /// `record` is the record's text without its line end.
    pub fn new(
        key: &IdKey,
        generation: GenerationId,
        identity: &Identity,
        start: u64,
        record: &[u8],
    ) -> Self {
        let birth = u32::try_from(identity.birth / 1_000_000_000).unwrap_or(0);
        let mut bytes = [0u8; 19];
        bytes[..4].copy_from_slice(&birth.to_be_bytes());
        bytes[4..9].copy_from_slice(&generation.0.to_be_bytes()[..5]);
        bytes[9..15].copy_from_slice(&start.to_be_bytes()[2..]);
        bytes[15..].copy_from_slice(&(key.hash(record) as u32).to_be_bytes());
        let mut text = [0u8; Self::LENGTH];
        URL_SAFE_NO_PAD
            .encode_slice(bytes, &mut text)
            .expect("19 bytes are 26 characters of base64 without padding");
        EventId(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64url is ASCII")
    }

    /// Parses an id; `None` if the text does not have the form of an event id.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::LENGTH] = text.as_bytes().try_into().ok()?;
        URL_SAFE_NO_PAD.decode(bytes).ok()?;
        Some(EventId(bytes))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            inode: 7,
            birth: 1_700_000_000_500_000_000,
            head_len: 5,
            head_hash: 9,
            ordinal: 0,
        }
    }

    #[test]
    fn the_id_is_a_function_of_offset_and_bytes() {
        let key = IdKey::from_host_id("host");
        let identity = identity();
        let generation = identity.id(&key);
        let id = |start, text: &[u8]| EventId::new(&key, generation, &identity, start, text);
        assert_eq!(id(10, b"a"), id(10, b"a"));
        assert_ne!(id(10, b"a"), id(11, b"a"));
        assert_ne!(id(10, b"a"), id(10, b"b"));
        assert_eq!(id(10, b"a").as_str().len(), EventId::LENGTH);
        assert_eq!(EventId::parse(id(10, b"a").as_str()), Some(id(10, b"a")));
        let elsewhere = IdKey::from_host_id("other");
        assert_ne!(identity.id(&elsewhere), generation);
    }

    #[test]
    fn files_that_differ_only_in_their_ordinal_are_different_generations() {
        let key = IdKey::from_host_id("host");
        let second = Identity { ordinal: 1, ..identity() };
        assert_ne!(identity().id(&key), second.id(&key));
    }
}
