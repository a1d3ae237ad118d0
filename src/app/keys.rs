//! The month keys of one engine.

use std::sync::Arc;

use super::engine::StartError;
use super::settings::Settings;
use crate::privacy::keys::UsedKey;
use crate::privacy::{Keyring, Sealer};
use crate::state::Store;

/// Keys are looked for with the first value that needs one. The state knows which were used, whatever becomes of
/// their folder.
pub fn sealer(settings: &Settings, store: &Store) -> Result<Arc<Sealer>, StartError> {
    let keyring = Keyring::lazy(&settings.keys, settings.makes_keys);
    let used: Vec<UsedKey> =
        store.used_keys().iter().filter_map(|key| UsedKey::parse(key)).collect();
    keyring.remember(&used);
    let store = store.clone();
    keyring.tell(move |key| {
        store.put_used_key(&key.to_string());
        store.commit().map_err(std::io::Error::other)
    });
    let sealer = Sealer::new(Arc::new(keyring)).map_err(|source| StartError::Keys { source })?;
    Ok(Arc::new(sealer))
}
