//! The linked ciphers, checked against published vectors: Wycheproof and ipcrypt. Without the corpus the tests report
//! that and check nothing.

use std::net::IpAddr;
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit as _, Payload};
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;

fn vectors(name: &str) -> Option<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = root.join("../shared/corpus");
    let directory = std::env::var_os("LOGWARDEN_CORPUS").map_or(beside, Into::into);
    match std::fs::read(directory.join("crypto").join(name)) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(_) => {
            eprintln!(
                "NOT TESTED: no crypto/{name} in {}; set LOGWARDEN_CORPUS",
                directory.display()
            );
            None
        }
    }
}

fn bytes(test: &Value, name: &str) -> Vec<u8> {
    let text = test[name].as_str().unwrap_or_else(|| panic!("no {name} in {test}"));
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// Calls `check` with each test of the groups that `wanted` accepts, and with its validity.
fn each(
    vectors: &Value,
    wanted: &[(&str, u64)],
    mut check: impl FnMut(&Value, &Value, bool),
) -> usize {
    let mut count = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        if wanted.iter().any(|(name, value)| group[*name] != *value) {
            continue;
        }
        for test in group["tests"].as_array().unwrap() {
            check(group, test, test["result"] == "valid");
            count += 1;
        }
    }
    count
}

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    let Some(vectors) = vectors("wycheproof_aes_gcm_test.json") else { return };
    let wanted = [("keySize", 256), ("ivSize", 96), ("tagSize", 128)];
    let count = each(&vectors, &wanted, |_, test, valid| {
        let cipher = aes_gcm::Aes256Gcm::new_from_slice(&bytes(test, "key")).unwrap();
        let nonce = bytes(test, "iv").as_slice().try_into().unwrap();
        let (clear, aad) = (bytes(test, "msg"), bytes(test, "aad"));
        let sealed = [bytes(test, "ct"), bytes(test, "tag")].concat();
        let opened = cipher.decrypt(&nonce, Payload { msg: &sealed, aad: &aad });
        assert_eq!(opened.ok(), valid.then_some(clear.clone()), "{test}");
        if valid {
            let again = cipher.encrypt(&nonce, Payload { msg: &clear, aad: &aad }).unwrap();
            assert_eq!(again, sealed, "{test}");
        }
    });
    assert!(count > 60, "{count} tests");
}

#[test]
fn hmac_sha256_agrees_with_wycheproof() {
    let Some(vectors) = vectors("wycheproof_hmac_sha256_test.json") else { return };
    let count = each(&vectors, &[], |group, test, valid| {
        let mut mac = Hmac::<Sha256>::new_from_slice(&bytes(test, "key")).unwrap();
        mac.update(&bytes(test, "msg"));
        let length = group["tagSize"].as_u64().unwrap() as usize / 8;
        let made = mac.finalize().into_bytes();
        assert_eq!(made[..length] == bytes(test, "tag"), valid, "{test}");
    });
    assert_eq!(count, 174);
}

#[test]
fn hkdf_sha256_agrees_with_wycheproof() {
    let Some(vectors) = vectors("wycheproof_hkdf_sha256_test.json") else { return };
    let count = each(&vectors, &[], |_, test, valid| {
        let mut key = vec![0; test["size"].as_u64().unwrap() as usize];
        let hkdf = hkdf::Hkdf::<Sha256>::new(Some(&bytes(test, "salt")), &bytes(test, "ikm"));
        let made = hkdf.expand(&bytes(test, "info"), &mut key);
        assert_eq!(made.is_ok() && key == bytes(test, "okm"), valid, "{test}");
    });
    assert_eq!(count, 86);
}

#[test]
fn ipcrypt_pfx_agrees_with_its_vectors() {
    let Some(vectors) = vectors("ipcrypt_test_vectors.json") else { return };
    let of_pfx = |test: &&Value| test["variant"] == "ipcrypt-pfx";
    let tests: Vec<&Value> = vectors.as_array().unwrap().iter().filter(of_pfx).collect();
    for test in &tests {
        let key = bytes(test, "key").try_into().unwrap();
        let cipher = ipcrypt_rs::IpcryptPfx::new(key);
        let address = |name: &str| -> IpAddr { test[name].as_str().unwrap().parse().unwrap() };
        assert_eq!(cipher.encrypt_ipaddr(address("ip")), address("encrypted_ip"), "{test}");
    }
    assert!(tests.len() >= 4, "{} tests", tests.len());
}
