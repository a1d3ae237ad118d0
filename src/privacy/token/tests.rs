use proptest::prelude::*;

use super::*;
use crate::privacy::DecryptError;
use crate::privacy::tests::keys::{Keys, month};

fn bytes_of(token: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX).unwrap()).unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[test]
fn every_single_bit_flip_is_refused() {
    let case = Keys::new();
    let token = case.seal(month("2021_April"), "clientid", "CLIENTID2");
    assert_eq!(case.opener.open(&token).unwrap().value.as_str(), "CLIENTID2");
    let bytes = bytes_of(&token);
    for at in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        assert!(case.opener.open(&text_of(&flipped)).is_err(), "bit {at}");
    }
    for at in 0..token.len() * 8 {
        let mut flipped = token.clone().into_bytes();
        flipped[at / 8] ^= 1 << (at % 8);
        let Ok(flipped) = String::from_utf8(flipped) else { continue };
        assert!(case.opener.open(&flipped).is_err(), "bit {at} of the text");
    }
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let case = Keys::new();
    let token = case.seal(month("2021_April"), "clientid", "CLIENTID2");
    let bytes = bytes_of(&token);
    for length in 0..bytes.len() {
        assert!(case.opener.open(&text_of(&bytes[..length])).is_err(), "cut to {length} bytes");
        assert!(case.opener.open(&text_of(&bytes[bytes.len() - length..])).is_err());
    }
    for more in 1..64 {
        let longer = [bytes.as_slice(), &vec![0; more]].concat();
        assert!(case.opener.open(&text_of(&longer)).is_err(), "{more} bytes more");
    }
    for length in 0..token.len() {
        assert!(case.opener.open(&token[..length]).is_err());
    }
    for odd in ["=", "A", ".", " ", "\n", "enc1."] {
        assert!(case.opener.open(&format!("{token}{odd}")).is_err(), "{odd:?}");
        assert!(case.opener.open(&format!("{odd}{token}")).is_err(), "{odd:?}");
    }
    assert!(case.opener.open(&token.replace("enc1.", "ENC1.")).is_err());
    assert!(case.opener.open(&token.replace("enc1.", "enc2.")).is_err());
}

#[test]
fn the_field_the_month_the_key_and_the_session_of_another_token_are_refused() {
    let case = Keys::new();
    let april = bytes_of(&case.seal(month("2021_April"), "clientid", "CLIENTID2"));
    let may = bytes_of(&case.seal(month("2021_May"), "clientid", "CLIENTID3"));
    let refused = |bytes: &[u8]| match case.opener.open(&text_of(bytes)) {
        Err(DecryptError::Refused) => {}
        other => panic!("{other:?}"),
    };
    let with_part = |range: std::ops::Range<usize>| {
        let mut mixed = april.clone();
        mixed[range.clone()].copy_from_slice(&may[range]);
        mixed
    };
    // Month and key (of an existing key); nonce; value.
    refused(&with_part(1..11));
    refused(&with_part(HEAD..HEAD + NONCE));
    refused(&with_part(FIELD_AT + 8..april.len()));
    let mut field = april.clone();
    field[FIELD_AT..FIELD_AT + 8].copy_from_slice(b"clientxx");
    refused(&field);
    let mut salt = april.clone();
    salt[11] ^= 1;
    refused(&salt);
    let mut other_month = april.clone();
    other_month[1..3].copy_from_slice(&may[1..3]);
    let error = case.opener.open(&text_of(&other_month)).unwrap_err();
    let DecryptError::Key(error) = error else { panic!("{error:?}") };
    assert!(matches!(*error, KeyError::Unknown { .. }), "{error:?}");
}

#[test]
fn a_long_value_becomes_several_tokens_and_field_names_are_limited() {
    let case = Keys::new();
    let april = month("2021_April");
    let long = "ä€x".repeat(700);
    let tokens = case.seal(april, "clientid", &long);
    let pieces: Vec<String> = tokens
        .split(PREFIX)
        .skip(1)
        .map(|code| case.opener.open(&format!("{PREFIX}{code}")).unwrap().value.to_string())
        .collect();
    assert_eq!(pieces.len(), long.len().div_ceil(LONGEST_VALUE));
    assert!(pieces.iter().all(|piece| piece.len() <= LONGEST_VALUE));
    assert_eq!(pieces.concat(), long);
    let longest = "x".repeat(LONGEST_VALUE);
    let token = case.seal(april, &"f".repeat(LONGEST_FIELD), &longest);
    assert_eq!(token.len(), PREFIX.len() + LONGEST_TEXT);
    assert_eq!(case.opener.open(&token).unwrap().value.as_str(), longest);
    let token = case.seal(april, "f", "");
    assert_eq!(token.len(), PREFIX.len() + SHORTEST_TEXT);
    for name in [String::new(), "f".repeat(LONGEST_FIELD + 1)] {
        let error = case
            .sealer
            .seal(april, &name, "x", &mut String::new(), &mut String::new())
            .unwrap_err();
        assert!(matches!(error, KeyError::FieldName { .. }), "{error}");
    }
}

#[test]
fn only_the_length_in_blocks_is_visible() {
    let case = Keys::new();
    let length = |value: &str| case.seal(month("2021_April"), "clientid", value).len();
    assert_eq!(length(""), length("fifteen bytes.."));
    assert_eq!(length("sixteen bytes..."), length(&"x".repeat(31)));
    assert_ne!(length("fifteen bytes.."), length("sixteen bytes..."));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_comes_back(values in prop::collection::vec(any::<String>(), 1..8)) {
        let case = Keys::new();
        for value in values.iter().filter(|value| value.len() <= LONGEST_VALUE) {
            let token = case.seal(month("2021_April"), "clientid", value);
            let opened = case.opener.open(&token).unwrap();
            prop_assert_eq!(opened.value.as_str(), value.as_str());
        }
    }

    #[test]
    fn parsing_any_text_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..LONGEST + 100),
        version in any::<bool>(),
        text in any::<String>(),
    ) {
        let mut bytes = bytes;
        if let (true, Some(first)) = (version, bytes.first_mut()) {
            *first = VERSION;
        }
        if let Some(token) = Token::parse(&text_of(&bytes)) {
            prop_assert!(token.field().is_some_and(|field| !field.is_empty()));
            prop_assert_eq!(token.sealed().len() % BLOCK, 0);
            let (month, key) = (token.month(), token.key());
            prop_assert_eq!(&bytes[1..3], &month.index().to_be_bytes());
            prop_assert_eq!(&bytes[3..11], &key.0);
        }
        prop_assert!(Token::parse(&text).is_none() || text.starts_with(PREFIX));
    }
}

/// A modification of a token in transit.
#[derive(Clone, Debug)]
enum Change {
    Put(char),
    Insert(char),
    Remove,
    Cut,
    Repeat,
    /// This many bits of the last characters.
    Flip(u8),
}

fn change() -> impl Strategy<Value = (prop::sample::Index, Change)> {
    let letter = || prop_oneof![4 => prop::char::ranges(vec!['A'..='Z', '0'..='9', '-'..='.', '_'..='z'].into()), 1 => any::<char>()];
    let change = prop_oneof![
        letter().prop_map(Change::Put),
        letter().prop_map(Change::Insert),
        Just(Change::Remove),
        Just(Change::Cut),
        Just(Change::Repeat),
        (1..64_u8).prop_map(Change::Flip),
    ];
    (any::<prop::sample::Index>(), change)
}

fn changed(token: &str, changes: &[(prop::sample::Index, Change)]) -> String {
    const CODE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text: Vec<char> = token.chars().collect();
    for (index, change) in changes {
        if text.is_empty() {
            break;
        }
        let at = index.index(text.len());
        match change {
            Change::Put(letter) => text[at] = *letter,
            Change::Insert(letter) => text.insert(at, *letter),
            Change::Remove => _ = text.remove(at),
            Change::Cut => text.truncate(at),
            Change::Repeat => text.extend_from_within(at..),
            Change::Flip(bits) => {
                let last = text.len() - 1;
                let code = CODE.iter().position(|code| char::from(*code) == text[last]);
                text[last] = char::from(CODE[code.unwrap_or(0) ^ usize::from(*bits)]);
            }
        }
    }
    text.into_iter().collect()
}

/// Long runs: `make soak`.
#[test]
fn a_changed_token_is_refused_and_each_has_one_form() {
    let case = Keys::new();
    let april = month("2021_April");
    let fields = [("clientid", "CLIENTID2"), ("f", ""), ("clientid", "\u{e9}\u{1f600}\0\"x")];
    let mut tokens = fields.map(|(field, value)| case.seal(april, field, value)).to_vec();
    tokens.push(case.seal(april, &"f".repeat(LONGEST_FIELD), &"x".repeat(LONGEST_VALUE)));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(which in 0..4_usize, changes in prop::collection::vec(change(), 0..5))| {
        let token = &tokens[which];
        let text = changed(token, &changes);
        prop_assert_eq!(case.opener.open(&text).is_ok(), text == *token, "{}", text);
        if let Some(parsed) = Token::parse(&text) {
            prop_assert_eq!(text_of(&parsed.bytes[..parsed.length]), text.as_str());
        }
        let lengths: Vec<usize> = Token::lengths(&text).collect();
        prop_assert!(lengths.iter().all(|length| *length <= text.len()));
        prop_assert!(lengths.is_sorted_by(|a, b| a > b));
        let whole = text.starts_with(token.as_str());
        prop_assert!(!whole || lengths.contains(&token.len()), "found at any position");
    });
}
