//! Mounts a small file system, so that tests can fill it up.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Unmounted when it is dropped.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts a tmpfs; `size` as mount takes it. `None`, with a message, if this user may not mount.
    pub fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("SKIPPED: this user may not mount a file system");
        }
        mounted.then(|| SmallDisk { at: at.to_owned() })
    }

    /// Mounts ext2 with the smallest inodes: without birth times, and with inodes that are reused at once. `image` is
    /// the path of its image file. `None`, with a message, if this user may not mount.
    pub fn mount_without_births(at: &Path, image: &Path) -> Option<SmallDisk> {
        fs::create_dir_all(at).unwrap();
        File::create(image).unwrap().set_len(32 << 20).unwrap();
        let mut make = Command::new("mkfs.ext2");
        let mut mount = Command::new("mount");
        let done =
            |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let mounted = done(make.args(["-q", "-F", "-I", "128"]).arg(image))
            && done(mount.args(["-o", "loop"]).arg(image).arg(at));
        if !mounted {
            println!("SKIPPED: this user may not make and mount a file system");
        }
        mounted.then(|| SmallDisk { at: at.to_owned() })
    }

    /// Fills the disk; call it again after files were removed.
    pub fn fill(&self) {
        let mut options = File::options();
        let mut file = options.create(true).append(true).open(self.ballast()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        // And the rest of the last page.
        while file.write_all(&[0]).is_ok() {}
    }

    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// `ro` or `rw`.
    pub fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.at).status();
        assert!(status.unwrap().success(), "{options}");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
