//! The identity of this machine: its name in events, and the host id from which the key for event ids is derived.

use std::sync::Arc;

use crate::event::IdKey;

/// The name of this machine in events: the configured one, otherwise that of the system.
pub fn host_name(configured: Option<&str>) -> Arc<str> {
    match configured {
        Some(name) => name.into(),
        None => rustix::system::uname().nodename().to_string_lossy().into(),
    }
}

/// The key for event ids, derived from the configured host id, otherwise from machine-id, otherwise from the host name.
pub fn id_key(configured: Option<&str>) -> IdKey {
    let machine_id = || {
        ["/etc/machine-id", "/var/lib/dbus/machine-id"]
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok())
            .map(|text| text.trim().to_owned())
            .find(|text| !text.is_empty())
    };
    let host_id = configured.map(str::to_owned).or_else(machine_id);
    IdKey::from_host_id(&host_id.unwrap_or_else(|| host_name(None).to_string()))
}
