//! Tokens opened for somebody who looks at them. No value is handed out before the line in the audit file that
//! says so is durable.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::Keyring;
use super::audit::{Audit, AuditError, Place};
use super::decrypt_stream::Revealer;
use super::decryptor::{OpenError, Opened, Opener};

/// Of one text, which is there to be read by a person.
const MOST: usize = 100;

#[derive(Debug)]
pub struct Disclosure {
    keyring: Arc<Keyring>,
    audit: Audit,
}

/// What the tokens of a text held: each value once, and why others stay closed.
#[derive(Debug, Default)]
pub struct Disclosed {
    pub values: Vec<Opened>,
    pub problems: Vec<String>,
}

impl Disclosure {
    pub fn new(keyring: Arc<Keyring>, audit: Audit) -> Disclosure {
        Disclosure { keyring, audit }
    }

    /// Takes up what has happened to the keys since.
    pub fn open(&self, text: &[u8], place: Place<'_>) -> Result<Disclosed, AuditError> {
        self.keyring.refresh();
        // A new one: it remembers which keys could not be had, and somebody may have mended them since.
        let opener = Opener::new(Arc::clone(&self.keyring));
        let mut disclosed = Disclosed::default();
        // Room enough, so that no copy is left where it grew.
        let mut clear = Zeroizing::new(Vec::with_capacity(text.len() * 2));
        let mut revealer = Revealer::new(&opener);
        let each = &mut |found| disclosed.add(found);
        revealer.push(text, &mut clear, each);
        revealer.finish(&mut clear, each);
        if !disclosed.values.is_empty() {
            self.audit.opened(&disclosed.values, place)?;
        }
        Ok(disclosed)
    }
}

impl Disclosed {
    fn add(&mut self, found: Result<Opened, OpenError>) {
        match found {
            Ok(opened) => {
                let same = |known: &Opened| {
                    *known.value == *opened.value && known.sealed_by() == opened.sealed_by()
                };
                if self.values.len() < MOST && !self.values.iter().any(same) {
                    self.values.push(opened);
                }
            }
            Err(error) => {
                let reason = error.reason();
                if self.problems.len() < MOST && !self.problems.contains(&reason) {
                    self.problems.push(reason);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
