//! All errors of keys and of the keys directory. Wherever a command fixes the problem, the message names it.
//!
//! A key that fails a check is never used for sealing, and no value is delivered in plain text instead.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::file_names::FileKind;
use super::{KeyId, Month, Slot, UsedKey};

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "keys directory {0} not found; create it with: mkdir -m 700 {0}, or name another with --keys DIR",
        quoted(directory)
    )]
    NoDirectory { directory: PathBuf },
    #[error(
        "the keys directory {0} is a symbolic link; links are not followed, name the directory itself: --keys \
         \"$(realpath {0})\"",
        quoted(directory)
    )]
    DirectoryIsLink { directory: PathBuf },
    #[error(
        "keys directory {0} not found: key {1} of {2} in it was used but is missing; mount the directory, or restore \
         it from a backup: cp -a BACKUP {0}; if it is lost for good, continue with a new one: mkdir -p -m 700 {0} && \
         logwarden keys rotate {3} --keys {0}",
        quoted(directory), used.id, used.slot, used.slot.month
    )]
    DirectoryLost { directory: PathBuf, used: UsedKey },
    #[error(
        "the keys directory {0} is not the one that was used: it does not know key {1} of {2}. It is empty (is it \
         mounted?), an old copy or a different directory, so no key is created or first used in it; mount the right \
         directory, or restore the missing key: cp -p BACKUP/{3} {0}; if that key is lost for good, continue with a \
         new one: logwarden keys rotate {4} --keys {0}",
        quoted(directory), used.id, used.slot, used.slot.file_name(FileKind::Key), used.slot.month
    )]
    OtherDirectory { directory: PathBuf, used: UsedKey },
    #[error("cannot open the keys directory {}", quoted(directory))]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the keys directory {0} is writable by others; fix it with: chmod 700 {0}",
        quoted(directory)
    )]
    DirectoryIsOpen { directory: PathBuf },
    #[error(
        "the keys directory {0} belongs to user {owner}, not to the current user {user}; run as user {owner}, or: \
         chown {user} {0}",
        quoted(directory)
    )]
    ForeignDirectory { directory: PathBuf, owner: u32, user: u32 },
    #[error(
        "{0} is a symbolic link; links are not followed, replace it with the key file: cp -p \
         --remove-destination \"$(realpath {0})\" {0}",
        quoted(path)
    )]
    Link { path: PathBuf },
    #[error("{0} is a {kind}, not a file; remove it, and {1}", quoted(path), restore(path))]
    NoFile { path: PathBuf, kind: &'static str },
    #[error(
        "{0} is accessible to others (mode {mode:03o}); fix it with: chmod 600 {0}",
        quoted(path)
    )]
    Loose { path: PathBuf, mode: u32 },
    #[error(
        "{0} belongs to user {owner}, not to the current user {user}; run as user {owner}, or: chown {user} {0}",
        quoted(path)
    )]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error(
        "{0} has {links} hard links, only one is allowed; list them and remove the others: find {1} -samefile {0}",
        quoted(path),
        directory_of(path)
    )]
    ManyNames { path: PathBuf, links: u64 },
    #[error("{0} is damaged: {problem}; {1}", quoted(path), restore(path))]
    Damaged { path: PathBuf, problem: &'static str },
    #[error(
        "{} is a key of kind {kind}, which this version does not support; use a newer version",
        quoted(path)
    )]
    Newer { path: PathBuf, kind: u8 },
    #[error(
        "{0} contains the key of {held}; rename it with: mv -n {0} {1}",
        quoted(path),
        quoted(right)
    )]
    WrongMonth { path: PathBuf, held: Slot, right: PathBuf },
    #[error("cannot read {}", quoted(path))]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "key {id} of {slot} was used but is missing: {0} not found; {1}; if it is lost for good, continue with a new \
         one: logwarden keys rotate {2} --keys {3}",
        quoted(path), restore(path), slot.month, directory_of(path)
    )]
    Missing { slot: Slot, id: KeyId, path: PathBuf },
    #[error(
        "{0} is not the key that was used last: its id is {found}, and the id of the key used last is {used}; {1}; if \
         that key is lost for good, continue with a new one: logwarden keys rotate {2} --keys {3}",
        quoted(path), restore(path), slot.month, directory_of(path)
    )]
    Replaced { slot: Slot, path: PathBuf, used: KeyId, found: KeyId },
    #[error(
        "the key of {slot} was destroyed on {day}: values sealed with it can no longer be decrypted"
    )]
    Destroyed { slot: Slot, day: String },
    #[error(
        "the newest key of {slot} was destroyed on {day}; create a new one with: logwarden keys rotate {} --keys {}",
        slot.month, quoted(directory)
    )]
    NoneSinceDestroyed { slot: Slot, day: String, directory: PathBuf },
    #[error(
        "no key for {month} in {0}; only delivery creates keys automatically, create this one with: logwarden keys new \
         {month} --keys {0}",
        quoted(directory)
    )]
    None { month: Month, directory: PathBuf },
    #[error(
        "no key {id} of {month} in {}; look for it in backups and in other keys directories",
        quoted(directory)
    )]
    Unknown { month: Month, id: KeyId, directory: PathBuf },
    #[error("{slot} already has a key: {}", quoted(path))]
    Exists { slot: Slot, path: PathBuf },
    #[error(
        "{slot} has both a tombstone and a key: its destruction was interrupted; complete it with: logwarden keys \
         destroy {} --keys {}",
        slot.month, quoted(directory)
    )]
    HalfDestroyed { slot: Slot, directory: PathBuf },
    #[error(
        "{} contains a different key under the same name; choose another directory",
        quoted(path)
    )]
    OtherBackup { path: PathBuf },
    #[error("not a valid key: all its bytes are equal")]
    NoKey,
    #[error(
        "cannot create a key in {}; nothing was sealed with it{}",
        quoted(directory),
        advice(source, directory)
    )]
    Create {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}{}", quoted(path), advice(source, path))]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot record in the state which key is used")]
    Remember(#[source] io::Error),
    #[error("the operating system provides no random numbers")]
    Random(#[source] io::Error),
    #[error("the name of a sealed field must have 1 to 255 bytes, not {length}")]
    FieldName { length: usize },
}

/// How to fix this I/O error. `path`: the directory, or a file in it.
fn advice(error: &io::Error, path: &Path) -> String {
    if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) {
        return "; if its file system has no hard links, choose another directory with --keys DIR"
            .to_owned();
    }
    let target = if path.exists() { path } else { path.parent().unwrap_or(path) };
    let rights = if target.is_dir() { "u+rwx" } else { "u+rw" };
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space on that disk".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            format!("; give this user write access: chmod {rights} {}", quoted(target))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, or choose another directory with --keys DIR".to_owned()
        }
        _ => String::new(),
    }
}

fn restore(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!("restore it from a backup: cp -p BACKUP/{name} {}", quoted(path))
}

fn directory_of(path: &Path) -> String {
    quoted(path.parent().unwrap_or(path))
}

/// A path, quoted for a shell where necessary.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
