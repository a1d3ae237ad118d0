use std::path::Path;

use super::*;
use crate::base::Timestamp;
use crate::privacy::{Keyring, Month, Sealer};
use crate::query::{ParseContext, parse};

fn policy(mode: AddressMode) -> Policy {
    Policy::new(&["client_id".into()], false).with_addresses(&["ip".into()], mode, false)
}

fn query(text: &str) -> Expr {
    parse(text, &ParseContext { now: Timestamp(0), zone: jiff::tz::TimeZone::UTC }).unwrap()
}

/// Keys of two months, and a sealer with them.
fn keys(directory: &Path) -> (Vec<MonthKey>, Sealer) {
    let keyring = Keyring::open_or_create(&directory.join("keys")).unwrap();
    for month in ["2021_March", "2021_April"] {
        keyring.create_first(Month::typed(month).unwrap()).unwrap();
    }
    let keys = keyring.all().unwrap().ready;
    (keys, Sealer::new(keyring.into()).unwrap())
}

fn made(write: impl Fn(&mut String)) -> String {
    let mut text = String::new();
    write(&mut text);
    text
}

#[test]
fn a_sealed_value_is_searched_by_its_tags_of_all_months() {
    let directory = tempfile::tempdir().unwrap();
    let (keys, sealer) = keys(directory.path());
    let tag = |month: &str| {
        let month = Month::typed(month).unwrap();
        made(|tag| sealer.seal(month, "clientid", "CLIENTID2", &mut String::new(), tag).unwrap())
    };
    let (march, april) = (tag("2021_March"), tag("2021_April"));
    for name in ["client_id", "request.clientId", "\"CLIENT ID\""] {
        let asked = query(&format!("level:error and not {name}:\" CLIENTID2\""));
        assert!(needs_keys(&asked, &policy(AddressMode::Hmac)));
        let plain = name.trim_matches('"');
        let wanted = query(&format!(
            "level:error and not (\"{plain}_tag\":\"{march}\" or \"{plain}_tag\":\"{april}\")"
        ));
        assert_eq!(translate(&asked, &policy(AddressMode::Hmac), &keys), Ok(wanted), "{name}");
    }
    // Case matters, and without keys nothing can be found.
    let other = query("client_id:clientid2");
    assert!(
        !format!("{:?}", translate(&other, &policy(AddressMode::Hmac), &keys)).contains(&april)
    );
    assert_eq!(translate(&other, &policy(AddressMode::Hmac), &[]), Ok(Expr::Or(Vec::new())));
}

#[test]
fn unsupported_tests_of_a_sealed_field_are_refused() {
    let policy = policy(AddressMode::Hmac);
    for text in
        ["client_id:CLIENT*", "not a.client_id:?", "client_id>5 or x", "clientId:10.0.0.0/8"]
    {
        let refusal = translate(&query(text), &policy, &[]).unwrap_err();
        assert!(matches!(refusal, Refusal::Sealed { .. }), "{text}");
    }
    let said = translate(&query("request.client_id:a*"), &policy, &[]).unwrap_err().to_string();
    assert!(said.contains("`request.client_id:VALUE`") && said.contains("`request.client_id:*`"));
    for text in ["client_id:*", "ip:*", "client:A", "client_id2:a*", "words \"and more\"", "*"] {
        assert!(!needs_keys(&query(text), &policy), "{text}");
        assert_eq!(translate(&query(text), &policy, &[]), Ok(query(text)), "{text}");
    }
}

#[test]
fn an_address_is_searched_by_its_pseudonyms() {
    let directory = tempfile::tempdir().unwrap();
    let (keys, sealer) = keys(directory.path());
    for (mode, keyed) in
        [(AddressMode::Hmac, true), (AddressMode::Pfx, true), (AddressMode::Truncate, false)]
    {
        for address in ["10.0.0.17", "2001:db8::17", "::ffff:10.0.0.17"] {
            let stands = keys.iter().map(|key| {
                made(|stand| sealer.pseudonym(key.month(), mode, address, stand).unwrap())
            });
            let mut tests: Vec<Expr> = stands
                .map(|stand| Expr::Field {
                    name: FieldName("ip".into()),
                    test: Test::Equals(stand),
                })
                .collect();
            let wanted = if keyed { Expr::Or(tests) } else { tests.remove(0) };
            let asked = query(&format!("ip:\"{address}\""));
            assert!(needs_keys(&asked, &policy(mode)));
            assert_eq!(translate(&asked, &policy(mode), &keys), Ok(wanted), "{mode:?} {address}");
        }
    }
    let old = translate(&query("ip:192.0.2.1"), &policy(AddressMode::LegacySha1), &[]);
    assert_eq!(old, Ok(query("ip:e7ac7ecd794e71914a63e2cbdca798fceb5afd12")));
}

#[test]
fn a_network_is_searched_if_its_pseudonyms_form_a_network() {
    let directory = tempfile::tempdir().unwrap();
    let (keys, sealer) = keys(directory.path());
    let in_network = translate(&query("ip:10.1.2.0/23"), &policy(AddressMode::Pfx), &keys).unwrap();
    let Expr::Or(networks) = &in_network else { panic!("{in_network:?}") };
    for (key, network) in keys.iter().zip(networks) {
        let Expr::Field { test, .. } = network else { panic!("{network:?}") };
        for (address, inside) in [("10.1.2.9", true), ("10.1.3.250", true), ("10.1.4.1", false)] {
            let stand = made(|stand| {
                sealer.pseudonym(key.month(), AddressMode::Pfx, address, stand).unwrap();
            });
            let value = crate::event::Value::Text(stand.into());
            assert_eq!(test.matches(&value), inside, "{address}");
        }
    }
    for text in ["ip:10.0.0.0/24", "ip:10.0.0.0/8", "ip:2001\\:db8\\:\\:/32"] {
        let asked = query(text);
        assert_eq!(translate(&asked, &policy(AddressMode::Truncate), &[]), Ok(asked), "{text}");
    }
    for (mode, text) in [
        (AddressMode::Hmac, "ip:10.0.0.0/8"),
        (AddressMode::LegacySha1, "ip:10.0.0.0/8"),
        (AddressMode::Truncate, "ip:10.0.0.0/25"),
        (AddressMode::Truncate, "ip:10.0.*"),
        (AddressMode::Pfx, "ip:10.*"),
        (AddressMode::Hmac, "ip>1"),
    ] {
        let refused = translate(&query(text), &policy(mode), &keys);
        assert!(matches!(refused, Err(Refusal::Address { .. })), "{mode:?} {text}");
    }
    let clear = query("ip:10.0.0.0/8 or ip:10.*");
    assert_eq!(translate(&clear, &policy(AddressMode::Clear), &[]), Ok(clear));
}
