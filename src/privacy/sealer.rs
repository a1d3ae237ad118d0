//! Seals values, tags them and renames addresses: what a whole process shares. Keys are derived once a month,
//! field and session, not once an event.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::address::{self, AddressKeys, AddressMode};
use super::keys::{KeyError, Keyring, Month};
use super::tag::{self, MacKey};
use super::token::FieldCipher;

/// With random nonces of 12 bytes, more than 2³² under one derived key are too many; a session has a key of its own.
const SEALS_A_SESSION: u64 = 1 << 30;

pub struct Sealer {
    keyring: Arc<Keyring>,
    session: RwLock<Arc<Session>>,
    seals_a_session: u64,
    nonces: Mutex<Nonces>,
}

struct Session {
    salt: [u8; 8],
    seals: AtomicU64,
    derived: RwLock<Derived>,
}

/// What was derived of the keys that are in use: few, so that looking through them is faster than a hash.
#[derive(Default)]
struct Derived {
    fields: Vec<(Month, Box<str>, Arc<Field>)>,
    addresses: HashMap<Month, Arc<AddressKeys>>,
}

struct Field {
    cipher: FieldCipher,
    tag: MacKey,
}

impl Sealer {
    pub fn new(keyring: Arc<Keyring>) -> Result<Sealer, KeyError> {
        Sealer::with_sessions_of(keyring, SEALS_A_SESSION)
    }

    fn with_sessions_of(keyring: Arc<Keyring>, seals_a_session: u64) -> Result<Sealer, KeyError> {
        let session = RwLock::new(Session::start()?);
        Ok(Sealer { keyring, session, seals_a_session, nonces: Mutex::new(Nonces::new()) })
    }

    pub fn keyring(&self) -> &Arc<Keyring> {
        &self.keyring
    }

    /// Takes up what has happened to the keys folder since: a key that was rotated or destroyed is not used on.
    /// One look at the folder, meant for once a batch.
    pub fn refresh(&self) {
        if self.keyring.refresh() {
            let session = self.current();
            *session.derived.write().unwrap_or_else(PoisonError::into_inner) = Derived::default();
        }
    }

    /// Appends the token of `value` to `token`, and to `tag` its tag. `field` is the name in lower case, letters and
    /// digits only.
    pub fn seal(
        &self,
        month: Month,
        field: &str,
        value: &str,
        token: &mut String,
        tag: &mut String,
    ) -> Result<(), KeyError> {
        let session = self.session_for_a_seal()?;
        let field = session.field(&self.keyring, month, field)?;
        field.cipher.seal(value, &mut || self.nonce(), token)?;
        field.tag.write(tag::PREFIX, [value.as_bytes(), &[]], tag);
        Ok(())
    }

    /// Appends what stands for an address. With [`Month::ALWAYS`] it is the same in all months.
    pub fn pseudonym(
        &self,
        month: Month,
        mode: AddressMode,
        text: &str,
        out: &mut String,
    ) -> Result<(), KeyError> {
        let keys = match mode {
            AddressMode::Clear | AddressMode::LegacySha1 => None,
            _ => Some(self.current().addresses(&self.keyring, month)?),
        };
        address::write(mode, keys.as_deref(), text, out);
        Ok(())
    }

    fn current(&self) -> Arc<Session> {
        Arc::clone(&self.session.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One that has not yet sealed too much, and this seal counted.
    fn session_for_a_seal(&self) -> Result<Arc<Session>, KeyError> {
        loop {
            let session = self.current();
            if session.seals.fetch_add(1, Ordering::Relaxed) < self.seals_a_session {
                return Ok(session);
            }
            let mut current = self.session.write().unwrap_or_else(PoisonError::into_inner);
            if Arc::ptr_eq(&current, &session) {
                *current = Session::start()?;
            }
        }
    }

    fn nonce(&self) -> Result<[u8; 12], KeyError> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner).next()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("keyring", &self.keyring).finish_non_exhaustive()
    }
}

impl Session {
    fn start() -> Result<Arc<Session>, KeyError> {
        let mut salt = [0; 8];
        fill(&mut salt)?;
        Ok(Arc::new(Session { salt, seals: AtomicU64::new(0), derived: RwLock::default() }))
    }

    fn field(&self, keyring: &Keyring, month: Month, name: &str) -> Result<Arc<Field>, KeyError> {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        let mut fields = derived.fields.iter();
        if let Some((.., field)) = fields.find(|(of, named, _)| *of == month && **named == *name) {
            return Ok(Arc::clone(field));
        }
        drop(derived);
        // Held from before the key is asked for: a refresh forgets what was derived of keys of before.
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        let key = keyring.for_sealing(month)?;
        let cipher = FieldCipher::new(&key, self.salt, name)?;
        let field = Arc::new(Field { cipher, tag: MacKey::of_field(&key, name) });
        derived.fields.push((month, name.into(), Arc::clone(&field)));
        Ok(field)
    }

    fn addresses(&self, keyring: &Keyring, month: Month) -> Result<Arc<AddressKeys>, KeyError> {
        let derived = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = derived.addresses.get(&month) {
            return Ok(Arc::clone(keys));
        }
        drop(derived);
        let mut derived = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        let keys = Arc::new(AddressKeys::new(&*keyring.for_sealing(month)?));
        derived.addresses.insert(month, Arc::clone(&keys));
        Ok(keys)
    }
}

/// Random bytes of the operating system, asked for many at a time; each is used once.
struct Nonces {
    bytes: [u8; Nonces::MANY * 12],
    left: usize,
}

impl Nonces {
    const MANY: usize = 256;

    fn new() -> Nonces {
        Nonces { bytes: [0; Nonces::MANY * 12], left: 0 }
    }

    fn next(&mut self) -> Result<[u8; 12], KeyError> {
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
