//! The key of all hashes that identify files and records (SipHash-1-3), derived from the host id.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The key of all hashes in ids. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdKey([u64; 2]);

impl IdKey {
    /// The same host id always gives the same key.
    pub fn from_host_id(host_id: &str) -> Self {
        let half = |side: u64| {
            let mut hasher = SipHasher13::new_with_keys(0x6c6f_6777_6172_6465, side);
            hasher.write(host_id.as_bytes());
            hasher.finish()
        };
        IdKey([half(1), half(2)])
    }

    /// The hash of `bytes` under this key.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        hasher.write(bytes);
        hasher.finish()
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_contain_the_key() {
        assert_eq!(format!("{:?}", IdKey::from_host_id("host")), "IdKey([REDACTED])");
    }
}
