//! Writes generated lines to standard output, to a file that may be rotated, or to one file per month.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::base::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// A file to append to, or a directory for one file per month: `logs_2021_Apr.txt`.
    Path(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error("cannot open {} for writing; check the permissions of the file and its directory", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write to {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot rename {} to {}", from.display(), to.display())]
    Rotate {
        from: PathBuf,
        to: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// An open target. Writes are not buffered: a line is in the file when `write` returns.
#[derive(Debug)]
pub(super) struct Output {
    target: Target,
    monthly: bool,
    /// Size in bytes at which the file is renamed.
    rotate: Option<u64>,
    zone: TimeZone,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Output {
    /// An existing directory always gets one file per month; with `monthly`, any path without an extension is such a
    /// directory, created if it does not exist.
    pub fn new(target: Target, monthly: bool, rotate: Option<u64>, zone: TimeZone) -> Self {
        let is_directory = matches!(&target, Target::Path(path) if path.is_dir());
        let names_directory = matches!(&target, Target::Path(path) if path.extension().is_none());
        let monthly = is_directory || (monthly && names_directory);
        Output { target, monthly, rotate, zone, open: None }
    }

    /// `Ok(false)`: the reader of standard output is gone (broken pipe).
    pub fn write(&mut self, bytes: &[u8], time: Timestamp) -> Result<bool, GenerateError> {
        let Target::Path(target) = &self.target else {
            let mut stdout = io::stdout().lock();
            return match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
                Err(source) => Err(GenerateError::Write { path: "standard output".into(), source }),
            };
        };
        let path =
            if self.monthly { target.join(month_file(time, &self.zone)) } else { target.clone() };
        let open = match &mut self.open {
            Some(open) if open.path == path => open,
            _ => self.open.insert(Open::new(path)?),
        };
        open.file
            .write_all(bytes)
            .map_err(|source| GenerateError::Write { path: open.path.clone(), source })?;
        open.size += bytes.len() as u64;
        Ok(true)
    }

    /// Renames the open file if it has reached the rotation size; the next write creates a new one. Called between two
    /// lines.
    pub fn rotate_if_due(&mut self) -> Result<(), GenerateError> {
        match &self.open {
            Some(open) if self.rotate.is_some_and(|most| open.size >= most) => {}
            _ => return Ok(()),
        }
        let from = self.open.take().expect("the match has checked that a file is open").path;
        let to = free_name(&from);
        fs::rename(&from, &to).map_err(|source| GenerateError::Rotate { from, to, source })
    }
}

impl Open {
    fn new(path: PathBuf) -> Result<Open, GenerateError> {
        let open = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
            let file = OpenOptions::new().append(true).create(true).open(&path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        };
        match open() {
            Ok((file, size)) => Ok(Open { path, file, size }),
            Err(source) => Err(GenerateError::Open { path, source }),
        }
    }
}

/// The first unused name of `app.log.1`, `app.log.2`, …: existing files are never replaced.
fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|name| !name.exists()).expect("there is always an unused number")
}

/// The file name for the month of this time: `logs_2021_Apr.txt`.
pub(super) fn month_file(time: Timestamp, zone: &TimeZone) -> String {
    let instant = jiff::Timestamp::from_nanosecond(time.0.into()).unwrap_or_default();
    instant.to_zoned(zone.clone()).strftime("logs_%Y_%b.txt").to_string()
}
