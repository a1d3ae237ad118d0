//! Which fields are sealed, which addresses leave under another name, and with what.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::Regex;

use super::tag::TAG;
use super::{AddressMode, Sealer};

/// Built once from the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    seal: Names,
    /// Those, and the fields of patterns: they have tags.
    tagged: Names,
    addresses: Names,
    address_mode: AddressMode,
    /// Addresses look alike in all months.
    addresses_last: bool,
    patterns: Vec<Pattern>,
    keep_original: bool,
    sealer: Option<Arc<Sealer>>,
}

/// What the policy wants of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment<'p> {
    /// Under this name: lower case, letters and digits only.
    Seal(&'p str),
    Address,
}

/// Values of a field that stand in messages.
#[derive(Clone, Debug)]
pub struct Pattern {
    field: String,
    /// The field as it was spelled.
    spelling: String,
    regex: Regex,
}

impl Pattern {
    /// What the first group of `regex` matches, or all of it where it has none, is a value of `field`.
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

    /// Bounds of each value in `text`, in their order.
    pub(super) fn find(&self, text: &str) -> Vec<(usize, usize)> {
        let captures = self.regex.captures_iter(text);
        let value = |found: regex::Captures<'_>| {
            found.get(1).or(found.get(0)).map(|m| (m.start(), m.end()))
        };
        captures.filter_map(value).filter(|(start, end)| start < end).collect()
    }
}

impl Policy {
    /// Names are compared as in queries: lower case, letters and digits only. `keep_original`: documents hold
    /// the whole record as `event.original`. Without a [`Sealer`] the values leave as `[sealed]`, for good.
    pub fn new(seal: &[String], keep_original: bool) -> Self {
        let seal = Names::new(seal);
        Policy { tagged: tagged(&seal, &[]), seal, keep_original, ..Policy::default() }
    }

    /// Fields that hold addresses. `last`: they look alike in all months.
    #[must_use]
    pub fn with_addresses(mut self, names: &[String], mode: AddressMode, last: bool) -> Self {
        self.address_mode = mode;
        self.addresses_last = last;
        if mode != AddressMode::Clear {
            self.addresses = Names::new(names);
        }
        self
    }

    #[must_use]
    pub fn with_patterns(mut self, patterns: Vec<Pattern>) -> Self {
        self.tagged = tagged(&self.seal, &patterns);
        self.patterns = patterns;
        self
    }

    #[must_use]
    pub fn with_keys(mut self, sealer: Arc<Sealer>) -> Self {
        self.sealer = Some(sealer);
        self
    }

    pub fn keeps_original(&self) -> bool {
        self.keep_original
    }

    /// It takes something away from some events.
    pub fn hides_anything(&self) -> bool {
        !(self.seal.all.is_empty() && self.addresses.all.is_empty() && self.patterns.is_empty())
    }

    /// `path` is dotted. `client_id` seals `client_id`, `request.clientId` and `a.b.CLIENT ID`.
    pub fn seals(&self, path: &str) -> bool {
        self.seal.find(path).is_some()
    }

    /// The addresses in this field leave under another name.
    pub fn renames(&self, path: &str) -> bool {
        self.addresses.find(path).is_some()
    }

    /// Keys that were changed since are taken up; meant for once a batch.
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

    /// Under which name a sealed field is sealed.
    pub fn sealed_name(&self, path: &str) -> Option<&str> {
        self.seal.find(path)
    }

    /// The names that values are sealed under.
    pub fn sealed_names(&self) -> &[String] {
        &self.tagged.all
    }

    pub(super) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    pub(super) fn treatment(&self, path: &str) -> Option<Treatment<'_>> {
        match self.seal.find(path) {
            Some(name) => Some(Treatment::Seal(name)),
            None => self.addresses.find(path).map(|_| Treatment::Address),
        }
    }

    /// The name of a tag that we write beside a sealed field.
    pub(super) fn is_tag(&self, path: &str) -> bool {
        path.strip_suffix(TAG).is_some_and(|path| self.tagged.find(path).is_some())
    }

    /// A key of an object that no parent can make a path of that is treated, nor a tag: nearly all of them.
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
    ends: Ends,
}

/// How names end: by their last letter or digit, in ASCII, those that stand before it, a bit each.
#[derive(Clone, Debug)]
struct Ends([u64; 128]);

impl Default for Ends {
    fn default() -> Self {
        Ends([0; 128])
    }
}

impl Ends {
    const ANY: u64 = u64::MAX;

    fn add(&mut self, name: &str) {
        let mut letters = name.bytes().rev();
        if let Some(last) = letters.next().filter(u8::is_ascii) {
            self.0[usize::from(last)] |= letters.next().map_or(Ends::ANY, Ends::bit);
        }
    }

    /// No name ends as `path` does. What has other than letters and digits at its end may be any.
    fn exclude(&self, path: &str) -> bool {
        let [.., before, last] = path.as_bytes() else { return false };
        let befores = match last.is_ascii_alphanumeric() {
            true => self.0[usize::from(last.to_ascii_lowercase())],
            false => Ends::ANY,
        };
        befores == 0
            || (before.is_ascii_alphanumeric()
                && befores & Ends::bit(before.to_ascii_lowercase()) == 0)
    }

    fn bit(byte: u8) -> u64 {
        1 << (byte % 64)
    }
}

impl Names {
    fn new(names: &[String]) -> Self {
        let plain = |name: &String| -> String { letters_and_digits(name).collect() };
        let all: Vec<String> = names.iter().map(plain).filter(|name| !name.is_empty()).collect();
        let mut ends = Ends::default();
        all.iter().for_each(|name| ends.add(name));
        Names { all, ends }
    }

    /// The one that `path` ends with, at the beginning of a part.
    fn find(&self, path: &str) -> Option<&str> {
        // Nearly every name is told apart by its last letters.
        if self.ends.exclude(path) {
            return None;
        }
        // Told at once where it is written as we compare it.
        let found = |name: &&String| **name == *path || ends_with_name(path, name);
        self.all.iter().find(found).map(String::as_str)
    }

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

/// Each name once.
fn tagged(seal: &Names, patterns: &[Pattern]) -> Names {
    let of_patterns = patterns.iter().map(|pattern| &pattern.field);
    let all: BTreeSet<String> = seal.all.iter().chain(of_patterns).cloned().collect();
    Names::new(&Vec::from_iter(all))
}

/// Something can bear this name.
pub fn is_a_name(name: &str) -> bool {
    letters_and_digits(name).next().is_some()
}

fn letters_and_digits(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Compared from the end.
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
