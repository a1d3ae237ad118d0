//! Decrypts the tokens of one text for display, and records in the audit file which values were decrypted.
//!
//! No value is returned before its audit line is durable.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Keyring;
use super::audit::{Audit, AuditError, TokenLocation};
use super::decrypt_stream::StreamDecryptor;
use super::decryptor::{DecryptError, DecryptedValue, Decryptor};

/// Maximum number of values, and of problems, per text; more are not useful to a reader.
const MAX_VALUES: usize = 100;

#[derive(Debug)]
pub struct AuditedDecryptor {
    keyring: Arc<Keyring>,
    audit: Audit,
}

/// The decrypted values of a text, each once, and the reasons why other tokens could not be decrypted.
#[derive(Debug, Default)]
pub struct DecryptedValues {
    pub values: Vec<DecryptedValue>,
    pub problems: Vec<String>,
}

impl AuditedDecryptor {
    pub fn new(keyring: Arc<Keyring>, audit: Audit) -> AuditedDecryptor {
        AuditedDecryptor { keyring, audit }
    }

    /// Decrypts the tokens in `text`, with the keys that are in the directory now. `place`: for the audit file.
    pub fn open(
        &self,
        text: &[u8],
        place: TokenLocation<'_>,
    ) -> Result<DecryptedValues, AuditError> {
        self.keyring.refresh();
        // Always a new one: an old one would remember keys as missing that may have been restored since.
        let decryptor = Decryptor::new(Arc::clone(&self.keyring));
        let mut disclosed = DecryptedValues::default();
        // Large enough to never reallocate, which would leave plain text in freed memory.
        let mut plain_text = Zeroizing::new(Vec::with_capacity(text.len() * 2));
        let mut stream = StreamDecryptor::new(&decryptor);
        let each = &mut |found| disclosed.add(found);
        stream.push(text, &mut plain_text, each);
        stream.finish(&mut plain_text, each);
        if !disclosed.values.is_empty() {
            self.audit.opened(&disclosed.values, place)?;
        }
        Ok(disclosed)
    }
}

impl DecryptedValues {
    fn add(&mut self, found: Result<DecryptedValue, DecryptError>) {
        match found {
            Ok(opened) => {
                let same = |known: &DecryptedValue| {
                    *known.value == *opened.value && known.sealed_by() == opened.sealed_by()
                };
                if self.values.len() < MAX_VALUES && !self.values.iter().any(same) {
                    self.values.push(opened);
                }
            }
            Err(error) => {
                let reason = error.reason();
                if self.problems.len() < MAX_VALUES && !self.problems.contains(&reason) {
                    self.problems.push(reason);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
