//! Bytes as text in tokens, tags and pseudonyms: base64url without padding (RFC 4648, section 5).

use base64_simd::URL_SAFE_NO_PAD;

/// Appends `bytes`.
pub(super) fn write(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}
