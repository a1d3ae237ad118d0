//! Connects the monthly keys to the engine: sealing, decryption for the screen, and the audit log.

use std::sync::Arc;

use super::identity;
use super::settings::Settings;
use super::start_error::StartError;
use crate::base::SystemClock;
use crate::privacy::audit::{self, Actor, Audit};
use crate::privacy::keys::UsedKey;
use crate::privacy::{AuditedDecryptor, KeyError, Keyring, Policy, Sealer};
use crate::state::Store;

/// Seals values with the monthly keys, which are opened when the first value needs one. The state records which keys
/// were used, in case their directory is lost; a process that does not hold the state (`owner` false) creates no keys.
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
        // For commands that do not hold the state.
        store.take_snapshot();
        Ok(())
    });
    let sealer = Sealer::new(Arc::new(keyring)).map_err(|source| StartError::Keys { source })?;
    Ok(Arc::new(sealer))
}

/// The privacy policy for printing events of a file as a sink would get them. Creates no keys: without the state it is
/// not known which keys were used.
pub fn sealing_policy(settings: &Settings) -> Result<Policy, KeyError> {
    let keyring = Keyring::lazy(&settings.keys, false).making_none();
    let sealer = Sealer::new(Arc::new(keyring))?;
    Ok(settings.privacy.policy().with_keys(Arc::new(sealer)))
}

/// The audit log in the state directory. `by`: the part of the program that shows decrypted values.
pub fn audit(settings: &Settings, by: &'static str) -> Audit {
    let name = |variable: &&str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    let who = Actor {
        user: ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(name),
        host: identity::host_name(settings.host_name.as_deref()).to_string(),
        by,
    };
    Audit::new(settings.directories.state.join(audit::NAME), who, Arc::new(SystemClock::new()))
}

/// Decrypts tokens for the screen. The keys are opened when the first token is decrypted.
pub fn disclosure(settings: &Settings) -> AuditedDecryptor {
    let keyring = Arc::new(Keyring::lazy(&settings.keys, false));
    AuditedDecryptor::new(keyring, audit(settings, "screen"))
}
