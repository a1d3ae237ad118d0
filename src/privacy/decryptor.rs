//! Decrypts tokens; needs nothing but the keys directory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::keys::{KeyError, KeyId, Keyring, Month};
use super::token::{FieldCipher, Token};
use crate::base::with_causes;

/// Decrypts tokens with the keys of a keyring; caches the derived ciphers.
#[derive(Debug)]
pub struct Decryptor {
    keyring: Arc<Keyring>,
    /// By month, key, session and field; also errors, so that a missing key is looked up once. Cleared when full.
    ciphers: Mutex<HashMap<CipherId, Cipher>>,
}

type CipherId = (Month, KeyId, [u8; 8], Box<str>);
type Cipher = Result<Arc<FieldCipher>, Arc<KeyError>>;

/// Maximum number of cached ciphers.
const MAX_CIPHERS: usize = 256;

/// A decrypted token.
pub struct DecryptedValue {
    pub month: Month,
    pub key: KeyId,
    pub field: String,
    /// Overwritten when it is dropped.
    pub value: Zeroizing<String>,
}

/// The key and the field that a value was sealed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAndField {
    pub month: Month,
    pub key: KeyId,
    pub field: String,
}

impl DecryptedValue {
    pub fn sealed_by(&self) -> KeyAndField {
        KeyAndField { month: self.month, key: self.key, field: self.field.clone() }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    #[error("invalid token: truncated or modified")]
    NoToken,
    #[error("invalid token: modified, or not sealed with that key")]
    Refused,
    #[error("its key is not available")]
    Key(#[source] Arc<KeyError>),
}

impl DecryptError {
    /// The message and its causes on one line; for an unavailable key, only the reason.
    pub fn reason(&self) -> String {
        match self {
            DecryptError::Key(error) => with_causes(&**error),
            error => with_causes(error),
        }
    }
}

impl Decryptor {
    pub fn new(keyring: Arc<Keyring>) -> Decryptor {
        Decryptor { keyring, ciphers: Mutex::default() }
    }

    /// Decrypts a text that is exactly one token.
    pub fn open(&self, text: &str) -> Result<DecryptedValue, DecryptError> {
        let token = Token::parse(text).ok_or(DecryptError::NoToken)?;
        let field = token.field().ok_or(DecryptError::NoToken)?;
        let cipher = self.cipher(&token, field)?;
        let value = cipher.open(&token).ok_or(DecryptError::Refused)?;
        let (month, key) = (token.month(), token.key());
        Ok(DecryptedValue { month, key, field: field.to_owned(), value })
    }

    /// Decrypts the token at the beginning of `text`; returns its length too. The text after it may look like a part
    /// of it, as in `enc1.…-retry`: of all possible lengths, the longest one that decrypts is taken.
    pub fn open_first(&self, text: &str) -> Result<(usize, DecryptedValue), DecryptError> {
        let mut problem = DecryptError::NoToken;
        for length in Token::lengths(text) {
            match self.open(&text[..length]) {
                Ok(opened) => return Ok((length, opened)),
                Err(error @ DecryptError::Key(_)) => return Err(error),
                Err(DecryptError::Refused) => problem = DecryptError::Refused,
                Err(DecryptError::NoToken) => {}
            }
        }
        Err(problem)
    }

    fn cipher(&self, token: &Token, field: &str) -> Result<Arc<FieldCipher>, DecryptError> {
        let id = (token.month(), token.key(), token.salt(), field.into());
        let mut ciphers = self.ciphers.lock().unwrap_or_else(PoisonError::into_inner);
        if ciphers.len() == MAX_CIPHERS {
            ciphers.clear();
        }
        let cipher = ciphers.entry(id).or_insert_with(|| {
            let key = self.keyring.for_opening(token.month(), token.key())?;
            Ok(Arc::new(FieldCipher::new(&key, token.salt(), field)?))
        });
        cipher.clone().map_err(DecryptError::Key)
    }
}

impl std::fmt::Debug for DecryptedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecryptedValue")
            .field("month", &format_args!("{}", self.month))
            .field("key", &format_args!("{}", self.key))
            .field("field", &self.field)
            .field("value", &format_args!("[REDACTED]"))
            .finish()
    }
}
