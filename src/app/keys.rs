//! The month keys of one engine, and who opens with them what was sealed.

use std::sync::Arc;

use super::identity;
use super::settings::Settings;
use super::start_error::StartError;
use crate::base::SystemClock;
use crate::privacy::audit::{self, Audit, Who};
use crate::privacy::keys::UsedKey;
use crate::privacy::{Disclosure, KeyError, Keyring, Policy, Sealer};
use crate::state::Store;

/// Keys are looked for with the first value that needs one. The state knows which were used, whatever becomes of
/// their directory; who does not own it makes none. `owner`: of the state.
pub fn sealer(settings: &Settings, store: &Store, owner: bool) -> Result<Arc<Sealer>, StartError> {
    let keyring = match owner {
        true => Keyring::lazy(&settings.keys, settings.makes_keys),
        false => Keyring::lazy(&settings.keys, false).making_none(),
    };
    keyring.remember(&UsedKey::parse_all(&store.used_keys()));
    let store = store.clone();
    keyring.tell(move |keys| {
        keys.iter().for_each(|key| store.put_used_key(&key.to_string()));
        store.commit().map_err(std::io::Error::other)?;
        // For commands that do not own the state.
        store.take_snapshot();
        Ok(())
    });
    let sealer = Sealer::new(Arc::new(keyring)).map_err(|source| StartError::Keys { source })?;
    Ok(Arc::new(sealer))
}

/// For what is printed of a file as if it left. Without the state nobody knows every key that was used, so none is
/// made.
pub fn protecting(settings: &Settings) -> Result<Policy, KeyError> {
    let keyring = Keyring::lazy(&settings.keys, false).making_none();
    let sealer = Sealer::new(Arc::new(keyring))?;
    Ok(settings.privacy.policy().with_keys(Arc::new(sealer)))
}

/// The audit file in the state directory. `by`: the part of the program that shows what is opened.
pub fn audit(settings: &Settings, by: &'static str) -> Audit {
    let name = |variable: &&str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let who = Who {
        user: ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(name),
        host: identity::host_name(settings.host_name.as_deref()).to_string(),
        by,
    };
    Audit::new(settings.directories.state.join(audit::NAME), who, Arc::new(SystemClock::new()))
}

/// Opens tokens for the screen. The keys are looked at when there is something to open.
pub fn disclosure(settings: &Settings) -> Disclosure {
    let keyring = Arc::new(Keyring::lazy(&settings.keys, false));
    Disclosure::new(keyring, audit(settings, "screen"))
}
