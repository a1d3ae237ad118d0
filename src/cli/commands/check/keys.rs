//! Whether month keys can be used. Makes nothing.

use std::path::Path;

use super::Finding;
use crate::privacy::Keyring;
use crate::privacy::keys::{KeyError, KeyState, ListedKey};

/// The folder, and each key that is not in order.
pub(super) fn keys(folder: &Path) -> Vec<Finding> {
    let finding = |result| Finding { subject: format!("keys {}", folder.display()), result };
    let listed = match Keyring::open(folder).and_then(|keyring| keyring.list()) {
        Ok(listed) => listed,
        Err(KeyError::NoFolder { .. }) => {
            return vec![finding(Ok("not there yet; made with the first key".to_owned()))];
        }
        Err(error) => return vec![finding(Err(told(error)))],
    };
    let count =
        |wanted: fn(&KeyState) -> bool| listed.iter().filter(|key| wanted(&key.state)).count();
    let ready = count(|state| matches!(state, KeyState::Ready { .. }));
    let destroyed = count(|state| matches!(state, KeyState::Destroyed { .. }));
    let mut findings = vec![finding(Ok(format!("{ready} in order, {destroyed} destroyed")))];
    for ListedKey { slot, state, .. } in listed {
        if let KeyState::Unusable(error) = state {
            findings.push(Finding { subject: format!("key {slot}"), result: Err(told(error)) });
        }
    }
    findings
}

fn told(error: KeyError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
