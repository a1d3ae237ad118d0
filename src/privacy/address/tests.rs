use super::*;
use crate::privacy::{Keyring, Month};

fn keys() -> AddressKeys {
    let scratch = tempfile::tempdir().unwrap();
    let keyring = Keyring::open_or_create(&scratch.path().join("keys")).unwrap();
    AddressKeys::new(&keyring.for_sealing(Month::typed("2021_April").unwrap()).unwrap())
}

fn written(mode: AddressMode, keys: &AddressKeys, text: &str) -> String {
    let mut out = String::new();
    write(mode, Some(keys), text, &mut out);
    out
}

#[test]
fn hmac_hides_addresses_and_keeps_equality() {
    let keys = keys();
    let hmac = |text: &str| written(AddressMode::Hmac, &keys, text);
    let one = hmac("192.0.2.1");
    assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 22, "{one}");
    for same in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1:8080", "[::ffff:192.0.2.1]:1"] {
        assert_eq!(hmac(same), one, "{same}");
    }
    for other in ["192.0.2.2", "2001:db8::1", "unknown", "", "192.0.2.1 "] {
        assert_ne!(hmac(other), one, "{other}");
    }
    assert_ne!(one, written(AddressMode::Hmac, &super::tests::keys(), "192.0.2.1"));
}

#[test]
fn pfx_keeps_addresses_valid_and_networks_together() {
    let keys = keys();
    let pfx = |text: &str| written(AddressMode::Pfx, &keys, text);
    let four = |text: &str| -> u32 { pfx(text).parse::<Ipv4Addr>().unwrap().to_bits() };
    let six = |text: &str| -> u128 { pfx(text).parse::<Ipv6Addr>().unwrap().to_bits() };
    assert_eq!(four("192.0.2.1") >> 8, four("192.0.2.200") >> 8);
    assert_ne!(four("192.0.2.1"), four("192.0.2.200"));
    assert_ne!(four("192.0.2.1") >> 8, four("192.0.3.1") >> 8);
    assert_eq!(six("2001:db8:1::1") >> 64, six("2001:db8:1::2") >> 64);
    assert_eq!(four("::ffff:192.0.2.1"), four("192.0.2.1"));
    assert_eq!(pfx("192.0.2.1:443"), format!("{}:443", pfx("192.0.2.1")));
    assert_eq!(pfx("[2001:db8::1]:443"), format!("[{}]:443", pfx("2001:db8::1")));
}

#[test]
fn truncate_clear_and_sha1_write_what_their_names_say() {
    let keys = keys();
    let cases = [
        (AddressMode::Truncate, "192.0.2.129", "192.0.2.0"),
        (AddressMode::Truncate, "2001:db8:1:2:3::4", "2001:db8:1::"),
        (AddressMode::Truncate, "192.0.2.129:80", "192.0.2.0:80"),
        (AddressMode::Clear, "192.0.2.129", "192.0.2.129"),
        (AddressMode::Clear, "anything", "anything"),
        (AddressMode::LegacySha1, "127.0.0.1", "4b84b15bff6ee5796152495a230e45e3d7e947d9"),
    ];
    for (mode, text, expected) in cases {
        assert_eq!(written(mode, &keys, text), expected, "{mode:?} of {text}");
    }
}

#[test]
fn values_that_are_not_addresses_never_leave_unchanged() {
    let keys = keys();
    for mode in [AddressMode::Hmac, AddressMode::Pfx, AddressMode::Truncate] {
        for text in ["fe80::1%eth0", "10.0.0.0/8", "192.0.2.1, 192.0.2.2", "host.example", "1.2.3"]
        {
            let out = written(mode, &keys, text);
            assert!(out.starts_with(PREFIX) && !out.contains(text), "{mode:?}: {out}");
        }
        let mut out = String::new();
        write(mode, None, "host.example", &mut out);
        assert_eq!(out, "[sealed]");
    }
}
