//! Translates a query to one for sealed events: a sealed value becomes its tags and an address its pseudonyms, one for
//! each key.
//!
//! Pure. A test that a sealed field cannot support is refused, because an empty result would be wrong.

use std::net::IpAddr;

use crate::privacy::keys::MonthKey;
use crate::privacy::tag::TAG;
use crate::privacy::{AddressMode, Policy, address, tag};
use crate::query::{Expr, FieldName, Test};

/// The reason why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "`{name}` is sealed in the archive ([privacy] seal): only a whole value, `{name}:VALUE`, and `{name}:*` can \
         be searched; for other searches, name the log files"
    )]
    Sealed { name: String },
    #[error(
        "the addresses of `{name}` are stored as {kept} ([privacy] addresses): only {answers} and `{name}:*` can be \
         searched; for other searches, name the log files"
    )]
    Address { name: String, kept: &'static str, answers: &'static str },
}

/// Whether the query can only be translated with keys.
pub fn needs_keys(query: &Expr, policy: &Policy) -> bool {
    match query {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| needs_keys(part, policy)),
        Expr::Not(inner) => needs_keys(inner, policy),
        Expr::Field { test: Test::Exists, .. } => false,
        Expr::Field { name, .. } => {
            let of_addresses =
                !matches!(policy.address_mode(), AddressMode::Clear | AddressMode::LegacySha1);
            policy.seals(&name.0) || (of_addresses && policy.renames(&name.0))
        }
        _ => false,
    }
}

/// Translates the query. `keys`: all available keys; values sealed with a missing key are not found.
pub fn translate(query: &Expr, policy: &Policy, keys: &[MonthKey]) -> Result<Expr, Refusal> {
    let all = |parts: &[Expr]| -> Result<Vec<Expr>, Refusal> {
        parts.iter().map(|part| translate(part, policy, keys)).collect()
    };
    Ok(match query {
        Expr::And(parts) => Expr::And(all(parts)?),
        Expr::Or(parts) => Expr::Or(all(parts)?),
        Expr::Not(inner) => Expr::Not(Box::new(translate(inner, policy, keys)?)),
        Expr::Field { test: Test::Exists, .. } => query.clone(),
        Expr::Field { name, test } => match policy.sealed_name(&name.0) {
            Some(sealed) => by_tags(name, sealed, test, keys)?,
            None if policy.renames(&name.0) => {
                by_addresses(name, test, policy.address_mode(), keys)?
            }
            None => query.clone(),
        },
        _ => query.clone(),
    })
}

/// The test of a sealed field, on its tags. `sealed`: the name under which the field is sealed.
fn by_tags(
    name: &FieldName,
    sealed: &str,
    test: &Test,
    keys: &[MonthKey],
) -> Result<Expr, Refusal> {
    let (Test::Equals(value) | Test::Number(value)) = test else {
        return Err(Refusal::Sealed { name: name.0.clone() });
    };
    let tag_name = FieldName([&name.0, TAG].concat());
    // Values are trimmed before they are sealed.
    let tags = keys.iter().map(|key| tag::of(key, sealed, value.trim()));
    Ok(any_of(&tag_name, tags.map(Test::Equals)))
}

/// The test of a field with addresses, on their pseudonyms.
fn by_addresses(
    name: &FieldName,
    test: &Test,
    mode: AddressMode,
    keys: &[MonthKey],
) -> Result<Expr, Refusal> {
    let name = name.clone();
    let refused = |kept, answers| Err(Refusal::Address { name: name.0.clone(), kept, answers });
    let whole = "a whole address";
    let network = "a whole address, a network,";
    match (mode, test) {
        (AddressMode::Clear, _) => Ok(Expr::Field { name, test: test.clone() }),
        (_, Test::Equals(text) | Test::Number(text)) => {
            let pseudonyms = address::pseudonyms(mode, keys, text.trim());
            Ok(any_of(&name, pseudonyms.into_iter().map(Test::Equals)))
        }
        (AddressMode::Pfx, Test::Network { address, prefix }) => {
            // The pseudonyms of one network are in one network.
            let pseudonyms = address::pseudonyms(mode, keys, &address.to_string());
            let addresses = pseudonyms.iter().filter_map(|pseudonym| pseudonym.parse().ok());
            let test = |address| Test::Network { address, prefix: *prefix };
            Ok(any_of(&name, addresses.map(test)))
        }
        (AddressMode::Truncate, Test::Network { address, prefix })
            if *prefix <= longest_kept(*address) =>
        {
            Ok(Expr::Field { name, test: test.clone() })
        }
        (AddressMode::Truncate, _) => {
            refused("their networks", "an address, a network of /24 (IPv6: /48) or larger,")
        }
        (AddressMode::Hmac, _) => refused("keyed hashes", whole),
        (AddressMode::LegacySha1, _) => refused("hashes", whole),
        (AddressMode::Pfx, _) => refused("encrypted addresses", network),
    }
}

/// Number of original bits that a truncated address keeps.
fn longest_kept(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 48,
    }
}

fn any_of(name: &FieldName, tests: impl Iterator<Item = Test>) -> Expr {
    let mut parts: Vec<Expr> = tests.map(|test| Expr::Field { name: name.clone(), test }).collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Expr::Or(parts),
    }
}

#[cfg(test)]
mod tests;
