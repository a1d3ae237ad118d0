//! A keys directory for tests, and helpers that seal and decrypt with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::privacy::{Decryptor, Keyring, Month, Policy, Sealer};

pub struct Keys {
    scratch: tempfile::TempDir,
    pub sealer: Arc<Sealer>,
    pub opener: Decryptor,
}

impl Keys {
    pub fn new() -> Keys {
        let scratch = tempfile::tempdir().unwrap();
        let keyring = Arc::new(Keyring::lazy(&scratch.path().join("keys"), true));
        let sealer = Arc::new(Sealer::new(Arc::clone(&keyring)).unwrap());
        Keys { scratch, sealer, opener: Decryptor::new(keyring) }
    }

    /// The parent of the directory.
    pub fn home(&self) -> &Path {
        self.scratch.path()
    }

    pub fn directory(&self) -> PathBuf {
        self.home().join("keys")
    }

    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(self.sealer.keyring())
    }

    pub fn policy(&self) -> Policy {
        Policy::new(&["client_id".into()], true).with_keys(self.sealer.clone())
    }

    pub fn seal(&self, month: Month, field: &str, value: &str) -> String {
        self.token_and_tag(month, field, value).0
    }

    pub fn tag(&self, in_month: &str, value: &str) -> String {
        self.token_and_tag(month(in_month), "clientid", value).1
    }

    fn token_and_tag(&self, month: Month, field: &str, value: &str) -> (String, String) {
        let (mut token, mut tag) = (String::new(), String::new());
        self.sealer.seal(month, field, value, &mut token, &mut tag).unwrap();
        (token, tag)
    }

    /// Decrypts with nothing but the directory.
    pub fn open(&self, token: &Json) -> String {
        let opener = Decryptor::new(Arc::new(Keyring::open(&self.directory()).unwrap()));
        opener.open(token.as_str().unwrap()).unwrap().value.to_string()
    }
}

pub fn month(text: &str) -> Month {
    Month::typed(text).unwrap()
}
