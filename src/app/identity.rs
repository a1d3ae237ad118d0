//! Who this machine is: its name in events, and the host id behind the keys of event ids.

use std::sync::Arc;

use crate::event::IdKey;

/// What `host.name` says.
pub fn host_name(configured: Option<&str>) -> Arc<str> {
    match configured {
        Some(name) => name.into(),
        None => rustix::system::uname().nodename().to_string_lossy().into(),
    }
}

/// The configured host id, else machine-id, else the host's name.
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
