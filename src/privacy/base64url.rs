//! Base64url without padding (RFC 4648, section 5), the encoding of tokens, tags and pseudonyms: encodes bytes, and
//! measures encoded text.

use base64_simd::URL_SAFE_NO_PAD;

/// The number of base64url characters at the beginning of `text`.
pub(super) fn length(text: &[u8]) -> usize {
    let is_code = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.iter().take_while(is_code).count()
}

/// Appends `bytes` in base64url.
pub(super) fn write(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_append(bytes, out);
}
