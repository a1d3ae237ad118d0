//! Derives keys from the master key of a month: HKDF-SHA256 with a separate name (info) per use.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Derives a key of `LENGTH` bytes. The two parts of `info` are concatenated.
pub(super) fn derive<const LENGTH: usize>(
    master: &[u8; 32],
    salt: Option<&[u8]>,
    info: [&str; 2],
) -> Zeroizing<[u8; LENGTH]> {
    let mut key = Zeroizing::new([0; LENGTH]);
    Hkdf::<Sha256>::new(salt, master)
        .expand_multi_info(&[info[0].as_bytes(), info[1].as_bytes()], key.as_mut_slice())
        .expect("a key is much shorter than 255 hashes");
    key
}
