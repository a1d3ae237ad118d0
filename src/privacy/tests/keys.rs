//! A keys folder, and who seals and opens with it.

use std::path::Path;
use std::sync::Arc;

use crate::privacy::{Keyring, Month, Opener, Sealer};

pub struct Keys {
    scratch: tempfile::TempDir,
    pub sealer: Sealer,
    pub opener: Opener,
}

impl Keys {
    pub fn new() -> Keys {
        let scratch = tempfile::tempdir().unwrap();
        let keyring = Arc::new(Keyring::open_or_create(&scratch.path().join("keys")).unwrap());
        let sealer = Sealer::new(Arc::clone(&keyring)).unwrap();
        Keys { scratch, sealer, opener: Opener::new(keyring) }
    }

    /// What the folder `keys` lies in.
    pub fn home(&self) -> &Path {
        self.scratch.path()
    }

    pub fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(self.sealer.keyring())
    }

    pub fn seal(&self, month: Month, field: &str, value: &str) -> String {
        let mut token = String::new();
        self.sealer.seal(month, field, value, &mut token, &mut String::new()).unwrap();
        token
    }
}

pub fn month(text: &str) -> Month {
    Month::typed(text).unwrap()
}
