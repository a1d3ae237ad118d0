//! Seals values as tokens and decrypts tokens. A token is `enc1.` and, in base64url without padding,
//!
//! ```text
//! version 1 ‖ month 2 ‖ key id 8 ‖ session salt 8 ‖ nonce 12 ‖ length of field 1 ‖ field ‖ ciphertext ‖ tag 16
//! ```
//!
//! AES-256-GCM under HKDF-SHA256(master, salt: session salt, info: `lw/v1/enc/` ‖ field); everything
//! before the ciphertext, except the nonce, is authenticated too. The value is padded to blocks of 16 bytes
//! (ISO 7816-4), so that only its approximate length is visible. A value of more than 1,024 bytes is sealed in pieces,
//! one token per piece, with nothing between them.

use std::fmt;

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::base64url;
use super::derive::derive;
use super::keys::{KeyError, KeyId, Month, MonthKey};

pub const PREFIX: &str = "enc1.";

const VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
const BLOCK: usize = 16;
/// Length of version, month, key id and session salt.
const HEAD: usize = 1 + 2 + 8 + 8;
/// Offset of the field name: after the head, the nonce and the length of the name.
const FIELD_AT: usize = HEAD + NONCE + 1;
const LONGEST_FIELD: usize = 255;
/// Maximum number of value bytes in one token.
pub const LONGEST_VALUE: usize = 1024;
/// Maximum length of a decoded token, in bytes.
const LONGEST: usize = FIELD_AT + LONGEST_FIELD + LONGEST_VALUE + BLOCK + TAG;
const SHORTEST: usize = FIELD_AT + 1 + BLOCK + TAG;
/// Maximum number of characters after the prefix.
pub const LONGEST_TEXT: usize = (LONGEST * 4).div_ceil(3);
/// Minimum number of characters after the prefix.
pub const SHORTEST_TEXT: usize = (SHORTEST * 4).div_ceil(3);

/// Never used twice with one key.
pub(super) type Nonce = [u8; NONCE];

/// Encrypts and decrypts the values of one field, with one key in one session.
pub(super) struct FieldCipher {
    cipher: Aes256Gcm,
    /// The associated data: head, length of the field, field.
    context: Vec<u8>,
}

impl FieldCipher {
    pub fn new(key: &MonthKey, salt: [u8; 8], field: &str) -> Result<FieldCipher, KeyError> {
        let length = field.len();
        let short = u8::try_from(length).ok().filter(|length| *length > 0);
        let short = short.ok_or(KeyError::FieldName { length })?;
        let mut context = Vec::with_capacity(HEAD + 1 + length);
        context.push(VERSION);
        context.extend_from_slice(&key.month().index().to_be_bytes());
        context.extend_from_slice(&key.id().0);
        context.extend_from_slice(&salt);
        context.push(short);
        context.extend_from_slice(field.as_bytes());
        let derived = derive::<32>(key.master(), Some(&salt), ["lw/v1/enc/", field]);
        let cipher = Aes256Gcm::new_from_slice(derived.as_slice()).expect("32 bytes are a key");
        Ok(FieldCipher { cipher, context })
    }

    /// Appends the token of a value, or the tokens of its pieces.
    pub fn seal(
        &self,
        value: &str,
        nonce: &mut dyn FnMut() -> Result<Nonce, KeyError>,
        out: &mut String,
    ) -> Result<(), KeyError> {
        let mut rest = value;
        loop {
            let (piece, remainder) = rest.split_at(whole_characters(rest));
            self.seal_piece(piece.as_bytes(), nonce()?, out);
            rest = remainder;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    fn seal_piece(&self, value: &[u8], nonce: Nonce, out: &mut String) {
        // A small buffer is initialised faster than a large one.
        match self.context.len() + value.len() {
            ..=128 => self.seal_in(&mut [0; 128 + NONCE + BLOCK + TAG], value, nonce, out),
            _ => self.seal_in(&mut [0; LONGEST], value, nonce, out),
        }
    }

    /// `bytes` must be zero and long enough.
    fn seal_in(&self, bytes: &mut [u8], value: &[u8], nonce: Nonce, out: &mut String) {
        let (head, field) = self.context.split_at(HEAD);
        bytes[..HEAD].copy_from_slice(head);
        bytes[HEAD..HEAD + NONCE].copy_from_slice(&nonce);
        let start = self.context.len() + NONCE;
        bytes[HEAD + NONCE..start].copy_from_slice(field);
        // Padded to whole blocks, with at least the byte that marks the end.
        let end = start + (value.len() / BLOCK + 1) * BLOCK;
        bytes[start..start + value.len()].copy_from_slice(value);
        bytes[start + value.len()] = 0x80;
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce.into(), &self.context, (&mut bytes[start..end]).into())
            .expect("a value is much shorter than 64 GiB");
        bytes[end..end + TAG].copy_from_slice(&tag);
        out.push_str(PREFIX);
        base64url::write(&bytes[..end + TAG], out);
    }

    /// Decrypts a token. `None`: it was modified, or sealed with another key.
    pub fn open(&self, token: &Token) -> Option<Zeroizing<String>> {
        let (sealed, tag) = token.sealed().split_last_chunk::<TAG>()?;
        let mut value = Zeroizing::new(sealed.to_vec());
        let buffer = value.as_mut_slice().into();
        let (nonce, tag) = (token.nonce().into(), (*tag).into());
        self.cipher.decrypt_inout_detached(&nonce, &self.context, buffer, &tag).ok()?;
        let end = value.iter().rposition(|byte| *byte != 0).filter(|end| value[*end] == 0x80)?;
        let text = std::str::from_utf8(&value[..end]).ok()?;
        (end / BLOCK + 1 == value.len() / BLOCK).then(|| Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for FieldCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldCipher([REDACTED])")
    }
}

/// The length of the next piece of a value, in bytes; it ends between two characters.
fn whole_characters(value: &str) -> usize {
    let longest = value.len().min(LONGEST_VALUE);
    (0..=longest).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0)
}

/// A parsed token: well-formed, but not yet authenticated.
pub(super) struct Token {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Token {
    /// Parses a text that is exactly one token, in its canonical form.
    pub fn parse(text: &str) -> Option<Token> {
        let code = text.strip_prefix(PREFIX)?;
        if !(SHORTEST_TEXT..=LONGEST_TEXT).contains(&code.len()) {
            return None;
        }
        let mut bytes = [0; LONGEST];
        let length = URL_SAFE_NO_PAD.decode_slice(code, &mut bytes).ok()?;
        let token = Token { bytes, length };
        let blocks = token.length.checked_sub(token.value_at() + TAG)?;
        let is_padded =
            (BLOCK..=LONGEST_VALUE + BLOCK).contains(&blocks) && blocks.is_multiple_of(BLOCK);
        let has_field = token.field().is_some_and(|field| !field.is_empty());
        (token.bytes[0] == VERSION && is_padded && has_field).then_some(token)
    }

    /// Possible lengths of a token at the beginning of `text`, longest first.
    pub fn lengths(text: &str) -> impl Iterator<Item = usize> {
        let code = text.strip_prefix(PREFIX).unwrap_or("");
        let available = base64url::length(&code.as_bytes()[..code.len().min(LONGEST_TEXT)]);
        // The first 44 characters contain the length of the field; the rest has no length of its own.
        let mut head = [0; FIELD_AT + 1];
        let is_readable = code.get(..44).is_some_and(|code| {
            URL_SAFE_NO_PAD.decode_slice(code, &mut head).is_ok_and(|length| length == head.len())
        });
        let overhead = FIELD_AT + usize::from(head[FIELD_AT - 1]) + TAG;
        let blocks = if is_readable { LONGEST_VALUE / BLOCK + 1 } else { 0 };
        let lengths =
            (1..=blocks).rev().map(move |blocks| ((overhead + blocks * BLOCK) * 4).div_ceil(3));
        lengths.filter(move |length| *length <= available).map(|length| PREFIX.len() + length)
    }

    fn value_at(&self) -> usize {
        FIELD_AT + usize::from(self.bytes[FIELD_AT - 1])
    }

    pub fn month(&self) -> Month {
        Month::from_index(u16::from_be_bytes([self.bytes[1], self.bytes[2]]))
    }

    pub fn key(&self) -> KeyId {
        KeyId(self.eight(3))
    }

    pub fn salt(&self) -> [u8; 8] {
        self.eight(11)
    }

    pub fn nonce(&self) -> Nonce {
        self.bytes[HEAD..HEAD + NONCE].try_into().expect("12 bytes")
    }

    pub fn field(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes[..self.length].get(FIELD_AT..self.value_at())?).ok()
    }

    fn sealed(&self) -> &[u8] {
        &self.bytes[self.value_at()..self.length]
    }

    fn eight(&self, from: usize) -> [u8; 8] {
        self.bytes[from..from + 8].try_into().expect("8 bytes")
    }
}

#[cfg(test)]
mod tests;
