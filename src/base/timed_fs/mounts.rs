//! Finds the mount on which a path lies, if that mount may hang, without accessing any mount that may.
//!
//! The kernel's list of mounts gives their mount points; links on the way are read one by one, and only on local disks.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Weak};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Links;
use super::mount::Mount;

/// The kernel's list of mounts: proc_pid_mountinfo(5).
const LIST: &str = "/proc/self/mountinfo";
/// Maximum number of links followed on one path; the kernel's limit.
const MAX_LINKS: usize = 40;

/// File systems served by this kernel, from a disk or from memory. An overlay counts as local: most of them are.
const LOCAL: &[&str] = &[
    "aufs",
    "bcachefs",
    "binfmt_misc",
    "bpf",
    "btrfs",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "ecryptfs",
    "efivarfs",
    "erofs",
    "exfat",
    "ext2",
    "ext3",
    "ext4",
    "f2fs",
    "fusectl",
    "hfs",
    "hfsplus",
    "hugetlbfs",
    "iso9660",
    "jffs2",
    "jfs",
    "minix",
    "mqueue",
    "msdos",
    "nilfs2",
    "nsfs",
    "ntfs",
    "ntfs3",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "reiserfs",
    "romfs",
    "rootfs",
    "securityfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
    "ubifs",
    "udf",
    "ufs",
    "vfat",
    "xfs",
    "zfs",
];

/// The mounts that may hang, by mount point.
type RemoteMounts = BTreeMap<PathBuf, Arc<Mount>>;

#[derive(Default)]
struct Table {
    remote: Arc<RemoteMounts>,
    /// Number and mount point in the kernel's list → the mount, also after an unmount while a file on it is open.
    known: BTreeMap<(String, PathBuf), Weak<Mount>>,
    /// poll(2) on it reports changes of the list.
    list: Option<fs::File>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().expect("no holder of the list of mounts panics")
}

/// The mount on which the path lies, if it may hang. `None`: the path is on a local file system or does not exist, or
/// the mounts are unknown (no /proc).
pub(super) fn of(path: &Path, links: Links) -> Option<Arc<Mount>> {
    let remote = {
        let mut table = table();
        table.refresh();
        table.remote.clone()
    };
    if remote.is_empty() {
        return None;
    }
    walk(&remote, path, links)
}

/// All mounts that may hang, also those that were unmounted while a file on them is open.
pub(super) fn all() -> Vec<Arc<Mount>> {
    table().known.values().filter_map(Weak::upgrade).collect()
}

impl Table {
    fn refresh(&mut self) {
        match &self.list {
            Some(list) if !has_changed(list) => return,
            Some(_) => {}
            // Without /proc the mounts are unknown: all calls are made directly.
            None => match fs::File::open(LIST) {
                Ok(list) => self.list = Some(list),
                Err(_) => return,
            },
        }
        let Ok(text) = fs::read(LIST) else {
            // poll(2) reports a change only once, so the list is opened again next time.
            self.list = None;
            return;
        };
        let mut remote = RemoteMounts::new();
        for Line { number, point, kind } in parse(&text) {
            // Of several mounts at one point, the last one is visible.
            remote.remove(&point);
            if may_hang(&point, &kind) {
                let mount = self.mount(number, &point, kind);
                remote.insert(point, mount);
            }
        }
        self.remote = Arc::new(remote);
        self.known.retain(|_, mount| mount.strong_count() > 0);
    }

    fn mount(&mut self, number: String, point: &Path, kind: String) -> Arc<Mount> {
        let known = self.known.entry((number, point.to_owned())).or_default();
        known.upgrade().filter(|mount| mount.kind == kind).unwrap_or_else(|| {
            let mount = Arc::new(Mount::new(point.to_owned(), kind));
            *known = Arc::downgrade(&mount);
            mount
        })
    }
}

fn has_changed(list: &fs::File) -> bool {
    let mut polled = [PollFd::new(list, PollFlags::PRI)];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

/// `false` for `/`, without which this process cannot work either, and for file systems of the kernel itself, which
/// have no server that could hang.
fn may_hang(point: &Path, kind: &str) -> bool {
    let kernel = ["/proc", "/sys"].iter().any(|directory| point.starts_with(directory));
    point != Path::new("/") && !kernel && !LOCAL.contains(&kind)
}

/// The first mount on the way to `path` that may hang.
fn walk(remote: &RemoteMounts, path: &Path, links: Links) -> Option<Arc<Mount>> {
    let mut rest = reversed(&std::path::absolute(path).ok()?);
    let mut here = PathBuf::from("/");
    let mut followed = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(&name);
        if let Some(mount) = remote.get(&here) {
            return Some(mount.clone());
        }
        if rest.is_empty() && links == Links::NotFollowed {
            return None;
        }
        match fs::read_link(&here) {
            Ok(target) => {
                followed += 1;
                if followed > MAX_LINKS {
                    return None;
                }
                here.pop();
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                rest.extend(reversed(&target));
            }
            // Not a link.
            Err(error) if error.raw_os_error() == Some(INVALID) => {}
            // The rest of the path cannot be reached: the call itself reports the error.
            Err(_) => return None,
        }
    }
    None
}

/// The error of readlink(2) for anything that is not a link.
const INVALID: i32 = rustix::io::Errno::INVAL.raw_os_error();

/// The components of a path, the first one last.
fn reversed(path: &Path) -> Vec<OsString> {
    let part = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    let mut parts: Vec<OsString> = path.components().filter_map(part).collect();
    parts.reverse();
    parts
}

/// One line of the kernel's list of mounts.
#[derive(Debug, PartialEq)]
struct Line {
    number: String,
    point: PathBuf,
    kind: String,
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw`: the number of fields before `-` varies.
fn parse(text: &[u8]) -> Vec<Line> {
    let parse = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let number = String::from_utf8_lossy(fields.next()?).into_owned();
        let point = PathBuf::from(OsStr::from_bytes(&unescaped(fields.nth(3)?)));
        fields.find(|field| *field == b"-")?;
        let kind = String::from_utf8_lossy(fields.next()?).into_owned();
        Some(Line { number, point, kind })
    };
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// Decodes `\` and three octal digits, which stand for blanks, line ends and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, more)) = rest.split_first() {
        let octal = || {
            let digits = more.get(..3).filter(|_| *first == b'\\')?;
            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
        };
        match octal() {
            Some(byte) => {
                bytes.push(byte);
                rest = &more[3..];
            }
            None => {
                bytes.push(*first);
                rest = more;
            }
        }
    }
    OsString::from_vec(bytes).into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: &str, point: &str, kind: &str) -> Line {
        Line { number: number.into(), point: point.into(), kind: kind.into() }
    }

    #[test]
    fn the_list_of_mounts_is_parsed_with_its_escapes() {
        let text = "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
                    40 22 0:30 / /mnt/two\\040words rw,relatime shared:9 master:1 - nfs4 host:/x rw\n\
                    41 22 0:31 / /mnt/a\\134b rw - fuse.sshfs user@host: rw\n\nbroken\n";
        let wanted = [
            line("22", "/", "ext4"),
            line("40", "/mnt/two words", "nfs4"),
            line("41", "/mnt/a\\b", "fuse.sshfs"),
        ];
        assert_eq!(parse(text.as_bytes()), wanted);
    }

    #[test]
    fn only_file_systems_with_a_server_may_hang() {
        for (point, kind) in [("/", "nfs4"), ("/", "9p"), ("/home", "ext4"), ("/proc/x", "autofs")]
        {
            assert!(!may_hang(Path::new(point), kind), "{kind} at {point}");
        }
        for kind in
            ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuse.sshfs", "virtiofs", "unheard-of"]
        {
            assert!(may_hang(Path::new("/mnt/x"), kind), "{kind}");
        }
    }

    #[test]
    fn links_on_a_path_are_followed_to_a_mount() {
        let scratch = tempfile::tempdir().unwrap();
        let home = scratch.path().canonicalize().unwrap();
        fs::create_dir_all(home.join("logs/deep")).unwrap();
        fs::create_dir(home.join("mount")).unwrap();
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, home.join(name)).unwrap();
        };
        link("../mount/app.log", "logs/app.log");
        link(&home.join("logs").to_string_lossy(), "whole");
        link("deep/../app.log", "logs/again.log");
        link("circle", "circle");
        let mount = Arc::new(Mount::new(home.join("mount"), "nfs".into()));
        let remote = RemoteMounts::from([(home.join("mount"), mount)]);
        let is_on_mount = |path: &str, links| walk(&remote, &home.join(path), links).is_some();
        for path in ["mount", "mount/x/y", "logs/app.log", "whole/app.log", "logs/again.log"] {
            assert!(is_on_mount(path, Links::Followed), "{path}");
        }
        for path in ["logs", "logs/other.log", "nowhere/mount", "circle", "mount/../logs"] {
            assert_eq!(is_on_mount(path, Links::Followed), path == "mount/../logs", "{path}");
        }
        assert!(
            !is_on_mount("whole/app.log", Links::NotFollowed),
            "the link itself is on the local disk"
        );
    }
}
