//! Which fields are sealed.

/// Built once from the settings.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Lower case, letters and digits only; none is empty.
    seal: Vec<String>,
    /// By ASCII letter or digit: some sealed name ends with it.
    ends: Ends,
    keep_original: bool,
}

#[derive(Clone, Debug)]
struct Ends([bool; 128]);

impl Default for Ends {
    fn default() -> Self {
        Ends([false; 128])
    }
}

impl Policy {
    /// Names are compared as in queries: lower case, letters and digits only. `keep_original`: documents hold
    /// the whole record as `event.original`.
    pub fn new(seal: &[String], keep_original: bool) -> Self {
        let plain = |name: &String| -> String { letters_and_digits(name).collect() };
        let seal: Vec<String> = seal.iter().map(plain).filter(|name| !name.is_empty()).collect();
        let mut ends = Ends::default();
        for last in seal.iter().filter_map(|name| name.bytes().last()).filter(u8::is_ascii) {
            ends.0[usize::from(last)] = true;
        }
        Policy { seal, ends, keep_original }
    }

    pub fn keeps_original(&self) -> bool {
        self.keep_original
    }

    pub fn seals_anything(&self) -> bool {
        !self.seal.is_empty()
    }

    /// `path` is dotted. `client_id` seals `client_id`, `request.clientId` and `a.b.CLIENT ID`.
    pub fn seals(&self, path: &str) -> bool {
        // Nearly every name is told apart by its last letter.
        let last = path.bytes().last().map_or(0, |last| last.to_ascii_lowercase());
        if last.is_ascii_alphanumeric() && !self.ends.0[usize::from(last)] {
            return false;
        }
        self.seal.iter().any(|sealed| ends_with_name(path, sealed))
    }

    /// A key of an object that no parent can make a sealed path of: nearly all of them.
    pub(super) fn never_seals(&self, key: &str) -> bool {
        let ends_alike = |sealed: &String| {
            let letters = key.chars().rev().filter(|c| c.is_alphanumeric());
            let mut lower = letters.flat_map(|letter| letter.to_lowercase().rev());
            sealed.chars().rev().all(|expected| lower.next().is_none_or(|found| found == expected))
        };
        !self.seal.iter().any(ends_alike)
    }
}

fn letters_and_digits(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase)
}

/// Compared from the end.
fn ends_with_name(path: &str, name: &str) -> bool {
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
            assert!(!policy.never_seals(key), "{key}");
        }
        for key in ["method", "client", "xid", "status", "email2"] {
            assert!(policy.never_seals(key), "{key}");
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
        assert!(!Policy::default().seals_anything());
        assert!(!Policy::new(&["--".into()], false).seals_anything());
    }

    #[test]
    fn letters_that_grow_in_lower_case_are_compared_alike() {
        let policy = Policy::new(&["İd".into()], false);
        assert!(policy.seals("İD"));
        assert!(policy.seals("a.İd"));
        assert!(!policy.seals("id"));
    }
}
