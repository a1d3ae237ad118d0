//! Seals and tags values, and pseudonymises addresses; shared by the whole process.
//!
//! Keys are derived once per month, field and session, not per event.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::address::{self, AddressKeys, AddressMode};
use super::keys::{KeyError, Keyring, Month};
use super::tag::{self, MacKey};
use super::token::{FieldCipher, Nonce};
use crate::base::Timestamp;

/// With random 12-byte nonces, one derived key must not seal more than 2³² values; each session derives its own keys.
const SEALS_PER_SESSION: u64 = 1 << 30;

pub struct Sealer {
    keyring: Arc<Keyring>,
    seals_per_session: u64,
    session: Mutex<Session>,
}

/// The derived keys in use, and the salt and nonces for new tokens.
struct Session {
    salt: [u8; 8],
    seals: u64,
    nonces: Nonces,
    /// Path, day and month of the last event; nearly always the same for the next event.
    month: Option<(Arc<Path>, i32, Month)>,
    /// The derived keys by month and field: only a few, so that a linear search is faster than hashing.
    fields: Vec<(Month, Box<str>, Arc<Field>)>,
    addresses: HashMap<Month, Arc<AddressKeys>>,
}

struct Field {
    cipher: FieldCipher,
    tag: MacKey,
}

impl Sealer {
    pub fn new(keyring: Arc<Keyring>) -> Result<Sealer, KeyError> {
        Sealer::with_seals_per_session(keyring, SEALS_PER_SESSION)
    }

    fn with_seals_per_session(
        keyring: Arc<Keyring>,
        seals_per_session: u64,
    ) -> Result<Sealer, KeyError> {
        let session = Mutex::new(Session::start()?);
        Ok(Sealer { keyring, seals_per_session, session })
    }

    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Detects changes of the keys directory, so that a rotated or destroyed key is no longer used. Called once per
    /// batch: it reads the metadata of the directory and of the keys in use.
    pub fn refresh(&self) {
        if self.keyring.refresh() {
            self.session().forget_keys();
        }
    }

    /// The month of an event: that in its file name, otherwise that of its UTC day.
    pub fn month_of(&self, path: &Arc<Path>, day: i32) -> Month {
        let mut session = self.session();
        match &session.month {
            Some((of, on, month)) if Arc::ptr_eq(of, path) && *on == day => *month,
            _ => {
                let named =
                    path.file_name().and_then(|name| Month::in_name(&name.to_string_lossy()));
                let month = named.unwrap_or_else(|| Month::of(Timestamp::of_day(day)));
                session.month = Some((Arc::clone(path), day, month));
                month
            }
        }
    }

    /// Appends the token of `value` to `token`, and its tag to `tag`. `field` is the name in lower case, letters and
    /// digits only.
    pub fn seal(
        &self,
        month: Month,
        field: &str,
        value: &str,
        token: &mut String,
        tag: &mut String,
    ) -> Result<(), KeyError> {
        let (field, nonce) = self.start_seal(month, field)?;
        let mut first = Some(nonce);
        let mut nonce = || first.take().map_or_else(|| self.session().nonces.next(), Ok);
        field.cipher.seal(value, &mut nonce, token)?;
        field.tag.write(tag::PREFIX, [value.as_bytes(), &[]], tag);
        Ok(())
    }

    /// Appends the pseudonym of an address. With [`Month::ALWAYS`] it is the same in all months.
    pub fn pseudonym(
        &self,
        month: Month,
        mode: AddressMode,
        text: &str,
        out: &mut String,
    ) -> Result<(), KeyError> {
        let keys = match mode {
            AddressMode::Clear | AddressMode::LegacySha1 => None,
            _ => Some(self.session().addresses(&self.keyring, month)?),
        };
        address::write(mode, keys.as_deref(), text, out);
        Ok(())
    }

    /// The cipher and a nonce for one seal. Counts the seal, and starts a new session when the limit is reached.
    fn start_seal(&self, month: Month, name: &str) -> Result<(Arc<Field>, Nonce), KeyError> {
        let mut session = self.session();
        if session.seals == self.seals_per_session {
            *session = Session::start()?;
        }
        session.seals += 1;
        Ok((session.field(&self.keyring, month, name)?, session.nonces.next()?))
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

impl Session {
    fn start() -> Result<Session, KeyError> {
        let mut salt = [0; 8];
        fill(&mut salt)?;
        Ok(Session {
            salt,
            seals: 0,
            nonces: Nonces::new(),
            month: None,
            fields: Vec::new(),
            addresses: HashMap::new(),
        })
    }

    fn forget_keys(&mut self) {
        self.fields.clear();
        self.addresses.clear();
    }

    fn field(
        &mut self,
        keyring: &Keyring,
        month: Month,
        name: &str,
    ) -> Result<Arc<Field>, KeyError> {
        let mut fields = self.fields.iter();
        if let Some((.., field)) = fields.find(|(of, named, _)| *of == month && **named == *name) {
            return Ok(Arc::clone(field));
        }
        let key = keyring.for_sealing(month)?;
        let cipher = FieldCipher::new(&key, self.salt, name)?;
        let field = Arc::new(Field { cipher, tag: MacKey::of_field(&key, name) });
        self.fields.push((month, name.into(), Arc::clone(&field)));
        Ok(field)
    }

    fn addresses(&mut self, keyring: &Keyring, month: Month) -> Result<Arc<AddressKeys>, KeyError> {
        if let Some(keys) = self.addresses.get(&month) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(AddressKeys::new(&*keyring.for_sealing(month)?));
        self.addresses.insert(month, Arc::clone(&keys));
        Ok(keys)
    }
}

/// Random bytes of the operating system, requested in blocks; each is used once.
struct Nonces {
    bytes: [u8; Nonces::MANY * 12],
    left: usize,
}

impl Nonces {
    const MANY: usize = 256;

    fn new() -> Nonces {
        Nonces { bytes: [0; Nonces::MANY * 12], left: 0 }
    }

    fn next(&mut self) -> Result<Nonce, KeyError> {
        if self.left == 0 {
            fill(&mut self.bytes)?;
            self.left = Nonces::MANY;
        }
        self.left -= 1;
        let from = self.left * 12;
        Ok(self.bytes[from..from + 12].try_into().expect("12 bytes"))
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), KeyError> {
    getrandom::fill(bytes).map_err(|error| KeyError::Random(error.into()))
}

#[cfg(test)]
mod tests;
