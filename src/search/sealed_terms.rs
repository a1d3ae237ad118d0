//! A query as it was asked → the query of what stands in the archive: a sealed value becomes its tags, an address
//! what stands for it, one for each key. Pure.
//!
//! What such a field cannot answer is refused: an empty answer would be a wrong one.

use std::net::IpAddr;

use crate::privacy::keys::MonthKey;
use crate::privacy::tag::TAG;
use crate::privacy::{AddressMode, Policy, address, tag};
use crate::query::{Expr, FieldName, Test};

/// Why a query cannot be answered; for people.
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

/// It cannot be asked without keys.
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

/// `keys`: all there are. Under a key that is missing nothing is found.
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

/// `sealed`: the name that it is sealed under.
fn by_tags(
    name: &FieldName,
    sealed: &str,
    test: &Test,
    keys: &[MonthKey],
) -> Result<Expr, Refusal> {
    let (Test::Equals(value) | Test::Number(value)) = test else {
        return Err(Refusal::Sealed { name: name.0.clone() });
    };
    let beside = FieldName([&name.0, TAG].concat());
    // As it is sealed.
    let tags = keys.iter().map(|key| tag::of(key, sealed, value.trim()));
    Ok(any_of(&beside, tags.map(Test::Equals)))
}

fn by_addresses(
    name: &FieldName,
    test: &Test,
    mode: AddressMode,
    keys: &[MonthKey],
) -> Result<Expr, Refusal> {
    let name = name.clone();
    let refused = |kept, answers| Err(Refusal::Address { name: name.0.clone(), kept, answers });
    let whole = "a whole address";
    let network = "a whole address or a network";
    match (mode, test) {
        (AddressMode::Clear, _) => Ok(Expr::Field { name, test: test.clone() }),
        (_, Test::Equals(text) | Test::Number(text)) => {
            let stands = address::stand_ins(mode, keys, text.trim());
            Ok(any_of(&name, stands.into_iter().map(Test::Equals)))
        }
        (AddressMode::Pfx, Test::Network { address, prefix }) => {
            // Addresses of one network have stand-ins of one network.
            let stands = address::stand_ins(mode, keys, &address.to_string());
            let stands = stands.iter().filter_map(|stand| stand.parse().ok());
            let test = |address| Test::Network { address, prefix: *prefix };
            Ok(any_of(&name, stands.map(test)))
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

/// Of a truncated address so many bits are its own.
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
