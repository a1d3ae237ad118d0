//! On which mount a path lies, found out without touching a mount that may hang.
//!
//! The kernel's list of mounts says where they are; links on the way are read one by one, and only on disks of this
//! machine.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Weak};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Links;
use super::mount::Mount;

/// proc_pid_mountinfo(5).
const LIST: &str = "/proc/self/mountinfo";
/// Most links that are followed on one path; the kernel's limit.
const MOST_LINKS: usize = 40;

/// Answered by this kernel, from a disk or from memory. An overlay counts as what it mostly lies on.
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

/// The mounts that may hang, by where they are.
type Foreign = BTreeMap<PathBuf, Arc<Mount>>;

#[derive(Default)]
struct Table {
    foreign: Arc<Foreign>,
    /// Number and point in the kernel's list → the mount, also where it is not mounted any more and a file is open.
    known: BTreeMap<(String, PathBuf), Weak<Mount>>,
    /// poll(2) tells by it that the list has changed.
    list: Option<fs::File>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().expect("no holder of the list of mounts panics")
}

/// `None`: it lies on a disk of this machine, or nowhere.
pub(super) fn of(path: &Path, links: Links) -> Option<Arc<Mount>> {
    let foreign = {
        let mut table = table();
        table.refresh();
        table.foreign.clone()
    };
    if foreign.is_empty() {
        return None;
    }
    walk(&foreign, path, links)
}

/// Those that may hang, also where they are not mounted any more and a file is open.
pub(super) fn all() -> Vec<Arc<Mount>> {
    table().known.values().filter_map(Weak::upgrade).collect()
}

impl Table {
    fn refresh(&mut self) {
        match &self.list {
            Some(list) if !has_changed(list) => return,
            Some(_) => {}
            // Without /proc nothing is known of mounts: all calls are made as anywhere.
            None => match fs::File::open(LIST) {
                Ok(list) => self.list = Some(list),
                Err(_) => return,
            },
        }
        let Ok(text) = fs::read(LIST) else {
            // That it has changed was told, and is not told again.
            self.list = None;
            return;
        };
        let mut foreign = Foreign::new();
        for Line { number, point, kind } in parse(&text) {
            // The last one at a point is the one that is seen there.
            foreign.remove(&point);
            if may_hang(&point, &kind) {
                let mount = self.mount(number, &point, kind);
                foreign.insert(point, mount);
            }
        }
        self.foreign = Arc::new(foreign);
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

/// Where `/` hangs we do too; what the kernel makes up has no server behind it.
fn may_hang(point: &Path, kind: &str) -> bool {
    let kernel = ["/proc", "/sys"].iter().any(|directory| point.starts_with(directory));
    point != Path::new("/") && !kernel && !LOCAL.contains(&kind)
}

/// The first mount that may hang on the way to `path`.
fn walk(foreign: &Foreign, path: &Path, links: Links) -> Option<Arc<Mount>> {
    let mut rest = reversed(&std::path::absolute(path).ok()?);
    let mut here = PathBuf::from("/");
    let mut followed = 0;
    while let Some(name) = rest.pop() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(&name);
        if let Some(mount) = foreign.get(&here) {
            return Some(mount.clone());
        }
        if rest.is_empty() && links == Links::Left {
            return None;
        }
        match fs::read_link(&here) {
            Ok(target) => {
                followed += 1;
                if followed > MOST_LINKS {
                    return None;
                }
                here.pop();
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                rest.extend(reversed(&target));
            }
            // No link.
            Err(error) if error.raw_os_error() == Some(INVALID) => {}
            // Nothing behind it is reached: the call says so.
            Err(_) => return None,
        }
    }
    None
}

/// What readlink(2) says of anything but a link.
const INVALID: i32 = rustix::io::Errno::INVAL.raw_os_error();

/// The parts of a path, the first one last.
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

/// One line of the kernel's list.
#[derive(Debug, PartialEq)]
struct Line {
    number: String,
    point: PathBuf,
    kind: String,
}

/// `36 35 98:0 /root /point rw,noatime master:1 - ext4 /dev/sda1 rw`: fields in the middle come and go.
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

/// Blanks, line ends and backslashes stand there as `\` and three octal digits.
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
    fn the_kernels_list_is_read_with_its_escapes() {
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
    fn only_what_has_a_server_may_hang() {
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
    fn a_path_leads_through_links_to_a_mount() {
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
        let foreign = Foreign::from([(home.join("mount"), mount)]);
        let lies_there = |path: &str, links| walk(&foreign, &home.join(path), links).is_some();
        for path in ["mount", "mount/x/y", "logs/app.log", "whole/app.log", "logs/again.log"] {
            assert!(lies_there(path, Links::Followed), "{path}");
        }
        for path in ["logs", "logs/other.log", "nowhere/mount", "circle", "mount/../logs"] {
            assert_eq!(lies_there(path, Links::Followed), path == "mount/../logs", "{path}");
        }
        assert!(!lies_there("whole/app.log", Links::Left), "the link itself lies here");
    }
}
