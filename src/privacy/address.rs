//! Replaces IP addresses with pseudonyms, in the mode that the policy sets.
//!
//! A value that is not an address is replaced with a hash, never passed on unchanged, except in the mode `clear`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipcrypt_rs::IpcryptPfx;
use sha1::{Digest, Sha1};

use super::derive::derive;
use super::keys::MonthKey;
use super::tag::MacKey;

/// The beginning of a pseudonym that is a keyed hash.
pub const PREFIX: &str = "ip1.";

/// How addresses are written in outgoing events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressMode {
    /// `ip1.` and 22 characters: equal addresses have equal pseudonyms.
    #[default]
    Hmac,
    /// A valid address of the same family; addresses with a common prefix keep a common prefix of the same length
    /// (ipcrypt-pfx).
    Pfx,
    /// The network of the address: /24 for IPv4, /48 for IPv6.
    Truncate,
    /// The unchanged value.
    Clear,
    /// SHA-1 of the text, compatible with an older program. No key protects it: all of IPv4 can be tried within an
    /// hour.
    LegacySha1,
}

impl AddressMode {
    pub const ALL: [(&str, AddressMode); 5] = [
        ("hmac", AddressMode::Hmac),
        ("pfx", AddressMode::Pfx),
        ("truncate", AddressMode::Truncate),
        ("clear", AddressMode::Clear),
        ("legacy-sha1", AddressMode::LegacySha1),
    ];
}

/// The two keys for addresses of one month.
pub(super) struct AddressKeys {
    mac: MacKey,
    prefix: IpcryptPfx,
}

impl AddressKeys {
    pub fn new(key: &MonthKey) -> AddressKeys {
        AddressKeys {
            mac: MacKey::new(key, ["lw/v1/ip", ""]),
            prefix: IpcryptPfx::new(*derive::<32>(key.master(), None, ["lw/v1/pfx", ""])),
        }
    }

    fn hash(&self, address: IpAddr, out: &mut String) {
        match address {
            IpAddr::V4(address) => self.mac.write(PREFIX, [&[4], &address.octets()], out),
            IpAddr::V6(address) => self.mac.write(PREFIX, [&[6], &address.octets()], out),
        }
    }

    fn hash_text(&self, text: &str, out: &mut String) {
        self.mac.write(PREFIX, [&[0], text.as_bytes()], out);
    }
}

impl fmt::Debug for AddressKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressKeys([REDACTED])")
    }
}

/// An address with an optional port.
struct ParsedAddress {
    address: IpAddr,
    port: Option<u16>,
}

impl ParsedAddress {
    fn parse(text: &str) -> Option<ParsedAddress> {
        let unbracketed =
            text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let (address, port) = match unbracketed.parse::<IpAddr>() {
            Ok(address) => (address, None),
            Err(_) => {
                // An IPv6 zone names an interface of the writing machine and is not part of the address.
                let socket: SocketAddr = text.parse().ok()?;
                (socket.ip(), Some(socket.port()))
            }
        };
        Some(ParsedAddress { address: address.to_canonical(), port })
    }

    fn write(&self, address: IpAddr, out: &mut String) {
        use fmt::Write;
        let written = match self.port {
            Some(port) => write!(out, "{}", SocketAddr::new(address, port)),
            None => write!(out, "{address}"),
        };
        written.expect("a String takes any text");
    }
}

/// The search terms for one address: its pseudonyms under each of `keys`.
pub fn pseudonyms(mode: AddressMode, keys: &[MonthKey], text: &str) -> Vec<String> {
    let pseudonym = |keys: Option<&AddressKeys>| {
        let mut pseudonym = String::new();
        write(mode, keys, text, &mut pseudonym);
        pseudonym
    };
    let mut pseudonyms: Vec<String> = match (mode, ParsedAddress::parse(text)) {
        (AddressMode::Clear | AddressMode::LegacySha1, _) | (AddressMode::Truncate, Some(_)) => {
            vec![pseudonym(None)]
        }
        _ => keys.iter().map(|key| pseudonym(Some(&AddressKeys::new(key)))).collect(),
    };
    pseudonyms.dedup();
    pseudonyms
}

/// Appends the pseudonym of `text`. Without keys, modes that need them append `[sealed]`.
pub(super) fn write(mode: AddressMode, keys: Option<&AddressKeys>, text: &str, out: &mut String) {
    match (mode, keys, ParsedAddress::parse(text)) {
        (AddressMode::Clear, ..) => out.push_str(text),
        (AddressMode::LegacySha1, ..) => write_sha1(text, out),
        (AddressMode::Truncate, _, Some(written)) => written.write(network(written.address), out),
        (AddressMode::Pfx, Some(keys), Some(written)) => {
            written.write(keys.prefix.encrypt_ipaddr(written.address), out);
        }
        (AddressMode::Hmac, Some(keys), Some(written)) => {
            keys.hash(written.address, out);
        }
        (_, Some(keys), None) => keys.hash_text(text, out),
        (_, None, _) => out.push_str(super::SEALED),
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (!0 << 8)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (!0 << 80)).into(),
    }
}

fn write_sha1(text: &str, out: &mut String) {
    use fmt::Write;
    for byte in Sha1::digest(text.as_bytes()) {
        write!(out, "{byte:02x}").expect("a String takes any text");
    }
}

#[cfg(test)]
mod tests;
