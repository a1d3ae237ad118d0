//! What can be wrong with keys, in the words of somebody who has to mend it. Nothing is sealed with a key that
//! is not in order, and nothing leaves in clear instead.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::file_names::Kept;
use super::{KeyId, Month, Slot, UsedKey};

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "there is no keys directory {0}; make one with: mkdir -m 700 {0}, or name another with --keys DIR",
        quoted(directory)
    )]
    NoDirectory { directory: PathBuf },
    #[error(
        "the keys directory {0} is a symbolic link, and none is followed; name the directory itself: --keys \
         \"$(realpath {0})\"",
        quoted(directory)
    )]
    DirectoryIsLink { directory: PathBuf },
    #[error(
        "the keys directory {0} is not there, and the key {1} of {2} in it was used and is missing; mount it, or put \
         it back from a backup: cp -a BACKUP {0}, or, if it is lost for good, go on in a new one: mkdir -p -m 700 \
         {0} && logwarden keys rotate {3} --keys {0}",
        quoted(directory), used.id, used.slot, used.slot.month
    )]
    DirectoryLost { directory: PathBuf, used: UsedKey },
    #[error(
        "the keys directory {0} is not the one that was used: it does not know the key {1} of {2}, so it is empty (is \
         it mounted?), an old copy or another one, and no key is made in it or taken into use; mount the right \
         one, or put back what is missing: cp -p BACKUP/{3} {0}, or, if that is lost for good, go on with a new \
         one: logwarden keys rotate {4} --keys {0}",
        quoted(directory), used.id, used.slot, used.slot.file_name(Kept::Key), used.slot.month
    )]
    OtherDirectory { directory: PathBuf, used: UsedKey },
    #[error("cannot open the keys directory {}", quoted(directory))]
    Directory {
        directory: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "others can write to the keys directory {0}; close it with: chmod 700 {0}",
        quoted(directory)
    )]
    DirectoryIsOpen { directory: PathBuf },
    #[error(
        "the keys directory {0} belongs to user {owner}, not to user {user} who runs this; run it as that \
         user, or: chown {user} {0}",
        quoted(directory)
    )]
    ForeignDirectory { directory: PathBuf, owner: u32, user: u32 },
    #[error(
        "{0} is a symbolic link, and none is followed; put the key file itself there: cp -p \
         --remove-destination \"$(realpath {0})\" {0}",
        quoted(path)
    )]
    Link { path: PathBuf },
    #[error("{0} is no file but a {kind}; remove it, and {1}", quoted(path), restore(path))]
    NoFile { path: PathBuf, kind: &'static str },
    #[error("{0} is open to others (mode {mode:03o}); close it with: chmod 600 {0}", quoted(path))]
    Loose { path: PathBuf, mode: u32 },
    #[error(
        "{0} belongs to user {owner}, not to user {user} who runs this; run it as that user, or: chown \
         {user} {0}",
        quoted(path)
    )]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error(
        "{0} has {links} names, and one is allowed; see them, and remove the others: find {1} -samefile {0}",
        quoted(path),
        directory_of(path)
    )]
    ManyNames { path: PathBuf, links: u64 },
    #[error("{0} is damaged: {problem}; {1}", quoted(path), restore(path))]
    Damaged { path: PathBuf, problem: &'static str },
    #[error(
        "{} is a key of kind {kind}, which this version does not know; use a newer one",
        quoted(path)
    )]
    Newer { path: PathBuf, kind: u8 },
    #[error(
        "{0} holds the key of {held}; give it its name with: mv -n {0} {1}",
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
        "the key {id} of {slot} was used and is missing: {0} is not there; {1}, or, if it is lost for good, \
         go on with a new one: logwarden keys rotate {2} --keys {3}",
        quoted(path), restore(path), slot.month, directory_of(path)
    )]
    Missing { slot: Slot, id: KeyId, path: PathBuf },
    #[error(
        "{0} is not the key that was used last: it has the id {found}, and {used} was used; {1}, or, if that is lost for \
         good, go on with a new one: logwarden keys rotate {2} --keys {3}",
        quoted(path), restore(path), slot.month, directory_of(path)
    )]
    Replaced { slot: Slot, path: PathBuf, used: KeyId, found: KeyId },
    #[error("the key of {slot} was destroyed on {day}: what it sealed cannot be opened again")]
    Destroyed { slot: Slot, day: String },
    #[error(
        "the newest key of {slot} was destroyed on {day}; to seal with a new one: logwarden keys rotate {} --keys {}",
        slot.month, quoted(directory)
    )]
    NoneSinceDestroyed { slot: Slot, day: String, directory: PathBuf },
    #[error(
        "there is no key of {month} in {0}, and only a delivery makes one by itself; make it with: logwarden keys \
         new {month} --keys {0}",
        quoted(directory)
    )]
    None { month: Month, directory: PathBuf },
    #[error(
        "no key {id} of {month} lies in {}; is it in a backup, or in another keys directory?",
        quoted(directory)
    )]
    Unknown { month: Month, id: KeyId, directory: PathBuf },
    #[error("{slot} has a key already: {}", quoted(path))]
    Exists { slot: Slot, path: PathBuf },
    #[error(
        "{slot} has a tombstone and its key: its destruction was broken off; end it with: logwarden keys \
         destroy {} --keys {}",
        slot.month, quoted(directory)
    )]
    HalfDestroyed { slot: Slot, directory: PathBuf },
    #[error("{} holds another key of that name; choose another directory", quoted(path))]
    OtherBackup { path: PathBuf },
    #[error("all its bytes are the same: that is no key")]
    NoKey,
    #[error(
        "cannot make a key in {}; nothing was sealed with it{}",
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
    #[error("cannot keep in the state which key is used")]
    Remember(#[source] io::Error),
    #[error("the operating system gives no random numbers")]
    Random(#[source] io::Error),
    #[error(
        "the name of a sealed field must have 1 to 255 bytes, and {length} are too many or too few"
    )]
    FieldName { length: usize },
}

/// What helps against this one. `path`: the directory, or a file in it.
fn advice(error: &io::Error, path: &Path) -> String {
    if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) {
        return "; if its file system has no hard links, name a directory elsewhere with --keys DIR"
            .to_owned();
    }
    let there = if path.exists() { path } else { path.parent().unwrap_or(path) };
    let rights = if there.is_dir() { "u+rwx" } else { "u+rw" };
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room on that disk".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            format!("; let this user write there: chmod {rights} {}", quoted(there))
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "; mount it writable, or name another directory with --keys DIR".to_owned()
        }
        _ => String::new(),
    }
}

fn restore(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!("put it there from a backup: cp -p BACKUP/{name} {}", quoted(path))
}

fn directory_of(path: &Path) -> String {
    quoted(path.parent().unwrap_or(path))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,:@%".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.into_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
