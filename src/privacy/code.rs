//! Bytes as text in tokens, tags and pseudonyms: base64url without padding (RFC 4648, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Appends `bytes`. In one piece: `encode_string` would go through a buffer of a kibibyte.
pub(super) fn write(bytes: &[u8], out: &mut String) {
    let mut text = std::mem::take(out).into_bytes();
    let start = text.len();
    text.resize(start + (bytes.len() * 4).div_ceil(3), 0);
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text[start..]);
    debug_assert_eq!(written, Ok(text.len() - start));
    *out = String::from_utf8(text).expect("base64 is ASCII");
}
