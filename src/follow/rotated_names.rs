//! What rotation makes of a file's name. Names are bytes, and only a hint: content decides what a file is.
//!
//! logrotate appends a number or a date (`app.log.1`, `app.log-20261129`), or puts it before the extension
//! (`app.1.log`, with `extension .log`), and its compressor appends an ending; see logrotate(8).

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Names of files that are compressed, and cannot be read: what they hold was a log before.
const COMPRESSED: [&str; 6] = [".xz", ".bz2", ".lz4", ".zip", ".7z", ".Z"];
/// Those of compressed files that are read.
const UNPACKED: [&str; 2] = [".gz", ".zst"];

/// Endings of files that an editor keeps for a moment beside the one that it saves.
const EDITOR: [&[u8]; 6] = [b"~", b".swp", b".swo", b".swx", b".tmp", b".bak"];

/// A file of an editor or a program that replaces files, by its name: no log of its own.
pub fn is_scratch(name: &[u8]) -> bool {
    scratch_ending(name).is_some()
}

/// Which of these endings the name has.
pub fn scratch_ending(name: &[u8]) -> Option<&'static [u8]> {
    EDITOR.into_iter().find(|ending| name.len() > ending.len() && name.ends_with(ending))
}

/// Looks compressed in a way that is not read, by its name.
pub fn has_unsupported_compression(path: &Path) -> bool {
    ends_with_one_of(path, &COMPRESSED)
}

/// Looks compressed in a way that is read, by its name.
pub fn has_supported_compression(path: &Path) -> bool {
    ends_with_one_of(path, &UNPACKED)
}

fn ends_with_one_of(path: &Path, endings: &[&str]) -> bool {
    let name = path.as_os_str().as_bytes();
    endings.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// The ending that a compressor gave this name.
pub fn compressed_ending(name: &[u8]) -> Option<&'static str> {
    let endings = COMPRESSED.into_iter().chain(UNPACKED);
    endings.into_iter().find(|ending| name.ends_with(ending.as_bytes()))
}

/// One name is the other, or the other with something behind it, as rotation makes them. The directories may differ.
pub fn is_related(one: &Path, other: &Path) -> bool {
    let (one, other) = (name_of(one), name_of(other));
    !one.is_empty() && (is_continued(one, other) || is_continued(other, one))
}

/// `name`, or `name` and something behind it that is no letter or digit.
fn is_continued(name: &[u8], longer: &[u8]) -> bool {
    longer
        .strip_prefix(name)
        .is_some_and(|rest| rest.first().is_none_or(|byte| !byte.is_ascii_alphanumeric()))
}

/// `longer` is `name` with something behind it.
pub fn is_rotated(name: &[u8], longer: &[u8]) -> bool {
    longer.len() > name.len() && is_continued(name, longer)
}

/// The name without what rotation may have added: equal for all names of one log. Also equal for some
/// neighbours (`web-1.log`, `web-2.log`), so it only says where looking is worth it.
pub fn root(path: &Path) -> Vec<u8> {
    let mut name = name_of(path);
    while let Some(ending) = compressed_ending(name) {
        name = &name[..name.len() - ending.len()];
    }
    let name = without_mark(name);
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else {
        return name.to_vec();
    };
    let (stem, extension) = name.split_at(dot);
    [without_mark(stem), extension].concat()
}

/// Without numbers and dates at the end, and the separators before and between them.
fn without_mark(name: &[u8]) -> &[u8] {
    let is_mark = |byte: &u8| byte.is_ascii_digit() || b"-_.:T+".contains(byte);
    let marks = name.iter().rev().take_while(|byte| is_mark(byte)).count();
    // It begins with a separator: `syslog2` is a name.
    let first = name.len() - marks;
    let separator = name[first..].iter().position(|byte| !byte.is_ascii_digit());
    match separator {
        Some(at) if first + at > 0 && name.last().is_some_and(u8::is_ascii_digit) => {
            &name[..first + at]
        }
        _ => name,
    }
}

/// `a/b` lies in `a`, `b` in `.`.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

fn name_of(path: &Path) -> &[u8] {
    path.file_name().map_or(&[], |name| name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_of(name: &str) -> String {
        String::from_utf8(root(Path::new(name))).unwrap()
    }

    #[test]
    fn every_name_that_rotation_makes_has_the_root_of_its_log() {
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
    fn names_are_related_by_what_stands_behind_them() {
        let related = |one: &str, other: &str| is_related(Path::new(one), Path::new(other));
        assert!(related("app.log", "app.log"));
        assert!(related("/a/app.log.1", "/b/app.log"));
        assert!(related("app.log", "app.log-20261129.gz"));
        for (one, other) in [("app.log", "app.log2"), ("web-1.log", "web-2.log"), ("a", "b")] {
            assert!(!related(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_an_editor_keeps_for_a_moment_is_no_log() {
        for name in ["app.log~", ".app.log.swp", "app.tmp", "app.log.bak"] {
            assert!(is_scratch(name.as_bytes()), "{name}");
        }
        for name in ["app.log", "~", "bak", "tmp.log", "app.log.1"] {
            assert!(!is_scratch(name.as_bytes()), "{name}");
        }
    }
}
