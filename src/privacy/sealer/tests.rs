use std::collections::HashSet;

use super::*;
use crate::privacy::decryptor::Decryptor;
use crate::privacy::token::Token;

fn april() -> Month {
    Month::typed("2021_April").unwrap()
}

fn keyring() -> (tempfile::TempDir, Arc<Keyring>) {
    let scratch = tempfile::tempdir().unwrap();
    let keyring = Arc::new(Keyring::open_or_create(&scratch.path().join("keys")).unwrap());
    (scratch, keyring)
}

fn sealed(sealer: &Sealer, month: Month, field: &str, value: &str) -> String {
    let mut out = String::new();
    sealer.seal(month, field, value, &mut out, &mut String::new()).unwrap();
    out
}

fn tagged(sealer: &Sealer, month: Month, field: &str, value: &str) -> String {
    let mut out = String::new();
    sealer.seal(month, field, value, &mut String::new(), &mut out).unwrap();
    out
}

#[test]
fn another_process_decrypts_with_the_directory_alone() {
    let (_scratch, keyring) = keyring();
    let sealer = Sealer::new(Arc::clone(&keyring)).unwrap();
    let values = ["", "CLIENTID2", "fifteen bytes..", "sixteen bytes...", "ünï \"\\\n\u{0}\u{80}"];
    let tokens = values.map(|value| sealed(&sealer, april(), "clientid", value));
    drop(sealer);
    let opener = Decryptor::new(Arc::new(Keyring::open(keyring.directory()).unwrap()));
    for (value, token) in values.iter().zip(&tokens) {
        let opened = opener.open(token).unwrap();
        assert_eq!((opened.value.as_str(), opened.field.as_str()), (*value, "clientid"));
        assert_eq!(opened.month, april());
    }
}

#[test]
fn equal_values_have_different_tokens_and_equal_tags() {
    let (_scratch, keyring) = keyring();
    let sealer = Sealer::new(Arc::clone(&keyring)).unwrap();
    let other = Sealer::new(keyring).unwrap();
    let may = Month::typed("2021_May").unwrap();
    let of = |sealer, month, field| {
        (sealed(sealer, month, field, "C1"), tagged(sealer, month, field, "C1"))
    };
    let first = of(&sealer, april(), "clientid");
    assert!(first.1.starts_with("tag1.") && first.1.len() == 5 + 22, "{first:?}");
    let again = [of(&sealer, april(), "clientid"), of(&other, april(), "clientid")];
    for (token, tag) in &again {
        assert_ne!(*token, first.0);
        assert_eq!(*tag, first.1);
    }
    assert_ne!(of(&sealer, may, "clientid").1, first.1);
    let keys = sealer.keyring().all().unwrap().ready;
    assert_eq!(tag::of(&keys[0], "clientid", "C1"), first.1, "what a search asks for");
    assert_ne!(of(&sealer, april(), "user").1, first.1);
}

#[test]
fn a_session_ends_at_its_limit_of_seals() {
    let (_scratch, keyring) = keyring();
    let sealer = Sealer::with_seals_per_session(keyring, 3).unwrap();
    let salts: Vec<[u8; 8]> = (0..9)
        .map(|_| Token::parse(&sealed(&sealer, april(), "clientid", "C1")).unwrap().salt())
        .collect();
    let different: HashSet<_> = salts.iter().collect();
    assert_eq!(different.len(), 3);
    for session in salts.chunks(3) {
        assert_eq!(session, [session[0]; 3]);
    }
}

#[test]
fn no_pair_of_salt_and_nonce_occurs_twice_over_eight_threads() {
    let seals = 10_000_000;
    let (_scratch, keyring) = keyring();
    // Several sessions, so that their change is in it too.
    let sealer = Sealer::with_seals_per_session(keyring, seals as u64 / 3).unwrap();
    let many = |_: usize| {
        let mut token = String::new();
        let mut seen = Vec::with_capacity(seals / 8);
        for _ in 0..seals / 8 {
            token.clear();
            sealer.seal(april(), "clientid", "CLIENTID2", &mut token, &mut String::new()).unwrap();
            let token = Token::parse(&token).unwrap();
            let mut both = [0; 20];
            both[..8].copy_from_slice(&token.salt());
            both[8..].copy_from_slice(&token.nonce());
            seen.push(both);
        }
        seen
    };
    let mut seen: Vec<[u8; 20]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || many(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let sealed = seen.len();
    assert_eq!(sealed, seals / 8 * 8);
    seen.sort_unstable();
    let sessions = seen.chunk_by(|one, next| one[..8] == next[..8]).count();
    assert!(sessions >= 3, "{sessions} sessions");
    seen.dedup();
    assert_eq!(seen.len(), sealed, "a salt and nonce occurred twice");
}

#[test]
fn a_destroyed_key_is_not_sealed_with_after_a_refresh() {
    let (_scratch, keyring) = keyring();
    let sealer = Sealer::new(Arc::clone(&keyring)).unwrap();
    sealed(&sealer, april(), "clientid", "C1");
    let elsewhere = Keyring::open(keyring.directory()).unwrap();
    elsewhere.destroy(crate::privacy::keys::Slot::first(april())).unwrap();
    sealer.refresh();
    let error =
        sealer.seal(april(), "clientid", "C1", &mut String::new(), &mut String::new()).unwrap_err();
    assert!(error.to_string().contains("destroyed on"), "{error}");
    elsewhere.rotate(april()).unwrap();
    sealer.refresh();
    sealed(&sealer, april(), "clientid", "C1");
}

#[test]
fn debug_output_shows_no_key_and_no_value() {
    let (_scratch, keyring) = keyring();
    let sealer = Sealer::new(Arc::clone(&keyring)).unwrap();
    let token = sealed(&sealer, april(), "clientid", "CLIENTID2");
    let opener = Decryptor::new(Arc::clone(&keyring));
    let opened = opener.open(&token).unwrap();
    let shown = format!("{keyring:?} {sealer:?} {opener:?} {opened:?}");
    assert!(shown.contains("[REDACTED]"), "{shown}");
    assert!(!shown.contains("CLIENTID2"), "{shown}");
    let master = keyring.for_sealing(april()).unwrap();
    let bytes = format!("{:?}", master.master());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}
