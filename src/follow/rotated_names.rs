//! Recognises the file names that log rotation, compressors and editors make from the name of a log. Names are bytes,
//! and only a hint: the content identifies a file.
//!
//! logrotate appends a number or a date (`app.log.1`, `app.log-20261129`), or inserts it before the extension
//! (`app.1.log`, with `extension .log`), and its compressor appends a suffix; see logrotate(8).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Suffixes of compressed files that are not read.
const UNREAD_SUFFIXES: [&str; 6] = [".xz", ".bz2", ".lz4", ".zip", ".7z", ".Z"];
/// Suffixes of compressed files that are read.
const READ_SUFFIXES: [&str; 2] = [".gz", ".zst"];

/// Suffixes of the temporary and backup files that editors keep beside a file.
const EDITOR_SUFFIXES: [&[u8]; 6] = [b"~", b".swp", b".swo", b".swx", b".tmp", b".bak"];

/// By its name, a temporary or backup file of an editor, or of a program that replaces files.
pub fn is_scratch(name: &[u8]) -> bool {
    scratch_ending(name).is_some()
}

/// The editor suffix of the name.
pub fn scratch_ending(name: &[u8]) -> Option<&'static [u8]> {
    EDITOR_SUFFIXES.into_iter().find(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// By its name, a compressed file that is not read.
pub fn has_unsupported_compression(path: &Path) -> bool {
    ends_with_one_of(path, &UNREAD_SUFFIXES)
}

/// By its name, a compressed file that is read.
pub fn has_supported_compression(path: &Path) -> bool {
    ends_with_one_of(path, &READ_SUFFIXES)
}

fn ends_with_one_of(path: &Path, endings: &[&str]) -> bool {
    let name = path.as_os_str().as_bytes();
    endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// The suffix that a compressor appended to this name.
pub fn compressed_ending(name: &[u8]) -> Option<&'static str> {
    let endings = UNREAD_SUFFIXES.into_iter().chain(READ_SUFFIXES);
    endings.into_iter().find(|ending| name.ends_with(ending.as_bytes()))
}

/// The names are equal, or one is the other plus a rotation suffix. The directories may differ.
pub fn is_related(one: &Path, other: &Path) -> bool {
    let (one, other) = (file_name(one), file_name(other));
    !one.is_empty() && (has_suffix(one, other) || has_suffix(other, one))
}

/// `longer` is `name`, or `name` plus a suffix that does not start with a letter or digit.
fn has_suffix(name: &[u8], longer: &[u8]) -> bool {
    longer
        .strip_prefix(name)
        .is_some_and(|rest| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
}

/// `longer` is `name` plus a suffix.
pub fn is_rotated(name: &[u8], longer: &[u8]) -> bool {
    longer.len() > name.len() && has_suffix(name, longer)
}

/// The name without rotation suffixes: equal for all names of one log. Also equal for some other logs (`web-1.log`,
/// `web-2.log`), so it only selects files worth checking.
pub fn root(path: &Path) -> Vec<u8> {
    let mut name = file_name(path);
    while let Some(ending) = compressed_ending(name) {
        name = &name[..name.len() - ending.len()];
    }
    let name = without_rotation_mark(name);
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else {
        return name.to_vec();
    };
    let (stem, extension) = name.split_at(dot);
    [without_rotation_mark(stem), extension].concat()
}

/// The name without numbers and dates at its end, and without their separators.
fn without_rotation_mark(name: &[u8]) -> &[u8] {
    let is_mark = |byte: &u8| byte.is_ascii_digit() || b"-_.:T+".contains(byte);
    let marks = name.iter().rev().take_while(|byte| is_mark(byte)).count();
    // The suffix must begin with a separator: `syslog2` is not `syslog`.
    let first = name.len() - marks;
    let separator = name[first..].iter().position(|byte| !byte.is_ascii_digit());
    match separator {
        Some(at) if first + at > 0 && name.last().is_some_and(u8::is_ascii_digit) => {
            &name[..first + at]
        }
        _ => name,
    }
}

/// The parent directory: `a` for `a/b`, `.` for `b`.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

fn file_name(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(name: &str) -> String {
        String::from_utf8(root(Path::new(name))).unwrap()
    }

    #[test]
    fn all_rotated_names_have_the_root_of_their_log() {
        for name in [
            "app.log",
            "app.log.1",
            "app.log.12.gz",
            "app.log-20261129",
            "app.log-20261129-1430.zst",
            "app.log.2026-11-29T14:30:00",
            "app.1.log",
            "app-20261129.log.gz",
            "/old/app.log.3.bz2",
        ] {
            assert_eq!(root_of(name), "app.log", "{name}");
        }
        for name in ["syslog", "syslog.1", "syslog.2.gz", "syslog-20261129"] {
            assert_eq!(root_of(name), "syslog", "{name}");
        }
        for name in ["syslog2", "1", ".1", "v2.log", "a"] {
            assert_eq!(root_of(name), name);
        }
    }

    #[test]
    fn names_are_related_if_one_is_the_other_plus_a_suffix() {
        let related = |one: &str, other: &str| is_related(Path::new(one), Path::new(other));
        assert!(related("app.log", "app.log"));
        assert!(related("/a/app.log.1", "/b/app.log"));
        assert!(related("app.log", "app.log-20261129.gz"));
        for (one, other) in [("app.log", "app.log2"), ("web-1.log", "web-2.log"), ("a", "b")] {
            assert!(!related(one, other), "{one} {other}");
        }
    }

    #[test]
    fn temporary_files_of_editors_are_not_logs() {
        for name in ["app.log~", ".app.log.swp", "app.tmp", "app.log.bak"] {
            assert!(is_scratch(name.as_bytes()), "{name}");
        }
        for name in ["app.log", "~", "bak", "tmp.log", "app.log.1"] {
            assert!(!is_scratch(name.as_bytes()), "{name}");
        }
    }
}
