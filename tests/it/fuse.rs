//! A file system that hangs on demand: a FUSE server that speaks the kernel's protocol (linux/fuse.h) over /dev/fuse.
//!
//! It holds regular files in one directory, in memory. While it hangs it reads no request, so a calling process is
//! blocked in the kernel, as with a dead NFS server, but can be killed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

const ROOT: u64 = 1;
const NO_ENTRY: i32 = -2;
const NOT_IMPLEMENTED: i32 = -38;
/// EIO.
const BROKEN: i32 = -5;
/// ESTALE.
const STALE: i32 = -116;
/// Reads go to the server, not to the kernel's cache.
const DIRECT: u32 = 1;

#[derive(Default)]
struct Disk {
    /// Node numbers by name.
    files: BTreeMap<String, u64>,
    bytes: BTreeMap<u64, Vec<u8>>,
    /// The error returned for every request about these files.
    errors: BTreeMap<u64, i32>,
    /// The number of assigned node numbers.
    given: u64,
    hangs: bool,
    over: bool,
    /// The number of answered requests.
    answered: u64,
}

/// Unmounted when dropped.
pub struct Fuse {
    point: PathBuf,
    disk: Arc<Mutex<Disk>>,
    server: Option<JoinHandle<()>>,
}

impl Fuse {
    /// Mounts at `point`. `None`, with a message, if this machine does not allow that.
    pub fn mount(point: &Path) -> Option<Fuse> {
        fs::create_dir_all(point).unwrap();
        let device = match OpenOptions::new().read(true).write(true).open("/dev/fuse") {
            Ok(device) => device,
            Err(error) => {
                println!("SKIPPED: /dev/fuse cannot be opened ({error})");
                return None;
            }
        };
        let input = Stdio::from(device.try_clone().unwrap());
        let mounted = Command::new("mount")
            .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "hanging"])
            .arg(point)
            .stdin(input)
            .output();
        if !mounted.as_ref().is_ok_and(|output| output.status.success()) {
            println!("SKIPPED: nothing can be mounted here ({mounted:?})");
            return None;
        }
        let disk = Arc::new(Mutex::new(Disk::default()));
        let server = {
            let disk = disk.clone();
            std::thread::spawn(move || serve(device, &disk))
        };
        Some(Fuse { point: point.to_owned(), disk, server: Some(server) })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    pub fn append(&self, name: &str, text: &str) {
        let mut disk = self.disk();
        let known = disk.files.get(name).copied();
        let number = known.unwrap_or_else(|| {
            disk.given += 1;
            ROOT + disk.given
        });
        disk.files.insert(name.to_owned(), number);
        disk.bytes.entry(number).or_default().extend(text.as_bytes());
    }

    pub fn rename(&self, from: &str, to: &str) {
        let mut disk = self.disk();
        let number = disk.files.remove(from).unwrap();
        disk.files.insert(to.to_owned(), number);
    }

    /// Removes a file as another host does: processes that have it open get a stale file handle.
    pub fn remove(&self, name: &str) {
        let mut disk = self.disk();
        let number = disk.files.remove(name).unwrap();
        disk.bytes.remove(&number);
    }

    /// Makes all requests about the file fail, or work again.
    pub fn fail(&self, name: &str, fails: bool) {
        let mut disk = self.disk();
        let number = disk.files[name];
        match fails {
            true => disk.errors.insert(number, BROKEN),
            false => disk.errors.remove(&number),
        };
    }

    /// From now on no request is read; none is left half done.
    pub fn hang(&self) {
        let first = self.disk().files.keys().next().cloned();
        // The kernel has finished the handshake, and knows which requests the server does not implement.
        match first {
            Some(name) => drop(fs::read(self.path(&name))),
            None => drop(fs::read_dir(&self.point).map(Iterator::count)),
        }
        self.disk().hangs = true;
    }

    pub fn answer(&self) {
        self.disk().hangs = false;
    }

    pub fn answered(&self) -> u64 {
        self.disk().answered
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.point).output();
        self.disk().over = true;
        let _ = self.server.take().map(JoinHandle::join);
    }
}

fn serve(mut device: File, disk: &Mutex<Disk>) {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        {
            let mut disk = disk.lock().unwrap();
            if disk.over {
                return;
            }
            let ready = || {
                let mut polled = [PollFd::new(&device, PollFlags::IN)];
                let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
                poll(&mut polled, Some(&zero)).is_ok_and(|ready| ready > 0)
            };
            if !disk.hangs && ready() {
                match device.read(&mut buffer) {
                    Ok(length) => {
                        if let Some(reply) = disk.reply(&buffer[..length]) {
                            // The calling process may have been killed.
                            let _ = device.write(&reply);
                        }
                        disk.answered += 1;
                    }
                    // Unmounted.
                    Err(error) if error.raw_os_error() == Some(19) => return,
                    Err(_) => {}
                }
                continue;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Disk {
    /// The header of a request: length, opcode, unique, node, user, group, process.
    fn reply(&self, request: &[u8]) -> Option<Vec<u8>> {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
        let (opcode, unique, node) = (word(4), long(8), long(16));
        let body = &request[40..];
        let answer = match opcode {
            1 => self.look_up(body),
            // FORGET, INTERRUPT, BATCH_FORGET have no reply.
            2 | 36 | 42 => return None,
            3 => self.attributes(node).map(|found| [&[0; 16][..], &found].concat()),
            // OPEN, OPENDIR.
            14 | 27 => Ok([&0u64.to_ne_bytes()[..], &DIRECT.to_ne_bytes(), &[0; 4]].concat()),
            15 => Ok(self.read(node, long(48), word(56))),
            // STATFS.
            17 => Ok(vec![0; 80]),
            // RELEASE, RELEASEDIR.
            18 | 29 => Ok(Vec::new()),
            26 => Ok(greeting()),
            28 => Ok(self.list(long(48))),
            // This includes FLUSH: once the kernel knows that, no close waits for the server, just as closing a file
            // read over NFS does not. Otherwise the kernel would keep an ending process until the server answers.
            _ => Err(NOT_IMPLEMENTED),
        };
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(error) => (error, Vec::new()),
        };
        let length = 16 + body.len() as u32;
        let head = [&length.to_ne_bytes()[..], &i32::to_ne_bytes(error), &unique.to_ne_bytes()];
        Some([head.concat(), body].concat())
    }

    fn look_up(&self, body: &[u8]) -> Result<Vec<u8>, i32> {
        let name = String::from_utf8_lossy(body.split(|byte| *byte == 0).next().unwrap());
        let node = *self.files.get(&*name).ok_or(NO_ENTRY)?;
        // Node, generation, and cache times of 0, so that the kernel caches nothing.
        Ok([&node.to_ne_bytes()[..], &[0; 32], &self.attributes(node)?].concat())
    }

    /// `struct fuse_attr`.
    fn attributes(&self, node: u64) -> Result<Vec<u8>, i32> {
        let size = self.bytes.get(&node).map_or(0, |bytes| bytes.len() as u64);
        if node != ROOT && !self.bytes.contains_key(&node) {
            return Err(STALE);
        }
        if let Some(error) = self.errors.get(&node) {
            return Err(*error);
        }
        let mode: u32 = if node == ROOT { 0o40755 } else { 0o100600 };
        // Every change must change the time, so it is computed from the size.
        let time = 1_700_000_000 + size + self.files.len() as u64;
        let longs = [node, size, size.div_ceil(512), time, time, time];
        let links = 1;
        let words = [0, 0, 0, mode, links, 0, 0, 0, 4096, 0];
        let longs = longs.iter().flat_map(|long| long.to_ne_bytes());
        Ok(longs.chain(words.iter().flat_map(|word: &u32| word.to_ne_bytes())).collect())
    }

    fn read(&self, node: u64, offset: u64, size: u32) -> Vec<u8> {
        let bytes = self.bytes.get(&node).map_or(&[][..], Vec::as_slice);
        let begin = bytes.len().min(offset as usize);
        bytes[begin..bytes.len().min(begin + size as usize)].to_vec()
    }

    /// `struct fuse_dirent`, each padded to eight bytes.
    fn list(&self, offset: u64) -> Vec<u8> {
        let mut listed = Vec::new();
        for (at, (name, node)) in self.files.iter().enumerate().skip(offset as usize) {
            listed.extend(node.to_ne_bytes());
            listed.extend((at as u64 + 1).to_ne_bytes());
            listed.extend((name.len() as u32).to_ne_bytes());
            // DT_REG.
            listed.extend(8u32.to_ne_bytes());
            listed.extend(name.as_bytes());
            listed.resize(listed.len().next_multiple_of(8), 0);
        }
        listed
    }
}

/// `struct fuse_init_out`, protocol 7.31.
fn greeting() -> Vec<u8> {
    let mut greeting = Vec::new();
    for word in [7u32, 31, 65_536, 0] {
        greeting.extend(word.to_ne_bytes());
    }
    for half in [12u16, 9] {
        greeting.extend(half.to_ne_bytes());
    }
    for word in [65_536u32, 1] {
        greeting.extend(word.to_ne_bytes());
    }
    greeting.resize(64, 0);
    greeting
}
