//! The privacy policy: which fields are sealed, which addresses are pseudonymised, and with which keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;

use super::tag::TAG;
use super::{AddressMode, Sealer};

/// Which fields of outgoing events are changed, and how. Built once from the settings `[privacy]`.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    seal: Names,
    /// The names in `seal` and the fields of patterns: these have tags.
    tagged: Names,
    addresses: Names,
    address_mode: AddressMode,
    /// The pseudonym of an address is the same in all months.
    addresses_last: bool,
    patterns: Vec<Pattern>,
    keep_original: bool,
    sealer: Option<Arc<Sealer>>,
}

/// How the policy treats one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment<'p> {
    /// Sealed under this name: lower case, letters and digits only.
    Seal(&'p str),
    Address,
}

/// Finds the values of a field in messages.
#[derive(Clone, Debug)]
pub struct Pattern {
    field: String,
    /// The field name as written in the settings.
    spelling: String,
    regex: Regex,
}

impl Pattern {
    /// The first group of `regex`, or the whole match if it has no group, is a value of `field`.
    pub fn new(field: &str, regex: Regex) -> Option<Pattern> {
        let plain: String = letters_and_digits(field).collect();
        (!plain.is_empty()).then(|| Pattern { field: plain, spelling: field.to_owned(), regex })
    }

    pub(super) fn field(&self) -> Treatment<'_> {
        Treatment::Seal(&self.field)
    }

    pub(super) fn spelling(&self) -> &str {
        &self.spelling
    }

    /// Start and end of each value in `text`, in order.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let captures = self.regex.captures_iter(text);
        let value = |found: regex::Captures<'_>| {
            found.get(1).or(found.get(0)).map(|m| (m.start(), m.end()))
        };
        captures.filter_map(value).filter(|(start, end)| start < end).collect()
    }
}

impl Policy {
    /// Names are compared in lower case, by their letters and digits only. `keep_original`: documents contain the
    /// whole record as `event.original`. Without a [`Sealer`] the values become `[sealed]` and cannot be decrypted.
    pub fn new(seal: &[String], keep_original: bool) -> Self {
        let seal = Names::new(seal);
        Policy { tagged: tagged(&seal, &[]), seal, keep_original, ..Policy::default() }
    }

    /// Sets the fields that contain addresses. `last`: the pseudonym of an address is the same in all months.
    #[must_use]
    pub fn with_addresses(mut self, names: &[String], mode: AddressMode, last: bool) -> Self {
        self.address_mode = mode;
        self.addresses_last = last;
        if mode != AddressMode::Clear {
            self.addresses = Names::new(names);
        }
        self
    }

    /// Sets the patterns that find values to be sealed in messages.
    #[must_use]
    pub fn with_patterns(mut self, patterns: Vec<Pattern>) -> Self {
        self.tagged = tagged(&self.seal, &patterns);
        self.patterns = patterns;
        self
    }

    /// Sets the keys for tokens, tags and pseudonyms.
    #[must_use]
    pub fn with_keys(mut self, sealer: Arc<Sealer>) -> Self {
        self.sealer = Some(sealer);
        self
    }

    pub fn keeps_original(&self) -> bool {
        self.keep_original
    }

    /// Some events are changed by this policy.
    pub fn hides_anything(&self) -> bool {
        !(self.seal.all.is_empty() && self.addresses.all.is_empty() && self.patterns.is_empty())
    }

    /// `path` is dotted. `client_id` seals `client_id`, `request.clientId` and `a.b.CLIENT ID`.
    pub fn seals(&self, path: &str) -> bool {
        self.seal.find(path).is_some()
    }

    /// Addresses in this field are replaced by pseudonyms in outgoing events.
    pub fn renames(&self, path: &str) -> bool {
        self.addresses.find(path).is_some()
    }

    /// Detects changed keys; called once per batch.
    pub fn refresh(&self) {
        if let Some(sealer) = self.sealer.as_ref().filter(|_| self.hides_anything()) {
            sealer.refresh();
        }
    }

    pub fn sealer(&self) -> Option<&Arc<Sealer>> {
        self.sealer.as_ref()
    }

    pub fn address_mode(&self) -> AddressMode {
        self.address_mode
    }

    pub fn addresses_last(&self) -> bool {
        self.addresses_last
    }

    /// The name under which this field is sealed.
    pub fn sealed_name(&self, path: &str) -> Option<&str> {
        self.seal.find(path)
    }

    /// All names under which values are sealed.
    pub fn sealed_names(&self) -> &[String] {
        &self.tagged.all
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// How this field is treated; `None`: it is unchanged.
    pub(super) fn treatment(&self, path: &str) -> Option<Treatment<'_>> {
        match self.seal.find(path) {
            Some(name) => Some(Treatment::Seal(name)),
            None => self.addresses.find(path).map(|_| Treatment::Address),
        }
    }

    /// Whether this is the name of the tag beside a sealed field.
    pub(super) fn is_tag(&self, path: &str) -> bool {
        path.strip_suffix(TAG).is_some_and(|path| self.tagged.find(path).is_some())
    }

    /// Whether a member with this key is neither treated nor a tag under any parent: true for nearly all keys.
    pub(super) fn never_treats(&self, key: &str) -> bool {
        self.seal.never_end(key)
            && self.addresses.never_end(key)
            && key.strip_suffix(TAG).is_none_or(|key| self.tagged.never_end(key))
    }
}

/// Names of fields.
#[derive(Clone, Debug, Default)]
struct Names {
    /// Lower case, letters and digits only; none is empty.
    all: Vec<String>,
    ends: NameEndings,
}

/// A fast filter on the last two characters of names: for each last ASCII letter or digit, a bit set of the characters
/// before it.
#[derive(Clone, Debug)]
struct NameEndings([u64; 128]);

impl Default for NameEndings {
    fn default() -> Self {
        NameEndings([0; 128])
    }
}

impl NameEndings {
    const ANY: u64 = u64::MAX;

    fn add(&mut self, name: &str) {
        let mut letters = name.bytes().rev();
        if let Some(last) = letters.next().filter(u8::is_ascii) {
            self.0[usize::from(last)] |= letters.next().map_or(NameEndings::ANY, NameEndings::bit);
        }
    }

    /// No name ends like `path`. A path that ends in other characters is not excluded.
    fn exclude(&self, path: &str) -> bool {
        let [.., before, last] = path.as_bytes() else { return false };
        let befores = match last.is_ascii_alphanumeric() {
            true => self.0[usize::from(last.to_ascii_lowercase())],
            false => NameEndings::ANY,
        };
        befores == 0
            || (before.is_ascii_alphanumeric()
                && befores & NameEndings::bit(before.to_ascii_lowercase()) == 0)
    }

    fn bit(byte: u8) -> u64 {
        1 << (byte % 64)
    }
}

impl Names {
    fn new(names: &[String]) -> Self {
        let plain = |name: &String| -> String { letters_and_digits(name).collect() };
        let all: Vec<String> = names.iter().map(plain).filter(|name| !name.is_empty()).collect();
        let mut ends = NameEndings::default();
        all.iter().for_each(|name| ends.add(name));
        Names { all, ends }
    }

    /// The name that `path` ends with, starting at the beginning of a path segment.
    fn find(&self, path: &str) -> Option<&str> {
        // Fast path: nearly every path differs from all names in its last characters.
        if self.ends.exclude(path) {
            return None;
        }
        // Fast path: already in canonical form.
        let found = |name: &&String| **name == *path || ends_with_name(path, name);
        self.all.iter().find(found).map(String::as_str)
    }

    /// No path that ends with the segment `key` can match one of the names.
    fn never_end(&self, key: &str) -> bool {
        if self.ends.exclude(key) {
            return true;
        }
        let ends_alike = |name: &String| {
            let letters = key.chars().rev().filter(|c| c.is_alphanumeric());
            let mut lower = letters.flat_map(|letter| letter.to_lowercase().rev());
            name.chars().rev().all(|expected| lower.next().is_none_or(|found| found == expected))
        };
        !self.all.iter().any(ends_alike)
    }
}

/// All names that have tags, without duplicates.
fn tagged(seal: &Names, patterns: &[Pattern]) -> Names {
    let of_patterns = patterns.iter().map(|pattern| &pattern.field);
    let all: BTreeSet<String> = seal.all.iter().chain(of_patterns).cloned().collect();
    Names::new(&Vec::from_iter(all))
}

/// Whether the name has a letter or digit, so that a field can match it.
pub fn is_a_name(name: &str) -> bool {
    letters_and_digits(name).next().is_some()
}

fn letters_and_digits(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Whether `path` ends with `name` (lower case, letters and digits only) from the beginning of a path segment.
fn ends_with_name(path: &str, name: &str) -> bool {
    if path.is_ascii() && name.is_ascii() {
        let mut letters = path.bytes().rev();
        let mut next = || letters.find(u8::is_ascii_alphanumeric);
        let ends_alike =
            name.bytes().rev().all(|c| next().is_some_and(|found| found.to_ascii_lowercase() == c));
        return ends_alike
            && letters
                .find(|c| c.is_ascii_alphanumeric() || *c == b'.')
                .is_none_or(|before| before == b'.');
    }
    let mut expected = name.chars().rev();
    let mut wanted = expected.next();
    let mut letters = path.chars().rev();
    while wanted.is_some() {
        let Some(letter) = letters.find(|c| c.is_alphanumeric()) else { return false };
        for lower in letter.to_lowercase().rev() {
            if Some(lower) != wanted {
                return false;
            }
            wanted = expected.next();
        }
    }
    letters.find(|c| c.is_alphanumeric() || *c == '.').is_none_or(|before| before == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_sealed_in_every_spelling_and_at_every_depth() {
        let policy = Policy::new(&["client_id".into(), "user.email".into(), "--".into()], false);
        let sealed = [
            "client_id",
            "clientId",
            "CLIENT ID",
            "_client-id_",
            "request.client_id",
            "a.b.ClientID",
            "user.email",
            "useremail",
            "x.user.email",
            "client.id",
        ];
        for path in sealed {
            assert!(policy.seals(path), "{path}");
            let key = path.rsplit('.').next().expect("a path has a last part");
            assert!(!policy.never_treats(key), "{key}");
        }
        for key in ["method", "client", "xid", "status", "email2"] {
            assert!(policy.never_treats(key), "{key}");
        }
        let clear = [
            "client",
            "id",
            "xclientid",
            "my_client_id",
            "client_id2",
            "email",
            "",
            ".",
            "lient_id",
            "client_id.name",
        ];
        for path in clear {
            assert!(!policy.seals(path), "{path}");
        }
        assert!(!Policy::default().hides_anything());
        assert!(!Policy::new(&["--".into()], false).hides_anything());
    }

    #[test]
    fn letters_that_grow_in_lower_case_are_compared_alike() {
        let policy = Policy::new(&["İd".into()], false);
        assert!(policy.seals("İD"));
        assert!(policy.seals("a.İd"));
        assert!(!policy.seals("id"));
    }
}
