//! What can be wrong with keys, in the words of somebody who has to mend it. Nothing is sealed with a key that
//! is not in order, and nothing leaves in clear instead.

use std::io;
use std::path::PathBuf;

use super::{KeyId, Slot};

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "there is no keys folder {}; make one with: mkdir -m 700 {0}, or name another with --keys DIR",
        folder.display()
    )]
    NoFolder { folder: PathBuf },
    #[error(
        "the keys folder {} is a symbolic link, and none is followed; name the folder itself: --keys \
         \"$(realpath {0})\"",
        folder.display()
    )]
    FolderIsLink { folder: PathBuf },
    #[error("cannot open the keys folder {}", folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("others can write to the keys folder {}; close it with: chmod 700 {0}", folder.display())]
    FolderIsOpen { folder: PathBuf },
    #[error(
        "the keys folder {} belongs to user {owner}, not to user {user} who runs this; run it as that \
         user, or: chown {user} {0}",
        folder.display()
    )]
    ForeignFolder { folder: PathBuf, owner: u32, user: u32 },
    #[error("{} is a symbolic link, and none is followed; put the key file itself there", path.display())]
    Link { path: PathBuf },
    #[error(
        "{} is no file but a {kind}; look what it is, remove it, and put the key file there from a backup",
        path.display()
    )]
    NoFile { path: PathBuf, kind: &'static str },
    #[error(
        "{} is open to others (mode {mode:03o}); close it with: chmod 600 {0}",
        path.display()
    )]
    Loose { path: PathBuf, mode: u32 },
    #[error(
        "{} belongs to user {owner}, not to user {user} who runs this; run it as that user, or: chown \
         {user} {0}",
        path.display()
    )]
    Foreign { path: PathBuf, owner: u32, user: u32 },
    #[error(
        "{} has {links} names, and one is allowed; see them with: find DIR -samefile {0}",
        path.display()
    )]
    ManyNames { path: PathBuf, links: u64 },
    #[error("{} is damaged: {problem}; put it there again from a backup", path.display())]
    Damaged { path: PathBuf, problem: &'static str },
    #[error("{} is a key of kind {kind}, which this version does not know; use a newer one", path.display())]
    Newer { path: PathBuf, kind: u8 },
    #[error("{} holds the key of {held}; give it its name with: mv -n {0} {}", path.display(), right.display())]
    WrongMonth { path: PathBuf, held: Slot, right: PathBuf },
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the key {id} of {slot} was used and is missing: {} is not there; put it there from a backup, or, if \
         it is lost for good, go on with a new one: logwarden keys rotate {}",
        path.display(),
        slot.month
    )]
    Missing { slot: Slot, id: KeyId, path: PathBuf },
    #[error(
        "{} is not the key that was used: it has the id {found}, and {used} was used; put the right one there \
         from a backup",
        path.display()
    )]
    Replaced { path: PathBuf, used: KeyId, found: KeyId },
    #[error("the key of {slot} was destroyed on {day}: what it sealed cannot be opened again")]
    Destroyed { slot: Slot, day: String },
    #[error(
        "the newest key of {slot} was destroyed on {day}; to seal with a new one: logwarden keys rotate {}",
        slot.month
    )]
    NoneSinceDestroyed { slot: Slot, day: String },
    #[error("no key {id} of {month} lies in {}; is it in a backup, or in another keys folder?", folder.display())]
    Unknown { month: super::Month, id: KeyId, folder: PathBuf },
    #[error("{slot} has a key already: {}", path.display())]
    Exists { slot: Slot, path: PathBuf },
    #[error("{slot} has a tombstone and its key: its destruction was broken off; end it with: logwarden keys destroy {}", slot.month)]
    HalfDestroyed { slot: Slot },
    #[error("{} holds another key of that name; choose another folder", path.display())]
    OtherBackup { path: PathBuf },
    #[error("all its bytes are the same: that is no key")]
    NoKey,
    #[error("cannot make a key in {}; {}nothing was sealed with it", folder.display(), advice(.source))]
    Create {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write {}; {}", path.display(), advice(.source))]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the operating system gives no random numbers")]
    Random(#[source] io::Error),
    #[error(
        "the name of a sealed field must have 1 to 255 bytes, and {length} are too many or too few"
    )]
    FieldName { length: usize },
}

/// What helps, before what is so in any case.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk; ",
        io::ErrorKind::PermissionDenied => "let this user write there: chmod u+rwx; ",
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or name another with --keys DIR; ",
        _ => "",
    }
}
