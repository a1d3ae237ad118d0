//! Tests that the worked example of `docs/PRIVACY.md` (key, token, tag, addresses) agrees with the code: the page must
//! be sufficient to write a decryptor.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::address::{self, AddressKeys, AddressMode};
use super::derive::derive;
use super::keys::{Keyring, MonthKey, Slot};
use super::tag::{self, MacKey};
use super::token::FieldCipher;
use super::{Decryptor, Month};
use crate::base::Timestamp;

const PAGE: &str = include_str!("../../docs/PRIVACY.md");
const CREATED: Timestamp = Timestamp(1_617_235_200_000_000_000);
const SALT: [u8; 8] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];
const NONCE: [u8; 12] = [0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb];

fn master() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(std::array::from_fn(|at| at as u8))
}

fn key() -> MonthKey {
    MonthKey::new(Slot::first(Month::typed("2021_April").unwrap()), CREATED, master())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn token() -> String {
    let mut token = String::new();
    let cipher = FieldCipher::new(&key(), SALT, "clientid").unwrap();
    cipher.seal("CLIENTID2", &mut || Ok(NONCE), &mut token).unwrap();
    token
}

#[track_caller]
fn on_page(label: &str, value: &str) {
    let lines = PAGE.lines().filter(|line| line.trim_start().starts_with(label));
    assert!(
        lines.clone().any(|line| line.split_whitespace().any(|word| word == value)),
        "the page has {:?} for `{label}`, but the code computes {value}",
        lines.collect::<Vec<_>>()
    );
}

#[test]
fn the_page_agrees_with_the_code() {
    let key = key();
    on_page("master", &hex(key.master()));
    on_page("month", &key.month().index().to_string());
    on_page("created", &CREATED.seconds().to_string());
    on_page("key id", &key.id().to_string());
    on_page("key file", key.write().trim_end());
    on_page("session salt", &hex(&SALT));
    on_page("nonce", &hex(&NONCE));
    let info = ["lw/v1/enc/", "clientid"];
    on_page("token key", &hex(&*derive::<32>(key.master(), Some(&SALT), info)));
    on_page("token", &token());
    on_page("tag key", &hex(&*derive::<32>(key.master(), None, ["lw/v1/tag/", "clientid"])));
    let mut tag = String::new();
    MacKey::of_field(&key, "clientid").write(tag::PREFIX, [b"CLIENTID2", &[]], &mut tag);
    on_page("tag", &tag);
    on_page("hmac key", &hex(&*derive::<32>(key.master(), None, ["lw/v1/ip", ""])));
    on_page("pfx key", &hex(&*derive::<32>(key.master(), None, ["lw/v1/pfx", ""])));
    let addresses = AddressKeys::new(&key);
    for (mode, label) in [
        (AddressMode::Hmac, "hmac of"),
        (AddressMode::Pfx, "pfx of"),
        (AddressMode::Truncate, "truncate of"),
        (AddressMode::LegacySha1, "legacy-sha1 of"),
    ] {
        for (text, named) in [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::1")] {
            let mut out = String::new();
            address::write(mode, Some(&addresses), text, &mut out);
            on_page(&format!("{label} {named}"), &out);
        }
    }
}

#[test]
fn the_key_file_on_the_page_decrypts_the_token_on_the_page() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("keys");
    let keyring = Arc::new(Keyring::open_or_create(&directory).unwrap());
    let of_page = |prefix: &str| {
        PAGE.split_whitespace().find(|word| word.starts_with(prefix) && word.len() > 60)
    };
    let file = of_page("lwkey1.").expect("a key file");
    let path = directory.join("2021_April.key");
    std::fs::write(&path, format!("{file}\n")).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let opened = Decryptor::new(keyring).open(of_page("enc1.").expect("a token")).unwrap();
    assert_eq!((opened.value.as_str(), opened.field.as_str()), ("CLIENTID2", "clientid"));
}
