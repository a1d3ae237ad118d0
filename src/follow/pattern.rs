//! Matches file names with glob patterns, as bytes: a name need not be valid text.
//!
//! `*` matches any bytes, `?` one byte, `[a-z]` and `[!a-z]` one byte of a set, and `**` as a whole component any
//! number of directories. A leading dot is matched only by a dot.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether the name contains a wildcard.
pub fn is_pattern(name: &[u8]) -> bool {
    memchr::memchr3(b'*', b'?', b'[', name).is_some()
}

/// Whether the whole path matches, component by component; `**` matches any number of directories.
pub fn matches_path(pattern: &Path, path: &Path) -> bool {
    let components = |path: &Path| path.components().map(|c| c.as_os_str().to_owned()).collect();
    let (pattern, path): (Vec<OsString>, Vec<OsString>) = (components(pattern), components(path));
    matches_components(&pattern, &path)
}

fn matches_components(pattern: &[OsString], path: &[OsString]) -> bool {
    let Some((first, rest)) = pattern.split_first() else { return path.is_empty() };
    if first == "**" {
        return (0..=path.len()).any(|skipped| matches_components(rest, &path[skipped..]));
    }
    let Some((name, below)) = path.split_first() else { return false };
    let is_match = first == name || matches(first.as_bytes(), name.as_bytes());
    is_match && matches_components(rest, below)
}

/// Whether the whole name matches.
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // The last `*`, and how much of the name it has matched: enough for backtracking, without recursion.
    let mut star: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = match_one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Number of pattern bytes that match this byte; `None` if they do not match.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'[' => match_set(pattern, byte),
        literal => (literal == byte).then_some(1),
    }
}

/// As [`match_one`], for a set. Without a closing bracket it is a literal bracket.
fn match_set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    // A `]` right after the bracket is a member.
    let Some(close) = pattern.iter().skip(first + 1).position(|b| *b == b']') else {
        return (byte == b'[').then_some(1);
    };
    let close = close + first + 1;
    let mut members = &pattern[first..close];
    let mut found = false;
    while let [low, rest @ ..] = members {
        if let [b'-', high, rest @ ..] = rest {
            found |= (*low..=*high).contains(&byte);
            members = rest;
        } else {
            found |= *low == byte;
            members = rest;
        }
    }
    (found != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_as_in_a_shell() {
        let cases: [(&str, &[u8], bool); 16] = [
            ("*.log", b"app.log", true),
            ("*.log", b"app.log.1", false),
            ("*.log", b".hidden.log", false),
            (".*.log", b".hidden.log", true),
            ("app*", b"app", true),
            ("app.log*", b"app.log.1", true),
            ("a*b*c", b"aXbXbXc", true),
            ("a*b*c", b"aXbXbX", false),
            ("?", b"", false),
            ("app-?.log", b"app-7.log", true),
            ("app-[0-9].log", b"app-7.log", true),
            ("app-[!0-9].log", b"app-7.log", false),
            ("[]x]", b"]", true),
            ("a[b", b"a[b", true),
            ("*", b"\xff\xfe", true),
            ("\u{e9}*", b"\xc3\xa9t\xe9", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), name), expected, "{pattern} {name:?}");
        }
    }

    #[test]
    fn many_stars_match_in_short_time() {
        let name = vec![b'a'; 250];
        assert!(!matches("a*a*a*a*a*a*a*a*a*a*a*a*b".as_bytes(), &name));
    }
}
