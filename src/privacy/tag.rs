//! Search tags: equal values of one field and month have equal tags, which reveal nothing else without the key.
//!
//! Tags make sealed values searchable for people who may not decrypt them.
//!
//! A tag is `tag1.` and, in base64url without padding, the first 16 bytes of HMAC-SHA256(HKDF-SHA256(master, info:
//! `lw/v1/tag/` ‖ field), value).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::base64url;
use super::derive::derive;
use super::keys::MonthKey;
use crate::base::json::{Token, Tokens};

/// Suffix that makes the name of a tag from that of its sealed field.
pub const TAG: &str = "_tag";

pub(super) fn tag_name(name: &str) -> String {
    [name, TAG].concat()
}

pub const PREFIX: &str = "tag1.";
/// Number of characters after the prefix, for 16 bytes.
const LETTERS: usize = 22;

/// The search term for `value`: its tag in `field` under `key`. `field` as in [`super::Sealer::seal`].
pub fn of(key: &MonthKey, field: &str, value: &str) -> String {
    let mut tag = String::new();
    MacKey::of_field(key, field).write(PREFIX, [value.as_bytes(), &[]], &mut tag);
    tag
}

/// All tags in this JSON, each with its member name.
pub fn in_json(json: &str) -> Vec<(String, String)> {
    let (mut tags, mut key) = (Vec::new(), None);
    for token in Tokens::new(json).map_while(Result::ok) {
        if let (Some(name), Token::Text(text)) = (key.take(), token)
            && is_tag(text.0)
        {
            tags.push((name, text.0.to_owned()));
        }
        if let Token::Key(name) = token {
            key = Some(name.decode().into_owned()).filter(|name| name.ends_with(TAG));
        }
    }
    tags
}

/// Whether `text` has the form of a tag.
pub fn is_tag(text: &str) -> bool {
    let code = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(code))
}

/// A prepared HMAC key.
#[derive(Clone)]
pub(super) struct MacKey(Hmac<Sha256>);

impl MacKey {
    /// The two parts of `info` are concatenated; they name the purpose of the key.
    pub fn new(key: &MonthKey, info: [&str; 2]) -> MacKey {
        let derived = derive::<32>(key.master(), None, info);
        MacKey(Hmac::new_from_slice(derived.as_slice()).expect("HMAC takes keys of any length"))
    }

    pub fn of_field(key: &MonthKey, field: &str) -> MacKey {
        MacKey::new(key, ["lw/v1/tag/", field])
    }

    /// Appends `prefix` and half of the hash of the concatenated `parts`.
    pub fn write(&self, prefix: &str, parts: [&[u8]; 2], out: &mut String) {
        let mut mac = self.0.clone();
        mac.update(parts[0]);
        mac.update(parts[1]);
        let hash = mac.finalize().into_bytes();
        out.push_str(prefix);
        base64url::write(&hash[..16], out);
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey([REDACTED])")
    }
}
